/** The streams that are being cut into segments, by name and format. One for the whole server. */
import type { StreamPolicy } from '../config/configuration.ts';
import type { StreamKey } from '../media/stream-key.ts';
import { CmafPackager } from '../packaging/cmaf-packager.ts';
import { TsSegmentPackager } from '../packaging/ts-segment-packager.ts';
import { FileReaders } from '../runtime/file-response.ts';
import type { HttpRequest } from '../runtime/http-listener.ts';
import type { ModuleContext } from '../runtime/module.ts';
import { RejectedError } from '../util/errors.ts';
import { SegmentViewers } from './segment-viewers.ts';
import { type Packager, SegmentedStream } from './segmented-stream.ts';

/** A segment is cut, key frame or not, before it grows over this. */
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;

export type TsStream = SegmentedStream<TsSegmentPackager>;
export type CmafStream = SegmentedStream<CmafPackager>;

/** What of the server this part needs. */
export type OriginContext = Pick<
  ModuleContext,
  'configuration' | 'hub' | 'sessions' | 'admission' | 'clock' | 'tick' | 'log' | 'pathBeside'
>;

export class SegmentOrigin {
  readonly viewers: SegmentViewers;
  readonly readers = new FileReaders();
  private readonly context: OriginContext;
  private readonly ts = new Map<string, TsStream>();
  private readonly cmaf = new Map<string, CmafStream>();

  constructor(context: OriginContext) {
    this.context = context;
    this.viewers = new SegmentViewers(context);
  }

  settings(key: StreamKey, host: string): StreamPolicy['hls'] {
    return this.context.configuration().resolver.resolve(host, key.app, key.name).hls;
  }

  /** Asks for admission of a viewer; throws RejectedError. */
  async admit(request: HttpRequest, protocol: string, app: string, stream: string): Promise<StreamKey> {
    return await this.context.admission.check({
      action: 'play',
      protocol,
      host: request.host,
      app,
      stream,
      query: request.rawQuery,
      remote: request.remote,
      sessionId: '',
    });
  }

  findTs(keyText: string): TsStream | undefined {
    return this.ts.get(keyText);
  }

  findCmaf(keyText: string): CmafStream | undefined {
    return this.cmaf.get(keyText);
  }

  /** The stream in MPEG-TS segments; begins to make them. Throws RejectedError when nobody publishes it. */
  openTs(key: StreamKey, host: string): TsStream {
    const running = this.ts.get(key.text);
    if (running !== undefined && !running.isOver) return running;
    const settings = this.settings(key, host);
    return this.open(
      this.ts,
      key,
      settings,
      () =>
        new TsSegmentPackager({
          ...common(settings),
          maxSegmentBytes: MAX_SEGMENT_BYTES,
          wallClock: () => this.context.clock.wallUs(),
        }),
    );
  }

  /** The stream in CMAF tracks. */
  openCmaf(key: StreamKey, host: string): CmafStream {
    const running = this.cmaf.get(key.text);
    if (running !== undefined && !running.isOver) return running;
    const settings = this.settings(key, host);
    const { clock } = this.context;
    return this.open(
      this.cmaf,
      key,
      settings,
      () =>
        new CmafPackager({
          ...common(settings),
          partTargetUs: settings.key === 'off' ? settings.partMs * 1000 : 0,
          wallAt: (monotonicUs) => clock.wallUs() - (clock.nowUs() - monotonicUs),
          startWallUs: clock.wallUs(),
        }),
    );
  }

  private open<P extends Packager>(
    streams: Map<string, SegmentedStream<P>>,
    key: StreamKey,
    settings: StreamPolicy['hls'],
    make: () => P,
  ): SegmentedStream<P> {
    const existing = streams.get(key.text);
    // What ended for good is only kept for late segments; a new publisher begins a new list with higher numbers.
    const { hub } = this.context;
    const isBack = hub.find(key.text)?.state === 'live' || hub.canStart(key);
    if (existing !== undefined && !isBack) return existing;
    const created: SegmentedStream<P> = new SegmentedStream<P>(this.context, key, settings, make(), () => {
      if (streams.get(key.text) === created) streams.delete(key.text);
    });
    existing?.close();
    streams.set(key.text, created);
    try {
      created.start();
    } catch (error) {
      streams.delete(key.text);
      throw error;
    }
    return created;
  }

  close(): void {
    for (const stream of [...this.ts.values(), ...this.cmaf.values()]) stream.close();
    this.viewers.close();
  }
}

function common(settings: StreamPolicy['hls']) {
  return {
    targetDurationUs: settings.durationMs * 1000,
    // Shorter by no more than that, or players that began with them run dry while the first full one is made.
    firstDurationUs: settings.durationMs * 500,
    windowCount: settings.count,
    windowUs: settings.dvrMs * 1000,
    // A player may still fetch what just left the list (RFC 8216 6.2.2).
    cacheCount: Math.max(settings.cache - settings.count, settings.count),
    maxBytes: settings.memoryBytes,
  };
}

/** No list came in time. */
export function nobodyPublishes(key: StreamKey): RejectedError {
  return new RejectedError('not-found', `Nobody publishes ${key.text} now.`);
}
