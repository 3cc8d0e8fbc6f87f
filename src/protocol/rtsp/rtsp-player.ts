/** The requests of a player: DESCRIBE, SETUP, PLAY, PAUSE (RFC 2326 sections 10.2, 10.4 to 10.6) of a live stream. */
import type { SessionDetails } from '../../access/session-registry.ts';
import { makeStreamKey, type StreamKey } from '../../media/stream-key.ts';
import { reasonNotInRtp } from '../../packaging/rtp-feed-tracks.ts';
import { parseVia } from '../../runtime/stream-loop.ts';
import { type TrackWait, waitForTracks } from '../../runtime/track-wait.ts';
import { RejectedError } from '../../util/errors.ts';
import { PAYLOAD_FORMATS } from '../../wire/rtp/payload-formats.ts';
import { KEY_FIELD, keyData, keyField, newSrtpKeys, readKeyField } from '../../wire/rtsp/key-management.ts';
import { serializeRtpInfo, VIA_FIELD } from '../../wire/rtsp/rtsp-fields.ts';
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';
import {
  isSecureProfile,
  type RtspTransport,
  serializeTransport,
  TRANSPORT,
} from '../../wire/rtsp/transport-header.ts';
import { AES128_CM_SHA1_80, type SrtpKeys } from '../../wire/srtp/srtp-profile.ts';
import { SrtpSender } from '../../wire/srtp/srtp-sender.ts';
import { parseAddress, type RtspAddress, splitTrack, trackControl } from './rtsp-address.ts';
import type { Fields } from './rtsp-answer.ts';
import { describeStream } from './rtsp-description.ts';
import { carriedTracks, RtspPlay } from './rtsp-play.ts';
import type { RtspStreamPolicy } from './rtsp-services.ts';
import type { RtspSession } from './rtsp-session.ts';
import {
  chooseChannels,
  chooseTransport,
  kindOf,
  type TransportRules,
  whyImpossible,
} from './rtsp-transport.ts';

const MAX_TRACKS = 16;
/** A publisher that comes back tells its tracks one after the other. */
const OUTDATED_US = 2_000_000;

/** What a track was set up as. */
interface TrackSetup {
  readonly transport: RtspTransport;
  /** Null = it is no SRTP. */
  readonly srtp: SrtpSender | null;
}

export class RtspPlayer {
  private readonly session: RtspSession;
  private playing: RtspPlay | null = null;
  private policy: RtspStreamPolicy | null = null;
  private wait: TrackWait | null = null;
  /** Address of the stream as it was asked for, which the addresses of tracks begin with. */
  private base = '';
  /** What a Sluice server that plays is told of the stream's way. */
  private via: readonly string[] = [];
  private outdatedSinceUs = 0;
  /** Of each track, as the description told them. */
  private keys: readonly SrtpKeys[] | null = null;
  private closed = false;

  constructor(session: RtspSession) {
    this.session = session;
  }

  get isSetUp(): boolean {
    return this.playing?.isSetUp ?? false;
  }

  /** Nothing but requests and RTCP shows that the peer is there. */
  get needsSigns(): boolean {
    return this.playing !== null && this.playing.kind !== 'tcp';
  }

  bytesSent(): number {
    return this.playing?.bytesSent() ?? 0;
  }

  dropped(): number {
    return this.playing?.dropped() ?? 0;
  }

  details(): SessionDetails {
    const kind = this.playing?.kind ?? null;
    if (kind === null) return {};
    const srtp = this.playing?.srtpName ?? '';
    return srtp === '' ? { transport: kind } : { transport: kind, srtp };
  }

  async describe(request: RtspRequest): Promise<void> {
    const play = await this.prepare(request, request.uri);
    if (play === null) return;
    const { session } = this;
    const accept = request.headers.get('Accept');
    if (accept !== '' && !/application\/(sdp|\*)|\*\/\*/i.test(accept)) {
      session.reply(request, 406);
      return;
    }
    const isOffered = session.services.srtp() === 'offer' && session.peer.secure;
    this.keys = isOffered ? play.tracks.map(() => newSrtpKeys(AES128_CM_SHA1_80)) : null;
    const sdp = describeStream(
      {
        name: play.key.text,
        tool: `Sluice ${session.services.version}`,
        localAddress: session.peer.localAddress,
        sessionId: session.nextDescription(),
        keys: this.keys?.map((keys) => this.dataOf(keys)) ?? null,
      },
      play.tracks,
    );
    const fields: Fields = [
      ['Content-Base', `${this.base}/`],
      ['Content-Type', 'application/sdp'],
      ['Cache-Control', 'no-store'],
      ...(this.via.length === 0 ? [] : ([[VIA_FIELD, this.via.join(',')]] as const)),
    ];
    session.reply(request, 200, fields, Buffer.from(sdp));
  }

