/**
 * Sessions as resources (RFC 9725 section 4): PATCH brings candidates or begins ICE anew, DELETE ends the session, also one
 * that has just ended by itself. `/layer` below a player's chooses a layer of simulcast, as the extension of
 * draft-murillo-whep-01 section 4.4.2 does: POST `{"encodingId":"h"}`, `{}` for the server's choice.
 */
import type { ServerResponse } from 'node:http';
import { parseFragment } from '../../rtc/negotiation/fragment.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { Clock } from '../../util/clock.ts';
import type { TickWheel } from '../../util/tick-wheel.ts';
import { FRAGMENT_TYPE, JSON_TYPE } from './media-types.ts';
import { checkType, readBody, readTexts } from './offer-body.ts';
import type { PeerSession } from './peer-session.ts';
import type { SessionAddress } from './webrtc-address.ts';
import { sendOptions, sendRefusal, WebrtcRefusal } from './webrtc-reply.ts';
import { WhepPlayer } from './whep-player.ts';

const SESSION_METHODS = 'OPTIONS, PATCH, DELETE';
const LAYER_METHODS = 'OPTIONS, GET, POST';
/** A browser that closes its connection says goodbye to the thread first, and sends DELETE after that. */
const ENDED_US = 60_000_000;
const MAX_ENDED = 1000;
const NO_STORE = { 'Cache-Control': 'no-store' };

export class SessionResources {
  private readonly clock: Clock;
  private readonly tick: TickWheel;
  /** By secret. */
  private readonly sessions = new Map<string, PeerSession>();
  /** When sessions ended, by secret, the first to end first. */
  private readonly ended = new Map<string, number>();

  constructor(clock: Clock, tick: TickWheel) {
    this.clock = clock;
    this.tick = tick;
  }

  add(session: PeerSession): void {
    this.sessions.set(session.secret, session);
  }

  remove(session: PeerSession): void {
    if (!this.sessions.delete(session.secret)) return;
    this.ended.set(session.secret, this.clock.nowUs());
    if (this.ended.size <= MAX_ENDED) return;
    for (const [first] of this.ended) {
      this.ended.delete(first);
      break;
    }
  }

  all(): PeerSession[] {
    return [...this.sessions.values()];
  }

  /** Rejects with WebrtcRefusal, RejectedError or ProtocolError. */
  async handle(request: HttpRequest, { kind, secret }: SessionAddress): Promise<void> {
    const { method, response } = request;
    const isLayer = kind === 'layer';
    if (method === 'OPTIONS') {
      sendOptions(response, isLayer ? { 'Accept-Post': JSON_TYPE } : { 'Accept-Patch': FRAGMENT_TYPE }, []);
      return;
    }
    const session = this.sessions.get(secret);
    const isEnd = method === 'DELETE' || (isCallOfOthers(request) && method !== 'GET' && method !== 'HEAD');
    if (session === undefined) {
      const refusal = new WebrtcRefusal(404, 'There is no such WebRTC session; it may have ended.');
      if (!this.hasJustEnded(secret)) throw refusal;
      // No fault of anybody, so nothing for the log.
      if (isEnd) sendEnd(response);
      else sendRefusal(response, refusal, 'plain', '');
    } else if (isLayer) {
      await this.handleLayer(request, session);
    } else if (method === 'PATCH') {
      await this.patch(request, session);
    } else if (isEnd) {
      session.finish('the peer ended it');
      sendEnd(response);
    } else {
      throw new WebrtcRefusal(
        405,
        'This is the address of a WebRTC session: PATCH brings candidates, DELETE ends it.',
        { Allow: SESSION_METHODS },
      );
    }
  }

  private hasJustEnded(secret: string): boolean {
    const endedUs = this.ended.get(secret);
    return endedUs !== undefined && this.clock.nowUs() - endedUs < ENDED_US;
  }

  /** RFC 9725 section 4.3. */
  private async patch(request: HttpRequest, session: PeerSession): Promise<void> {
    const { response } = request;
    checkType(request, FRAGMENT_TYPE);
    const fragment = parseFragment(await readBody(request, this.tick));
    const wanted = request.message.headers['if-match'] ?? '*';
    const isFor = wanted === '*' || wanted.split(',').some((one) => one.trim() === session.etag);
    if (!isFor)
      throw new WebrtcRefusal(412, 'ICE has begun anew since: this is not the ETag of the session any more.');
    const body = session.takeFragment(fragment);
    if (body === '') {
      response.writeHead(204, NO_STORE);
      response.end();
      return;
    }
    response.writeHead(200, { ...NO_STORE, 'Content-Type': FRAGMENT_TYPE, ETag: session.etag });
    response.end(body);
  }

  private async handleLayer(request: HttpRequest, session: PeerSession): Promise<void> {
    const { method, response } = request;
    const layers = session instanceof WhepPlayer ? session.layers : null;
    if (layers === null) throw new WebrtcRefusal(404, 'What this session carries has no layers (simulcast).');
    if (method === 'POST') {
      const { encodingId, layer } = readTexts(await readBody(request, this.tick));
      layers.want(encodingId ?? layer ?? '');
    } else if (method !== 'GET' && method !== 'HEAD') {
      throw new WebrtcRefusal(
        405,
        'This is where a player chooses a layer: POST {"encodingId":"h"}, {} for the server\'s choice.',
        { Allow: LAYER_METHODS },
      );
    }
    response.writeHead(200, { ...NO_STORE, 'Content-Type': JSON_TYPE });
    response.end(JSON.stringify({ wanted: layers.wish, layers: layers.names }));
  }
}

function sendEnd(response: ServerResponse): void {
  response.writeHead(200, NO_STORE);
  response.end();
}

/** SRS's and ZLMediaKit's callers end a session by whatever method their address has. */
function isCallOfOthers({ path }: HttpRequest): boolean {
  return path.startsWith('/index/api/');
}
