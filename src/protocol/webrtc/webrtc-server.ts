/**
 * WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over the shared HTTP server, and the calls of other servers that mean the
 * same. An offer makes a session on one of the threads; the session is a resource that takes candidates, a new start of
 * ICE, and its end.
 */
import { availableParallelism } from 'node:os';
import { splitHostPort } from '../../config/setting.ts';
import { makeSelfSignedCertificate } from '../../crypto/self-signed-certificate.ts';
import { certificateFingerprint, tlsCertificateFromPem } from '../../crypto/tls-certificate.ts';
import type { RtcCalls } from '../../rtc/rtc-calls.ts';
import { RtcPool } from '../../rtc/rtc-pool.ts';
import { type RtcThread, RtcThreadError } from '../../rtc/rtc-thread.ts';
import { isGone } from '../../runtime/file-response.ts';
import { type HttpRequest, plainAddress } from '../../runtime/http-listener.ts';
import { explainListenError } from '../../runtime/listen-error.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { HTTP_VIA_FIELD, parseVia } from '../../runtime/stream-loop.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import { iceServerLinks } from './ice-servers.ts';
import type { PublishedSize } from './layer-feeds.ts';
import { localCandidates, PublicAddresses, type RequestWay } from './local-candidates.ts';
import { SDP_TYPE } from './media-types.ts';
import { checkType, contentType, readBody, readTexts } from './offer-body.ts';
import type { PeerRequest, PeerSession } from './peer-session.ts';
import { SessionResources } from './session-resources.ts';
import {
  isWebrtcPath,
  layerLocation,
  type OfferAddress,
  sessionLocation,
  type WebrtcShape,
  webrtcAddress,
} from './webrtc-address.ts';
import type { PublicCandidate } from './webrtc-config.ts';
import { sendAnswer, sendOptions, sendRefusal, WebrtcRefusal } from './webrtc-reply.ts';
import { WhepPlayer } from './whep-player.ts';
import { WhipPublisher } from './whip-publisher.ts';

const LOOK_MS = 1000;
const LINGER_MS = 1500;
const REFRESH_MS = 60_000;
const OFFER_METHODS = 'OPTIONS, POST';
/** Each thread has a port that must be open in the firewall. */
const MAX_DEFAULT_THREADS = 8;
const BEARER = /^Bearer +(\S+)$/i;
const CODEC_NAMES: Readonly<Record<string, string>> = {
  h264: 'h264',
  avc: 'h264',
  h265: 'h265',
  hevc: 'h265',
  vp8: 'vp8',
  vp9: 'vp9',
  av1: 'av1',
  opus: 'opus',
  pcma: 'g711a',
  pcmu: 'g711u',
  g722: 'g722',
};

export class WebrtcServer {
  private readonly context: ModuleContext;
  private readonly pool: RtcPool;
  private readonly fingerprint: string;
  private readonly publicAddresses: PublicAddresses;
  private readonly resources: SessionResources;
  private readonly sizes = new Map<string, readonly PublishedSize[]>();
  private looking: Timeout | null = null;
  private refreshing: Timeout | null = null;

  constructor(context: ModuleContext) {
    this.context = context;
    this.resources = new SessionResources(context.clock, context.tick);
    const { webrtc, nat } = context.configuration().server;
    const { log } = context;
    const certificate = makeSelfSignedCertificate('WebRTC', [], Date.now());
    this.fingerprint = certificateFingerprint(tlsCertificateFromPem(certificate).certDer, 'sha-256');
    const own = publicOf(nat.webrtc);
    this.publicAddresses = new PublicAddresses(
      own === null ? webrtc.candidates : [own, ...webrtc.candidates],
      (name, cause) => log.counted('webrtc.candidate-unknown', { name, cause }),
    );
    this.pool = new RtcPool({
      startWorker: context.startWorker,
      hub: context.hub,
      threads: webrtc.threads === 0 ? defaultThreads() : webrtc.threads,
      hosts: webrtc.ip,
      port: webrtc.port,
      tcp: webrtc.tcp,
      consentMs: webrtc.idle,
      certificate,
      maxConnections: webrtc.maxConnections,
      onTrouble: (event, cause) => log.counted(event, { cause }),
      onGrown: (port) => log.info('webrtc.listening', { ports: String(port), tcp: webrtc.tcp }),
      onEnd: (reason) => log.error('webrtc.thread-ended', { cause: reason }),
    });
  }

  /** Rejects with a ConfigError when a port cannot be had. */
  async start(): Promise<void> {
    const { tick } = this.context;
    try {
      await this.pool.start();
    } catch (error) {
      this.pool.destroy();
      if (!(error instanceof RtcThreadError)) throw error;
      const { port } = this.context.configuration().server.webrtc;
      throw explainListenError(error, 'webrtc', error.host, port);
    }
    this.looking = tick.every(LOOK_MS, () => this.pool.look());
    if (!this.publicAddresses.hasNames) return;
    await this.publicAddresses.refresh();
    this.refreshing = tick.every(REFRESH_MS, () => void this.publicAddresses.refresh());
  }

