/**
 * Live transport streams from a hostile or lossy sender: packets lost, doubled, swapped and flipped; program maps with
 * a right checksum and any contents; PES headers of any kind; datagrams of any shape, plain and in RTP. Nothing throws,
 * what comes out is consistent, and memory stays bounded.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { CodecConfig } from '../../src/codec/codec-config.ts';
import type { Track } from '../../src/media/track.ts';
import { MediaIngest } from '../../src/packaging/media-ingest.ts';
import { TsIngest, type TsIngestOutput } from '../../src/packaging/ts-ingest.ts';
import { ProtocolError, RejectedError } from '../../src/util/errors.ts';
import { TsDatagramReader, transportOf } from '../../src/wire/mpegts/ts-datagram.ts';
import { TsReader } from '../../src/wire/mpegts/ts-reader.ts';
import { writeRtpHeader } from '../../src/wire/rtp/rtp-packet.ts';
import { Random, runFor } from '../support/fuzz.ts';
import { vector } from '../unit/media-file/media-files.ts';
import { association, line, map, packet } from '../unit/wire/mpegts/packets.ts';

const PACKET = 188;

const FILES = [
  ...['h264-aac.mpegts', 'h265-mp3.mpegts', 'opus.mpegts', 'ac3.mpegts', 'eac3.mpegts'].map(vector),
  ...['aac-latm', 'aac-adts'].map((name) =>
    readFileSync(new URL(`../vectors/mpegts/${name}.mpegts`, import.meta.url)),
  ),
];

class Checked implements TsIngestOutput {
  readonly configs = new Map<number, CodecConfig>();
  frames = 0;
  bytes = 0;

  setTrack(track: Track): void {
    assert.ok(track.id >= 0 && track.id <= 30);
    this.configs.set(track.id, track.config);
  }

  metadata(): void {}

  write(...[id, , dts, pts, duration, payload, config]: Parameters<TsIngestOutput['write']>): void {
    assert.equal(this.configs.get(id), config);
    assert.ok(Number.isFinite(dts) && Number.isFinite(pts) && duration >= 0 && payload.length > 0);
    this.frames++;
    this.bytes += payload.length;
  }
}

function packetsOf(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at + PACKET <= bytes.length; at += PACKET) packets.push(bytes.subarray(at, at + PACKET));
  return packets;
}

/** As a bad network or a bad sender would have it. */
function disturb(random: Random, packets: readonly Buffer[]): Buffer[] {
  const out: Buffer[] = [];
  const rate = 4 + random.below(200);
  for (const one of packets) {
    const what = random.below(rate);
    if (what === 0) continue;
    if (what === 1) out.push(one);
    if (what === 2 && out.length > 0) {
      out.splice(out.length - 1, 0, one);
      continue;
    }
    if (what === 3) {
      const copy = Buffer.from(one);
      for (let i = random.below(4); i >= 0; i--)
        copy[random.below(random.below(2) === 0 ? 24 : PACKET)] = random.below(256);
      out.push(copy);
      continue;
    }
    out.push(one);
  }
  return out;
}

test('fuzz: lost, doubled, swapped and damaged packets', () => {
  const random = new Random(21);
  let frames = 0;
  let errors = 0;
  const runs = runFor(() => {
    const output = new Checked();
    const reader = new TsReader(new TsIngest(output));
    let received = 0;
    for (let part = random.below(3); part >= 0; part--) {
      for (const one of disturb(random, packetsOf(FILES[random.below(FILES.length)]!))) {
        reader.push(one);
        received += one.length;
      }
    }
    reader.finish();
    assert.ok(output.bytes <= received * 2);
    frames += output.frames;
    errors += reader.continuityErrors;
  });
  assert.ok(runs > 30 && frames > 1000 && errors > 100, `${runs} runs, ${frames} frames, ${errors} errors`);
});

const TYPES = [0x02, 0x03, 0x06, 0x0f, 0x11, 0x15, 0x1b, 0x24, 0x81, 0x86, 0x87];
const TAGS = [0x05, 0x0a, 0x26, 0x52, 0x56, 0x59, 0x6a, 0x7a, 0x7f];
const IDENTIFIERS = ['Opus', 'HEVC', 'AC-3', 'EAC3', 'AV01', 'KLVA', 'ID3 '];

