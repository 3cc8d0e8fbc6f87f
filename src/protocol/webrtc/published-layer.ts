/** One stream of a publisher over WebRTC: packets to frames, and when its last key frame was. */
import type { SessionDetails } from '../../access/session-registry.ts';
import type { CodecConfig } from '../../codec/codec-config.ts';
import { FRAME_KEY } from '../../media/frame.ts';
import type { Publication, PublicationOwner } from '../../media/publication.ts';
import { makeStreamKey, type StreamKey } from '../../media/stream-key.ts';
import type { Track } from '../../media/track.ts';
import { RtpIngest, type RtpIngestOutput } from '../../packaging/rtp-ingest.ts';
import { WEBRTC_PAYLOAD_FORMATS } from '../../packaging/webrtc-feed.ts';
import type { RtcMedia } from '../../rtc/rtc-description.ts';
import { ingestMediaOf } from '../../rtc/rtc-ingest.ts';
import type { ModuleContext } from '../../runtime/module.ts';

/** Of reports that nobody sends: the thread reports. */
const NO_SSRC = 0;
/** Between two requests for a key frame because the last one is old. */
const KEY_ASK_GAP_US = 1_000_000;

/** `NAME~RID`. */
export function layerKey(key: StreamKey, rid: string): StreamKey {
  return makeStreamKey(key.app, `${key.name}~${rid}`, key.vhost);
}

export interface LayerOptions {
  readonly key: StreamKey;
  /** Place in the rids of its media; 0 also for a publisher without layers. */
  readonly layer: number;
  readonly medias: readonly RtcMedia[];
  readonly owner: PublicationOwner;
}

export class PublishedLayer implements RtpIngestOutput {
  readonly streamText: string;
  frames = 0;
  private readonly publication: Publication;
  private readonly ingest: RtpIngest;
  /** Place in the ingest by index of the m= section; -1 = not of this layer. */
  private readonly places: number[] = [];
  private readonly isSound: boolean[] = [];
  private readonly hasPicture: boolean;
  private lastKeyUs: number;
  private askedUs = Number.NEGATIVE_INFINITY;
  private nowUs = 0;

  /** Throws RejectedError when the name is taken. */
  constructor(context: ModuleContext, { key, layer, medias, owner }: LayerOptions) {
    this.streamText = key.text;
    const used = medias.filter(({ kind, rids }) => layer === 0 || kind === 'audio' || layer < rids.length);
    for (const [place, { index, kind }] of used.entries()) {
      this.places[index] = place;
      this.isSound[index] = kind === 'audio';
    }
    this.hasPicture = used.some(({ kind }) => kind === 'video');
    this.lastKeyUs = context.clock.nowUs();
    this.publication = context.hub.publish(key, owner);
    this.ingest = new RtpIngest(this, used.map(ingestMediaOf), NO_SSRC, { formats: WEBRTC_PAYLOAD_FORMATS });
  }

  /** Hot path. */
  receive(media: number, isRtcp: boolean, packet: Uint8Array, nowUs: number): void {
    const place = this.places[media];
    if (place === undefined) return;
    this.nowUs = nowUs;
    if (isRtcp) this.ingest.receiveRtcp(place, packet, nowUs);
    else this.ingest.receive(place, packet, nowUs);
  }

  /** Hot path. The same, for sound alone. */
  receiveSound(media: number, isRtcp: boolean, packet: Uint8Array, nowUs: number): void {
    if (this.isSound[media] === true) this.receive(media, isRtcp, packet, nowUs);
  }

  tick(nowUs: number): void {
    this.nowUs = nowUs;
    this.ingest.tick(nowUs);
  }

  get hasLeft(): boolean {
    return this.ingest.hasLeft;
  }

  /** The last key frame is older than `keyUs` (0 = never too old), and none was asked for just now. */
  wantsKey(keyUs: number, nowUs: number): boolean {
    if (!this.hasPicture || keyUs === 0) return false;
    if (nowUs - this.lastKeyUs < keyUs || nowUs - this.askedUs < KEY_ASK_GAP_US) return false;
    this.askedUs = nowUs;
    return true;
  }

  // RtpIngestOutput

  setTrack(track: Track): void {
    this.publication.setTrack(track);
  }

  /** Hot path. */
  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    captureUs: number,
  ): void {
    this.frames++;
    // Sound has even no key frames: its tracks are the odd ones.
    if ((flags & FRAME_KEY) !== 0 && (trackId & 1) === 0) this.lastKeyUs = this.nowUs;
    this.publication.write(trackId, flags, dtsMs, ptsMs, durationUs, payload, config, captureUs);
  }

  /** Idempotent. */
  end(reason: string): void {
    try {
      this.ingest.flush();
    } finally {
      this.publication.end(reason);
    }
  }

  details(): SessionDetails {
    let [damaged, dropped, jitterUs] = [0, 0, 0];
    for (const place of this.places) {
      if (place === undefined) continue;
      const one = this.ingest.statistics(place);
      damaged += one.damaged;
      dropped += one.dropped;
      jitterUs = Math.max(jitterUs, one.jitterUs);
    }
    return {
      frames: this.frames,
      damaged,
      frames_dropped: dropped,
      jitter_ms: Math.round(jitterUs / 100) / 10,
    };
  }
}
