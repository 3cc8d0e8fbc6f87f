/**
 * RTP over networks that lose, repeat and exchange packets: hundreds of seeded journeys of one clip in injected time.
 * Nothing that is written differs from what was published, times only go forward, pictures begin with a key frame
 * after every hole, and what waits is bounded.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_KEY, type Frame } from '../../../src/media/frame.ts';
import { rtpFeedFormat } from '../../../src/packaging/rtp-feed.ts';
import { rtpTracksOf } from '../../../src/packaging/rtp-feed-tracks.ts';
import { RtpIngest, type RtpMediaStatistics } from '../../../src/packaging/rtp-ingest.ts';
import type { RtpMapping } from '../../../src/wire/rtp/payload-format.ts';
import { PAYLOAD_FORMATS } from '../../../src/wire/rtp/payload-formats.ts';
import { DEFAULT_REORDER_LIMITS, ReorderBuffer } from '../../../src/wire/rtp/reorder-buffer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { encodeAll, openEncoder, type Recording, recordingOf } from '../../support/feed-frames.ts';
import { type IngestedFrame, IngestRecorder } from '../../support/ingest-recorder.ts';
import { assertSound, essenceOf, withSlices } from '../../support/lossy-media.ts';
import { LossyPath, type PathFaults } from '../../support/lossy-path.ts';
import { demoRecording } from '../../support/publish-body.ts';
import { interleavedPackets, rtpPacket } from '../../support/rtp-rig.ts';

const IS_LONG = process.env['SLUICE_TEST_ALL'] === '1';
const TICK_MS = 100;
const WAIT_MS = DEFAULT_REORDER_LIMITS.waitUs / 1000;
/** Packets of a frame leave one after the other, as a network card sends them. */
const PACKET_GAP_MS = 0.1;

interface SentPacket {
  readonly atMs: number;
  readonly media: number;
  readonly isRtcp: boolean;
  readonly bytes: Buffer;
}

interface Source {
  readonly mappings: readonly RtpMapping[];
  readonly packets: readonly SentPacket[];
  /** Of each media, in order. */
  readonly frames: readonly (readonly Frame[])[];
}

function source(recording: Recording, maxPacketBytes: number): Source {
  const encoder = openEncoder(rtpFeedFormat({ maxPacketBytes }), recording);
  const carried = rtpTracksOf(recording.tracks, PAYLOAD_FORMATS);
  const packets: SentPacket[] = [];
  const chunks = encodeAll(encoder, recording.frames);
  for (const [index, chunk] of chunks.entries()) {
    const atMs = recording.frames[index]!.dts / 1000;
    for (const [n, { channel, packet }] of interleavedPackets(chunk).entries())
      packets.push({
        atMs: atMs + n * PACKET_GAP_MS,
        media: channel >> 1,
        isRtcp: channel % 2 === 1,
        bytes: packet,
      });
  }
  const mappings = carried.map(({ payloadType, description }) => ({
    payloadType,
    encodingName: description.encodingName,
    clockRate: description.clockRate,
    channels: description.channels ?? 0,
    fmtp: new Map(
      description.fmtp.split(';').flatMap((part): [string, string][] => {
        const at = part.indexOf('=');
        return at < 0 ? [] : [[part.slice(0, at).trim(), part.slice(at + 1).trim()]];
      }),
    ),
  }));
  const frames = carried.map(({ track }) => recording.frames.filter(({ trackId }) => trackId === track.id));
  return { mappings, packets, frames };
}

interface Arrival {
  readonly atMs: number;
  readonly packet: SentPacket;
}

interface Journey {
  readonly frames: readonly (readonly IngestedFrame[])[];
  readonly statistics: readonly RtpMediaStatistics[];
  /** Of the packets, as the path decided. */
  readonly path: LossyPath;
  /** Packets of each media that never came, between the first and the last that did. */
  readonly missing: readonly number[];
  /** Packets of each media that came. */
  readonly came: readonly number[];
}

/** The network is well before `fromMs` and from `untilMs` on. */
function travel(
  from: Source,
  seed: number,
  faults: PathFaults,
  fromMs = Number.NEGATIVE_INFINITY,
  untilMs = Number.POSITIVE_INFINITY,
): Journey {
  const path = new LossyPath(seed, faults);
  const arrivals: Arrival[] = [];
  for (const packet of from.packets) {
    path.faults = packet.atMs < fromMs || packet.atMs >= untilMs ? {} : faults;
    for (const atMs of path.arrivals(packet.atMs)) arrivals.push({ atMs, packet });
  }
  arrivals.sort((a, b) => a.atMs - b.atMs);
  const clock = new FakeClock();
  const recorder = new IngestRecorder();
  const medias = from.mappings.map((mapping) => ({ mappings: [mapping], reorder: DEFAULT_REORDER_LIMITS }));
  const ingest = new RtpIngest(recorder, medias, 1, { clock });
  const startUs = clock.us;
  let tickMs = arrivals[0]?.atMs ?? 0;
  for (const { atMs, packet } of arrivals) {
    for (; tickMs <= atMs; tickMs += TICK_MS) {
      clock.us = startUs + tickMs * 1000;
      ingest.tick(clock.us);
    }
    clock.us = startUs + atMs * 1000;
    // Whoever received a packet uses the memory again.
    const bytes = Buffer.from(packet.bytes);
    if (packet.isRtcp) ingest.receiveRtcp(packet.media, bytes, clock.us);
    else ingest.receive(packet.media, bytes, clock.us);
    bytes.fill(0xee);
  }
  ingest.flush();
  const statistics = from.mappings.map((_, media) => ingest.statistics(media));
  const missing = from.mappings.map((_, media) => missingOf(from, arrivals, media));
  const ofMedia = (media: number) =>
    arrivals.filter(({ packet }) => packet.media === media && !packet.isRtcp);
  const came = from.mappings.map((_, media) => new Set(ofMedia(media).map(({ packet }) => packet)).size);
  return { path, statistics, missing, came, frames: statistics.map(({ trackId }) => recorder.of(trackId)) };
}

