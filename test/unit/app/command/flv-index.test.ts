/** The key frame index of an FLV file, and files that cannot have one. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { flvIndexCommand } from '../../../../src/app/command/flv-index.ts';
import { FlvFileMuxer } from '../../../../src/packaging/flv-file-muxer.ts';
import { type AmfValue, isAmfObject } from '../../../../src/wire/amf/amf-value.ts';
import { parseScript, serializeScript } from '../../../../src/wire/flv/script-tag.ts';
import { serializeTag } from '../../../../src/wire/flv/tag-writer.ts';
import { type FlvTag, parseFlv, TAG_AUDIO, TAG_SCRIPT, TAG_VIDEO } from '../../../support/flv-tags.ts';
import { fakeFile } from '../../media-file/fake-media-file.ts';

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-index-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** A recording without an index: the test clip once. */
async function recording(): Promise<Buffer> {
  const muxer = new FlvFileMuxer({ startWallUs: 0, metadata: { title: 'kept' } });
  const file = fakeFile({ rounds: 1 });
  muxer.setTracks(file.tracks);
  for (const frame of file.frames) muxer.write(frame);
  muxer.finish();
  return Buffer.concat(muxer.take());
}

async function place(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function metadataOf(tags: readonly FlvTag[]): Record<string, AmfValue> {
  const [first] = tags;
  assert.equal(first?.type, TAG_SCRIPT);
  const { name, value } = parseScript(first.payload, { maxDepth: 8, maxValues: 100_000 });
  assert.equal(name, 'onMetaData');
  assert.ok(isAmfObject(value));
  return value;
}

/** Checks that every place of the index is that of the key frame with its time. */
function checkIndex(bytes: Buffer): { keyFrames: number; values: Record<string, AmfValue> } {
  const tags = parseFlv(bytes);
  const values = metadataOf(tags);
  const { keyframes } = values;
  assert.ok(isAmfObject(keyframes));
  const { times, filepositions } = keyframes;
  assert.ok(Array.isArray(times) && Array.isArray(filepositions));
  assert.equal(times.length, filepositions.length);
  for (const [i, position] of filepositions.entries()) {
    assert.ok(typeof position === 'number');
    assert.equal(bytes[position], TAG_VIDEO, `no picture at ${position}`);
    const ms = bytes.readUIntBE(position + 4, 3) + bytes[position + 7]! * 2 ** 24;
    assert.equal(ms / 1000, times[i]);
    assert.equal(bytes[position + 11]! >> 4, 1, 'a key frame');
    // By custom the first is the decoder configuration.
    assert.equal(bytes[position + 12], i === 0 ? 0 : 1);
  }
  assert.equal(values['filesize'], bytes.length);
  return { keyFrames: times.length - 1, values };
}

const media = (bytes: Buffer) =>
  parseFlv(bytes)
    .filter(({ type }) => type !== TAG_SCRIPT)
    .map(({ type, timestamp, payload }) => `${type} ${timestamp} ${payload.toString('base64')}`);

test('flv-index: in place; media are untouched, places and times are right', async () => {
  const original = await recording();
  const path = await place('in-place.flv', original);
  assert.equal(await flvIndexCommand.run([path]), 0);
  const bytes = readFileSync(path);
  const { keyFrames, values } = checkIndex(bytes);
  assert.equal(keyFrames, 10);
  assert.deepEqual(media(bytes), media(original));
  assert.equal(values['title'], 'kept');
  assert.equal(values['hasKeyframes'], true);
  assert.ok(Math.abs(Number(values['duration']) - 20) < 0.05, String(values['duration']));
  assert.equal(values['framerate'], 25);
  const sizes = { [TAG_AUDIO]: 0, [TAG_VIDEO]: 0 } as Record<number, number>;
  for (const { type, payload } of parseFlv(bytes))
    if (type !== TAG_SCRIPT) sizes[type]! += payload.length + 15;
  assert.equal(values['videosize'], sizes[TAG_VIDEO]);
  assert.equal(values['audiosize'], sizes[TAG_AUDIO]);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('.tmp')),
    [],
  );
});

test('flv-index: again, to another file: the old index is replaced, the original stays', async () => {
  const path = await place('twice.flv', await recording());
  await flvIndexCommand.run([path]);
  const once = readFileSync(path);
  const out = join(folder, 'out.flv');
  assert.equal(await flvIndexCommand.run([path, out]), 0);
  assert.deepEqual(readFileSync(out), once, 'indexing an indexed file changes nothing');
  assert.deepEqual(readFileSync(path), once);
});

test('flv-index: metadata in the middle and other script data', async () => {
  const original = await recording();
  const tags = parseFlv(original);
  const again = serializeTag(TAG_SCRIPT, 700, serializeScript('onMetaData', { second: true } as never));
  const cue = serializeTag(TAG_SCRIPT, 800, serializeScript('onCuePoint', 'x'));
  const half = original.length - 15 - tags.at(-1)!.payload.length;
  const path = await place(
    'middle.flv',
    Buffer.concat([original.subarray(0, half), again, cue, original.subarray(half)]),
  );
  assert.equal(await flvIndexCommand.run([path]), 0);
  const bytes = readFileSync(path);
  checkIndex(bytes);
  const scripts = parseFlv(bytes).filter(({ type }) => type === TAG_SCRIPT);
  assert.equal(scripts.length, 2, 'one onMetaData and the cue point');
  assert.deepEqual(media(bytes), media(original));
});

test('flv-index: a frame that was cut off is left out', async () => {
  const original = await recording();
  const path = await place('cut.flv', original.subarray(0, original.length - 20));
  assert.equal(await flvIndexCommand.run([path]), 0);
  checkIndex(readFileSync(path));
  assert.deepEqual(media(readFileSync(path)), media(original).slice(0, -1));
});

test('flv-index: only the size behind the last tag is missing', async () => {
  const original = await recording();
  const path = await place('short.flv', original.subarray(0, original.length - 3));
  assert.equal(await flvIndexCommand.run([path]), 0);
  checkIndex(readFileSync(path));
  assert.deepEqual(media(readFileSync(path)), media(original));
});

test('flv-index: what cannot be indexed is refused and stays as it is', async () => {
  const original = await recording();
  const broken = Buffer.from(original);
  const second = 13 + 15 + parseFlv(original)[0]!.payload.length;
  broken[second] = 0x55;
  const files: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['text.flv', Buffer.from('not an FLV file at all'), /This is no FLV file/],
    ['empty.flv', Buffer.alloc(0), /This is no FLV file/],
    ['header.flv', original.subarray(0, 13), /no frames/],
    ['broken.flv', broken, new RegExp(`no tag at byte ${second}`)],
  ];
  for (const [name, bytes, message] of files) {
    const path = await place(name, bytes);
    const before = statSync(path).mtimeMs;
    await assert.rejects(flvIndexCommand.run([path]), (error: Error & { code?: number }) => {
      assert.match(error.message, message);
      return error.code === 4;
    });
    assert.deepEqual(readFileSync(path), Buffer.from(bytes));
    assert.equal(statSync(path).mtimeMs, before);
  }
  await assert.rejects(flvIndexCommand.run([join(folder, 'none.flv')]), { code: 4 });
  const path = await place('good.flv', original);
  await assert.rejects(flvIndexCommand.run([path, join(folder, 'no', 'folder.flv')]), { code: 5 });
  assert.equal(existsSync(join(folder, 'no')), false);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('.tmp')),
    [],
  );
});
