import assert from 'node:assert/strict';
import { test } from 'node:test';
import { L16Decoder } from '../../../src/audio/l16-pcm.ts';
import type { CodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import type { SoundTarget } from '../../../src/media/sound-conversion.ts';
import { Conversion } from '../../../src/transcode/conversion.ts';
import { openConversion } from '../../../src/transcode/sound-codecs.ts';
import { configOfPlan, planSound, reasonAgainstSound } from '../../../src/transcode/sound-plan.ts';
import { readAacClip } from '../../support/aac-clips.ts';
import {
  centreOfEnergy,
  channelOf,
  click,
  decodeAll,
  decodeByFfmpeg,
  tone,
  toneShare,
} from '../../support/sound-signals.ts';
import {
  allSources,
  BASE_US,
  decoderFor,
  SETTINGS,
  type SoundFrame,
  type SoundSource,
} from '../../support/sound-sources.ts';

interface Made extends SoundFrame {
  readonly arrivalUs: number;
}

interface Result {
  readonly config: CodecConfig;
  readonly packets: Made[];
  readonly counts: { damaged: number; concealed: number; gaps: number };
}

async function convert(source: SoundSource, target: SoundTarget, frames = source.frames): Promise<Result> {
  const plan = planSound(source.config, target, SETTINGS);
  const packets: Made[] = [];
  const conversion = await openConversion(plan, (ptsUs, durationUs, payload, arrivalUs) =>
    packets.push({ ptsUs, durationUs, payload, arrivalUs }),
  );
  for (const { ptsUs, durationUs, payload } of frames) {
    conversion.push(ptsUs, durationUs, payload, ptsUs + durationUs);
  }
  const { damaged, concealed, gaps } = conversion;
  conversion.close();
  return { config: configOfPlan(plan), packets, counts: { damaged, concealed, gaps } };
}

const pairs = (sources: readonly SoundSource[]): [SoundSource, SoundTarget][] =>
  sources.flatMap((source) =>
    (['aac', 'opus'] as const)
      .filter((target) => reasonAgainstSound(source.config, target) === '')
      .map((target): [SoundSource, SoundTarget] => [source, target]),
  );

/** Samples of the first channel on the timeline of the stream, from `fromUs` on. */
async function heard({ config, packets }: Result, fromUs: number, seconds: number): Promise<Float32Array> {
  const rate = config.sampleRate;
  const samples = new Float32Array(Math.round(seconds * rate));
  const decoder = await decoderFor(config);
  for (const { ptsUs, payload } of packets) {
    const block = decoder.decode(payload);
    if (block === null) continue;
    const at = Math.round(((ptsUs - fromUs) * rate) / 1e6);
    for (let i = 0; i < block.samples; i++) {
      if (at + i >= 0 && at + i < samples.length) samples[at + i] = block.channels[0]![i]!;
    }
  }
  decoder.close();
  return samples;
}

const clicks = allSources((rate) => click(rate, 1, 0.5));
const tones = allSources((rate) => tone(1000, rate, 1));

test('a click is heard at its time, whatever it comes from and goes to', async () => {
  for (const [source, target] of pairs(clicks)) {
    const result = await convert(source, target);
    const samples = await heard(result, BASE_US, 1);
    const atMs = (centreOfEnergy(samples) * 1000) / result.config.sampleRate;
    assert.ok(Math.abs(atMs - 500) < 3, `${source.name} to ${target}: ${atMs} ms`);
  }
});

test('packets follow each other without a gap, and come less than 60 ms later than they could', async () => {
  for (const [source, target] of pairs(tones)) {
    const { packets } = await convert(source, target);
    const inputUs = Math.max(...source.frames.map(({ durationUs }) => durationUs));
    let before: Made | null = null;
    for (const packet of packets) {
      if (before !== null) {
        assert.ok(
          Math.abs(packet.ptsUs - before.ptsUs - before.durationUs) <= 1,
          `${source.name} to ${target}`,
        );
      }
      before = packet;
      // The arrival is the end of the frame that completed the packet, whose own length is the source's business.
      const delayUs = packet.arrivalUs - (packet.ptsUs + packet.durationUs);
      assert.ok(delayUs < 60_000 + inputUs && delayUs >= -20_000, `${source.name} to ${target}: ${delayUs}`);
    }
    const delays = packets.map(({ ptsUs, durationUs, arrivalUs }) => arrivalUs - ptsUs - durationUs);
    const meanUs = delays.reduce((sum, one) => sum + one, 0) / delays.length;
    // On the average half a frame of the source waits for its other half.
    assert.ok(meanUs - inputUs / 2 < 60_000, `${source.name} to ${target}: ${meanUs}`);
    const wholeUs = packets.at(-1)!.ptsUs - packets[0]!.ptsUs;
    assert.ok(wholeUs > 850_000, `${source.name} to ${target}: ${wholeUs}`);
  }
});

test('a tone stays a tone, by our decoders and by those of FFmpeg', async () => {
  for (const [source, target] of pairs(tones)) {
    const { config, packets } = await convert(source, target);
    const payloads = packets.map(({ payload }) => payload);
    const name = `${source.name} to ${target}`;
    const foreign = decodeByFfmpeg(target, config.record, config.sampleRate, config.channels, payloads);
    const ours = decodeAll(await decoderFor(config), payloads);
    for (const samples of [channelOf(foreign, config.channels - 1, config.channels), ours.at(-1)!]) {
      assert.ok(samples.length > 0.85 * config.sampleRate, `${name}: ${samples.length} samples`);
      const steady = samples.subarray(samples.length >> 2, (samples.length * 3) >> 2);
      const share = toneShare(steady, 1000, config.sampleRate);
      assert.ok(share > 0.99, `${name}: ${share}`);
      const level = Math.sqrt((2 * steady.reduce((sum, one) => sum + one * one, 0)) / steady.length);
      assert.ok(Math.abs(level - 0.5) < 0.03, `${name}: level ${level}`);
    }
  }
});

test('what comes out is told before: rates, channels, records', () => {
  const found = pairs(tones).map(([source, target]) => {
    const config = configOfPlan(planSound(source.config, target, SETTINGS));
    return `${source.name} > ${config.codec} ${config.sampleRate} ${config.channels} ${Buffer.from(config.record).toString('hex')}`;
  });
  const opus = (channels: number) =>
    `opus 48000 ${channels} 4f70757348656164010${channels}380180bb0000000000`;
  assert.deepEqual(found, [
    `aac 48000 > ${opus(2)}`,
    `aac 44100 > ${opus(2)}`,
    `aac 44100 mono > ${opus(1)}`,
    // It may turn out to be HE-AAC v2.
    `aac 22050 mono > ${opus(2)}`,
    'opus > aac 48000 2 1190',
    'mp3 44100 > aac 44100 2 1210',
    `mp3 44100 > ${opus(2)}`,
    'mp3 22050 mono > aac 44100 1 1208',
    `mp3 22050 mono > ${opus(1)}`,
    'g711a > aac 48000 1 1188',
    `g711a > ${opus(1)}`,
    'g711u > aac 48000 1 1188',
    `g711u > ${opus(1)}`,
    'l16 > aac 44100 2 1210',
    `l16 > ${opus(2)}`,
    'g722 > aac 48000 1 1188',
    `g722 > ${opus(1)}`,
  ]);
});

const byName = (sources: readonly SoundSource[], name: string) => sources.find((one) => one.name === name)!;

test('lost frames are made up, and the sound behind them stays in its place', async () => {
  for (const name of ['aac 48000', 'opus', 'mp3 44100', 'g711u']) {
    const source = byName(clicks, name);
    const target = name === 'opus' ? 'aac' : 'opus';
    const frames = source.frames.filter((_, i) => i !== 10 && i !== 15 && i !== 16);
    const result = await convert(source, target, frames);
    assert.deepEqual(result.counts, { damaged: 0, concealed: 3, gaps: 0 });
    const samples = await heard(result, BASE_US, 1);
    const atMs = (centreOfEnergy(samples) * 1000) / result.config.sampleRate;
    assert.ok(Math.abs(atMs - 500) < 3, `${name}: ${atMs} ms`);
  }
});

test('gaps: silence up to a second, a jump beyond, and the sound behind in its place', async () => {
  for (const [gapUs, hasHole] of [
    [400_000, false],
    [30_000_000, true],
  ] as const) {
    const source = byName(clicks, 'aac 48000');
    const frames = source.frames.map((frame, i) =>
      i < 12 ? frame : { ...frame, ptsUs: frame.ptsUs + gapUs },
    );
    const result = await convert(source, 'opus', frames);
    assert.equal(result.counts.gaps, 1);
    const steps = result.packets.slice(1).map(({ ptsUs }, i) => ptsUs - result.packets[i]!.ptsUs);
    assert.equal(
      steps.some((step) => Math.abs(step - 20_000) > 1),
      hasHole,
    );
    assert.ok(steps.every((step) => step > 0));
    const samples = await heard(result, BASE_US + gapUs, 1);
    const atMs = (centreOfEnergy(samples.subarray(samples.length >> 2)) * 1000) / 48_000 + 250;
    assert.ok(Math.abs(atMs - 500) < 3, `${gapUs}: ${atMs} ms`);
  }
});

test('frames over frames that were there before are left out', async () => {
  const source = byName(tones, 'opus');
  const frames = source.frames.map((frame, i) =>
    i < 25 ? frame : { ...frame, ptsUs: frame.ptsUs - 300_000 },
  );
  const { packets, counts } = await convert(source, 'aac', frames);
  assert.ok(counts.gaps >= 10 && counts.gaps <= 15, String(counts.gaps));
  for (let i = 1; i < packets.length; i++) assert.ok(packets[i]!.ptsUs > packets[i - 1]!.ptsUs);
});

test('damage costs concealment, never an exception', async () => {
  for (const [source, target] of pairs(tones)) {
    const frames = source.frames.map((frame, i) => {
      if (i % 5 === 1) return { ...frame, payload: new Uint8Array(0) };
      if (i % 5 === 2) return { ...frame, payload: new Uint8Array(70_000) };
      return frame;
    });
    const { packets, counts } = await convert(source, target, frames);
    assert.ok(counts.damaged >= Math.floor(frames.length / 5) * 2, `${source.name}: ${counts.damaged}`);
    const wholeUs = packets.at(-1)!.ptsUs - packets[0]!.ptsUs;
    assert.ok(wholeUs > 800_000, `${source.name} to ${target}: ${wholeUs}`);
  }
});

/** A clip, described as its headers do: by the core alone. */
function clipSource(name: string): SoundSource {
  const { config, coreRate, packets } = readAacClip(name);
  const frames = packets.map((payload, i) => ({
    ptsUs: BASE_US + Math.round((i * 1024e6) / coreRate),
    durationUs: Math.round(1024e6 / coreRate),
    payload,
  }));
  return { name, config: configFromRecord('aac', config), frames };
}

test('HE-AAC that only its frames tell of: rate and channels change in mid-stream, the sound goes on', async () => {
  for (const name of ['v1-48k-stereo', 'v1-44k-stereo', 'v2-48k', 'v1-32k-mono']) {
    const source = clipSource(name);
    const result = await convert(source, 'opus');
    assert.deepEqual(result.counts, { damaged: 0, concealed: 0, gaps: 0 }, name);
    assert.equal(result.config.channels, 2);
    const lastUs = source.frames.at(-1)!.ptsUs;
    assert.ok(result.packets.at(-1)!.ptsUs > lastUs - 30_000, name);
    assert.ok(Math.abs(result.packets[0]!.ptsUs - BASE_US) < 60_000, name);
    const samples = await heard(result, BASE_US, 2);
    // Above what the core alone can hold there is sound too.
    const high = samples.map((sample, i) => sample - (samples[i - 1] ?? 0));
    assert.ok(high.reduce((sum, one) => sum + one * one, 0) > 0.1, name);
  }
});

test('what lies before the zero of the timeline is left out', async () => {
  const source = byName(tones, 'l16');
  for (const target of ['aac', 'opus'] as const) {
    const frames = source.frames.map((frame) => ({ ...frame, ptsUs: frame.ptsUs - BASE_US }));
    const { packets } = await convert(source, target, frames);
    assert.ok(packets[0]!.ptsUs >= 0 && packets[0]!.ptsUs <= 20_000, String(packets[0]!.ptsUs));
  }
});

test('a frame that the encoder cannot take counts as damaged', () => {
  const decoder = new L16Decoder(48_000, 1);
  let frame = 0;
  let errors = 0;
  const packets: number[] = [];
  const conversion = new Conversion(
    decoder,
    {
      sampleRate: 48_000,
      channels: 1,
      frameSamples: 960,
      leadSamples: 0,
      get packetFrame() {
        return frame - 1;
      },
      get errors() {
        return errors;
      },
      encode: () => {
        if (++frame !== 2) return Uint8Array.of(frame);
        errors++;
        return null;
      },
      close: () => undefined,
    },
    (ptsUs) => packets.push(ptsUs),
    () => [],
  );
  for (let i = 0; i < 3; i++) conversion.push(BASE_US + i * 20_000, 20_000, new Uint8Array(1920), 0);
  assert.deepEqual(packets, [BASE_US, BASE_US + 40_000]);
  assert.equal(conversion.damaged, 1);
});
