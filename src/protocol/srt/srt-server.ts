/**
 * The UDP ports of SRT. A handshake names its stream by the stream id (or by the port, where that is bound to one); it
 * is answered once admission, the stream and the passphrases have been looked at, with a connection or with a reason.
 */
import { randomBytes } from 'node:crypto';
import { SrtLink, type SrtLinkHandlers } from '../../client/srt/srt-link.ts';
import { SrtPort } from '../../client/srt/srt-port.ts';
import { TsPayloads } from '../../client/srt/ts-payloads.ts';
import { plainAddress } from '../../runtime/http-listener.ts';
import { explainListenError } from '../../runtime/listen-error.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { refuseLoop } from '../../runtime/stream-loop.ts';
import { SrtListener, type SrtRequest } from '../../srt/listener.ts';
import { DEFAULT_SRT_SETTINGS, type SrtSettings } from '../../srt/settings.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import { describeReject, SRT_REJECT } from '../../wire/srt/reject.ts';
import { passphraseOf, type SrtListenAddress } from './srt-config.ts';
import type { SrtIncoming } from './srt-incoming.ts';
import { SrtPlayer } from './srt-player.ts';
import { SrtPublisher } from './srt-publisher.ts';
import { refusalCode } from './srt-refusal.ts';
import { readStreamId, StreamIdError, type StreamRequest, shownStreamId } from './stream-request.ts';

const NAME = 'srt';
const TICK_MS = 1000;
const SECRET_BYTES = 32;
type Connection = SrtPublisher | SrtPlayer;

interface Group {
  readonly publisher: SrtPublisher;
  readonly begun: Promise<void>;
}

export class SrtServer {
  private readonly context: ModuleContext;
  private readonly listening: ListeningPort[] = [];

  constructor(context: ModuleContext) {
    this.context = context;
  }

  /** Opens one port, for all streams or for one. Resolves with its number; rejects with a ConfigError. */
  async listen(host: string, port: number, bound: SrtListenAddress | null): Promise<number> {
    const one = new ListeningPort(this.context, bound);
    this.listening.push(one);
    return await one.open(host, port);
  }

  close(): void {
    for (const one of this.listening) one.close();
  }
}

class ListeningPort {
  private readonly context: ModuleContext;
  private readonly bound: SrtListenAddress | null;
  private readonly port: SrtPort;
  private readonly listener: SrtListener;
  private readonly connections = new Set<Connection>();
  /** Publishers whose callers use socket groups, with the beginning of each. */
  private readonly groups = new Map<string, Group>();
  private readonly payloads = new TsPayloads();
  private ticking: Timeout | null = null;
  private url = '';
  /** While a handshake is being accepted: why it could not be. */
  private refusal = SRT_REJECT.timeout as number;
  private isAccepting = false;

  constructor(context: ModuleContext, bound: SrtListenAddress | null) {
    this.context = context;
    this.bound = bound;
    const { clock, log } = context;
    this.port = new SrtPort({
      nowUs: () => clock.nowUs(),
      onFault: (error) => context.onFault(error),
      onHandshake: (datagram, address, port, nowUs) => this.listener.receive(datagram, address, port, nowUs),
      onTrouble: (cause) => log.counted('srt.socket', { url: this.url, cause }),
    });
    this.listener = new SrtListener(randomBytes(SECRET_BYTES), 0, {
      send: (packet, address, port) => this.port.send(packet, null, address, port),
      request: (request) => void this.decide(request),
      refused: (address, port, code) => this.onRefused(address, port, code),
    });
  }

  async open(host: string, port: number): Promise<number> {
    const { clock, tick } = this.context;
    try {
      const opened = await this.port.open(host, port);
      this.url = `srt://${shownAddress(host, opened)}`;
      this.ticking = tick.every(TICK_MS, () => this.listener.tick(clock.nowUs()));
      return opened;
    } catch (error) {
      throw explainListenError(error as NodeJS.ErrnoException, NAME, host, port);
    }
  }

  private async decide(request: SrtRequest): Promise<void> {
    const { context } = this;
    const address = plainAddress(request.address);
    const remote = shownAddress(address, request.port);
    let isAnswered = false;
    try {
      if (context.hub.isClosing) throw new RejectedError('shutting-down', 'The server is shutting down.');
      const wanted = this.wantedOf(request.streamId);
      const groupId = request.group?.id ?? 0;
      const incoming: SrtIncoming = {
        context,
        wanted,
        remote,
        groupId,
        via: viaOf(request.via),
        url: this.url,
        payloads: this.payloads,
        accept: (handlers, maxBandwidth) => {
          isAnswered = true;
          return this.accept(request, wanted, address, handlers, maxBandwidth);
        },
      };
      if (wanted.role === 'play') {
        if (groupId !== 0)
          throw new RejectedError(
            'unsupported',
            'Players cannot use socket groups here; connect without a group.',
          );
        const player = new SrtPlayer(incoming, () => this.connections.delete(player));
        this.connections.add(player);
        await player.begin(incoming);
      } else {
        refuseLoop(incoming.via, context.serverId);
        const group = groupId === 0 ? '' : `${groupId} ${wanted.app}/${wanted.stream}`;
        const member = this.groups.get(group);
        if (member !== undefined) {
          await this.joinGroup(member, incoming);
          return;
        }
        await this.publish(incoming, group);
        return;
      }
    } catch (error) {
      this.refuse(request, remote, error, isAnswered);
    }
  }

  private async publish(incoming: SrtIncoming, group: string): Promise<void> {
    const publisher = new SrtPublisher(incoming, () => {
      this.connections.delete(publisher);
      if (group !== '') this.groups.delete(group);
    });
    this.connections.add(publisher);
    const begun = publisher.begin(incoming);
    if (group !== '') this.groups.set(group, { publisher, begun });
    try {
      await begun;
    } catch (error) {
      publisher.session.end({ kind: 'fault', reason: (error as Error).message });
      throw error;
    }
  }

