/**
 * Hostile packets for the RTP payload formats of sound and data, and for LATM: mutated recordings, reordered, lost and
 * mixed with noise, and mappings with any values. Nothing may throw anything else than a ProtocolError, and that only
 * for a mapping; input must not change; what comes out is bounded by what went in.
 * Seeded; one second per test, FUZZ_SECONDS raises it.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { LatmReader, LOAS_HEADER_BYTES, loasFrameSize } from '../../src/codec/latm.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import type { RtpDepacketizer, RtpMapping, RtpUnitOutput } from '../../src/wire/rtp/payload-format.ts';
import { findFormatByName, PAYLOAD_FORMATS } from '../../src/wire/rtp/payload-formats.ts';
import { Random, runFor } from '../support/fuzz.ts';
import { digest, loadVector, packetize, readVector, type Vector } from '../unit/wire/rtp/audio-packets.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? '20261121');

function mutate(random: Random, source: Uint8Array): Buffer {
  const bytes = Buffer.from(source);
  for (let i = random.below(4); i > 0 && bytes.length > 0; i--) {
    // Headers are in front.
    const at = random.below(random.below(2) === 0 ? Math.min(8, bytes.length) : bytes.length);
    bytes[at] = random.below(3) === 0 ? 0xff : random.below(256);
  }
  return random.below(3) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

const folder = new URL('../vectors/rtp/audio/', import.meta.url);
const vectors: Vector[] = readdirSync(folder)
  .filter((name) => name.endsWith('.json') && !name.includes('loas'))
  .map((name) => loadVector(name.slice(0, -5)));

class Counter implements RtpUnitOutput {
  bytes = 0;
  longest = 0;

  unit(payload: Uint8Array, timestamp: number): void {
    assert.ok(payload.length > 0);
    assert.ok(Number.isInteger(timestamp) && timestamp >= 0 && timestamp < 2 ** 32);
    this.bytes += payload.length;
    this.longest = Math.max(this.longest, payload.length);
  }
}

const MAX_UNIT_BYTES = 0x10_0000;
/** L8 gives two bytes for one. */
const MAX_GROWTH = 2;

function torment(random: Random, depacketizer: RtpDepacketizer, seeds: Vector): void {
  const output = new Counter();
  let given = 0;
  let damaged = 0;
  let timestamp = random.below(2) === 0 ? 0xffff_fff0 : 0;
  for (let i = 0; i < 60; i++) {
    const seed = seeds.packets[random.below(seeds.packets.length)]!;
    const payload = random.below(8) === 0 ? random.bytes(random.below(300)) : mutate(random, seed.payload);
    if (random.below(2) === 0) timestamp = (timestamp + 1024) >>> 0;
    const before = digest(payload);
    const marker = random.below(4) === 0 ? random.below(2) === 0 : seed.marker;
    depacketizer.push(payload, timestamp, marker, random.below(6) === 0, output);
    assert.equal(digest(payload), before, 'the input was modified');
    assert.ok(depacketizer.damaged >= damaged && Number.isInteger(depacketizer.damaged));
    damaged = depacketizer.damaged;
    given += payload.length;
  }
  depacketizer.flush(output);
  assert.ok(output.bytes <= given * MAX_GROWTH && output.longest <= MAX_UNIT_BYTES);
}

test('mutated packets', () => {
  const random = new Random(SEED);
  runFor(() => {
    const vector = vectors[random.below(vectors.length)]!;
    const format = findFormatByName(vector.mapping.encodingName) ?? assert.fail();
    // Now and then the packets of another format.
    const seeds = random.below(5) === 0 ? vectors[random.below(vectors.length)]! : vector;
    torment(random, format.depacketizer(vector.mapping), seeds);
  });
});

const PARAMETERS = [
  'mode',
  'config',
  'sizelength',
  'indexlength',
  'indexdeltalength',
  'ctsdeltalength',
  'dtsdeltalength',
  'randomaccessindication',
  'streamstateindication',
  'auxiliarydatasizelength',
  'constantsize',
  'constantduration',
  'profile-level-id',
  'cpresent',
  'sprop-stereo',
];
const VALUES = ['', '0', '1', '2', '3', '6', '13', '32', '44', '999999999', 'AAC-hbr', 'AAC-lbr', 'generic'];
const CONFIGS = ['1190', '40002320', '400023203fc0', '"1210"', '119056E500', 'ff', '2b118800', 'xy'];
const SOUND = PAYLOAD_FORMATS.filter(({ codec }) => !/^(h26|av1|vp|mjpeg)/.test(codec));

function anyMapping(random: Random): RtpMapping {
  const format = SOUND[random.below(SOUND.length)]!;
  const fmtp = new Map<string, string>();
  for (let i = random.below(8); i > 0; i--) {
    const name = PARAMETERS[random.below(PARAMETERS.length)]!;
    const values = name === 'config' ? CONFIGS : VALUES;
    fmtp.set(name, values[random.below(values.length)]!);
  }
  const rates = [0, 1, 8000, 16_000, 44_100, 48_000, 90_000, 0x7fff_ffff];
  return {
    payloadType: 96,
    encodingName: format.encodingNames[random.below(format.encodingNames.length)]!,
    clockRate: rates[random.below(rates.length)]!,
    channels: random.below(40),
    fmtp,
  };
}

test('any mapping', () => {
  const random = new Random(SEED + 1);
  let opened = 0;
  runFor(() => {
    const mapping = anyMapping(random);
    const format = findFormatByName(mapping.encodingName) ?? assert.fail();
    try {
      const depacketizer = format.depacketizer(mapping);
      format.config(mapping);
      opened++;
      torment(random, depacketizer, vectors[random.below(vectors.length)]!);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  });
  assert.ok(opened > 0);
});

test('any frame is sent in packets that fit', () => {
  const random = new Random(SEED + 2);
  runFor(() => {
    const mapping = anyMapping(random);
    const format = findFormatByName(mapping.encodingName) ?? assert.fail();
    try {
      const config = format.config(mapping);
      if (config === null || format.describe(config) === null) return;
      const maxPayload = 244 + random.below(1300);
      for (const packet of packetize(format, config, random.bytes(random.below(6000)), maxPayload)) {
        assert.ok(packet.payload.length > 0 && packet.payload.length <= maxPayload);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  });
});

test('LOAS', () => {
  const random = new Random(SEED + 3);
  const { loas } = readVector('ffmpeg51-loas') as { loas: string[] };
  const frames = loas.map((hex) => Buffer.from(hex, 'hex'));
  runFor(() => {
    const reader = new LatmReader(true);
    for (let i = 0; i < 20; i++) {
      const bytes = mutate(random, frames[random.below(frames.length)]!);
      const before = digest(bytes);
      const isWhole = reader.read(bytes, Math.min(LOAS_HEADER_BYTES, bytes.length), bytes.length);
      assert.equal(isWhole, reader.count > 0);
      let sum = 0;
      for (let frame = 0; frame < reader.count; frame++) sum += reader.frame(frame).length;
      assert.ok(sum <= bytes.length);
      assert.equal(digest(bytes), before);
      assert.ok(loasFrameSize(bytes, random.below(bytes.length + 1)) >= 0);
    }
  });
});