  /** For streams that are called for. */
  get calls(): RtcCalls {
    const { pool, fingerprint } = this;
    const { ip: hosts } = this.context.configuration().server.webrtc;
    return { pool, fingerprint: { algorithm: 'sha-256', value: fingerprint }, hosts };
  }

  get ports(): readonly number[] {
    return this.pool.ports;
  }

  accepts(method: string, path: string, query: URLSearchParams): boolean {
    if (!isWebrtcPath(path, query)) return false;
    // Files below an application of that name are no business of ours.
    const isRead = method === 'GET' || method === 'HEAD';
    return !isRead || (!/\.\w+$/.test(path) && !query.has('direction'));
  }

  async handle(request: HttpRequest): Promise<void> {
    let shape: WebrtcShape = 'plain';
    try {
      const address = webrtcAddress(request.path, request.query);
      if (address === null)
        throw new WebrtcRefusal(404, `There is no WebRTC session at ${request.path}; it may have ended.`);
      if (address.kind !== 'offer') await this.resources.handle(request, address);
      else {
        ({ shape } = address);
        await this.handleOffer(request, address);
      }
    } catch (error) {
      this.refuse(request, error, shape);
      this.dropRest(request);
    }
  }

  /** What is still coming of a body that nobody wants; a connection that is cut at once would lose the answer. */
  private dropRest({ message }: HttpRequest): void {
    if (message.complete || message.destroyed) return;
    message.resume();
    const timeout = this.context.tick.after(LINGER_MS, () => message.destroy());
    message.once('end', () => timeout.cancel());
  }

  private refuse(request: HttpRequest, error: unknown, shape: WebrtcShape): void {
    const isTheirs =
      error instanceof RejectedError || error instanceof ProtocolError || error instanceof WebrtcRefusal;
    if (!isTheirs) this.context.onFault(error);
    else
      this.context.log.counted('webrtc.refused', {
        remote: request.remote,
        path: request.path,
        cause: error.message,
      });
    sendRefusal(request.response, error, shape, this.context.serverId);
  }

  private async handleOffer(request: HttpRequest, address: OfferAddress): Promise<void> {
    if (request.method === 'OPTIONS') {
      sendOptions(request.response, { 'Accept-Post': SDP_TYPE }, this.links());
      return;
    }
    if (request.method !== 'POST') {
      const what = address.role === 'publish' ? 'publishers send (WHIP)' : 'players send (WHEP)';
      throw new WebrtcRefusal(
        405,
        `This address takes what ${what}: POST an offer (application/sdp). A browser shows the stream at the page of this server.`,
        { Allow: OFFER_METHODS },
      );
    }
    const read = await this.readOffer(request, address);
    const { named, offer, rawQuery, isJson } = read;
    const peer = this.peerRequest(request, named, offer, rawQuery);
    const services = {
      context: this.context,
      pool: this.pool,
      sizes: this.sizes,
      onOver: (session: PeerSession) => this.resources.remove(session),
    };
    const { response } = request;
    const session =
      named.role === 'publish' ? new WhipPublisher(services, peer) : new WhepPlayer(services, peer);
    const onClose = () => {
      if (session instanceof WhepPlayer) session.cancel();
    };
    response.once('close', onClose);
    this.resources.add(session);
    const sdp = await session.begin();
    response.off('close', onClose);
    if (isGone(response)) {
      session.finish('the peer left before it had an answer');
      return;
    }
    sendAnswer(response, {
      shape: address.shape,
      isJson,
      sdp,
      sessionId: session.id,
      location: sessionLocation(named, session.secret, session.id, originOf(request)),
      etag: session.etag,
      links: [...this.links(), ...layerLinks(session)],
      via: session.via,
      notes: session.notes,
      serverId: this.context.serverId,
    });
  }

  /** The offer and what it is for. */
  private async readOffer(
    request: HttpRequest,
    address: OfferAddress,
  ): Promise<{ named: OfferAddress; offer: string; rawQuery: string; isJson: boolean }> {
    const { rawQuery } = request;
    const { shape } = address;
    if (shape === 'plain' || shape === 'mediamtx') checkType(request, SDP_TYPE);
    const body = await readBody(request, this.context.tick);
    if (shape === 'srs-json') return readSrsOffer(address, body, rawQuery);
    const isJson = shape === 'go2rtc' && contentType(request) === 'application/json';
    return { named: address, offer: isJson ? (readTexts(body)['sdp'] ?? '') : body, rawQuery, isJson };
  }