  /** Whoever knows the number of a group is asked for the same as its first member. */
  private async joinGroup({ publisher, begun }: Group, incoming: SrtIncoming): Promise<void> {
    await publisher.admit(incoming);
    await begun;
    if (publisher.session.ended)
      throw new RejectedError('not-found', 'The first connection of the group is gone already.');
    publisher.join(incoming);
  }

  /** Throws StreamIdError. */
  private wantedOf(streamId: string): StreamRequest {
    const { bound } = this;
    const { srt } = this.context.configuration().server;
    if (bound !== null) {
      // Programs that send an id all the same may mean anything by it; its query is for authentication.
      const query = streamId.includes('?') ? streamId.slice(streamId.indexOf('?') + 1) : '';
      return { ...splitName(bound.stream), role: bound.role, host: '', query };
    }
    if (streamId.trim() !== '') return readStreamId(streamId, srt.defaultMode);
    if (srt.defaultStream !== '')
      return { ...splitName(srt.defaultStream), role: srt.defaultMode, host: '', query: '' };
    throw new StreamIdError(
      SRT_REJECT.badRequest,
      'The caller sent no stream id: give it streamid=publish:live/NAME or read:live/NAME, or give the stream a port of its own (<srt><listen> in config.xml).',
    );
  }

  /** Throws RejectedError; the handshake is answered in any case. */
  private accept(
    request: SrtRequest,
    wanted: StreamRequest,
    address: string,
    handlers: SrtLinkHandlers,
    maxBandwidth: number,
  ): SrtLink {
    const { clock, limits } = this.context;
    const full = limits.enter(address);
    if (full !== '') {
      this.listener.refuse(request, SRT_REJECT.overload, clock.nowUs());
      throw new RejectedError('limit', full);
    }
    const settings = this.settingsOf(wanted, maxBandwidth);
    const socketId = this.port.newSocketId();
    this.refusal = SRT_REJECT.timeout;
    this.isAccepting = true;
    const agreement = this.listener.accept(request, settings, socketId, clock.nowUs());
    this.isAccepting = false;
    if (agreement === null) {
      limits.leave(address);
      throw new RejectedError('denied', adviceOn(this.refusal, wanted));
    }
    return new SrtLink(
      this.port,
      { address: request.address, port: request.port },
      agreement,
      settings,
      {
        onPayload: handlers.onPayload,
        onClosed: (reason) => {
          limits.leave(address);
          this.listener.release(request);
          handlers.onClosed(reason);
        },
      },
      () => clock.nowUs(),
    );
  }

  private settingsOf(wanted: StreamRequest, maxBandwidth: number): SrtSettings {
    const { server, resolver } = this.context.configuration();
    const { srt } = resolver.resolve(wanted.host, wanted.app, wanted.stream);
    return {
      ...DEFAULT_SRT_SETTINGS,
      latencyMs: srt.latencyMs,
      peerLatencyMs: srt.latencyMs,
      passphrase: passphraseOf(wanted.role, server.srt, srt),
      peerIdleTimeoutMs: server.srt.idle,
      maxBandwidth: maxBandwidth === 0 ? -1 : maxBandwidth,
    };
  }

  /** By the core: a caller that cannot be spoken with, or whose passphrase does not fit. */
  private onRefused(address: string, port: number, code: number): void {
    if (this.isAccepting) {
      this.refusal = code;
      return;
    }
    const remote = shownAddress(plainAddress(address), port);
    this.context.log.counted('srt.refused', { remote, code, cause: adviceOn(code, null) });
  }

  private refuse(request: SrtRequest, remote: string, error: unknown, isAnswered: boolean): void {
    const isTheirs = error instanceof RejectedError || error instanceof ProtocolError;
    if (!isTheirs) this.context.onFault(error);
    if (!isAnswered) this.listener.refuse(request, refusalCode(error), this.context.clock.nowUs());
    this.context.log.counted('srt.refused', {
      remote,
      streamid: shownStreamId(request.streamId),
      code: isAnswered ? undefined : refusalCode(error),
      cause: (error as Error).message,
    });
  }

  close(): void {
    this.ticking?.cancel();
    const reason = 'The server is shutting down.';
    for (const connection of [...this.connections]) {
      if (connection instanceof SrtPublisher) connection.session.end({ kind: 'revoked', reason });
      else connection.finish(reason);
    }
    this.port.close();
  }
}

function shownAddress(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function viaOf(text: string): string[] {
  return text.split(',').filter((id) => id !== '');
}

function splitName(text: string): { app: string; stream: string } {
  const slash = text.lastIndexOf('/');
  return { app: text.slice(0, slash), stream: text.slice(slash + 1) };
}

/** What the operator or the caller may do about a handshake that failed. */
function adviceOn(reason: number, wanted: StreamRequest | null): string {
  const name = wanted === null ? 'the stream' : `${wanted.app}/${wanted.stream}`;
  if (reason === SRT_REJECT.version)
    return 'The caller speaks an SRT older than 1.3 (handshake version 4); update it.';
  if (reason === SRT_REJECT.badSecret)
    return `The caller's passphrase is not the one for ${wanted?.role === 'publish' ? 'publishing' : 'playing'} ${name} (<srt passphrase> in policy.xml or config.xml).`;
  if (reason === SRT_REJECT.unsecure)
    return `${name} and the caller do not agree on encryption: either the caller gives no passphrase although one is set for the stream, or it gives one and none is set (<srt passphrase> in policy.xml or config.xml).`;
  return `The handshake failed: ${describeReject(reason)}.`;
}
