import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMp3Frame } from '../../../src/codec/mp3.ts';
import { openAacEncoder } from '../../../src/transcode/aac-encoder.ts';
import { openMp3Decoder } from '../../../src/transcode/mp3-decoder.ts';
import { openOpusDecoder, openOpusEncoder } from '../../../src/transcode/opus-codec.ts';
import { OPUS_LOOKAHEAD } from '../../../src/transcode/opus-lookahead.ts';
import type { SoundEncoder } from '../../../src/transcode/sound-encoder.ts';
import { soundConverterSettings, soundSection } from '../../../src/transcode/transcode-config.ts';
import { hasWasmSimd } from '../../../src/transcode/wasm-simd.ts';
import {
  channelOf,
  decodeAll,
  decodeByFfmpeg,
  encodeByFfmpeg,
  floatsOf16,
  snr,
  soundVector,
  tone,
} from '../../support/sound-signals.ts';

const NOTHING = new Uint8Array(0);
const OPUS = { channels: 2, bitrateBps: 96_000, complexity: 5, isDtx: false } as const;

function mp3Frames(bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at + 4 < bytes.length; ) {
    const { size } = parseMp3Frame(bytes, at)!;
    frames.push(bytes.subarray(at, at + size));
    at += size;
  }
  return frames;
}

test('mp3: the samples that FFmpeg decodes, frame by frame', async () => {
  const decoder = await openMp3Decoder();
  const frames = mp3Frames(soundVector('tones.mp3'));
  const decoded = decodeAll(decoder, frames);
  const expected = floatsOf16(soundVector('tones.mp3.s16'));
  for (const channel of [0, 1]) {
    const reference = channelOf(expected, channel, 2);
    assert.equal(decoded[channel]?.length, reference.length);
    assert.ok(snr(reference, decoded[channel]) > 75);
  }
  assert.equal(decoder.errors, 0);
  assert.equal(decoder.decode(new Uint8Array(300).fill(7)), null);
  assert.equal(decoder.decode(new Uint8Array(5000).fill(255)), null);
  assert.equal(decoder.errors, 2);
  assert.equal(decoder.conceal()?.samples, 1152);
  assert.ok(decoder.decode(frames[3]!) !== null);
  decoder.close();
});

test('opus: the samples that FFmpeg decodes', async () => {
  const { packets } = encodeByFfmpeg('libopus', 128_000, 48_000, [
    tone(500, 48_000, 0.5),
    tone(900, 48_000, 0.5),
  ]);
  const payloads = packets.map(({ data }) => data);
  const foreign = decodeByFfmpeg('opus', NOTHING, 48_000, 2, payloads);
  const ours = decodeAll(await openOpusDecoder(), payloads);
  for (const channel of [0, 1]) {
    const reference = channelOf(foreign, channel, 2);
    const late = ours[channel]!.length - reference.length;
    assert.ok(snr(reference, ours[channel]!.subarray(late)) > 60);
  }
});

test('opus: losses are bridged, long ones are silent; what is no packet is an error', async () => {
  const decoder = await openOpusDecoder();
  assert.equal(decoder.conceal(), null);
  const { packets } = encodeByFfmpeg('libopus', 96_000, 48_000, [tone(500, 48_000, 0.2)]);
  for (const { data } of packets.slice(0, 8)) decoder.decode(data);
  const power = () =>
    decoder
      .conceal()!
      .channels[0]!.subarray(0, 960)
      .reduce((sum, one) => sum + one * one, 0);
  assert.ok(power() > 1);
  for (let i = 0; i < 5; i++) power();
  assert.equal(power(), 0);
  assert.equal(decoder.decode(NOTHING), null);
  assert.equal(decoder.decode(Uint8Array.of(0xff)), null);
  assert.equal(decoder.errors, 2);
  assert.equal(decoder.decode(packets[2]!.data)?.samples, 960);
  decoder.close();
});

