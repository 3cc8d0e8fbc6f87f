/**
 * The server's side of one RTSP connection (RFC 2326): requests in, answers out, at most one session that plays or
 * publishes. A state machine without sockets: bytes and time come in by calls, bytes go out through SessionOutput.
 * Leaves out: RTSP 2.0, sessions that outlive their connection, pipelined sessions, requests of ours to the peer.
 */
import { randomInt } from 'node:crypto';
import type { LiveSession, SessionDetails, SessionRole } from '../../access/session-registry.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { PeerAddress, SessionOutput } from '../../runtime/session-server.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import { parseSession, serializeSession } from '../../wire/rtsp/rtsp-fields.ts';
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';
import { RtspReader, type RtspReaderOutput } from '../../wire/rtsp/rtsp-reader.ts';
import { type Fields, STATUS_OF, serializeAnswer } from './rtsp-answer.ts';
import { RtspAuthentication } from './rtsp-auth.ts';
import { RtspBacklog } from './rtsp-backlog.ts';
import { RtspPlayer } from './rtsp-player.ts';
import { RtspPublisher } from './rtsp-publisher.ts';
import type { RtspLogin, RtspServices } from './rtsp-services.ts';
import { Base64Pieces, TUNNEL_ANSWER, tunnelCookie, tunnelRefusal } from './rtsp-tunnel.ts';

const METHODS =
  'OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, TEARDOWN, GET_PARAMETER, SET_PARAMETER';
/** Requests of one connection that are refused before it is closed. */
const MAX_REFUSALS = 64;
const MAX_WRONG_LOGINS = 8;
/** A connection that asked for something has this many times the time of a handshake to go on. */
const IDLE_FACTOR = 6;

export class RtspSession implements LiveSession, RtspReaderOutput {
  readonly id = randomId();
  readonly protocol: string;
  role: SessionRole = 'control';
  readonly remote: string;
  readonly sinceMs: number;
  streamText = '';
  url = '';
  tcUrl = '';
  readonly pageUrl = '';
  userAgent = '';
  readonly log: Logger;
  readonly services: RtspServices;
  readonly output: SessionOutput;
  readonly peer: PeerAddress;
  /** The Session field; guessing it must not be possible. */
  readonly token = randomId(16);
  closed = false;
  closeReason = '';
  nowUs: number;
  /** When the peer last showed that it is there: a request, RTCP, media. */
  lastSignUs: number;
  private player: RtspPlayer | null = null;
  private publisher: RtspPublisher | null = null;
  private readonly authentication = new RtspAuthentication();
  /** What this connection has shown that it may do: `play live/cam`. */
  private readonly granted = new Set<string>();
  private reader: RtspReader;
  private received = 0;
  private refusals = 0;
  private wrongLogins = 0;
  private hasAsked = false;
  private deciding = 0;
  private readonly backlog = new RtspBacklog();
  /** Of the GET of a tunnel; then what the peer says comes from elsewhere. */
  private cookie = '';
  /** This connection is the POST of a tunnel. */
  private carries: { readonly session: RtspSession; readonly base64: Base64Pieces } | null = null;

  constructor(services: RtspServices, output: SessionOutput, peer: PeerAddress, nowUs: number) {
    this.services = services;
    this.output = output;
    this.peer = peer;
    this.protocol = peer.secure ? 'rtsps' : 'rtsp';
    this.remote = peer.remote;
    this.sinceMs = Date.now();
    this.nowUs = nowUs;
    this.lastSignUs = nowUs;
    this.log = services.log.child(this.id);
    this.reader = new RtspReader(this);
  }

  bytesIn(): number {
    return this.received + (this.publisher?.datagramBytes ?? 0);
  }

  bytesOut(): number {
    return this.player?.bytesSent() ?? 0;
  }

  dropped(): number {
    return this.player?.dropped() ?? 0;
  }

  details(): SessionDetails {
    return {
      ...(this.cookie === '' ? {} : { tunnel: 'http' }),
      ...this.player?.details(),
      ...this.publisher?.details(),
    };
  }

  /** Bytes from the peer. Never throws: a peer's fault closes the session with one counted line. */
  receive(bytes: Uint8Array, nowUs: number): void {
    // The GET of a tunnel is over when it was asked.
    if (this.closed || this.cookie !== '') return;
    this.consume(bytes, nowUs);
  }

