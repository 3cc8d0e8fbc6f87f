/** A thread of WebRTC as the main thread sees it: its port, its connections, the streams that it is given. */
import type { StartWorker, WorkerThread } from '../runtime/worker-thread.ts';
import { RejectedError } from '../util/errors.ts';
import type { RtcDescription } from './rtc-description.ts';
import type { FromRtcThread, RtcLayers, RtcThreadData, ToRtcThread } from './rtc-messages.ts';
import type { RtcPeerStatistics } from './rtc-peer.ts';

const HEAP_MB = 512;
/** Messages that the thread has not taken: beyond it streams are held back, as for a player that is too slow. */
const MAX_UNTAKEN = 4096;
/** Time to send what was given. */
const STOP_MS = 1000;

/** What a connection tells; nothing after `onClosed`. */
export interface RtcConnectionEvents {
  onConnected(remote: string): void;
  /** Received packets, in plain; PACKET_FIELDS numbers for each (rtc-messages.ts). Memory is the receiver's. */
  onPackets(bytes: Uint8Array, packets: Float64Array): void;
  onStatistics(statistics: RtcPeerStatistics): void;
  onClosed(reason: string): void;
}

export interface RtcOpenOptions {
  /** Ours, when we call. */
  readonly localAddresses?: readonly string[];
  /** Of the port that was reserved, when we call. */
  readonly id?: number;
  /** What the pictures of a player come from, if not from its feed. */
  readonly layers?: RtcLayers;
}

export interface RtcThreadEvents {
  onKeyNeeded(feed: number): void;
  onTrouble(event: string, cause: string): void;
  /** The thread is over, and with it all its connections. */
  onEnd(reason: string): void;
}

/** The thread could not open its port. */
export class RtcThreadError extends Error {
  readonly code: string;
  readonly host: string;
  readonly transport: string;

  constructor(code: string, message: string, host: string, transport: string) {
    super(message);
    this.code = code;
    this.host = host;
    this.transport = transport;
  }
}

export class RtcThread {
  port = 0;
  hasTcp = false;
  private readonly events: RtcThreadEvents;
  private readonly worker: WorkerThread;
  private readonly connections = new Map<number, RtcConnection>();
  private readonly reservations = new Map<number, (port: number) => void>();
  private readonly taken: Int32Array;
  private posted = 0;
  private ready: { resolve: () => void; reject: (error: Error) => void } | null = null;
  private isOver = false;
  private nextId = 1;
  private onExit: () => void = () => undefined;
  private readonly exited = new Promise<void>((resolve) => {
    this.onExit = resolve;
  });

  constructor(
    startWorker: StartWorker,
    data: Omit<RtcThreadData, 'taken' | 'timeOrigin'>,
    events: RtcThreadEvents,
  ) {
    this.events = events;
    const taken = new SharedArrayBuffer(4);
    this.taken = new Int32Array(taken);
    this.worker = startWorker('rtc', {
      data: { ...data, taken, timeOrigin: performance.timeOrigin } satisfies RtcThreadData,
      heapMb: HEAP_MB,
      onMessage: (message) => this.receive(message as FromRtcThread),
      onEnd: (reason) => this.onEnd(reason),
    });
  }

  get connectionCount(): number {
    return this.connections.size + this.reservations.size;
  }

  get ended(): boolean {
    return this.isOver;
  }

  /** A number for a feed or a connection. */
  newId(): number {
    return this.nextId++;
  }

