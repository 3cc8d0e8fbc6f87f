/** A program that records a clip as fast as it can until it is killed: folder, format. It prints what it has written. */

import { Frame } from '../../src/media/frame.ts';
import { type FileFormat, openFileMuxer } from '../../src/packaging/file-muxer.ts';
import { FileWriter, systemFiles } from '../../src/runtime/file-writer.ts';
import { recordingOf } from './feed-frames.ts';

const [path = '', format = ''] = process.argv.slice(2);
const { frames, tracks } = recordingOf('ffmpeg51-h264-aac');
const ROUND_US = 640_000;

const muxer = openFileMuxer(format as FileFormat, { startWallUs: 1_700_000_000_000_000 });
muxer.setTracks(tracks);
const writer = new FileWriter({
  files: systemFiles,
  pathAt: () => path,
  startBytes: 0,
  maxBacklogBytes: 1_000_000,
  syncMs: 0,
  nowUs: () => performance.now() * 1000,
  onFailure: (error) => {
    throw error;
  },
  // Told after the disk has it: what is told here must be readable after the kill.
  onProgress: () => {
    while (waiting.length > 0 && waiting[0]!.bytes <= writer.writtenBytes) {
      const { bytes, count } = waiting.shift()!;
      process.stdout.write(`${bytes} ${count}\n`);
    }
  },
});
const waiting: { bytes: number; count: number }[] = [];
let bytes = 0;
let count = 0;
let pending = 0;

for (let round = 0; ; round++) {
  for (const frame of frames) {
    const us = round * ROUND_US;
    const { trackId, flags, dts, pts, duration, payload, config, arrival } = frame;
    muxer.write(
      new Frame(trackId, flags, dts + us, pts + us, duration, payload, config, arrival, Number.NaN),
    );
    pending++;
    const parts = muxer.take();
    if (parts.length > 0) {
      for (const part of parts) bytes += part.length;
      // The newest frames of each track may still be in the muxer.
      count += pending;
      pending = 0;
      waiting.push({ bytes, count: count - 4 });
      writer.append(parts);
    }
  }
  await new Promise((done) => setImmediate(done));
}
