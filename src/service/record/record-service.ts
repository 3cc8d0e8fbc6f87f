/**
 * Which recordings run: those that the policy wants for each stream that is published, and those that the API started
 * or stopped. A recording lives as long as its stream, over republishes; what the API asked for stays asked for until
 * it is stopped, also while nobody publishes.
 */
import { open, stat, unlink } from 'node:fs/promises';
import { isMadeHere, type PublicationOwner } from '../../media/publication.ts';
import type { Stream } from '../../media/stream.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { FILE_EXTENSIONS } from '../../packaging/file-muxer.ts';
import type { RecordedFile } from '../../recordings/recording-entry.ts';
import type { RecordingIndex } from '../../recordings/recording-index.ts';
import { systemFiles } from '../../runtime/file-writer.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { renderPath, usualPath } from './file-naming.ts';
import type { RecordRule } from './record-config.ts';
import { Recorder } from './recorder.ts';
import type { Continuation } from './recording-output.ts';

/** Recordings that the API asked for, in all. */
const MAX_ASKED = 1000;
/** Recordings of one stream. */
const MAX_PER_STREAM = 16;
/** First bytes of a file that is to go on: an initialization section is far shorter. */
const HEAD_BYTES = 64 * 1024;

/** What was recorded, and where it lies: for uploads, and for whoever wants to be told. */
export type FileListener = (file: RecordedFile, rule: RecordRule) => void;

interface Running {
  readonly recorder: Recorder;
  detach(): void;
}

export class RecordService {
  readonly index: RecordingIndex;
  private readonly context: ModuleContext;
  private readonly listeners: FileListener[] = [];
  /** By stream, then by name of the recording. */
  private readonly running = new Map<string, Map<string, Running>>();
  /** Asked for by the API: by stream, then by name. */
  private readonly asked = new Map<string, Map<string, RecordRule>>();
  /** Stopped by the API until the stream ends. */
  private readonly stopped = new Map<string, Set<string>>();
  /** Recordings that are ended and not yet on the disk. */
  private readonly ending = new Set<Recorder>();

  constructor(context: ModuleContext, index: RecordingIndex) {
    this.context = context;
    this.index = index;
  }

  /** Called after a file is finished and in the index. */
  addFileListener(listener: FileListener): void {
    this.listeners.push(listener);
  }

  onPublish(stream: Stream): void {
    this.adjust(stream);
  }

  onClosed(stream: Stream): void {
    const { text } = stream.key;
    for (const running of this.running.get(text)?.values() ?? []) this.end(running);
    this.running.delete(text);
    this.stopped.delete(text);
  }

  reload(): void {
    for (const stream of this.context.hub.streams()) if (stream.state === 'live') this.adjust(stream);
  }

  /** What the policy says about a stream, whether it is published or not. */
  rulesOf(key: StreamKey, host: string): readonly RecordRule[] {
    return this.context.configuration().resolver.resolve(host, key.app, key.name).records;
  }

  /** Starts what is wanted and not there, ends what is no longer wanted. */
  private adjust(stream: Stream): void {
    const { key } = stream;
    const publisher = this.context.hub.publisherOf(stream);
    // The test channel is not worth a disk.
    if (publisher === null || isMadeHere(publisher)) return;
    const wanted = this.wanted(key, publisher);
    const present = this.running.get(key.text) ?? new Map<string, Running>();
    for (const [name, running] of present) {
      const rule = wanted.get(name);
      if (rule !== undefined && isSameRule(rule, running.recorder.options.rule)) continue;
      present.delete(name);
      this.end(running);
    }
    this.running.set(key.text, present);
    for (const [name, rule] of wanted) if (!present.has(name)) this.launch(stream, rule, publisher.host);
    if (present.size === 0) this.running.delete(key.text);
  }

  private wanted(key: StreamKey, publisher: PublicationOwner): Map<string, RecordRule> {
    const wanted = new Map<string, RecordRule>();
    if (!this.context.configuration().server.rec.enable) return wanted;
    for (const rule of this.rulesOf(key, publisher.host))
      if (rule.enable === 'on') wanted.set(rule.name, rule);
    for (const name of this.stopped.get(key.text) ?? []) wanted.delete(name);
    for (const [name, rule] of this.asked.get(key.text) ?? []) wanted.set(name, rule);
    return new Map([...wanted].slice(0, MAX_PER_STREAM));
  }

  private launch(stream: Stream, rule: RecordRule, host: string): void {
    const present = this.running.get(stream.key.text)!; // adjust has made it
    if (rule.plan !== 'append') {
      present.set(rule.name, this.attach(stream, rule, host, null));
      return;
    }
    // The file that goes on is looked up first; what comes meanwhile is in the GOP cache.
    const placeholder: Running = {
      recorder: this.makeRecorder(stream, rule, host, null),
      detach: () => undefined,
    };
    present.set(rule.name, placeholder);
    this.continuationOf(stream.key, rule, host)
      .then((continuation) => {
        if (present.get(rule.name) !== placeholder || this.running.get(stream.key.text) !== present) return;
        placeholder.recorder.stop();
        present.set(rule.name, this.attach(stream, rule, host, continuation));
      })
      .catch(this.context.onFault);
  }

  private attach(stream: Stream, rule: RecordRule, host: string, continuation: Continuation | null): Running {
    const recorder = this.makeRecorder(stream, rule, host, continuation);
    const { detach } = this.context.hub.consume(stream.key, recorder, 0);
    return { recorder, detach };
  }