function encodeAll(encoder: SoundEncoder, frames: number, amplitude: number): Uint8Array[] {
  const frame = new Float32Array(encoder.frameSamples * encoder.channels);
  const packets: Uint8Array[] = [];
  for (let f = 0; f < frames; f++) {
    for (let i = 0; i < encoder.frameSamples; i++) {
      const sample =
        amplitude * Math.sin((2 * Math.PI * 440 * (f * encoder.frameSamples + i)) / encoder.sampleRate);
      frame.fill(sample, i * encoder.channels, (i + 1) * encoder.channels);
    }
    const packet = encoder.encode(frame);
    if (packet !== null) packets.push(packet);
  }
  return packets;
}

test('opus encoder: bitrate, effort and DTX are as set; the look-ahead is the one of OpusHead', async () => {
  const rate = async (settings: Parameters<typeof openOpusEncoder>[0], amplitude = 0.5) => {
    const encoder = await openOpusEncoder(settings);
    assert.equal(encoder.leadSamples, OPUS_LOOKAHEAD);
    const packets = encodeAll(encoder, 50, amplitude);
    assert.equal(encoder.packetFrame, 49);
    encoder.close();
    return packets.reduce((sum, { length }) => sum + length, 0) * 8;
  };
  const usual = await rate(OPUS);
  assert.ok((await rate({ ...OPUS, bitrateBps: 32_000 })) < usual / 2);
  assert.ok((await rate({ ...OPUS, channels: 1, complexity: 0 })) > 10_000);
  assert.ok((await rate({ ...OPUS, isDtx: true }, 0)) < (await rate(OPUS, 0)));
});

test('aac encoder: packets say which frame they decode to; damage of samples is counted and over soon', async () => {
  const encoder = await openAacEncoder({ sampleRate: 48_000, channels: 2, bitrateBps: 128_000 });
  assert.equal(encoder.frameSamples, 1024);
  const frame = new Float32Array(2048);
  assert.equal(encoder.encode(frame), null);
  for (let i = -1; i < 5; i++) {
    assert.ok(encoder.encode(frame) !== null);
    assert.equal(encoder.packetFrame, i);
  }
  encoder.encode(new Float32Array(2048).fill(Number.NaN));
  for (let i = 0; i < 4; i++) encoder.encode(frame);
  assert.ok(encoder.errors > 0);
  const before = encoder.errors;
  assert.ok(encoder.encode(frame) !== null);
  assert.equal(encoder.errors, before);
  encoder.close();
  encoder.close();
  await assert.rejects(openAacEncoder({ sampleRate: 12_345, channels: 2, bitrateBps: 128_000 }), /12345 Hz/);
});

test('opening and closing leaves nothing behind', async () => {
  const once = async () => {
    const encoders = [
      await openOpusEncoder(OPUS),
      await openAacEncoder({ sampleRate: 44_100, channels: 2, bitrateBps: 128_000 }),
    ];
    for (const encoder of encoders) encodeAll(encoder, 3, 0.5);
    for (const codec of [...encoders, await openOpusDecoder()]) codec.close();
  };
  for (let i = 0; i < 20; i++) await once();
  const { arrayBuffers, external } = process.memoryUsage();
  for (let i = 0; i < 100; i++) await once();
  const after = process.memoryUsage();
  assert.ok(after.arrayBuffers - arrayBuffers < 8e6 && after.external - external < 8e6);
});

test('this machine has the vectors that AAC encoding needs', () => {
  assert.equal(hasWasmSimd(), true);
});

test('settings of <sound> become those of the converter', () => {
  const values = soundSection.schema.parse({});
  assert.deepEqual(soundConverterSettings(values, 4), {
    workers: 3,
    maxConversions: 200,
    lingerMs: 10_000,
    opusBitrateBps: 96_000,
    opusComplexity: 5,
    isOpusDtx: false,
    aacBitrateBps: 128_000,
  });
  assert.equal(soundConverterSettings(values, 1).workers, 1);
  assert.equal(soundConverterSettings({ ...values, workers: 2 }, 16).workers, 2);
});
