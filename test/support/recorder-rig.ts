/** A stream on a fake clock with recorders on a fake disk; what they wrote is read from memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FRAME_KEY } from '../../src/media/frame.ts';
import type { Publication } from '../../src/media/publication.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import { makeTrack } from '../../src/media/track.ts';
import type { RecordedFile } from '../../src/recordings/recording-entry.ts';
import { RecordingIndex } from '../../src/recordings/recording-index.ts';
import { FileReaders } from '../../src/runtime/file-response.ts';
import { makeRecordRule } from '../../src/service/record/record-config.ts';
import { Recorder } from '../../src/service/record/recorder.ts';
import type { Continuation } from '../../src/service/record/recording-output.ts';
import { LogHub, type LogLine } from '../../src/util/log.ts';
import { FakeDisk } from './fake-disk.ts';
import { recordingOf } from './feed-frames.ts';
import { TestHub } from './test-hub.ts';

const { tracks } = recordingOf('ffmpeg51-h264-aac');
export const RIG_VIDEO = tracks.find((track) => track.kind === 'video')!.config;
export const RIG_AUDIO = tracks.find((track) => track.kind === 'audio')!.config;

export interface RecordOptions {
  readonly rule?: Readonly<Record<string, unknown>>;
  readonly durationMs?: number;
  readonly continuation?: Continuation;
  readonly maxBacklogBytes?: number;
  readonly vhost?: string;
}

const byName = (a: string, b: string) => (a < b ? -1 : 1);

export class RecorderRig {
  readonly test = new TestHub({ graceMs: 10_000 });
  readonly disk = new FakeDisk();
  readonly lines: LogLine[] = [];
  readonly faults: unknown[] = [];
  readonly finished: RecordedFile[] = [];
  readonly removed: string[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-rig-'));
  readonly index = new RecordingIndex(this.folder, new FileReaders());
  readonly key = makeStreamKey('live', 'cam');
  /** Added to the wall clock. */
  wallStepUs = 0;
  publication: Publication;
  /** Milliseconds of the publisher's clock. */
  ms = 0;
  private readonly recorders: Recorder[] = [];
  private readonly log = new LogHub('debug', (line) => this.lines.push(line)).logger();

  constructor() {
    this.publication = this.publish();
  }

  publish(): Publication {
    this.publication = this.test.hub.publish(this.key, this.test.owner('p'));
    this.ms = 0;
    return this.publication;
  }

  announce(withAudio = true): void {
    this.publication.setTrack(makeTrack(0, RIG_VIDEO));
    if (withAudio) this.publication.setTrack(makeTrack(1, RIG_AUDIO));
  }

  record(options: RecordOptions = {}): Recorder {
    const { clock, hub } = this.test;
    const recorder = new Recorder({
      key: this.key,
      rule: makeRecordRule(options.rule ?? {}),
      durationMs: options.durationMs ?? 10_000,
      vhost: options.vhost ?? 'h',
      metadata: () => null,
      index: this.index,
      files: this.disk,
      maxBacklogBytes: options.maxBacklogBytes ?? 1_000_000,
      syncMs: 0,
      clock: { nowUs: () => clock.nowUs(), wallUs: () => clock.wallUs() + this.wallStepUs },
      log: this.log,
      continuation: options.continuation ?? null,
      removeFile: (path) => {
        this.removed.push(path);
        this.disk.files.delete(path);
      },
      onFile: (file) => this.finished.push(file),
      onFault: (error) => this.faults.push(error),
    });
    hub.consume(this.key, recorder, 0);
    this.recorders.push(recorder);
    return recorder;
  }

  /** Pictures of 25 per second and sound, with a key frame every `gopMs`; lets the disk work. */
  async play(ms: number, gopMs = 2000, bytes = 200): Promise<void> {
    const end = this.ms + ms;
    for (; this.ms < end; this.ms += 40) {
      const isKey = this.ms % gopMs === 0;
      const payload = Buffer.alloc(bytes, 0x55);
      payload.writeUInt32BE(bytes - 4, 0);
      payload[4] = isKey ? 0x65 : 0x41;
      this.publication.write(0, isKey ? FRAME_KEY : 0, this.ms, this.ms, 0, payload, RIG_VIDEO);
      this.publication.write(1, FRAME_KEY, this.ms, this.ms, 0, Buffer.alloc(8, 2), RIG_AUDIO);
      this.test.advanceMs(40);
      if (this.ms % 1000 === 0) await this.disk.settle();
    }
    await this.disk.settle();
    if (!this.disk.hold) await Promise.all(this.recorders.map((recorder) => recorder.settled));
  }

  /** Sound alone. */
  async playAudio(ms: number): Promise<void> {
    const end = this.ms + ms;
    for (; this.ms < end; this.ms += 40) {
      this.publication.write(1, FRAME_KEY, this.ms, this.ms, 0, Buffer.alloc(8, 2), RIG_AUDIO);
      this.test.advanceMs(40);
    }
    await this.disk.settle();
  }

  /** Names on the disk, below the folder of recordings. */
  get names(): string[] {
    return [...this.disk.files.keys()].map((path) => path.slice(this.folder.length + 1)).sort(byName);
  }

  text(name: string): string {
    return this.disk.text(this.index.pathOf(name));
  }

  bytes(name: string): Buffer {
    return this.disk.files.get(this.index.pathOf(name)) ?? Buffer.alloc(0);
  }

  logged(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Ends the recorders, waits for the disk, and checks that nothing is left open. */
  async close(...recorders: Recorder[]): Promise<void> {
    for (const recorder of recorders) recorder.stop();
    this.disk.release();
    await Promise.all(recorders.map((recorder) => recorder.settled));
    await this.disk.settle();
    rmSync(this.folder, { recursive: true, force: true });
    if (this.faults.length > 0) throw this.faults[0];
    if (this.disk.openFiles > 0) throw new Error(`${this.disk.openFiles} files are left open`);
    if (this.index.openFiles().length > 0) throw new Error('recordings are left open in the index');
  }
}