function missingOf(from: Source, arrivals: readonly Arrival[], media: number): number {
  const isOurs = (packet: SentPacket) => packet.media === media && !packet.isRtcp;
  const sent = from.packets.filter(isOurs);
  const came = new Set(arrivals.map(({ packet }) => packet));
  // What was sent before the first one that came is not waited for.
  const first = sent.indexOf(arrivals.find(({ packet }) => isOurs(packet))!.packet);
  const last = sent.findLastIndex((packet) => came.has(packet));
  return sent.slice(first, last).filter((packet) => !came.has(packet)).length;
}

function assertAllSound(from: Source, journey: Journey, label: string): number[][] {
  return journey.frames.map((frames, media) => {
    const isVideo = journey.statistics[media]!.trackId % 2 === 0;
    const came = frames.map(({ flags, dtsMs, ptsMs, payload }) => ({
      isKey: (flags & FRAME_KEY) !== 0,
      dts: dtsMs,
      pts: ptsMs,
      essence: essenceOf(payload, isVideo),
    }));
    return assertSound(from.frames[media]!, came, isVideo, `${label}, media ${media}`);
  });
}

const demo = demoRecording(8);

/** Several packets for a picture, as cameras have it. */
const CAMERA = source(demo, 500);
const WIDE = source(demo, 1460);
const SLICED = source(withSlices(demo), 500);

const LOSSES: readonly PathFaults[] = [
  {},
  { loss: 0.01 },
  { loss: 0.05 },
  { loss: 0.1 },
  { loss: 0.2 },
  { burstLoss: 0.05, burstPackets: 4 },
  { burstLoss: 0.1, burstPackets: 20 },
  { burstLoss: 0.2, burstPackets: 60 },
  { loss: 0.05, burstLoss: 0.05, burstPackets: 8 },
];
const JITTERS: readonly PathFaults[] = [
  { jitterMs: 0 },
  { jitterMs: 10 },
  { jitterMs: 50 },
  { jitterMs: 150 },
  { jitterMs: 300 },
  { jitterMs: 300, keepsOrder: true },
];

describe('through a lossy network', () => {
  for (const loss of LOSSES) {
    test(`${JSON.stringify(loss)}, jitter from 0 to 300 ms`, () => {
      let seed = 0;
      for (const jitter of JITTERS) {
        for (const from of [CAMERA, WIDE, SLICED]) {
          for (let run = 0; run < 4; run++) {
            const faults = { ...loss, ...jitter, reorder: 0.02, duplicate: 0.01 };
            const label = `seed ${++seed} ${JSON.stringify(faults)}`;
            const isLossless = Object.keys(loss).length === 0;
            const startMs = from.packets[0]!.atMs + (isLossless ? 300 : 0);
            const journey = travel(from, seed, faults, startMs);
            const places = assertAllSound(from, journey, label);
            const { path, statistics, missing } = journey;
            assert.ok(path.reordered > 0 && path.duplicated > 0, label);
            const jitterMs = jitter.keepsOrder === true ? 0 : (jitter.jitterMs ?? 0);
            if (jitterMs + 20 > WAIT_MS) continue;
            for (const [media, sent] of from.frames.entries()) {
              assert.equal(statistics[media]!.lost, missing[media], `${label}: lost of media ${media}`);
              // In wide packets each holds a sound: the loss of one costs no other.
              const isSound = from === WIDE && statistics[media]!.trackId % 2 === 1;
              const isMost = places[media]!.length >= journey.came[media]! - statistics[media]!.late;
              assert.ok(
                !isSound || isMost,
                `${label}: ${places[media]!.length} of ${journey.came[media]} sounds`,
              );
              if (isLossless)
                assert.equal(places[media]!.length, sent.length, `${label}: media ${media} is whole`);
            }
          }
        }
      }
    });
  }

  for (const faults of [
    { loss: 0.2, jitterMs: 300, reorder: 0.02, duplicate: 0.01 },
    { burstLoss: 0.3, burstPackets: 100, jitterMs: 50 },
    { loss: 1 },
  ]) {
    test(`recovers when it is well again: ${JSON.stringify(faults)}`, () => {
      const startMs = CAMERA.packets[0]!.atMs;
      for (let seed = 1; seed <= 10; seed++) {
        const label = `seed ${seed}`;
        const endMs = startMs + 1000 + seed * 300;
        const journey = travel(CAMERA, seed, faults, startMs, endMs);
        const places = assertAllSound(CAMERA, journey, label);
        for (const [media, sent] of CAMERA.frames.entries()) {
          // What was on its way when the loss ended, and what cannot be decoded before the next key frame.
          const safeMs = endMs + 300 + WAIT_MS;
          const first = sent.findIndex(({ dts, flags }) => dts / 1000 > safeMs && (flags & FRAME_KEY) !== 0);
          const expected = sent.length - first;
          assert.ok(first > 0 && expected > 40, 'the clip goes on long enough');
          const tail = places[media]!.slice(-expected);
          assert.deepEqual(
            tail,
            Array.from(tail, (_, i) => first + i),
            `${label}: media ${media}`,
          );
          assert.equal(tail.length, expected);
        }
      }
    });
  }

  test('pictures that are reordered by the encoder', () => {
    const clip = recordingOf('ffmpeg51-h264-aac');
    assert.ok(clip.frames.some(({ dts, pts }) => dts !== pts));
    const from = source(clip, 400);
    let total = 0;
    for (let seed = 1; seed <= (IS_LONG ? 40 : 16); seed++) {
      const faults = { loss: (seed % 5) * 0.05, reorder: 0.02, duplicate: 0.01, jitterMs: (seed % 4) * 50 };
      const [pictures] = assertAllSound(
        from,
        travel(from, seed, faults),
        `seed ${seed} ${JSON.stringify(faults)}`,
      );
      total += pictures!.length;
    }
    assert.ok(total > 5 * from.frames[0]!.length, `${total} pictures came`);
  });
});