  private consume(bytes: Uint8Array, nowUs: number): void {
    if (this.closed) return;
    this.nowUs = nowUs;
    this.received += bytes.length;
    try {
      if (this.carries !== null) this.carry(bytes);
      else this.read(bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  private read(bytes: Uint8Array): void {
    const { reader } = this;
    reader.receive(bytes);
    // It was the head of a POST: what follows is base64.
    if (this.carries !== null && reader.rest.length > 0) this.carry(reader.rest);
  }

  // RtspReaderOutput

  request(request: RtspRequest): void {
    if (this.closed) return;
    this.lastSignUs = this.nowUs;
    if (this.deciding > 0) this.backlog.hold({ kind: 'request', request });
    else this.answer(request);
  }

  /** We ask nothing, so this answers nothing. */
  response(): void {
    this.lastSignUs = this.nowUs;
  }

  /** Hot path. */
  interleaved(channel: number, payload: Uint8Array): void {
    if (this.closed) return;
    this.lastSignUs = this.nowUs;
    if (this.deciding > 0) this.backlog.hold({ kind: 'frame', channel, payload: Uint8Array.from(payload) });
    else this.publisher?.interleaved(channel, payload, this.nowUs);
  }

  /** RTCP of a player over UDP. */
  onSign(): void {
    this.lastSignUs = this.services.nowUs();
  }

  /** Goes on with what was held back while somebody decided. */
  private resume(): void {
    try {
      while (this.deciding === 0 && !this.closed) {
        const held = this.backlog.next();
        if (held === null) return;
        if (held.kind === 'request') this.answer(held.request);
        else this.publisher?.interleaved(held.channel, held.payload, this.nowUs);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** Messages that are kept because of a decision. */
  get heldMessages(): number {
    return this.backlog.length;
  }

  private answer(request: RtspRequest): void {
    if (request.version.startsWith('HTTP')) {
      this.openTunnel(request);
      return;
    }
    this.hasAsked = true;
    if (this.userAgent === '') this.userAgent = request.headers.get('User-Agent').slice(0, 256);
    try {
      this.dispatch(request);
    } catch (error) {
      this.refuse(request, error);
    }
  }

  private dispatch(request: RtspRequest): void {
    const { method, headers } = request;
    if (request.version !== 'RTSP/1.0') {
      this.reply(request, 505);
      return;
    }
    if (headers.get('CSeq') === '') throw new RejectedError('bad-request', `${method} has no CSeq.`);
    const wanted = headers.get('Require');
    if (wanted !== '') {
      this.reply(request, 551, [['Unsupported', wanted.slice(0, 256)]]);
      return;
    }
    if (method === 'OPTIONS') {
      this.reply(request, 200, [['Public', METHODS]]);
      return;
    }
    const named = headers.get('Session');
    if (
      named !== '' &&
      method !== 'DESCRIBE' &&
      method !== 'ANNOUNCE' &&
      parseSession(named)?.id !== this.token
    ) {
      this.reply(request, 454);
      return;
    }
    switch (method) {
      case 'DESCRIBE':
        this.describe(request);
        return;
      case 'ANNOUNCE':
        this.announce(request);
        return;
      case 'SETUP':
        this.setUp(request);
        return;
      case 'PLAY':
        this.orNotNow(request, this.player?.play(request) ?? false);
        return;
      case 'RECORD':
        this.orNotNow(request, this.publisher?.record(request) ?? false);
        return;
      case 'PAUSE':
        this.orNotNow(request, this.player?.pause(request) ?? this.publisher?.pause(request) ?? false);
        return;
      case 'TEARDOWN':
        this.tearDown(request);
        return;
      case 'GET_PARAMETER':
      case 'SET_PARAMETER':
        // Without a body it says that the peer is there; there is no parameter to be told or to be set.
        this.reply(request, request.body.length === 0 ? 200 : 451, this.sessionField());
        return;
      case 'REDIRECT':
        this.reply(request, 405, [['Allow', METHODS]]);
        return;
      default:
        this.reply(request, 501, [['Public', METHODS]]);
    }
  }

  private orNotNow(request: RtspRequest, isDone: boolean): void {
    if (!isDone) this.reply(request, 455, [...this.sessionField(), ['Allow', METHODS]]);
  }

  private describe(request: RtspRequest): void {
    if (this.publisher !== null || this.player?.isSetUp === true) {
      this.orNotNow(request, false);
      return;
    }
    this.player?.close();
    const player = new RtspPlayer(this);
    this.player = player;
    this.decide(request, player.describe(request));
  }

  private announce(request: RtspRequest): void {
    if (this.publisher?.hasBegun === true || this.player?.isSetUp === true) {
      this.orNotNow(request, false);
      return;
    }
    this.player?.close();
    this.player = null;
    this.publisher?.end('the peer announced another stream');
    const publisher = new RtspPublisher(this);
    this.publisher = publisher;
    this.decide(request, publisher.announce(request));
  }

  private setUp(request: RtspRequest): void {
    if (this.publisher !== null) {
      this.decide(request, this.publisher.setUp(request));
      return;
    }
    // Some players know the tracks from elsewhere and do not ask for a description.
    this.player ??= new RtspPlayer(this);
    this.decide(request, this.player.setUp(request));
  }

  private tearDown(request: RtspRequest): void {
    if (this.player === null && this.publisher === null) {
      this.reply(request, 454);
      return;
    }
    this.reply(request, 200, [...this.sessionField(), ['Connection', 'close']]);
    this.close(this.role === 'publisher' ? 'the publisher ended the stream' : 'the player left');
  }

  /** Runs a decision; what the peer says meanwhile waits in order. */
  private decide(request: RtspRequest, decision: Promise<void>): void {
    this.deciding++;
    decision
      .catch((error: unknown) => this.refuse(request, error))
      .finally(() => {
        this.deciding--;
        this.resume();
      });
  }

  reply(request: RtspRequest, status: number, fields: Fields = [], body?: Uint8Array, reason = ''): void {
    if (this.closed) return;
    const { version } = this.services;
    const wallMs = this.services.wallUs() / 1000;
    const parts = { fields, reason, ...(body === undefined ? {} : { body }) };
    this.output.write(serializeAnswer(request, status, version, wallMs, parts));
    if (status >= 400 && status !== 401 && ++this.refusals > MAX_REFUSALS)
      throw new ProtocolError('rtsp.too-many-refusals', MAX_REFUSALS);
  }

  /** Of the session that was set up. */
  sessionField(): Fields {
    const isSetUp = this.publisher !== null || this.player?.isSetUp === true;
    if (!isSetUp) return [];
    const timeoutS = Math.round(this.services.limits().sessionTimeoutMs / 1000);
    return [['Session', serializeSession({ id: this.token, timeoutS })]];
  }

  /**
   * True when the peer may go on, else it was answered. Asked once per stream and connection.
   * Throws ProtocolError when it guesses.
   */
  isGranted(request: RtspRequest, action: 'play' | 'publish', key: StreamKey, login: RtspLogin): boolean {
    if (login.user === '') return true;
    const right = `${action} ${key.text}`;
    if (this.granted.has(right)) return true;
    const outcome = this.authentication.check(request, login, this.nowUs);
    if (outcome === 'right') {
      this.granted.add(right);
      return true;
    }
    if (outcome === 'wrong') {
      this.log.counted('rtsp.wrong-login', { remote: this.remote, stream: key.text, agent: this.userAgent });
      if (++this.wrongLogins > MAX_WRONG_LOGINS) throw new ProtocolError('rtsp.guessing', this.wrongLogins);
    }
    const challenges = this.authentication.challenges(login, outcome === 'stale', this.nowUs);
    this.reply(
      request,
      401,
      challenges.map((value) => ['WWW-Authenticate', value] as const),
    );
    return false;
  }

  setRole(role: 'publisher' | 'player', text: string): void {
    this.role = role;
    this.streamText = text;
    this.services.onRole(this);
  }

  // Tunnel

  private openTunnel(request: RtspRequest): void {
    const cookie = tunnelCookie(request);
    this.reader.stop();
    if (request.method === 'GET') {
      if (!this.services.tunnels.add(cookie, this))
        throw new ProtocolError('rtsp.tunnel', 'a second GET with the same x-sessioncookie');
      this.cookie = cookie;
      this.reader = new RtspReader(this);
      this.output.write(TUNNEL_ANSWER);
      return;
    }
    const session = this.services.tunnels.find(cookie);
    if (session === undefined || session.peer.remoteAddress !== this.peer.remoteAddress) {
      this.output.write(tunnelRefusal('404 Not Found', 'There is no GET with this x-sessioncookie.'));
      throw new ProtocolError('rtsp.tunnel', 'a POST without its GET');
    }
    this.carries = { session, base64: new Base64Pieces() };
  }

  private carry(bytes: Uint8Array): void {
    const { carries } = this;
    if (carries === null) return;
    carries.session.consume(carries.base64.decode(bytes), this.nowUs);
    if (carries.session.closed) this.close('the tunnel is over');
  }

  /** Called once a second. */
  tick(nowUs: number): void {
    if (this.closed) return;
    this.nowUs = nowUs;
    try {
      const overdue = this.overdue(nowUs);
      if (overdue !== '') {
        this.log.counted('rtsp.timeout', {
          stream: this.streamText || undefined,
          remote: this.remote,
          cause: overdue,
        });
        this.close(overdue);
        return;
      }
      this.publisher?.tick(nowUs);
    } catch (error) {
      this.fail(error);
    }
  }

  /** '' while all is well, else why the session must go. */
  private overdue(nowUs: number): string {
    const { handshakeMs, sessionTimeoutMs } = this.services.limits();
    if (this.carries !== null) return this.carries.session.closed ? 'The tunnel is over.' : '';
    if (this.deciding > 0) return '';
    const silentMs = (nowUs - this.lastSignUs) / 1000;
    if (this.role === 'control') {
      const limitMs = this.hasAsked ? handshakeMs * IDLE_FACTOR : handshakeMs;
      return silentMs > limitMs ? 'The peer neither publishes nor plays.' : '';
    }
    if (this.publisher !== null) return this.publisher.overdue(nowUs);
    if (this.player === null) return '';
    // A connection that takes what is sent shows that its peer is there; the pump sees to those that do not.
    if (this.player.needsSigns && silentMs > sessionTimeoutMs)
      return `The player sent neither a request nor RTCP for ${Math.round(sessionTimeoutMs / 1000)} s.`;
    return this.player.outdated(nowUs);
  }

  /** A request that cannot be granted is answered; the connection may go on with another. */
  private refuse(request: RtspRequest, error: unknown): void {
    try {
      if (error instanceof RejectedError) {
        if (!this.closed)
          this.log.counted(`rtsp.${error.reason}`, { remote: this.remote, cause: error.message });
        this.reply(request, STATUS_OF[error.reason], [], undefined, error.message);
        return;
      }
      if (error instanceof ProtocolError) this.reply(request, 400);
      else this.reply(request, 500);
      this.fail(error);
    } catch (further) {
      this.fail(further);
    }
  }

  /** Something went wrong, whoever did it. */
  fail(error: unknown): void {
    const isPeers = error instanceof ProtocolError || error instanceof RejectedError;
    if (!isPeers) this.services.onFault(error);
    if (this.closed) return;
    if (error instanceof ProtocolError) {
      this.log.counted(error.code, {
        remote: this.remote,
        stream: this.streamText || undefined,
        cause: error.message,
      });
      this.close(error.message);
    } else this.close(error instanceof RejectedError ? error.message : 'The server had an internal fault.');
  }

  kick(reason: string): void {
    this.close(reason);
  }

  /** We end it; what was written is still sent. Idempotent. */
  close(reason: string): void {
    if (this.closed) return;
    try {
      this.finish(reason);
    } finally {
      this.output.close();
    }
  }

  /** The connection is gone (or is being closed): everything the session holds is given back. Idempotent. */
  finish(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.closeReason = reason;
    this.reader.stop();
    this.backlog.clear();
    if (this.cookie !== '') this.services.tunnels.remove(this.cookie);
    try {
      this.player?.close();
      this.publisher?.end(reason);
    } catch (error) {
      this.services.onFault(error);
    }
    this.services.onClosed(this);
  }

  /** Number of the next description. */
  nextDescription(): number {
    return randomInt(1, 2 ** 31);
  }
}