  /** Resolves when the port is open; rejects with an RtcThreadError. */
  listening(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.ready = { resolve, reject };
    });
  }

  /** False while the thread does not keep up. */
  get isFree(): boolean {
    return ((this.posted - Atomics.load(this.taken, 0)) | 0) < MAX_UNTAKEN;
  }

  post(message: ToRtcThread): void {
    this.posted++;
    this.worker.post(message);
  }

  /**
   * A port of its own for a connection that we make, told once; 0 = none can be had. The number that is returned is for
   * `open` or `release`.
   */
  reserve(onPort: (port: number) => void): number {
    const id = this.newId();
    this.reservations.set(id, onPort);
    this.post({ type: 'reserve', peer: id });
    return id;
  }

  /** A reservation that is not used. Idempotent. */
  release(id: number): void {
    this.reservations.delete(id);
    if (!this.connections.has(id)) this.post({ type: 'close', peer: id });
  }

  /** `feed` -1: it plays nothing. Throws RejectedError when the thread has ended: nobody would ever answer. */
  open(
    description: RtcDescription,
    feed: number,
    events: RtcConnectionEvents,
    { id = this.newId(), localAddresses = [], layers }: RtcOpenOptions = {},
  ): RtcConnection {
    this.checkLife();
    const connection = new RtcConnection(this, id, events);
    this.connections.set(id, connection);
    this.post({
      type: 'open',
      peer: id,
      description,
      feed,
      localAddresses,
      ...(layers === undefined ? {} : { layers }),
    });
    return connection;
  }

  /** Throws RejectedError. */
  checkLife(): void {
    if (this.isOver) throw new RejectedError('limit', 'The thread of this connection has just ended.');
  }

  forget(connection: RtcConnection): void {
    this.connections.delete(connection.id);
  }

  private receive(message: FromRtcThread): void {
    switch (message.type) {
      case 'listening':
        this.port = message.port;
        this.hasTcp = message.hasTcp;
        this.ready?.resolve();
        return;
      case 'failed':
        this.ready?.reject(
          new RtcThreadError(message.code, message.message, message.host, message.transport),
        );
        return;
      case 'reserved': {
        const onPort = this.reservations.get(message.peer);
        this.reservations.delete(message.peer);
        onPort?.(message.port);
        return;
      }
      case 'connected':
        this.connections.get(message.peer)?.events.onConnected(message.remote);
        return;
      case 'closed':
        this.connections.get(message.peer)?.ended(message.reason);
        return;
      case 'media':
        this.connections.get(message.peer)?.events.onPackets(new Uint8Array(message.bytes), message.packets);
        return;
      case 'statistics':
        for (const { peer, statistics } of message.peers)
          this.connections.get(peer)?.events.onStatistics(statistics);
        return;
      case 'key-needed':
        this.events.onKeyNeeded(message.feed);
        return;
      case 'trouble':
        this.events.onTrouble(message.event, message.cause);
        return;
      default:
    }
  }

  private onEnd(reason: string): void {
    this.isOver = true;
    this.onExit();
    this.ready?.reject(new RtcThreadError('', reason, '', ''));
    for (const connection of [...this.connections.values()]) connection.ended('a thread of the server ended');
    for (const onPort of [...this.reservations.values()]) onPort(0);
    this.reservations.clear();
    this.events.onEnd(reason);
  }

  /** Resolves when it is over, or does not end. */
  async stop(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    for (const connection of [...this.connections.values()]) connection.ended('the server stops');
    this.post({ type: 'stop' });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_MS);
    });
    await Promise.race([this.exited, late]);
    clearTimeout(timer);
  }

  /** Wherever it is. */
  destroy(): void {
    this.worker.stop();
  }
}

export class RtcConnection {
  readonly thread: RtcThread;
  readonly id: number;
  readonly events: RtcConnectionEvents;
  private isOver = false;

  constructor(thread: RtcThread, id: number, events: RtcConnectionEvents) {
    this.thread = thread;
    this.id = id;
    this.events = events;
  }

  /** `candidate:` attributes of the peer. */
  addCandidates(lines: readonly string[]): void {
    if (!this.isOver) this.thread.post({ type: 'candidates', peer: this.id, lines });
  }

  /** ICE restart with these credentials of ours. */
  restart(ufrag: string, password: string, remoteUfrag: string): void {
    if (!this.isOver) this.thread.post({ type: 'restart', peer: this.id, ufrag, password, remoteUfrag });
  }

  requestKey(media: number, layer: number): void {
    if (!this.isOver) this.thread.post({ type: 'key', peer: this.id, media, layer });
  }

  setLayers(layers: RtcLayers): void {
    if (!this.isOver) this.thread.post({ type: 'layers', peer: this.id, layers });
  }

  /** Without an event. Idempotent. */
  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.thread.forget(this);
    this.thread.post({ type: 'close', peer: this.id });
  }

  /** The thread says that it is over. */
  ended(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.thread.forget(this);
    this.events.onClosed(reason);
  }
}
