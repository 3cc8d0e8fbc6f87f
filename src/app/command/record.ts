/** `sluice record URL FILE`: whatever can be pulled, into an FLV, MP4 (in fragments) or MPEG-TS file. */
import { type FileHandle, open } from 'node:fs/promises';
import { extname } from 'node:path';
import type { FrameSupply } from '../../media-file/frame-supply.ts';
import { type FileFormat, type FileMuxer, openFileMuxer } from '../../packaging/file-muxer.ts';
import { systemClock } from '../../util/clock.ts';
import { shownUrl } from '../../util/shown-url.ts';
import {
  type Command,
  CommandError,
  EXIT_BROKEN,
  EXIT_OK,
  EXIT_SOURCE,
  EXIT_TARGET,
  EXIT_USAGE,
  onInterrupt,
  readArguments,
  say,
} from './command.ts';
import { clockText, ProgressLine, rateText, sizeText } from './progress.ts';
import { RecordableFrames } from './recordable-frames.ts';
import { messageOf, openSource, SOURCE_ARGUMENTS, sourceOptions, tellDamage, URL_OPTIONS } from './source.ts';

const FORMATS: Readonly<Record<string, FileFormat>> = { '.flv': 'flv', '.mp4': 'fmp4', '.ts': 'ts' };

export const recordCommand: Command = {
  name: 'record',
  summary: 'write a stream into an FLV, MP4 or MPEG-TS file',
  help: `Usage: sluice record [options] URL FILE

Writes what plays at a URL into FILE until it ends or Ctrl+C is pressed: rtmp://, rtmps://, rtsp://, rtsps://, http://
or https:// (HLS lists, FLV, MPEG-TS, fragmented MP4), srt://, udp:// and tcp:// (MPEG-TS). The file is complete in every case.
A file may stand in place of the URL: then it is put into the other container. The extension says which: .flv, .mp4 (in fragments, readable after a crash) or .ts. Nothing is encoded
again. When the stream changes so that one file cannot hold it, FILE.2, FILE.3 and so on follow (before the extension).

Options
  --duration S  stop after S seconds of media
  --force       replace FILE when it is there
${URL_OPTIONS}
Examples
  sluice record rtmp://localhost/live/demo demo.mp4 --duration 60
  sluice record https://live.example.com/live/cam.m3u8 cam.ts
`,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const given = readArguments(recordCommand, args, {
    words: [2, 2],
    flags: ['force', ...SOURCE_ARGUMENTS.flags],
    options: ['duration', ...SOURCE_ARGUMENTS.options],
  });
  const [from = '', to = ''] = given.words;
  const format = FORMATS[extname(to).toLowerCase()];
  if (format === undefined)
    throw new CommandError(
      EXIT_USAGE,
      `"${to}" must end with .flv, .mp4 or .ts, which says what is written.`,
    );
  const durationUs = (given.number('duration', 0.1) ?? Number.POSITIVE_INFINITY) * 1e6;
  const source = await openSource(from, { loop: false, ...sourceOptions(given) });
  tellDamage(from, source);
  const forget = onInterrupt(() => source.supply.close());
  const recording = new Recording(to, format, given.has('force'), () => source.metadata());
  const began = Date.now();
  const progress = new ProgressLine(() => {
    const media = recording.durationUs / 1e6;
    const pace = media / Math.max((Date.now() - began) / 1000, 0.1);
    const rate = rateText((recording.bytes * 8) / Math.max(media, 0.1));
    return `${clockText(media)}  ${sizeText(recording.bytes)}  ${rate}  ${pace.toFixed(2)}x`;
  });
  let problem: unknown = null;
  try {
    await copy(source.supply, recording, durationUs, source.file !== null);
  } catch (error) {
    problem = error;
  } finally {
    source.supply.close();
    forget();
    progress.end();
  }
  // What came before a source broke off is kept.
  await recording.finish();
  if (recording.bytes > 0) {
    const seconds = (recording.durationUs / 1e6).toFixed(1);
    say(`recorded ${seconds} s, ${sizeText(recording.bytes)} into ${recording.files.join(', ')}`);
  }
  if (problem !== null) throw problem;
  if (recording.bytes === 0)
    throw new CommandError(EXIT_SOURCE, `${shownUrl(from)}: nothing came that could be recorded.`);
  return EXIT_OK;
}