  private makeRecorder(
    stream: Stream,
    rule: RecordRule,
    host: string,
    continuation: Continuation | null,
  ): Recorder {
    const { clock, log, onFault } = this.context;
    const { rec } = this.context.configuration().server;
    return new Recorder({
      key: stream.key,
      rule,
      durationMs: rule.durationMs === 0 ? rec.period : rule.durationMs,
      vhost: stream.key.vhost === '' ? host : stream.key.vhost,
      metadata: () => stream.metadata,
      index: this.index,
      files: systemFiles,
      maxBacklogBytes: rec.backlog,
      syncMs: rec.sync,
      clock,
      log: log.child('', { stream: stream.key.text, record: rule.name }),
      continuation,
      removeFile: (path) => void unlink(path).catch(() => undefined),
      onFile: (file, by) => {
        for (const listener of this.listeners) listener(file, by);
      },
      onFault,
    });
  }

  /** The file of the plan `append` if it is there, whole and in the index. */
  private async continuationOf(key: StreamKey, rule: RecordRule, host: string): Promise<Continuation | null> {
    if (rule.format === 'hls') return null;
    const template = rule.path === '' ? usualPath(key.app, rule.plan) : rule.path;
    const facts = { vhost: key.vhost || host, app: key.app, stream: key.name, seq: 0, durationMs: 0 };
    const base = renderPath(template, { ...facts, startMs: this.context.clock.wallUs() / 1000 });
    const extension = `.${FILE_EXTENSIONS[rule.format]}`;
    const entry = await this.index.find(key.text, base.endsWith(extension) ? base : base + extension);
    if (entry === null || entry.open || entry.tracks.length === 0) return null;
    const path = this.index.pathOf(entry.file);
    try {
      const { size } = await stat(path);
      if (size < entry.bytes) return null;
      const file = await open(path);
      try {
        const head = Buffer.alloc(Math.min(HEAD_BYTES, entry.bytes));
        await file.read(head, 0, head.length, 0);
        return { entry, head };
      } finally {
        await file.close();
      }
    } catch {
      return null;
    }
  }

  private end(running: Running): void {
    const { recorder } = running;
    running.detach();
    recorder.stop();
    this.ending.add(recorder);
    recorder.settled.finally(() => this.ending.delete(recorder)).catch(this.context.onFault);
  }

  /** By the API. The recorder when it runs, null when it waits for the stream to be published. */
  start(key: StreamKey, rule: RecordRule): Recorder | null {
    if (!this.context.configuration().server.rec.enable)
      throw new RejectedError('denied', 'Recording is switched off (rec enable in config.xml).');
    const already = this.running.get(key.text)?.get(rule.name);
    if (already !== undefined) {
      throw new RejectedError(
        'busy',
        `${key.text} is recorded as "${rule.name}" already; stop that, or give this one another name.`,
      );
    }
    const count = [...this.asked.values()].reduce((sum, one) => sum + one.size, 0);
    if (count >= MAX_ASKED)
      throw new RejectedError('limit', `${MAX_ASKED} recordings were asked for already.`);
    if ((this.running.get(key.text)?.size ?? 0) >= MAX_PER_STREAM)
      throw new RejectedError('limit', `A stream has at most ${MAX_PER_STREAM} recordings.`);
    this.stopped.get(key.text)?.delete(rule.name);
    const asked = this.asked.get(key.text) ?? new Map<string, RecordRule>();
    asked.set(rule.name, rule);
    this.asked.set(key.text, asked);
    const stream = this.context.hub.find(key.text);
    if (stream === undefined || stream.state !== 'live') return null;
    this.adjust(stream);
    return this.running.get(key.text)?.get(rule.name)?.recorder ?? null;
  }

  /** By the API; '' stops all recordings of the stream. What was stopped; null for what had not begun. */
  stop(key: StreamKey, name: string): { name: string; recorder: Recorder | null }[] {
    const { text } = key;
    const running = this.running.get(text);
    const asked = this.asked.get(text);
    const names = new Set([...(running?.keys() ?? []), ...(asked?.keys() ?? [])]);
    const meant = [...names].filter((one) => name === '' || one === name);
    if (meant.length === 0) {
      const known = names.size === 0 ? 'nothing is recorded of it' : `recorded are: ${[...names].join(', ')}`;
      throw new RejectedError(
        'not-found',
        `${text} has no recording${name && ` "${name}"`} that runs; ${known}.`,
      );
    }
    return meant.map((one) => {
      const found = running?.get(one);
      asked?.delete(one);
      running?.delete(one);
      if (found === undefined) return { name: one, recorder: null };
      const stopped = this.stopped.get(text) ?? new Set<string>();
      stopped.add(one);
      this.stopped.set(text, stopped);
      this.end(found);
      return { name: one, recorder: found.recorder };
    });
  }

  recorders(): Recorder[] {
    return [...this.running.values()].flatMap((one) => [...one.values()].map(({ recorder }) => recorder));
  }

  /** What the API asked for and waits for its stream. */
  waiting(): { stream: string; rule: RecordRule }[] {
    return [...this.asked].flatMap(([stream, rules]) =>
      [...rules.values()]
        .filter((rule) => this.running.get(stream)?.has(rule.name) !== true)
        .map((rule) => ({ stream, rule })),
    );
  }

  /** Ends everything; resolves when it is on the disk. */
  async close(): Promise<void> {
    for (const list of this.running.values()) for (const running of list.values()) this.end(running);
    this.running.clear();
    await Promise.all([...this.ending].map((recorder) => recorder.settled));
  }
}

function isSameRule(a: RecordRule, b: RecordRule): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