  private peerRequest(
    request: HttpRequest,
    { app, stream }: OfferAddress,
    offer: string,
    rawQuery: string,
  ): PeerRequest {
    const { headers } = request.message;
    const query = new URLSearchParams(rawQuery);
    const way = wayOf(request, query);
    return {
      app,
      stream,
      query: withBearer(rawQuery, query, headers.authorization ?? ''),
      host: request.host,
      remote: request.remote,
      url: request.path,
      pageUrl: headers.referer ?? '',
      userAgent: headers['user-agent'] ?? '',
      via: parseVia(String(headers[HTTP_VIA_FIELD.toLowerCase()] ?? '')),
      offer,
      isGone: () => isGone(request.response),
      codecs: codecsOf(query),
      layer: query.get('layer') ?? '',
      local: (thread) => ({
        fingerprint: { algorithm: 'sha-256', value: this.fingerprint },
        candidates: this.candidates(thread, way),
      }),
    };
  }

  private candidates(thread: RtcThread, way: RequestWay): string[] {
    const { webrtc } = this.context.configuration().server;
    return localCandidates(
      {
        hosts: webrtc.ip,
        publicOnes: this.publicAddresses.all(),
        interfaces: webrtc.interfaces,
        port: thread.port,
        portOffset: webrtc.port > 0 ? thread.port - webrtc.port : 0,
        tcp: thread.hasTcp,
      },
      way,
    );
  }

  private links(): string[] {
    return iceServerLinks(this.context.configuration().server.webrtc.iceServers);
  }

  async stop(): Promise<void> {
    this.looking?.cancel();
    this.refreshing?.cancel();
    for (const session of this.resources.all()) session.finish('The server is shutting down.');
    await this.pool.stop();
  }

  destroy(): void {
    this.pool.destroy();
  }
}

/** SRS: `{"streamurl":"webrtc://host/app/stream?query","sdp":"..."}`. */
function readSrsOffer(address: OfferAddress, body: string, rawQuery: string) {
  const { streamurl = '', sdp = '' } = readTexts(body);
  const match = /^\w+:\/\/[^/?]*\/([^?]+)\/([^/?]+)\/?(?:\?(.*))?$/.exec(streamurl);
  if (match === null || sdp === '')
    throw new WebrtcRefusal(400, 'The body has to be {"streamurl":"webrtc://host/live/cam","sdp":"..."}.');
  const [, app = '', stream = '', query = ''] = match;
  const named = { ...address, app: decoded(app), stream: decoded(stream) };
  return {
    named,
    offer: sdp,
    rawQuery: [query, rawQuery].filter((one) => one !== '').join('&'),
    isJson: true,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new WebrtcRefusal(400, 'streamurl is malformed.');
  }
}

/** A token of the header is one of the query for admission. */
function withBearer(rawQuery: string, query: URLSearchParams, authorization: string): string {
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined || query.has('token')) return rawQuery;
  return `${rawQuery}${rawQuery === '' ? '' : '&'}token=${encodeURIComponent(token)}`;
}

/** OvenMediaEngine's `transport`, SRS's `eip` (`candidate`): an address that the peer wants to be told. */
function wayOf(request: HttpRequest, query: URLSearchParams): RequestWay {
  const { remote, host } = request;
  const transport = query.get('transport') ?? '';
  const wished = query.get('eip') ?? query.get('candidate') ?? '';
  return {
    localAddress: plainAddress(request.message.socket.localAddress ?? ''),
    remoteAddress: remote.slice(0, remote.lastIndexOf(':')),
    // Who types an address has reached this server by it.
    wished: [splitHostPort(wished), { host: host.replace(/^\[(.*)\]$/, '$1'), port: 0 }].filter(
      (one) => one !== null,
    ),
    transport: transport === 'tcp' || transport === 'udp' ? transport : '',
  };
}

/** SRS's `codec`, `vcodec` and `acodec`. */
function codecsOf(query: URLSearchParams): string[] {
  return ['vcodec', 'acodec', 'codec'].flatMap(
    (name) => CODEC_NAMES[query.get(name)?.toLowerCase() ?? ''] ?? [],
  );
}

/** draft-murillo-whep-01 section 4.4.2. */
function layerLinks(session: PeerSession): string[] {
  if (!(session instanceof WhepPlayer) || session.layers === null) return [];
  return [`<${layerLocation(session.secret)}>; rel="urn:ietf:params:whep:ext:core:layer"`];
}

function originOf({ secure, message }: HttpRequest): string {
  const host = String(message.headers[':authority'] ?? message.headers.host ?? '');
  return `${secure ? 'https' : 'http'}://${host}`;
}

function publicOf(text: string): PublicCandidate | null {
  return text === '' ? null : splitHostPort(text);
}

/** The main thread has a core for itself. */
function defaultThreads(): number {
  return Math.min(MAX_DEFAULT_THREADS, Math.max(1, availableParallelism() - 1));
}
