import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  serializeFileHeader,
  TAG_AUDIO,
  TAG_SCRIPT,
  TAG_VIDEO,
} from '../../../../src/wire/flv/tag-header.ts';
import { FlvTagReader } from '../../../../src/wire/flv/tag-reader.ts';
import { serializeTag } from '../../../../src/wire/flv/tag-writer.ts';
import { feedings, flvFiles, loadFlv, type Tag } from './vectors.ts';

const header = serializeFileHeader(true, true);

function collect(pieces: readonly Uint8Array[]): { reader: FlvTagReader; tags: Tag[] } {
  const tags: Tag[] = [];
  const reader = new FlvTagReader((type, timestampMs, body) => {
    tags.push({ type, timestampMs, body: Buffer.from(body) });
  });
  for (const piece of pieces) reader.receive(piece);
  return { reader, tags };
}

test('the files of FFmpeg are there', () => assert.equal(flvFiles.length, 13));

for (const name of flvFiles) {
  const file = loadFlv(name);
  for (const [how, pieces] of feedings(file)) {
    test(`tag reader and writer: ${name} ${how} comes out as it was`, () => {
      const { reader, tags } = collect(pieces);
      assert.ok(reader.isComplete);
      assert.ok(tags.length >= 2);
      const written = [serializeFileHeader(reader.hasAudio, reader.hasVideo)];
      for (const tag of tags) written.push(serializeTag(tag.type, tag.timestampMs, tag.body));
      assert.deepEqual(Buffer.concat(written), file);
    });
  }
}

test('tag writer: header fields and trailing size', () => {
  assert.equal(serializeFileHeader(true, false).toString('hex'), '464c5601040000000900000000');
  assert.equal(serializeFileHeader(false, true).toString('hex'), '464c5601010000000900000000');
  const tag = serializeTag(TAG_VIDEO, 0x1234_5678, Buffer.from('aabb', 'hex'));
  assert.equal(tag.toString('hex'), '0900000234567812000000aabb0000000d');
});

test('tag reader: times above 2^31 stay positive, bodies larger than its buffer come whole', () => {
  const body = Buffer.alloc(700_000, 0xab);
  const bytes = Buffer.concat([
    header,
    serializeTag(TAG_VIDEO, 0xffff_fff0, body),
    serializeTag(TAG_AUDIO, 1, body),
  ]);
  for (const size of [bytes.length, 65_536, 1000]) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    const { tags } = collect(pieces);
    assert.deepEqual(
      tags.map((tag) => [tag.type, tag.timestampMs, tag.body.equals(body)]),
      [
        [TAG_VIDEO, 0xffff_fff0, true],
        [TAG_AUDIO, 1, true],
      ],
    );
  }
});

test('tag reader: what it does not insist on', () => {
  const longHeader = Buffer.from('464c5601050000000cffffff00000000', 'hex');
  const empty = Buffer.from('0800000000000000000000deadbeef', 'hex');
  const oddStream = Buffer.from('1200000100000a000000075500000000', 'hex');
  const { reader, tags } = collect([longHeader, empty, oddStream]);
  assert.deepEqual(tags, [{ type: TAG_SCRIPT, timestampMs: 10, body: Buffer.from([0x55]) }]);
  assert.ok(reader.isComplete);
});

test('tag reader: an end inside a tag is not complete, a missing last PreviousTagSize is', () => {
  const tag = serializeTag(TAG_AUDIO, 0, Buffer.from([1, 2, 3]));
  for (let cut = 0; cut <= tag.length; cut++) {
    const { reader } = collect([header, tag.subarray(0, cut)]);
    assert.equal(reader.isComplete, cut === 0 || cut >= tag.length - 4, `cut at ${cut}`);
  }
});

const broken: [string, string, string][] = [
  ['no FLV', '474c5601', 'flv.no-signature'],
  ['another version', '464c5602050000000900000000', 'flv.bad-version'],
  ['a file header too small', '464c5601050000000800000000', 'flv.bad-file-header'],
  ['a file header too large', '464c5601057fffffff00000000', 'flv.bad-file-header'],
  ['a tag type that is none', `${header.toString('hex')}0a00000100000000000000`, 'flv.bad-tag-type'],
  ['an encrypted tag', `${header.toString('hex')}2900000100000000000000`, 'flv.encrypted'],
  ['a tag above the limit', `${header.toString('hex')}0900040100000000000000`, 'flv.tag-too-big'],
];

for (const [what, hex, code] of broken) {
  test(`tag reader: ${what} is ${code}`, () => {
    const bytes = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(20)]);
    for (const [, pieces] of feedings(bytes)) {
      const reader = new FlvTagReader(() => assert.fail('no tag is expected'), { maxBodyBytes: 1024 });
      assert.throws(
        () => {
          for (const piece of pieces) reader.receive(piece);
        },
        { code },
      );
    }
  });
}
