/**
 * What plays when nobody publishes: watches the streams whose policy names a slate, begins when their publishers have
 * been lost or silent for the fail-over time, and ends when nobody watches any more. It gives way by itself: the line-up
 * (media/lineup.ts) ends it at the first key frame of a publisher.
 */
import type { OnDemandSource } from '../../media/on-demand.ts';
import type { Stream } from '../../media/stream.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { FileChannel } from '../../media-file/file-channel.ts';
import { FileSupply } from '../../media-file/file-supply.ts';
import { openMediaFile } from '../../media-file/media-file.ts';
import { openClip } from '../../media-file/memory-clip.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { resolveInside } from '../../runtime/safe-path.ts';
import { InvariantError, RejectedError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';
import { EMBEDDED_SLATE } from './slate-config.ts';

/** How often it looks. */
const LOOK_MS = 500;
/** How long it plays on without viewers. */
const KEPT_MS = 10_000;
/** Before a slate that cannot be played is tried again. */
const RETRY_MS = 5000;
const CLIP = 'demo/clip.flv';
const VOD = 'vod:';

interface Running {
  readonly channel: FileChannel;
  /** Monotonic microseconds since when nobody watches; 0 = somebody does. */
  unwatchedUs: number;
}

export class SlateService {
  private readonly context: ModuleContext;
  private readonly watched = new Set<Stream>();
  private readonly running = new Map<string, Running>();
  private readonly timer: { cancel(): void };
  private isClosed = false;

  constructor(context: ModuleContext) {
    this.context = context;
    this.timer = context.tick.every(LOOK_MS, () => this.look());
    context.hub.addListener({
      onPublish: (stream) => this.onPublish(stream),
      onUnpublish: (stream) => this.onUnpublish(stream),
      onClosed: (stream) => this.watched.delete(stream),
    });
    context.hub.addOnDemandFinder((key) => this.find(key));
  }

  private policy(key: StreamKey) {
    return this.context.configuration().resolver.resolve('', key.app, key.name);
  }

  private onPublish(stream: Stream): void {
    if (this.policy(stream.key).slate.source !== '') this.watched.add(stream);
  }

  /** Where players are not kept for as long as the slate would wait, it begins at once. */
  private onUnpublish(stream: Stream): void {
    const { publish } = this.policy(stream.key);
    if (publish.graceMs <= publish.failoverMs && this.watched.has(stream)) this.begin(stream);
  }

  private look(): void {
    const nowUs = this.context.clock.nowUs();
    for (const stream of this.watched) {
      const running = this.running.get(stream.key.text);
      if (running !== undefined) this.lookAfter(stream, running, nowUs);
      else if (this.context.hub.quietMs(stream) >= this.policy(stream.key).publish.failoverMs)
        this.begin(stream);
    }
  }

  /** Recordings do not count: a disk is not to be filled with a slate. */
  private hasViewers(text: string): boolean {
    return this.context.sessions
      .all()
      .some(({ role, streamText }) => role === 'player' && streamText === text);
  }

  private lookAfter({ key }: Stream, running: Running, nowUs: number): void {
    if (this.hasViewers(key.text)) running.unwatchedUs = 0;
    else if (running.unwatchedUs === 0) running.unwatchedUs = nowUs;
    else if (nowUs - running.unwatchedUs > KEPT_MS * 1000) {
      this.running.delete(key.text);
      running.channel.stop();
    }
  }

  private begin({ key }: Stream): void {
    const { source } = this.policy(key).slate;
    if (this.isClosed || source === '' || !this.hasViewers(key.text)) return;
    const channel = this.makeChannel(key, source);
    this.running.set(key.text, { channel, unwatchedUs: 0 });
    try {
      channel.start(key);
      this.context.log.info('slate.started', { stream: key.text, source });
    } catch (error) {
      this.running.delete(key.text);
      if (!(error instanceof RejectedError)) throw error;
    }
  }

  /** For viewers of what nobody has published yet. */
  private find(key: StreamKey): OnDemandSource | null {
    const { source, always } = this.policy(key).slate;
    const known = this.context.hub.find(key.text);
    // What has been published already gets its slate when the time has come.
    const isWatched = known !== undefined && this.watched.has(known);
    return source === '' || !always || isWatched || this.isClosed ? null : this.makeChannel(key, source);
  }

  private makeChannel(key: StreamKey, source: string): FileChannel {
    const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    const pause = () => new Promise<void>((resolve) => this.context.tick.after(RETRY_MS, resolve));
    let isReported = false;
    return new FileChannel({
      hub: this.context.hub,
      clock: this.context.clock,
      description: `slate ${source}`,
      owner: {
        id: randomId(),
        protocol: 'slate',
        remote: source,
        yields: true,
      },
      // Players have their buffers full from what was before.
      burstUs: 0,
      open: () =>
        new FileSupply({
          name: source,
          list: async () => [{ name: source, open: () => this.openSlate(source) }],
          loop: true,
          onSkipped: (_name, error) => {
            if (isReported) return;
            isReported = true;
            this.context.log.warn('slate.failed', {
              stream: key.text,
              source,
              cause: (error as Error).message,
            });
          },
          pause,
        }),
      onEnd: (reason) => {
        this.running.delete(key.text);
        this.context.log.info('slate.ended', { stream: key.text, cause: reason });
      },
      onFault: this.context.onFault,
      wait,
    });
  }

  private async openSlate(source: string) {
    if (source !== EMBEDDED_SLATE) {
      const folder = this.context.pathBeside(this.context.configuration().server.vod.dir);
      const { path, isFolder } = await resolveInside(folder, source.slice(VOD.length));
      if (isFolder) throw new RejectedError('bad-request', 'This is a folder.');
      return await openMediaFile(path);
    }
    const bytes = this.context.readAsset(CLIP);
    if (bytes === null) throw new InvariantError('the test clip is missing from the executable');
    return openClip(bytes);
  }

  close(): void {
    this.isClosed = true;
    this.timer.cancel();
    for (const { channel } of this.running.values()) channel.stop();
    this.running.clear();
  }
}
