/**
 * Sends finished recordings to the storage, a few at a time, and tries again with a growing delay for as long as it
 * takes. What waits is in the spool. A storage that is away delays all files, not one after the other.
 */
import { join } from 'node:path';
import type { RecordedFile } from '../../recordings/recording-entry.ts';
import { namesOf, type RecordingIndex } from '../../recordings/recording-index.ts';
import type { Logger } from '../../util/log.ts';
import type { TickWheel, Timeout } from '../../util/tick-wheel.ts';
import { putObject, type S3Settings, UploadError } from './s3-storage.ts';
import { type SpoolItem, UploadSpool } from './upload-spool.ts';

export interface UploadSettings extends S3Settings {
  readonly deleteAfter: boolean;
  /** Files sent at the same time. */
  readonly jobs: number;
  /** Files that may wait. */
  readonly queue: number;
}

export interface UploaderOptions {
  readonly index: RecordingIndex;
  /** Null = nothing is to be sent. */
  readonly settings: () => UploadSettings | null;
  readonly log: Logger;
  readonly tick: TickWheel;
  readonly nowUs: () => number;
  readonly onFault: (error: unknown) => void;
}

export interface UploadState {
  readonly waiting: number;
  readonly sending: readonly string[];
  readonly sent: number;
  readonly sentBytes: number;
  /** Files that did not fit into the queue, or that no further try will bring there. */
  readonly dropped: number;
  readonly failures: number;
  readonly lastError: string;
  /** Seconds until the next try after a failure; 0 = now. */
  readonly retryInS: number;
}

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 300_000;
const SPOOL_NAME = join('.spool', 'upload.jsonl');

export class Uploader {
  private readonly options: UploaderOptions;
  private readonly spool: UploadSpool;
  private readonly sending = new Map<string, AbortController>();
  private readonly jobs = new Set<Promise<void>>();
  private retry: Timeout | null = null;
  private retryMs = FIRST_RETRY_MS;
  private sent = 0;
  private sentBytes = 0;
  private dropped = 0;
  private failures = 0;
  private lastError = '';
  private isClosed = false;

  constructor(options: UploaderOptions) {
    this.options = options;
    this.spool = new UploadSpool(join(options.index.folder, SPOOL_NAME));
  }

  /** What an earlier run left; call after the index is loaded. */
  async load(): Promise<void> {
    await this.spool.load();
    this.advance();
  }

  /** A finished file is to be sent. */
  add(file: RecordedFile): void {
    const { settings, log, onFault } = this.options;
    const now = settings();
    if (now === null || this.isClosed) return;
    if (this.spool.size >= now.queue) {
      this.dropped++;
      log.counted('upload.dropped', { file: file.file, cause: `${now.queue} files are waiting already` });
      return;
    }
    this.spool
      .add({ file: file.file, stream: file.stream })
      .then(() => this.advance())
      .catch(onFault);
  }

  isWaiting(file: RecordedFile): boolean {
    return this.spool.has(file.file);
  }

  /** The settings changed: what failed before may go now. */
  reload(): void {
    this.retryMs = FIRST_RETRY_MS;
    this.retry?.cancel();
    this.retry = null;
    this.advance();
  }

  state(): UploadState {
    const { nowUs } = this.options;
    return {
      waiting: this.spool.size,
      sending: [...this.sending.keys()],
      sent: this.sent,
      sentBytes: this.sentBytes,
      dropped: this.dropped,
      failures: this.failures,
      lastError: this.lastError,
      retryInS: this.retry === null ? 0 : Math.max(0, Math.ceil((this.retry.dueUs - nowUs()) / 1_000_000)),
    };
  }

  private advance(): void {
    const settings = this.options.settings();
    if (settings === null || this.isClosed || this.retry !== null) return;
    for (const item of this.spool.items()) {
      if (this.sending.size >= settings.jobs) return;
      if (this.sending.has(item.file)) continue;
      const job = this.send(item, settings).catch(this.options.onFault);
      this.jobs.add(job);
      job.finally(() => this.jobs.delete(job)).catch(this.options.onFault);
    }
  }

  private async send(item: SpoolItem, settings: UploadSettings): Promise<void> {
    const { index, log } = this.options;
    const abort = new AbortController();
    this.sending.set(item.file, abort);
    try {
      const file = await index.find(item.stream, item.file);
      if (file === null) throw new UploadError('The file is gone.', true);
      const bytes = await this.sendAll(file, settings, abort.signal);
      await this.spool.remove(item.file);
      this.sent++;
      this.sentBytes += bytes;
      this.retryMs = FIRST_RETRY_MS;
      log.info('upload.done', { file: item.file, bytes });
      if (settings.deleteAfter) {
        const reason = await index.remove(file);
        if (reason !== '') log.warn('upload.kept', { file: item.file, cause: reason });
      }
    } catch (error) {
      if (!(error instanceof UploadError)) throw error;
      if (!this.isClosed) await this.onFailure(item, error);
    } finally {
      this.sending.delete(item.file);
    }
    this.advance();
  }

  /** Parts first: whoever finds the list in the storage finds what it names. */
  private async sendAll(file: RecordedFile, settings: UploadSettings, signal: AbortSignal): Promise<number> {
    const { index } = this.options;
    let bytes = 0;
    for (const name of namesOf(file)) {
      const path = index.pathOf(name);
      index.readers.enter(path);
      try {
        bytes += await putObject(settings, name, path, signal);
      } finally {
        index.readers.leave(path);
      }
    }
    return bytes;
  }

  private async onFailure(item: SpoolItem, error: UploadError): Promise<void> {
    const { log, tick } = this.options;
    this.failures++;
    this.lastError = error.message;
    if (error.permanent) {
      this.dropped++;
      log.warn('upload.dropped', { file: item.file, cause: error.message });
      await this.spool.remove(item.file);
      return;
    }
    this.spool.postpone(item);
    log.counted('upload.retry', { file: item.file, cause: error.message, 'in-ms': this.retryMs });
    if (this.retry !== null) return;
    this.retry = tick.after(this.retryMs, () => {
      this.retry = null;
      this.advance();
    });
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.retry?.cancel();
    for (const abort of this.sending.values()) abort.abort();
    await Promise.all(this.jobs);
  }
}
