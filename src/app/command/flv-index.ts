/**
 * `sluice flv-index FILE [OUT]`: puts an index of key frames and what else is known only at the end of a recording into
 * the onMetaData of an FLV file, so that players can seek. The original is replaced in one step when the new file is
 * complete on the disk.
 */
import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises';
import { ProtocolError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';
import {
  type AmfObject,
  type AmfValue,
  isAmfObject,
  makeAmfEcmaArray,
  makeAmfObject,
} from '../../wire/amf/amf-value.ts';
import { PACKET_CODED_FRAMES, PACKET_SEQUENCE_START } from '../../wire/flv/media-tag.ts';
import { ON_META_DATA, parseScript, serializeScript } from '../../wire/flv/script-tag.ts';
import {
  serializeFileHeader,
  TAG_HEADER_BYTES,
  TAG_SCRIPT,
  TAG_TRAILER_BYTES,
  TAG_VIDEO,
} from '../../wire/flv/tag-header.ts';
import { serializeTag } from '../../wire/flv/tag-writer.ts';
import { VIDEO_CODED_FRAMES_X, VideoTag } from '../../wire/flv/video-tag.ts';
import {
  type Command,
  CommandError,
  EXIT_OK,
  EXIT_SOURCE,
  EXIT_TARGET,
  readArguments,
  say,
} from './command.ts';
import { type FlvScan, type ScannedTag, scanFlv } from './flv-scan.ts';
import { messageOf } from './source.ts';

/** Two arrays of nine bytes an entry must fit into one tag of 16 MiB; a day with a key frame a second has 86400. */
const MAX_KEY_FRAMES = 800_000;
/** Limits for metadata that this program wrote itself, with an index of MAX_KEY_FRAMES. */
const METADATA_LIMITS = { maxDepth: 8, maxValues: 2 * MAX_KEY_FRAMES + 1000 };
const COPY_BYTES = 1024 * 1024;
const TAG_OVERHEAD_BYTES = TAG_HEADER_BYTES + TAG_TRAILER_BYTES;

export const flvIndexCommand: Command = {
  name: 'flv-index',
  summary: 'add the index of key frames to an FLV file',
  help: `Usage: sluice flv-index FILE [OUT]

Writes keyframes (times and file positions), duration, filesize and what else belongs to a finished file into the
onMetaData of an FLV file, so that players can seek in it. Media are copied as they are. Without OUT the file itself is
replaced, in one step, when the new one is complete; a file that is damaged in the middle is refused and stays as it
is. An old index is replaced.
`,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const { words } = readArguments(flvIndexCommand, args, { words: [1, 2] });
  const [from = '', to] = words;
  const index = new Index();
  let handle: FileHandle;
  let path: string;
  try {
    path = await realpath(from);
    handle = await open(path, 'r');
  } catch (error) {
    throw new CommandError(EXIT_SOURCE, `${from}: ${messageOf(error)}`);
  }
  const target = to ?? path;
  const temporary = `${target}.${randomId()}.tmp`;
  let cutBytes = 0;
  try {
    const before = await handle.stat();
    const scan = await readIndex(handle, before.size, index, from);
    ({ cutBytes } = scan);
    await write(handle, temporary, before.mode, scan, index);
    const { size, mtimeMs } = await handle.stat();
    if (size !== before.size || mtimeMs !== before.mtimeMs)
      throw new CommandError(EXIT_SOURCE, `${from}: this file is being written at the moment.`);
    await handle.close();
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (error instanceof CommandError) throw error;
    throw new CommandError(EXIT_TARGET, `${target}: ${messageOf(error)}`);
  } finally {
    await handle.close();
  }
  if (cutBytes > 0) say(`${from}: the last ${cutBytes} bytes were half a frame and are left out`);
  say(`${to ?? from}: ${index.keyFrames} key frames in ${index.duration.toFixed(1)} s`);
  return EXIT_OK;
}

async function readIndex(handle: FileHandle, size: number, index: Index, name: string): Promise<FlvScan> {
  try {
    const scan = await scanFlv(handle, size, (tag) => index.add(tag));
    if (index.frames === 0) throw new ProtocolError('flv.empty', 'There are no frames in this file.');
    return scan;
  } catch (error) {
    throw new CommandError(EXIT_SOURCE, `${name}: ${messageOf(error)}`);
  }
}

/** What the tags of a file tell. */
class Index {
  metadata: AmfValue = null;
  /** Where onMetaData tags stand, first and behind last byte; they are not copied. */
  readonly skipped: { from: number; to: number }[] = [];
  /** Seconds, and places in the file as it is. */
  readonly times: number[] = [];
  readonly positions: number[] = [];
  keyFrames = 0;
  frames = 0;
  lastMs = 0;
  lastKeyMs = 0;
  videoBytes = 0;
  audioBytes = 0;
  private videoFrames = 0;
  private firstVideoMs = -1;
  private lastVideoMs = 0;
  private readonly video = new VideoTag();

  add(tag: ScannedTag): void {
    if (tag.type === TAG_SCRIPT) this.script(tag);
    else if (tag.type === TAG_VIDEO) this.picture(tag);
    else this.sound(tag);
  }

  private script({ position, body }: ScannedTag): void {
    try {
      const { name, value } = parseScript(body, METADATA_LIMITS);
      if (name !== ON_META_DATA) return;
      this.metadata ??= value ?? null;
    } catch (error) {
      // Other data, or metadata that nobody can read: copied as it is.
      if (error instanceof ProtocolError) return;
      throw error;
    }
    this.skipped.push({ from: position, to: position + body.length + TAG_OVERHEAD_BYTES });
  }

  private picture({ position, timestampMs, body }: ScannedTag): void {
    this.videoBytes += body.length + TAG_OVERHEAD_BYTES;
    const { video } = this;
    video.reset(body);
    if (!video.advance()) return;
    const { packetType } = video;
    const isPicture = packetType === PACKET_CODED_FRAMES || packetType === VIDEO_CODED_FRAMES_X;
    if (isPicture) {
      this.count(timestampMs);
      this.videoFrames++;
      if (this.firstVideoMs < 0) this.firstVideoMs = timestampMs;
      this.lastVideoMs = timestampMs;
    }
    if (!video.isKey || video.trackId !== 0) return;
    // The decoder configuration is the first entry by custom: mpegts.js and flv.js pass over it.
    const isFirst = packetType === PACKET_SEQUENCE_START && this.times.length === 0;
    if (isFirst || isPicture) this.addPoint(position, timestampMs, isPicture);
  }

  private addPoint(position: number, timestampMs: number, isPicture: boolean): void {
    if (this.times.length === MAX_KEY_FRAMES)
      throw new ProtocolError('flv.too-many-key-frames', `There are more than ${MAX_KEY_FRAMES} key frames.`);
    this.times.push(timestampMs / 1000);
    this.positions.push(position);
    if (!isPicture) return;
    this.keyFrames++;
    this.lastKeyMs = timestampMs;
  }

  private sound({ timestampMs, body }: ScannedTag): void {
    this.audioBytes += body.length + TAG_OVERHEAD_BYTES;
    // The configuration of AAC carries the time of what follows, so it does no harm.
    if (body.length > 0) this.count(timestampMs);
  }

  private count(timestampMs: number): void {
    this.frames++;
    this.lastMs = Math.max(this.lastMs, timestampMs);
  }

  get hasAudio(): boolean {
    return this.audioBytes > 0;
  }

  get hasVideo(): boolean {
    return this.videoFrames > 0;
  }

  /** Of the pictures, a second; 0 = not known. */
  get frameRate(): number {
    const seconds = (this.lastVideoMs - this.firstVideoMs) / 1000;
    return seconds > 0 ? (this.videoFrames - 1) / seconds : 0;
  }

  /** End of the last frame, seconds. */
  get duration(): number {
    const frameMs = this.frameRate > 0 ? 1000 / this.frameRate : 0;
    return Math.max(this.lastMs, this.lastVideoMs + frameMs) / 1000;
  }
}

/** The new metadata, when the tags behind them begin `shift` bytes later than in the file as it is. */
function describe(index: Index, shift: (position: number) => number, filesize: number): AmfObject {
  const values = makeAmfEcmaArray();
  const old = index.metadata;
  if (isAmfObject(old)) for (const name of Object.keys(old)) values[name] = old[name]!; // its own key
  const { duration, frameRate, hasAudio, hasVideo, videoBytes, audioBytes } = index;
  const filepositions = index.positions.map(shift);
  const keyframes = makeAmfObject();
  Object.assign(keyframes, { filepositions, times: index.times });
  if (hasVideo && frameRate > 0) Object.assign(values, { framerate: Math.round(frameRate * 1000) / 1000 });
  if (hasVideo && duration > 0) Object.assign(values, { videodatarate: (videoBytes * 8) / 1000 / duration });
  if (hasAudio && duration > 0) Object.assign(values, { audiodatarate: (audioBytes * 8) / 1000 / duration });
  return Object.assign(values, {
    duration,
    filesize,
    datasize: videoBytes + audioBytes,
    videosize: videoBytes,
    audiosize: audioBytes,
    hasVideo,
    hasAudio,
    hasMetadata: true,
    hasKeyframes: index.keyFrames > 0,
    canSeekToEnd: index.keyFrames > 0 && index.lastKeyMs === index.lastMs,
    lasttimestamp: index.lastMs / 1000,
    lastkeyframetimestamp: index.lastKeyMs / 1000,
    lastkeyframelocation: filepositions.at(-1) ?? 0,
    keyframes,
  });
}

async function write(
  handle: FileHandle,
  temporary: string,
  mode: number,
  scan: FlvScan,
  index: Index,
): Promise<void> {
  const header = serializeFileHeader(index.hasAudio, index.hasVideo);
  // Numbers take the same room whatever they say, so the size is known before the places are.
  const metadata = (shift: (position: number) => number, size: number) =>
    serializeTag(TAG_SCRIPT, 0, serializeScript(ON_META_DATA, describe(index, shift, size)));
  const size = metadata((position) => position, 0).length;
  const skippedBefore = skippedBytes(index.skipped, scan.end);
  const shift = (position: number) =>
    header.length + size + position - scan.firstTag - skippedBefore(position);
  const out = await open(temporary, 'wx', mode & 0o777);
  try {
    await out.appendFile(header);
    await out.appendFile(metadata(shift, shift(scan.end) + scan.missing.length));
    let at = scan.firstTag;
    for (const { from, to } of [...index.skipped, { from: scan.end, to: scan.end }]) {
      await copy(handle, out, at, from);
      at = to;
    }
    await out.appendFile(scan.missing);
    // The rename must not come to the disk before the bytes do.
    await out.sync();
  } finally {
    await out.close();
  }
}

/** How many bytes in front of a place are not copied. */
function skippedBytes(
  skipped: readonly { from: number; to: number }[],
  end: number,
): (position: number) => number {
  const sums = [0];
  for (const { from, to } of skipped) sums.push(sums.at(-1)! + Math.min(to, end) - from); // never empty
  return (position) => {
    let low = 0;
    let high = skipped.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (skipped[middle]!.from < position) low = middle + 1;
      else high = middle;
    }
    return sums[low]!;
  };
}

async function copy(handle: FileHandle, out: FileHandle, from: number, to: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  let at = from;
  while (at < to) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(COPY_BYTES, to - at), at);
    if (bytesRead === 0) return;
    await out.appendFile(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}
