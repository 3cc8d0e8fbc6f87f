import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import type { CodecId } from '../../../../src/codec/codec-id.ts';
import { InvariantError } from '../../../../src/util/errors.ts';
import { BoxWriter } from '../../../../src/wire/mp4/box-writer.ts';
import { keyFrameMp4 } from '../../../../src/wire/mp4/key-frame-file.ts';

const CONTAINERS = ['moov', 'trak', 'mdia', 'minf', 'dinf', 'stbl', 'mvex', 'moof', 'traf'];

interface Box {
  readonly path: string;
  readonly at: number;
  readonly body: Buffer;
}

/** All boxes with their paths; every size must fit exactly. */
function boxes(bytes: Buffer, from: number, to: number, parent: string, found: Box[] = []): Box[] {
  let at = from;
  while (at < to) {
    const size = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    assert.ok(size >= 8 && at + size <= to, `${parent}/${type} of ${size} bytes`);
    const path = `${parent}/${type}`;
    found.push({ path, at, body: bytes.subarray(at + 8, at + size) });
    if (CONTAINERS.includes(type)) boxes(bytes, at + 8, at + size, path, found);
    at += size;
  }
  assert.equal(at, to);
  return found;
}

const config = (codec: CodecId, record = Uint8Array.of(1, 2, 3, 4, 5)) =>
  makeCodecConfig(codec, record, '', { width: 640, height: 360 });

test('mp4: a key frame becomes a file whose boxes fit', () => {
  const payload = Buffer.from('0000000265a5', 'hex');
  for (const [codec, entry, box] of [
    ['h264', 'avc1', 'avcC'],
    ['h265', 'hvc1', 'hvcC'],
    ['av1', 'av01', 'av1C'],
    ['vp9', 'vp09', 'vpcC'],
  ] as const) {
    const file = keyFrameMp4(config(codec), payload);
    assert.ok(file !== null);
    const all = boxes(file, 0, file.length, '');
    assert.deepEqual(
      all.map((found) => found.path),
      [
        '/ftyp',
        '/moov',
        '/moov/mvhd',
        '/moov/trak',
        '/moov/trak/tkhd',
        '/moov/trak/mdia',
        '/moov/trak/mdia/mdhd',
        '/moov/trak/mdia/hdlr',
        '/moov/trak/mdia/minf',
        '/moov/trak/mdia/minf/vmhd',
        '/moov/trak/mdia/minf/dinf',
        '/moov/trak/mdia/minf/dinf/dref',
        '/moov/trak/mdia/minf/stbl',
        '/moov/trak/mdia/minf/stbl/stsd',
        '/moov/trak/mdia/minf/stbl/stts',
        '/moov/trak/mdia/minf/stbl/stsc',
        '/moov/trak/mdia/minf/stbl/stsz',
        '/moov/trak/mdia/minf/stbl/stco',
        '/moov/mvex',
        '/moov/mvex/trex',
        '/moof',
        '/moof/mfhd',
        '/moof/traf',
        '/moof/traf/tfhd',
        '/moof/traf/tfdt',
        '/moof/traf/trun',
        '/mdat',
      ],
    );
    const body = (path: string) => all.find((found) => found.path === path)!.body;
    const sizes: [string, number][] = [
      ['/moov/mvhd', 100],
      ['/moov/trak/tkhd', 84],
      ['/moov/trak/mdia/mdhd', 24],
      ['/moov/mvex/trex', 24],
    ];
    for (const [path, size] of sizes) assert.equal(body(path).length, size, path);
    const description = body('/moov/trak/mdia/minf/stbl/stsd').subarray(8);
    assert.equal(description.toString('latin1', 4, 8), entry);
    assert.equal(description.readUInt32BE(0), description.length);
    assert.deepEqual([description.readUInt16BE(32), description.readUInt16BE(34)], [640, 360]);
    assert.equal(description.toString('hex', 86), `0000000d${Buffer.from(box).toString('hex')}0102030405`);
    const run = body('/moof/traf/trun');
    const moof = all.find((found) => found.path === '/moof')!;
    const dataAt = moof.at + run.readUInt32BE(8);
    assert.ok(
      file.subarray(dataAt, dataAt + run.readUInt32BE(16)).equals(payload),
      'the run points at the sample',
    );
    assert.ok(body('/mdat').equals(payload));
  }
});

test('mp4: codecs without a place or a record give nothing', () => {
  for (const codec of ['vp8', 'unknown-video', 'aac'] as const) {
    assert.equal(keyFrameMp4(config(codec), Uint8Array.of(1)), null, codec);
  }
  assert.equal(keyFrameMp4(config('h264', new Uint8Array(0)), Uint8Array.of(1)), null);
});

test('mp4: an end without a beginning is our own error', () => {
  assert.throws(() => new BoxWriter().end(), InvariantError);
});