  private dataOf(keys: SrtpKeys): string {
    return keyData(keys, 0, this.session.services.wallUs());
  }

  /** Admission and tracks; null when the request was answered, or nobody waits for the answer any more. */
  private async prepare(request: RtspRequest, url: string): Promise<RtspPlay | null> {
    const { session } = this;
    const { services } = session;
    const address = parseAddress(url);
    const named = makeStreamKey(address.app, address.stream);
    const policy = services.policy(named, address.host, session.peer.secure);
    if (!session.isGranted(request, 'play', named, policy.playLogin)) return null;
    session.url = `/${named.app}/${named.name}`;
    const key = await this.admit(address);
    if (session.closed || this.closed) return null;
    const asked = parseVia(request.headers.get(VIA_FIELD));
    services.answerAsker(key, asked);
    this.wait = waitForTracks(services, key, policy.waitMs);
    const tracks = await this.wait.tracks;
    if (session.closed || this.closed) return null;
    // Only now somebody publishes it, and what is told is the way from there.
    this.via = services.answerAsker(key, asked);
    const carried = carriedTracks(tracks).slice(0, MAX_TRACKS);
    if (carried.length === 0) {
      const reasons = new Set(tracks.map((track) => reasonNotInRtp(track, PAYLOAD_FORMATS)));
      throw new RejectedError('unsupported', [...reasons].join(' '));
    }
    this.base = address.base;
    this.policy = policy;
    this.playing = new RtspPlay(services, key, carried, (reason) => session.close(reason));
    return this.playing;
  }

  private admit(address: RtspAddress): Promise<StreamKey> {
    const { session } = this;
    return session.services.admit({
      action: 'play',
      protocol: session.protocol,
      host: address.host,
      app: address.app,
      stream: address.stream,
      query: address.query,
      remote: session.remote,
      sessionId: session.id,
    });
  }

  async setUp(request: RtspRequest): Promise<void> {
    const { session } = this;
    const { url, position: named } = splitTrack(request.uri);
    const play = this.playing ?? (await this.prepare(request, url));
    if (play === null) return;
    const address = parseAddress(url);
    if (makeStreamKey(address.app, address.stream).text !== makeStreamKey(play.key.app, play.key.name).text) {
      session.reply(request, 459, session.sessionField());
      return;
    }
    if (play.hasStarted) {
      session.reply(request, 455, session.sessionField());
      return;
    }
    if (named < 0 && play.tracks.length > 1) {
      session.reply(request, 459, session.sessionField());
      return;
    }
    const position = Math.max(named, 0);
    if (position >= play.tracks.length)
      throw new RejectedError('not-found', `${play.key.text} has no track ${position}.`);
    const rules = this.rulesFor(play);
    const setup = await this.setUpTrack(request, play, position, rules);
    if (session.closed || this.closed) return;
    if (setup === null)
      session.reply(request, 461, session.sessionField(), undefined, whyImpossible(request, rules));
    else {
      const text = serializeTransport([{ ...setup.transport, mode: 'play' }]);
      const { srtp } = setup;
      const told: Fields = srtp === null ? [] : [[KEY_FIELD, keyField(request.uri, this.dataOf(srtp.keys))]];
      session.reply(request, 200, [['Transport', text], ...told, ...session.sessionField()]);
    }
  }

  private rulesFor(play: RtspPlay): TransportRules {
    const { services, peer } = this.session;
    const udp = services.datagrams() !== null;
    return {
      udp,
      multicast: udp && this.policy?.multicast.enable === true,
      secure: peer.secure,
      srtp: services.srtp(),
      kind: play.kind,
    };
  }

  /** With the keys of the description; without one, for the cipher that the player told of itself. */
  private srtpFor(request: RtspRequest, position: number): SrtpSender {
    const known = this.keys?.[position];
    if (known !== undefined) return new SrtpSender(known);
    const field = request.headers.get(KEY_FIELD);
    const told = field === '' ? null : readKeyField(field);
    if (typeof told === 'string')
      throw new RejectedError('bad-request', `The SRTP keys of the player ${told}.`);
    return new SrtpSender(newSrtpKeys(told?.keys.profile ?? AES128_CM_SHA1_80));
  }

