/** What is left of a stream with B-frames, decoded by FFmpeg: every picture is exactly that of the whole stream. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inOrderSps } from '../../src/codec/h264-in-order-sps.ts';
import { Frame } from '../../src/media/frame.ts';
import { InOrderPictures } from '../../src/media/reordered-pictures.ts';
import { readClip } from '../support/hub-publisher.ts';
import type { IngestedFrame } from '../support/ingest-recorder.ts';
import { missing, run } from '../support/programs.ts';

const START_CODE = Buffer.from([0, 0, 0, 1]);
const SPS = 7;
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-bframes-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** Annex B, with SPS as those get it that are sent no picture out of order. */
function annexB(payload: Buffer): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < payload.length; ) {
    const end = at + 4 + payload.readUInt32BE(at);
    const nal = payload.subarray(at + 4, end);
    parts.push(START_CODE, (nal[0]! & 0x1f) === SPS ? inOrderSps(nal) : nal);
    at = end;
  }
  return Buffer.concat(parts);
}

/** A digest of every picture. */
async function decoded(path: string): Promise<string[]> {
  const { out } = await run('ffmpeg', [
    '-v',
    'error',
    '-i',
    path,
    '-fps_mode',
    'passthrough',
    '-f',
    'framemd5',
    '-',
  ]);
  return out
    .split('\n')
    .flatMap((line) => (line === '' || line.startsWith('#') ? [] : [line.split(',').at(-1)!.trim()]));
}

for (const name of ['no-pyramid', 'one-reference', 'strict-pyramid']) {
  test(`x264, ${name}`, { skip: missing('ffmpeg') }, async () => {
    const path = fileURLToPath(new URL(`../vectors/b-frames/${name}.mpegts`, import.meta.url));
    const { frames } = readClip(path);
    const filter = new InOrderPictures();
    const admits = ({ flags, dtsMs, ptsMs, payload, config }: IngestedFrame) =>
      filter.admits(new Frame(0, flags, dtsMs * 1000, ptsMs * 1000, 0, payload, config, 0, Number.NaN));
    // It knows the encoder after a while.
    for (const frame of frames) admits(frame);
    const left = frames.filter(admits);
    assert.ok(left.length >= frames.length / 4 && left.length <= frames.length / 2);
    const file = join(folder, `${name}.h264`);
    writeFileSync(file, Buffer.concat(left.map(({ payload }) => annexB(payload))));
    const [whole, rest] = await Promise.all([decoded(path), decoded(file)]);
    const shown = frames.map(({ ptsMs }) => ptsMs).sort((a, b) => a - b);
    assert.deepEqual(
      rest,
      left.map(({ ptsMs }) => whole[shown.indexOf(ptsMs)]),
    );
  });
}
