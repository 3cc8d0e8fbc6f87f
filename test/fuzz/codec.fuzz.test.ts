/**
 * Hostile bytes for everything in src/codec: mutated real records and frames, and noise. Nothing may throw anything
 * else than a ProtocolError, functions that promise not to throw must not, sizes that are promised must be kept.
 * Seeded; one second per test, FUZZ_SECONDS raises it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAudioSpecificConfig } from '../../src/codec/aac.ts';
import { parseAc3Frame } from '../../src/codec/ac3.ts';
import { parseAdtsHeader } from '../../src/codec/adts.ts';
import { audioFrameDuration } from '../../src/codec/audio-frame-duration.ts';
import { parseAv1Config, serializeAv1Config } from '../../src/codec/av1-config.ts';
import { parseAvcConfig, serializeAvcConfig } from '../../src/codec/avc-config.ts';
import type { CodecConfig } from '../../src/codec/codec-config.ts';
import { CODECS, type CodecId } from '../../src/codec/codec-id.ts';
import { configFromFrame, configFromRecord, nalLengthSize } from '../../src/codec/describe-config.ts';
import { parseH264Sps } from '../../src/codec/h264-sps.ts';
import { parseH265Sps } from '../../src/codec/h265-sps.ts';
import { parseHevcConfig, serializeHevcConfig } from '../../src/codec/hevc-config.ts';
import { writeAnnexB } from '../../src/codec/nal-unit.ts';
import {
  canonicalVideoSize,
  videoFrameFlags,
  videoFraming,
  writeCanonicalVideo,
} from '../../src/codec/video-payload.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import { Random, runFor } from '../support/fuzz.ts';
import { audios, bytes, records, videos, wholeFrame } from '../unit/codec/vectors.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? '20261121');

function mutate(random: Random, source: Uint8Array): Uint8Array {
  let out = Uint8Array.from(source);
  for (let i = random.below(4); i >= 0 && out.length > 0; i--) {
    const at = random.below(out.length);
    switch (random.below(6)) {
      case 0:
        out[at] = random.below(256);
        break;
      case 1:
        out[at]! ^= 1 << random.below(8);
        break;
      case 2:
        out = out.slice(0, at);
        break;
      case 3:
        out[at] = random.below(2) === 0 ? 0xff : 0;
        break;
      case 4:
        out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(random.below(out.length))]);
        break;
      default:
        out = Uint8Array.from({ length: random.below(40) }, () => random.below(256));
    }
  }
  return out;
}

function fuzz(run: (random: Random) => void): number {
  const random = new Random(SEED);
  return runFor(() => run(random));
}

function onlyProtocolError<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

const CODEC_IDS = Object.keys(CODECS) as CodecId[];
const recordSeeds = [
  ...records,
  ...audios.filter((audio) => audio.codec === 'opus' || audio.codec === 'flac'),
].map(({ codec, record }) => ({ codec: codec as CodecId, record: bytes(record) }));
const frameSeeds = [
  ...videos.flatMap((video) =>
    video.frames.map((frame) => ({ codec: video.codec, frame: wholeFrame(frame) })),
  ),
  ...audios
    .filter((audio) => audio.codec in CODECS)
    .flatMap((audio) =>
      audio.frames.map((frame) => ({ codec: audio.codec as CodecId, frame: bytes(frame.data) })),
    ),
];

test('records', () => {
  let accepted = 0;
  const rounds = fuzz((random) => {
    const seed = recordSeeds[random.below(recordSeeds.length)]!;
    const codec = random.below(20) === 0 ? CODEC_IDS[random.below(CODEC_IDS.length)]! : seed.codec;
    const record = mutate(random, seed.record);
    nalLengthSize(codec, record);
    const config = onlyProtocolError(() => configFromRecord(codec, record));
    if (config === null) return;
    accepted++;
    for (const value of [config.width, config.height, config.frameRate, config.sampleRate, config.channels]) {
      assert.ok(Number.isFinite(value) && value >= 0, `${codec} ${Buffer.from(record).toString('hex')}`);
    }
    assert.ok(config.width <= 65_536 && config.height <= 65_536);
    assert.ok(!/NaN|undefined|-/.test(config.mime.replace('ac-3', '').replace('ec-3', '')), config.mime);
    // What we keep, we can read again, and it describes itself the same.
    const again = configFromRecord(codec, config.record);
    assert.deepEqual({ ...again }, { ...config });
    if (codec === 'aac') audioFrameDuration(config, record);
  });
  assert.ok(rounds > 100 && accepted > 10, `${accepted} of ${rounds} accepted`);
});

test('round trips: what was parsed and serialized parses to the same', () => {
  fuzz((random) => {
    const { codec, record: source } = recordSeeds[random.below(recordSeeds.length)]!;
    const record = mutate(random, source);
    onlyProtocolError(() => {
      if (codec === 'h264') {
        const once = serializeAvcConfig(parseAvcConfig(record));
        assert.deepEqual(serializeAvcConfig(parseAvcConfig(once)), once);
      } else if (codec === 'h265') {
        const once = serializeHevcConfig(parseHevcConfig(record));
        assert.deepEqual(serializeHevcConfig(parseHevcConfig(once)), once);
      } else if (codec === 'av1') {
        const once = serializeAv1Config(parseAv1Config(record));
        assert.deepEqual(serializeAv1Config(parseAv1Config(once)), once);
      }
    });
  });
});

test('parameter sets', () => {
  type ParameterSet = { parse: (nal: Uint8Array) => { width: number; height: number }; nal: Uint8Array };
  const sets = recordSeeds.flatMap(({ codec, record }): ParameterSet[] => {
    if (codec === 'h264') return [{ parse: parseH264Sps, nal: parseAvcConfig(record).sps[0]! }];
    if (codec !== 'h265') return [];
    const array = parseHevcConfig(record).arrays.find(({ type }) => type === 33)!;
    return [{ parse: parseH265Sps, nal: array.nals[0]! }];
  });
  const rounds = fuzz((random) => {
    const { parse, nal } = sets[random.below(sets.length)]!;
    const broken = mutate(random, nal);
    const sps = onlyProtocolError(() => parse(broken));
    if (sps !== null) assert.ok(sps.width > 0 && sps.height > 0);
  });
  assert.ok(rounds > 100);
});

test('frames: flags, canonical form, config, duration never throw', () => {
  const configs = new Map<CodecId, CodecConfig>();
  for (const codec of CODEC_IDS) {
    const config = onlyProtocolError(() => configFromRecord(codec, new Uint8Array(0)));
    if (config !== null) configs.set(codec, config);
  }
  for (const { codec, record } of recordSeeds) configs.set(codec, configFromRecord(codec, record));
  const rounds = fuzz((random) => {
    const seed = frameSeeds[random.below(frameSeeds.length)]!;
    const payload = mutate(random, seed.frame.length > 600 ? seed.frame.subarray(0, 600) : seed.frame);
    const codec = random.below(10) === 0 ? CODEC_IDS[random.below(CODEC_IDS.length)]! : seed.codec;
    const config = configs.get(codec)!;
    videoFrameFlags(config, payload);
    configFromFrame(config, payload);
    const duration = audioFrameDuration(config, payload);
    assert.ok(Number.isInteger(duration) && duration >= 0);
    parseAdtsHeader(payload);
    parseAc3Frame(payload);
    onlyProtocolError(() => parseAudioSpecificConfig(payload));
    const framing = videoFraming(codec, payload, [1, 2, 4][random.below(3)]!);
    const size = canonicalVideoSize(codec, payload, framing);
    if (size < 0) return;
    const target = new Uint8Array(size + 1);
    assert.equal(writeCanonicalVideo(codec, payload, framing, target, 0), size);
    assert.equal(target[size], 0);
    const canonical = target.subarray(0, size);
    if (codec === 'h264' || codec === 'h265') {
      assert.equal(videoFraming(codec, canonical, 4), 4);
      assert.equal(canonicalVideoSize(codec, canonical, 4), size, 'canonical stays canonical');
      assert.equal(writeAnnexB(canonical, new Uint8Array(size), 0), size);
    } else if (codec === 'av1') assert.equal(canonicalVideoSize(codec, canonical, 4), size);
  });
  assert.ok(rounds > 100);
});