describe('the buffer alone', () => {
  const PACKETS = 4000;
  const INTERVAL_MS = 2;

  test('in order, each once, on time, never more than it may hold', () => {
    for (let seed = 1; seed <= (IS_LONG ? 60 : 24); seed++) {
      const faults: PathFaults = {
        loss: (seed % 5) * 0.05,
        burstLoss: (seed % 3) * 0.05,
        burstPackets: 1 + (seed % 7) * 20,
        jitterMs: [0, 10, 40, 120, 180, 300][seed % 6]!,
        reorder: 0.02,
        duplicate: 0.05,
      };
      const label = `seed ${seed} ${JSON.stringify(faults)}`;
      const path = new LossyPath(seed, faults);
      const firstSequence = 65_536 - ((seed * 50) % 3000);
      const arrivals: { atMs: number; number: number }[] = [];
      for (let number = 0; number < PACKETS; number++)
        for (const atMs of path.arrivals(number * INTERVAL_MS)) arrivals.push({ atMs, number });
      arrivals.sort((a, b) => a.atMs - b.atMs);
      const arrivedMs = new Map<number, number>();
      let nowMs = 0;
      let given = 0;
      let last = -1;
      let gaps = 0;
      let isFlushing = false;
      // The wait is counted from the next packet in order; one that overtook it waits longer by as much.
      const mostMs = WAIT_MS + TICK_MS + faults.jitterMs! + 20;
      const buffer = new ReorderBuffer({
        packet: (bytes, isAfterLoss) => {
          const number = Buffer.from(bytes.subarray(12)).readUInt32BE();
          assert.ok(number > last, `${label}: ${number} after ${last}`);
          if (last >= 0) {
            assert.equal(isAfterLoss, number !== last + 1, `${label}: ${number} after ${last}`);
            gaps += number - last - 1;
          }
          const waited = nowMs - arrivedMs.get(number)!;
          assert.ok(isFlushing || waited <= mostMs, `${label}: ${number} waited ${waited} ms`);
          last = number;
          given++;
        },
      });
      let pushed = 0;
      let tickMs = 0;
      for (const { atMs, number } of arrivals) {
        for (; tickMs <= atMs; tickMs += TICK_MS) {
          nowMs = tickMs;
          buffer.tick(nowMs * 1000);
        }
        nowMs = atMs;
        if (!arrivedMs.has(number)) arrivedMs.set(number, atMs);
        const payload = Buffer.alloc(4);
        payload.writeUInt32BE(number);
        const sequence = (firstSequence + number) & 0xffff;
        buffer.push(rtpPacket({ sequence, timestamp: 0, payload }), sequence, atMs * 1000);
        pushed++;
        const held = pushed - given - buffer.late - buffer.duplicates;
        assert.ok(held >= 0 && held <= DEFAULT_REORDER_LIMITS.packets, `${label}: ${held} packets wait`);
      }
      isFlushing = true;
      buffer.flush();
      assert.equal(given + buffer.late + buffer.duplicates, pushed, `${label}: nothing disappears`);
      assert.equal(buffer.lost, gaps, `${label}: lost`);
      assert.equal(buffer.restarts, 0, label);
      if (path.lost === 0 && faults.jitterMs! + 20 < WAIT_MS) assert.equal(gaps, 0, `${label}: all came`);
    }
  });
});