function descriptors(random: Random): number[] {
  const all: number[] = [];
  for (let count = random.below(4); count > 0; count--) {
    const tag = TAGS[random.below(TAGS.length)]!;
    const body = [
      ...(random.below(2) === 0
        ? Buffer.from(IDENTIFIERS[random.below(IDENTIFIERS.length)]!)
        : random.bytes(random.below(12))),
    ];
    // Lengths that lie, now and then.
    all.push(tag, random.below(8) === 0 ? random.below(256) : body.length, ...body);
  }
  return all;
}

test('fuzz: program maps of any contents, PES packets of any kind', () => {
  const random = new Random(22);
  let units = 0;
  runFor(() => {
    const output = new Checked();
    const ingest = new TsIngest(output);
    const reader = new TsReader(ingest);
    const mapPid = 0x10 + random.below(0x1fef);
    const pids = Array.from({ length: 1 + random.below(6) }, () => random.below(0x2000));
    reader.push(association([[1, mapPid]]));
    let continuity = 0;
    for (let step = 0; step < 200; step++) {
      if (random.below(20) === 0)
        reader.push(
          map(
            mapPid,
            pids.map((pid) => line(TYPES[random.below(TYPES.length)]!, pid, descriptors(random))),
            random.below(32),
          ),
        );
      const pid = pids[random.below(pids.length)]!;
      const body = random.bytes(1 + random.below(183));
      const isStart = random.below(3) === 0;
      if (isStart && body.length > 14) {
        body.set([0, 0, 1, [0xe0, 0xc0, 0xbd, 0xfd, random.below(256)][random.below(5)]!]);
        body.writeUInt16BE(random.below(2) === 0 ? 0 : random.below(400), 4);
        body[6] = 0x80;
        body[7] = random.below(4) << 6;
        body[8] = random.below(12);
      }
      reader.push(packet(pid, continuity++ & 15, body, isStart, random.below(256)));
      units++;
    }
    reader.finish();
    ingest.leftOut();
    assert.ok(output.bytes <= 200 * PACKET * 2);
  });
  assert.ok(units > 5000, `${units} packets`);
});

test('fuzz: datagrams, plain and in RTP', () => {
  const random = new Random(23);
  let frames = 0;
  runFor(() => {
    const output = new Checked();
    const ingest = new MediaIngest(output, random.below(2) === 0 ? 'ts' : null);
    const file = FILES[random.below(FILES.length)]!;
    const size = 1 + random.below(1500);
    const datagrams: Buffer[] = [];
    const isRtp = random.below(2) === 0;
    for (let at = 0, sequence = random.below(65_536); at < file.length; at += size, sequence++) {
      const part = file.subarray(at, at + size);
      const header = Buffer.alloc(isRtp ? 12 : 0);
      if (isRtp) writeRtpHeader(header, 0, 33, false, sequence & 0xffff, sequence, 1);
      datagrams.push(Buffer.concat([header, part]));
    }
    const transport = transportOf(datagrams[0]!) || (isRtp ? 'rtp' : 'udp');
    const reader = new TsDatagramReader(transport, (bytes) => ingest.push(bytes));
    try {
      let nowUs = 0;
      const whole = datagrams.filter((one) => one.length > 24);
      for (const datagram of disturb(random, whole)) {
        nowUs += random.below(5000);
        reader.push(datagram, nowUs);
      }
      ingest.finish();
    } catch (error) {
      // The first bytes decide about the format.
      assert.ok(error instanceof RejectedError || error instanceof ProtocolError, String(error));
    }
    frames += output.frames;
    transportOf(random.bytes(random.below(1500)));
  });
  assert.ok(frames > 1000, `${frames} frames`);
});

test('fuzz: a sender that begins pictures and never ends them costs bounded memory', () => {
  const random = new Random(24);
  const output = new Checked();
  const reader = new TsReader(new TsIngest(output));
  const pids = Array.from({ length: 16 }, (_, index) => 0x100 + index);
  reader.push(
    Buffer.concat([
      association([[1, 0x1000]]),
      map(
        0x1000,
        pids.map((pid) => line(0x1b, pid)),
      ),
    ]),
  );
  const before = process.memoryUsage().arrayBuffers;
  const body = random.bytes(184);
  const counters = new Uint8Array(16);
  const start = Buffer.from([0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]);
  for (const [index, pid] of pids.entries()) reader.push(packet(pid, counters[index]!++, start, true));
  for (let round = 0; round < 20_000; round++)
    for (let index = 0; index < 16; index++) reader.push(packet(pids[index]!, counters[index]!++ & 15, body));
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 100 * 1024 * 1024, `${Math.round(grown / 1_048_576)} MB for 60 MB of pictures`);
});
