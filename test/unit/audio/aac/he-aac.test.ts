/** HE-AAC through the whole decoder: what is signalled and what is found, against FFmpeg; the core alone. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { AacDecoder } from '../../../../src/audio/aac/aac-decoder.ts';
import { buildAudioSpecificConfig } from '../../../../src/codec/aac.ts';
import { readAacClip } from '../../../support/aac-clips.ts';
import { compare, type Decoded, runFfmpeg } from './ffmpeg-aac.ts';

const CASES = [
  { file: 'v1-48k-stereo', core: 24_000, config: 2, explicit: [0x2b, 0x11, 0x88, 0x00] },
  { file: 'v1-44k-stereo', core: 22_050, config: 2, explicit: [0x2b, 0x92, 0x08, 0x00] },
  { file: 'v2-48k', core: 24_000, config: 1, explicit: [0xeb, 0x09, 0x88, 0x00] },
  { file: 'v2-24k', core: 12_000, config: 1, explicit: [0xec, 0x8b, 0x08, 0x00] },
] as const;

let decoded: Decoded[] = [];
before(() => {
  decoded = runFfmpeg(
    CASES.flatMap(({ file, core, config, explicit }) => {
      const { packets } = readAacClip(file);
      return [
        { config: buildAudioSpecificConfig(2, core, config), packets },
        { config: Uint8Array.from(explicit), packets },
      ];
    }),
  );
});

CASES.forEach(({ file, core, config }, i) => {
  for (const [how, index] of [
    ['found in the stream', 2 * i],
    ['told by the configuration', 2 * i + 1],
  ] as const) {
    test(`${file} ${how}, as FFmpeg`, () => {
      const stream = decoded[index]!;
      const decoder = new AacDecoder(stream.config);
      const ratio = compare(decoder, stream);
      assert.ok(ratio > 80, `${ratio} dB`);
      assert.equal(decoder.tools.sbrElements, stream.packets.length);
      assert.deepEqual(decoder.channelLayout, ['L', 'R']);
      assert.equal(decoder.delaySamples, 962);
      assert.equal(decoder.errors, 0);
    });
  }

  test(`${file}: the core alone on request`, () => {
    const decoder = new AacDecoder(buildAudioSpecificConfig(2, core, config), { hasSbr: false });
    const block = decoder.decode(decoded[2 * i]!.packets[0]!)!;
    assert.equal(block.sampleRate, core);
    assert.equal(block.samples, 1024);
    assert.equal(block.channels.length, config);
  });
});

test('mono without parametric stereo stays mono', () => {
  const decoder = new AacDecoder(buildAudioSpecificConfig(2, 16_000, 1));
  for (const frame of readAacClip('v1-32k-mono').packets) {
    const block = decoder.decode(frame)!;
    assert.equal(block.sampleRate, 32_000);
    assert.equal(block.samples, 2048);
    assert.equal(block.channels.length, 1);
  }
});

test('a lost frame of HE-AAC is as long as the others', () => {
  const decoder = new AacDecoder(buildAudioSpecificConfig(2, 24_000, 2));
  const frames = readAacClip('v1-48k-stereo').packets;
  for (let n = 0; n < 10; n++) decoder.decode(frames[n]!);
  const block = decoder.conceal()!;
  assert.equal(block.samples, 2048);
  assert.equal(block.sampleRate, 48_000);
  for (const channel of block.channels) assert.ok(channel.every(Number.isFinite));
});
