/**
 * A publisher over WebRTC: what it offers is answered, its packets become frames of a stream, its other sizes (simulcast)
 * streams of their own. It is asked for key frames when somebody needs one, and from time to time.
 */
import type { SessionDetails, SessionRole } from '../../access/session-registry.ts';
import type { CodecId } from '../../codec/codec-id.ts';
import type { StreamPolicy } from '../../config/stream-policy.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { answerPublish } from '../../rtc/negotiation/answer.ts';
import { parseOffer } from '../../rtc/negotiation/offer.ts';
import type { RtcMedia } from '../../rtc/rtc-description.ts';
import { PACKET_FIELDS } from '../../rtc/rtc-messages.ts';
import type { RtcThread } from '../../rtc/rtc-thread.ts';
import { PublisherSilence } from '../../runtime/publisher-silence.ts';
import { refuseLoop } from '../../runtime/stream-loop.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import { PeerSession, roundTripMs } from './peer-session.ts';
import { layerKey, PublishedLayer } from './published-layer.ts';

const TICK_MS = 200;

export class WhipPublisher extends PeerSession {
  readonly role: SessionRole = 'publisher';
  private medias: readonly RtcMedia[] = [];
  private key: StreamKey | null = null;
  private policy: StreamPolicy | null = null;
  /** By place among the rids; the first is the stream of the name itself. Undefined = nothing came yet, or not wanted. */
  private readonly layers: (PublishedLayer | null | undefined)[] = [];
  private silence: PublisherSilence | null = null;
  private ticking: Timeout | null = null;
  private received = 0;
  private keyRequests = 0;

  protected async open(): Promise<string> {
    const { context, pool } = this.services;
    const { app, stream, query, host, remote, via } = this.request;
    if (context.hub.isClosing) throw new RejectedError('shutting-down', 'The server is shutting down.');
    const offer = parseOffer(this.request.offer);
    refuseLoop(via, context.serverId);
    const key = await context.admission.check({
      action: 'publish',
      protocol: this.protocol,
      host,
      app,
      stream,
      query,
      remote,
      sessionId: this.id,
    });
    if (this.isOver || this.request.isGone())
      throw new RejectedError('bad-request', 'The publisher left before it had an answer.');
    const policy = context.configuration().resolver.resolve(host, key.app, key.name);
    const thread = pool.pick();
    const negotiated = answerPublish(offer, this.localSide(thread), {
      stream: key.text,
      preferred: this.preferredCodecs(policy),
    });
    this.key = key;
    this.policy = policy;
    this.medias = negotiated.description.medias;
    this.streamText = key.text;
    this.layers[0] = this.openLayer(0, key);
    if (policy.webrtc.simulcast === 'layers' && this.rids.length > 1)
      this.services.sizes.set(
        this.id,
        this.rids.map((rid, place) => ({ rid, key: place === 0 ? key : layerKey(key, rid) })),
      );
    this.start(thread, negotiated, key);
    return negotiated.sdp;
  }

  /** Of the picture that comes in the most sizes, the best first. */
  private get rids(): readonly string[] {
    return this.medias.reduce<readonly string[]>(
      (most, { rids }) => (rids.length > most.length ? rids : most),
      [],
    );
  }

  private preferredCodecs(policy: StreamPolicy): CodecId[] {
    return [...this.request.codecs, ...policy.webrtc.codecs.split(' ')].filter(
      (name) => name !== '',
    ) as CodecId[];
  }

  private start(thread: RtcThread, negotiated: Parameters<PeerSession['connect']>[1], key: StreamKey): void {
    const { context } = this.services;
    this.silence = new PublisherSilence(context.clock.nowUs(), this.policy!.publish); // open has set it
    this.connect(thread, negotiated, -1);
    context.sessions.add(this);
    this.ticking = context.tick.every(TICK_MS, () => this.tick());
    this.log.info('webrtc.publish-start', {
      stream: key.text,
      remote: this.remote,
      agent: this.userAgent || undefined,
      codecs: this.medias.map(({ encodingName }) => encodingName).join(' '),
      'left-out': this.notes.join(' ') || undefined,
    });
  }

  /** Throws RejectedError when the name is taken. */
  private openLayer(layer: number, key: StreamKey): PublishedLayer {
    const { context } = this.services;
    return new PublishedLayer(context, {
      key,
      layer,
      medias: this.medias,
      owner: {
        id: layer === 0 ? this.id : `${this.id}~${layer}`,
        protocol: this.protocol,
        remote: this.remote,
        host: this.request.host,
        via: this.request.via,
        requestKeyFrame: () => this.requestKey(layer),
        revoke: (reason) => (layer === 0 ? this.finish(reason) : this.closeLayer(layer, reason)),
      },
    });
  }