  /** What the answer says of the transport; null when none that was offered is possible. */
  private async setUpTrack(
    request: RtspRequest,
    play: RtspPlay,
    position: number,
    rules: TransportRules,
  ): Promise<TrackSetup | null> {
    const { session, policy } = this;
    const { services, peer } = session;
    const ports = services.datagrams();
    const multicast = policy?.multicast ?? null;
    const offer = chooseTransport(request, rules);
    if (offer === null) return null;
    const { profile } = offer;
    const srtp = isSecureProfile(profile) ? this.srtpFor(request, position) : null;
    const answer: RtspTransport = srtp === null ? TRANSPORT : { ...TRANSPORT, profile };
    if (kindOf(offer) === 'tcp') {
      const isTaken = (channel: number) => play.isTaken(channel, position);
      const interleaved = chooseChannels(offer.interleaved, position, isTaken);
      if (interleaved === null) return null;
      play.setUp(position, { kind: 'tcp', rtpChannel: interleaved[0], rtcpChannel: interleaved[1], srtp });
      return { transport: { ...answer, lower: 'tcp', interleaved }, srtp };
    }
    if (ports === null) return null;
    if (kindOf(offer) === 'multicast' && multicast !== null) {
      const group = play.joinGroup(() => services.multicast.join(play.key, multicast, ports, play));
      const port = await group.portOf(position);
      play.setUp(position, { kind: 'multicast' });
      const transport: RtspTransport = {
        ...TRANSPORT,
        isMulticast: true,
        destination: group.address,
        port: [port, port + 1],
        ttl: group.ttl,
      };
      return { transport, srtp: null };
    }
    const [rtpPort, rtcpPort] = offer.clientPort!; // chooseTransport tested it
    const pair = await ports.open({
      address: peer.remoteAddress,
      localAddress: peer.localAddress,
      rtpPort,
      rtcpPort,
      sends: false,
      onDatagram: () => session.onSign(),
    });
    if (session.closed || this.closed) {
      pair.close();
      return null;
    }
    play.setUp(position, { kind: 'udp', pair, srtp });
    const transport: RtspTransport = {
      ...answer,
      source: services.publicRtpAddress(),
      clientPort: [rtpPort, rtcpPort],
      serverPort: [pair.port, pair.port + 1],
    };
    return { transport, srtp };
  }

  /** False where there is nothing to play. Throws RejectedError. */
  play(request: RtspRequest): boolean {
    const { session, playing: play } = this;
    if (play === null || !play.isSetUp) return false;
    const isFirst = session.role === 'control';
    const starts = play.begin((onEnd) => session.output.openSink(onEnd), this.policy?.waitMs ?? 0);
    if (isFirst) {
      session.setRole('player', play.key.text);
      session.log.info('rtsp.play-start', {
        stream: play.key.text,
        remote: session.remote,
        agent: session.userAgent,
        transport: play.kind,
        srtp: play.srtpName || undefined,
      });
    }
    const taken = play.positions();
    const infos = starts
      .filter(({ channel }) => taken.includes(channel / 2))
      .map(({ channel, sequence, rtpTime }) => ({
        url: `${this.base}/${trackControl(channel / 2)}`,
        sequence,
        rtpTime,
      }));
    const fields: Fields = [
      ...session.sessionField(),
      ['Range', 'npt=0.000-'],
      ...(infos.length === 0 ? [] : ([['RTP-Info', serializeRtpInfo(infos)]] as const)),
    ];
    session.reply(request, 200, fields);
    play.release();
    return true;
  }

  pause(request: RtspRequest): boolean {
    const { session, playing: play } = this;
    if (play === null || !play.isSetUp) return false;
    play.pause();
    session.reply(request, 200, session.sessionField());
    return true;
  }

  /** Why the player must ask for a new description, else ''. */
  outdated(nowUs: number): string {
    const { playing } = this;
    if (playing === null || !playing.isOutdated) {
      this.outdatedSinceUs = 0;
      return '';
    }
    if (this.outdatedSinceUs === 0) this.outdatedSinceUs = nowUs;
    return nowUs - this.outdatedSinceUs < OUTDATED_US
      ? ''
      : `The tracks of ${playing.key.text} are others than those that were described.`;
  }

  /** Idempotent. */
  close(): void {
    this.closed = true;
    this.wait?.cancel();
    this.playing?.close();
  }
}
