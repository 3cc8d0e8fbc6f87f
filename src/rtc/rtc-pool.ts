/** The threads of WebRTC. Each has its own port; a connection stays on the thread that it was made on. */
import type { StreamHub } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { StartWorker } from '../runtime/worker-thread.ts';
import { RejectedError } from '../util/errors.ts';
import { RtcLink } from './rtc-link.ts';
import { RtcThread } from './rtc-thread.ts';

/** When each thread has so many connections another one is started: a thread costs some 15 MiB. */
const THREAD_CONNECTIONS = 50;

export interface RtcPoolOptions {
  readonly startWorker: StartWorker;
  readonly hub: StreamHub;
  /** At most. The first runs from the start, so that a port that is taken is told of then. */
  readonly threads: number;
  readonly hosts: readonly string[];
  /** Of the first thread; the others have the numbers after it. 0 = any. */
  readonly port: number;
  readonly tcp: boolean;
  readonly consentMs?: number;
  readonly certificate: { readonly key: string; readonly cert: string };
  readonly maxConnections: number;
  readonly onTrouble: (event: string, cause: string) => void;
  /** A further thread listens. */
  readonly onGrown: (port: number) => void;
  /** A thread broke off. */
  readonly onEnd: (reason: string) => void;
}

export class RtcPool {
  private readonly options: RtcPoolOptions;
  private readonly threads: RtcThread[] = [];
  private readonly links = new Map<RtcThread, Map<string, RtcLink>>();
  /** How many have been started at least once. */
  private started = 0;
  private isGrowing = false;
  private closed = false;

  constructor(options: RtcPoolOptions) {
    this.options = options;
  }

  /** Rejects with an RtcThreadError when a port cannot be had. */
  async start(): Promise<void> {
    await this.startThread(this.started++);
  }

  /** One more thread for later connections; one that cannot have its port is told of and left out. */
  private grow(): void {
    if (this.isGrowing || this.started >= this.options.threads) return;
    this.isGrowing = true;
    this.startThread(this.started++)
      .then(
        (thread) => this.options.onGrown(thread.port),
        (error: Error) => this.options.onTrouble('webrtc.thread', error.message),
      )
      .finally(() => {
        this.isGrowing = false;
      });
  }

  private async startThread(at: number): Promise<RtcThread> {
    const { startWorker, hosts, port, tcp, consentMs, certificate, onTrouble } = this.options;
    const links = new Map<string, RtcLink>();
    const thread: RtcThread = new RtcThread(
      startWorker,
      {
        hosts,
        port: port === 0 ? 0 : port + at,
        tcp,
        certificate,
        ...(consentMs === undefined ? {} : { consentMs }),
      },
      {
        onKeyNeeded: (feed) => {
          for (const link of links.values()) if (link.feedId === feed) link.requestKey();
        },
        onTrouble,
        onEnd: (reason) => {
          const index = this.threads.indexOf(thread);
          for (const link of links.values()) link.close();
          this.links.delete(thread);
          if (index < 0 || this.closed) return;
          this.threads.splice(index, 1);
          this.options.onEnd(reason);
          // Its port is free now; a thread that cannot be started again is missed, the others go on.
          this.startThread(at).catch((error: Error) => onTrouble('webrtc.thread', error.message));
        },
      },
    );
    this.links.set(thread, links);
    try {
      await thread.listening();
    } catch (error) {
      this.links.delete(thread);
      throw error;
    }
    if (this.closed) thread.destroy();
    else this.threads.push(thread);
    return thread;
  }

  get ports(): readonly number[] {
    return this.threads.map(({ port }) => port);
  }

  get connectionCount(): number {
    return this.threads.reduce((sum, thread) => sum + thread.connectionCount, 0);
  }

  /** The thread for a new connection; throws RejectedError when there are too many. */
  pick(): RtcThread {
    const { maxConnections } = this.options;
    if (this.connectionCount >= maxConnections)
      throw new RejectedError('limit', `There are ${maxConnections} WebRTC connections already.`);
    let best: RtcThread | undefined;
    for (const thread of this.threads)
      if (best === undefined || thread.connectionCount < best.connectionCount) best = thread;
    if (best === undefined) throw new RejectedError('limit', 'No thread for WebRTC runs now.');
    if (best.connectionCount >= THREAD_CONNECTIONS) this.grow();
    return best;
  }

  /** The stream on this thread; throws RejectedError as `hub.subscribe` does, and when the thread has ended. Who does not `add` itself must close it. */
  link(thread: RtcThread, key: StreamKey, waitMs: number): RtcLink {
    thread.checkLife();
    const links = this.links.get(thread)!;
    const known = links.get(key.text);
    if (known !== undefined) return known;
    const link: RtcLink = new RtcLink(this.options.hub, key, thread, waitMs, (ended) => {
      if (links.get(key.text) === ended) links.delete(key.text);
    });
    links.set(key.text, link);
    return link;
  }

  /** Tells the threads what changed about streams; call it about once a second. */
  look(): void {
    for (const links of this.links.values()) for (const link of links.values()) link.look();
  }

  /** Resolves when peers have been told goodbye and the threads are over, or do not end. */
  async stop(): Promise<void> {
    this.closed = true;
    await Promise.all(this.threads.map((thread) => thread.stop()));
  }

  destroy(): void {
    this.closed = true;
    for (const thread of this.threads) thread.destroy();
  }
}
