/**
 * Streams whose pictures ffmpeg converts: `live/cam~h264` and `live/cam~vp8` are `live/cam` in that codec, for whoever asks
 * for them. Knows which of them run, and how many may.
 */
import type { LiveSession } from '../../access/session-registry.ts';
import { CODECS } from '../../codec/codec-id.ts';
import type { OnDemandSource } from '../../media/on-demand.ts';
import type { Stream } from '../../media/stream.ts';
import { makeStreamKey, type StreamKey } from '../../media/stream-key.ts';
import { defaultTrack } from '../../media/track.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import type { BFramesRule, PictureTarget, VideoConverter } from '../../runtime/video-conversions.ts';
import { isInMatroska } from '../../wire/matroska/live-writer.ts';
import { type ConversionTools, ConvertedStream } from './converted-stream.ts';
import { FfmpegProgram } from './ffmpeg-program.ts';
import { FfmpegRun } from './ffmpeg-run.ts';

const NAME = /^(.+)~(h264|vp8)$/;

export class TranscodeService implements VideoConverter {
  private readonly context: ModuleContext;
  private readonly program: FfmpegProgram;
  private readonly tools: ConversionTools;
  private readonly running = new Map<ConvertedStream, LiveSession>();
  private readonly children = new Set<Promise<void>>();
  private isClosed = false;

  constructor(context: ModuleContext) {
    this.context = context;
    this.program = new FfmpegProgram(() => context.clock.nowUs(), context.pathBeside);
    this.tools = {
      hub: context.hub,
      log: context.log,
      nowUs: () => context.clock.nowUs(),
      wallMs: () => context.clock.wallUs() / 1000,
      after: (delayMs, run) => context.tick.after(delayMs, run),
      every: (periodMs, run) => context.tick.every(periodMs, run),
      findEncoder: (target) => this.findEncoder(target),
      spawn: (program, args, events) => {
        const run = new FfmpegRun(program, args, events);
        this.children.add(run.ended);
        void run.ended.then(() => this.children.delete(run.ended));
        return run;
      },
      settings: () => context.configuration().server.transcode,
      onStart: (conversion) => this.onStart(conversion),
      onStop: (conversion) => this.onStop(conversion),
      onFault: context.onFault,
    };
    context.hub.addOnDemandFinder((key) => this.find(key));
  }

  private findEncoder(target: PictureTarget) {
    return this.program.encoderFor(target, this.context.configuration().server.ffmpeg.path);
  }

  private policy(key: StreamKey) {
    return this.context.configuration().resolver.resolve('', key.app, key.name).transcode;
  }

  bframesRule(key: StreamKey): BFramesRule {
    return this.policy(key).bframes;
  }

  keyFor({ app, name, vhost }: StreamKey, target: PictureTarget): StreamKey {
    return makeStreamKey(app, `${name}~${target}`, vhost);
  }

  async reasonAgainst(stream: Stream, target: PictureTarget): Promise<string> {
    const { key, tracks } = stream;
    if (NAME.test(key.name)) return 'what is converted already is not converted again';
    if (this.policy(key).pictures === 'never')
      return 'its pictures may not be converted (<transcode pictures="never"> in policy.xml)';
    const codec = defaultTrack(tracks, 'video')?.config.codec;
    if (codec === undefined || !isInMatroska(codec))
      return codec === undefined ? 'it has no pictures' : `${CODECS[codec].label} cannot be converted`;
    const { reason } = await this.findEncoder(target);
    if (reason !== '') return reason;
    const wanted = this.keyFor(key, target).text;
    return [...this.running.keys()].some((one) => one.key.text === wanted) ? '' : this.fullReason();
  }

  /** '' while one more may run. */
  private fullReason(): string {
    const { max } = this.context.configuration().server.transcode;
    if (this.running.size < max) return '';
    return max === 0
      ? 'the server is told to convert no pictures (<transcode max> in config.xml)'
      : `the server converts ${this.running.size} streams already, which is as many as it may (<transcode max> in config.xml)`;
  }

  /** What makes `NAME~h264`, where NAME is there or could be. */
  private find(key: StreamKey): OnDemandSource | null {
    const [, name = '', target = ''] = NAME.exec(key.name) ?? [];
    if (this.isClosed || name === '' || NAME.test(name)) return null;
    const source = makeStreamKey(key.app, name, key.vhost);
    const { hub } = this.context;
    const state = hub.find(source.text)?.state;
    const isThere = state === 'live' || state === 'lingering' || hub.canStart(source);
    if (!isThere || this.policy(source).pictures === 'never') return null;
    return new ConvertedStream(this.tools, source, key, target === 'vp8' ? 'vp8' : 'h264');
  }

  private onStart(conversion: ConvertedStream): string {
    const full = this.isClosed ? 'the server is shutting down' : this.fullReason();
    if (full !== '') return `${conversion.key.text} cannot be made: ${full}.`;
    const session: LiveSession = {
      id: conversion.id,
      protocol: 'transcode',
      role: 'publisher',
      get remote() {
        return conversion.remote;
      },
      sinceMs: conversion.sinceMs,
      streamText: conversion.key.text,
      url: conversion.source.text,
      tcUrl: '',
      pageUrl: '',
      userAgent: '',
      bytesIn: () => conversion.bytesMade,
      bytesOut: () => 0,
      dropped: () => conversion.dropped,
      details: () => conversion.details(),
      kick: (reason) => conversion.fail(reason),
    };
    this.running.set(conversion, session);
    this.context.sessions.add(session);
    return '';
  }

  private onStop(conversion: ConvertedStream): void {
    const session = this.running.get(conversion);
    this.running.delete(conversion);
    if (session !== undefined) this.context.sessions.remove(session);
  }

  /** Resolves when no child is left. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const conversion of [...this.running.keys()]) conversion.fail('The server is shutting down.');
    await Promise.all(this.children);
  }
}