async function copy(
  supply: FrameSupply,
  recording: Recording,
  durationUs: number,
  isFile: boolean,
): Promise<void> {
  const frames = new RecordableFrames(isFile);
  for (;;) {
    const part = await supply.read();
    const ready = part === null ? frames.finish() : frames.take(part);
    for (const { tracks, frames: list } of ready) {
      if (tracks !== null) await recording.setTracks(tracks);
      for (const frame of list) {
        if (frame.dts >= durationUs) return;
        recording.write(frame);
      }
      await recording.flush();
    }
    if (part === null) return;
  }
}

/** The file, and those that follow when the tracks change beyond what it can hold. */
class Recording {
  bytes = 0;
  readonly files: string[] = [];
  private readonly path: string;
  private readonly format: FileFormat;
  private readonly replaces: boolean;
  private readonly metadata: () => unknown;
  private muxer: FileMuxer | null = null;
  private handle: FileHandle | null = null;
  private toldLeftOut = '';
  private endUs = 0;

  constructor(path: string, format: FileFormat, replaces: boolean, metadata: () => unknown) {
    this.path = path;
    this.format = format;
    this.replaces = replaces;
    this.metadata = metadata;
  }

  /** Media written, microseconds. */
  get durationUs(): number {
    return this.endUs;
  }

  async setTracks(tracks: Parameters<FileMuxer['setTracks']>[0]): Promise<void> {
    if (this.muxer?.setTracks(tracks) !== true) {
      await this.finish();
      this.muxer = openFileMuxer(this.format, {
        startWallUs: systemClock.wallUs(),
        metadata: this.metadata(),
      });
      this.muxer.setTracks(tracks);
      await this.openFile();
    }
    const { leftOut } = this.muxer;
    const told = leftOut.map(({ track, reason }) => `left out: ${track.config.codec} (${reason})`).join('\n');
    if (told !== '' && told !== this.toldLeftOut) say(told);
    this.toldLeftOut = told;
    if (leftOut.length === tracks.length)
      throw new CommandError(EXIT_TARGET, `${this.path}: none of the tracks can be in such a file.`);
  }

  private async openFile(): Promise<void> {
    const path = numbered(this.path, this.files.length + 1);
    try {
      this.handle = await open(path, this.replaces ? 'w' : 'wx');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST')
        throw new CommandError(EXIT_TARGET, `${path} is there already; --force replaces it.`);
      throw new CommandError(EXIT_TARGET, `${path}: ${messageOf(error)}`);
    }
    this.files.push(path);
  }

  write(frame: Parameters<FileMuxer['write']>[0]): void {
    this.muxer?.write(frame);
    this.endUs = Math.max(this.endUs, frame.dts + frame.duration);
  }

  async flush(): Promise<void> {
    const { muxer, handle } = this;
    if (muxer === null || handle === null || muxer.readyBytes === 0) return;
    const ready = Buffer.concat(muxer.take());
    muxer.takeMarks();
    try {
      await handle.appendFile(ready);
    } catch (error) {
      this.muxer = null;
      throw new CommandError(EXIT_BROKEN, `${this.files.at(-1)}: ${messageOf(error)}`);
    }
    this.bytes += ready.length;
  }

  /** The file under way is complete afterwards. */
  async finish(): Promise<void> {
    this.muxer?.finish();
    await this.flush();
    this.muxer = null;
    await this.handle?.close();
    this.handle = null;
  }
}

function numbered(path: string, number: number): string {
  if (number === 1) return path;
  const extension = extname(path);
  return `${path.slice(0, -extension.length)}.${number}${extension}`;
}