  private closeLayer(layer: number, reason: string): void {
    const open = this.layers[layer];
    this.layers[layer] = null;
    open?.end(reason);
  }

  private requestKey(layer: number): void {
    this.keyRequests++;
    for (const { kind, index, rids } of this.medias)
      if (kind === 'video' && (layer === 0 || layer < rids.length)) this.connection?.requestKey(index, layer);
  }

  override onConnected(remote: string): void {
    super.onConnected(remote);
    // What it sends before this side is ready is lost, and with it the first picture.
    this.requestKey(0);
  }

  /** Hot path. */
  override onPackets(bytes: Uint8Array, packets: Float64Array): void {
    if (this.isOver) return;
    this.received += bytes.length;
    try {
      for (let at = 0; at < packets.length && !this.isOver; at += PACKET_FIELDS)
        this.receive(
          packets[at]!,
          packets[at + 1]!,
          packets[at + 2] === 1,
          bytes.subarray(packets[at + 3], packets[at + 4]),
          packets[at + 5]!,
        );
    } catch (error) {
      this.fail(error);
    }
  }

  private receive(media: number, layer: number, isRtcp: boolean, packet: Uint8Array, nowUs: number): void {
    this.silence?.onMedia(nowUs);
    const { layers } = this;
    if (layer > 0) {
      if (layers[layer] === undefined) this.beginLayer(layer);
      layers[layer]?.receive(media, isRtcp, packet, nowUs);
      return;
    }
    layers[0]?.receive(media, isRtcp, packet, nowUs);
    // The sound belongs to all sizes.
    for (let i = 1; i < layers.length; i++) layers[i]?.receiveSound(media, isRtcp, packet, nowUs);
  }

  private beginLayer(layer: number): void {
    const { key, policy } = this;
    const rid = this.rids[layer];
    this.layers[layer] = null;
    if (key === null || rid === undefined || policy?.webrtc.simulcast !== 'layers') return;
    const named = layerKey(key, rid);
    try {
      this.layers[layer] = this.openLayer(layer, named);
      this.log.info('webrtc.layer', { stream: named.text, remote: this.remote });
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.log.counted('webrtc.layer-refused', {
        stream: named.text,
        remote: this.remote,
        cause: error.message,
      });
    }
  }

  private fail(error: unknown): void {
    if (error instanceof ProtocolError) {
      const { remote, streamText: stream } = this;
      this.log.counted(error.code, { remote, stream, cause: error.message });
      this.finish(`What was sent cannot be read: ${error.message}.`);
      return;
    }
    this.services.context.onFault(error);
    this.finish('The server had an internal fault; its log says more.');
  }

  private tick(): void {
    const nowUs = this.services.context.clock.nowUs();
    const keyUs = (this.policy?.webrtc.keyMs ?? 0) * 1000;
    try {
      for (const [index, layer] of this.layers.entries()) {
        layer?.tick(nowUs);
        if (layer?.wantsKey(keyUs, nowUs) === true) this.requestKey(index);
      }
    } catch (error) {
      this.fail(error);
      return;
    }
    const reason =
      this.layers[0]?.hasLeft === true ? 'the publisher said goodbye' : (this.silence?.overdue(nowUs) ?? '');
    if (reason !== '') this.finish(reason);
  }

  protected release(reason: string): void {
    this.ticking?.cancel();
    this.services.sizes.delete(this.id);
    const layers = this.layers.splice(0);
    if (this.ticking !== null) {
      const frames = layers[0]?.frames ?? 0;
      const { receive } = this.statistics ?? {};
      this.log.info('webrtc.publish-stop', {
        stream: this.streamText,
        remote: this.remote,
        reason,
        seconds: Math.round((Date.now() - this.sinceMs) / 1000),
        in: this.received,
        frames,
        lost: receive?.lost || undefined,
        recovered: receive?.recovered || undefined,
      });
    }
    for (const layer of layers) layer?.end(reason);
  }

  bytesIn(): number {
    return this.received;
  }

  bytesOut(): number {
    return 0;
  }

  dropped(): number {
    return 0;
  }

  override details(): SessionDetails {
    const { receive } = this.statistics ?? {};
    return {
      ...super.details(),
      packets: receive?.packets ?? 0,
      packets_lost: receive?.lost ?? 0,
      packets_recovered: receive?.recovered ?? 0,
      key_frames_asked: this.keyRequests,
      strays: receive?.strays ?? 0,
      rtt_ms: roundTripMs(receive?.roundTripUs ?? Number.NaN),
      layers: this.layers.flatMap((layer) => layer?.streamText ?? []),
      ...this.layers[0]?.details(),
    };
  }
}
