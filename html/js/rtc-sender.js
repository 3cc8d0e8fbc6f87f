// The sending side: tracks of this computer over one connection, with a codec and a bitrate that a person chose.
import { preferredCodecs } from './rtc-codecs.js';
import { connectPeer } from './rtc-connection.js';
import { LinkStatistics } from './rtc-statistics.js';

const SOUND_BPS = 128_000;

/** Sends `tracks` ({ video, audio }, either may be null) to the WHIP address `url`; events as connectPeer has them. */
export class RtcSender {
  #peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  #senders = new Map();
  #statistics = new LinkStatistics();
  #connection;

  constructor({ tracks, url, codec, kbps }, events) {
    for (const kind of ['video', 'audio']) {
      const track = tracks[kind];
      if (track !== null) this.#add(kind, track, codec);
    }
    this.#connection = connectPeer(this.#peer, url, {
      ...events,
      connected: () => {
        void this.setBitrate(kbps);
        events.connected();
      },
    });
  }

  #add(kind, track, codec) {
    const transceiver = this.#peer.addTransceiver(track, { direction: 'sendonly' });
    this.#senders.set(kind, transceiver.sender);
    if (kind !== 'video') return;
    const known = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
    const wanted = preferredCodecs(known, codec);
    if (wanted !== null && wanted.length > 0) transceiver.setCodecPreferences?.(wanted);
  }

  /** Another device in place of the present one; false when that needs a new connection. */
  async replace({ video, audio }) {
    const next = { video, audio };
    for (const kind of ['video', 'audio']) {
      if (this.#senders.has(kind) !== (next[kind] !== null)) return false;
    }
    for (const [kind, sender] of this.#senders) await sender.replaceTrack(next[kind]);
    return true;
  }

  /** Kilobits per second of the picture at most. */
  async setBitrate(kbps) {
    for (const [kind, sender] of this.#senders) {
      const parameters = sender.getParameters();
      const [encoding] = parameters.encodings ?? [];
      if (encoding === undefined) continue;
      encoding.maxBitrate = kind === 'video' ? kbps * 1000 : SOUND_BPS;
      // A browser that refuses goes on with its own idea of a bitrate.
      await sender.setParameters(parameters).catch(() => undefined);
    }
  }

  async measure() {
    return this.#statistics.add((await this.#peer.getStats()).values());
  }

  close() {
    this.#connection.close();
  }
}
