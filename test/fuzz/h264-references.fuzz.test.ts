/** H.264 slice headers and parameter sets against broken input: an answer or a ProtocolError, in bounded memory and time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAvcConfig } from '../../src/codec/avc-config.ts';
import { makeCodecConfig } from '../../src/codec/codec-config.ts';
import { inOrderSps } from '../../src/codec/h264-in-order-sps.ts';
import { H264References } from '../../src/codec/h264-references.ts';
import { parseH264Pps } from '../../src/codec/h264-slice-header.ts';
import { parseH264Sps } from '../../src/codec/h264-sps.ts';
import { mutateHead, Random, runParser } from '../support/fuzz.ts';
import { readClip } from '../support/hub-publisher.ts';

const CLIP = readClip(new URL('../vectors/b-frames/pyramid.mpegts', import.meta.url).pathname);
const { config } = CLIP.tracks[0]!;
const { sps, pps } = parseAvcConfig(config.record);

test('fuzz: references of H.264', () => {
  const random = new Random(17);
  const references = new H264References();
  const { runs, refused } = runParser(() => {
    const record = random.below(8) === 0 ? mutateHead(random, config.record) : config.record;
    references.configure(makeCodecConfig('h264', record, ''));
    for (const { payload } of CLIP.frames) {
      const bytes = random.below(3) === 0 ? mutateHead(random, payload) : payload;
      assert.equal(typeof references.push(bytes, random.below(2) === 0), 'boolean');
    }
  });
  assert.ok(runs > 10);
  assert.equal(refused, 0, 'it throws nothing');
});

test('fuzz: parameter sets of H.264', () => {
  const random = new Random(19);
  const { runs } = runParser(() => {
    parseH264Pps(mutateHead(random, pps[0]!));
    const made = inOrderSps(mutateHead(random, sps[0]!));
    assert.ok(parseH264Sps(made).maxReorderFrames <= 0, 'what it makes can be read');
  });
  assert.ok(runs > 10);
});
