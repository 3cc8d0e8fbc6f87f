/**
 * RTP against broken input: packets of real programs with flipped, cut, lost, repeated and exchanged ones, and reports
 * likewise. Whatever comes, nothing throws, times of a track never go back, and what waits stays bounded.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DtsFromPts } from '../../src/media/dts-from-pts.ts';
import { RtpIngest, type RtpIngestOutput } from '../../src/packaging/rtp-ingest.ts';
import { ReorderBuffer } from '../../src/wire/rtp/reorder-buffer.ts';
import { parseRtcp, type RtcpPacket, serializeRtcp } from '../../src/wire/rtp/rtcp.ts';
import { RtpExtensionCursor, RtpPacket } from '../../src/wire/rtp/rtp-packet.ts';
import { rtpMappingsOf } from '../../src/wire/sdp/media-format.ts';
import { parseSdp } from '../../src/wire/sdp/session-description.ts';
import { recordingOf } from '../support/feed-frames.ts';
import { mutateHead, Random, runFor } from '../support/fuzz.ts';
import { type Interleaved, interleavedPackets } from '../support/rtp-rig.ts';

const VECTORS = new URL('../vectors/rtp/', import.meta.url);

const CAPTURES = readdirSync(VECTORS)
  .filter((name) => name.endsWith('.bin'))
  .sort()
  .map((name) => ({
    medias: parseSdp(readFileSync(new URL(name.replace('.bin', '.sdp'), VECTORS))).media.map(rtpMappingsOf),
    packets: interleavedPackets(readFileSync(new URL(name, VECTORS))),
  }));
const PACKETS: readonly Interleaved[] = CAPTURES.flatMap(({ packets }) => packets);

test('packets: the parts lie inside', () => {
  const random = new Random(1);
  const packet = new RtpPacket();
  const cursor = new RtpExtensionCursor();
  let parsed = 0;
  runFor(() => {
    const bytes = mutateHead(random, PACKETS[random.below(PACKETS.length)]!.packet);
    if (!packet.parse(bytes)) return;
    parsed++;
    const { extensionStart, extensionEnd, payloadStart, payloadEnd } = packet;
    assert.ok(12 <= extensionStart && extensionStart <= extensionEnd && extensionEnd <= payloadStart);
    assert.ok(payloadStart <= payloadEnd && payloadEnd <= bytes.length);
    cursor.reset(packet);
    while (cursor.advance()) {
      assert.ok(extensionStart < cursor.start && cursor.start <= cursor.end && cursor.end <= extensionEnd);
    }
  });
  assert.ok(parsed > 100);
});

test('RTCP: what parses serializes, and parses to the same', () => {
  const random = new Random(2);
  const block = {
    ssrc: 3,
    fractionLost: 4,
    lost: -5,
    highestSequence: 6,
    jitter: 7,
    lastSr: 8,
    delaySinceLastSr: 9,
  };
  const seeds: readonly RtcpPacket[] = [
    {
      type: 'sr',
      ssrc: 1,
      ntpSeconds: 2,
      ntpFraction: 3,
      rtpTime: 4,
      packets: 5,
      octets: 6,
      reports: [block],
    },
    { type: 'rr', ssrc: 1, reports: [block, block] },
    { type: 'sdes', ssrc: 1, cname: 'camera' },
    { type: 'nack', ssrc: 1, mediaSsrc: 2, sequences: [1, 2, 40] },
    { type: 'pli', ssrc: 1, mediaSsrc: 2 },
    { type: 'fir', ssrc: 1, mediaSsrc: 2, sequence: 3 },
    { type: 'bye', ssrcs: [1, 2], reason: 'end' },
  ];
  const seed = serializeRtcp(seeds);
  assert.deepEqual(parseRtcp(seed), seeds);
  let found = 0;
  runFor(() => {
    const packets = parseRtcp(mutateHead(random, seed));
    found += packets.length;
    // Text that is not UTF-8 comes back as other text.
    const comparable = packets.filter(({ type }) => type !== 'sdes' && type !== 'bye' && type !== 'nack');
    assert.deepEqual(parseRtcp(serializeRtcp(comparable)), comparable);
    parseRtcp(serializeRtcp(packets));
  });
  assert.ok(found > 100);
});

test('reorder buffer: rising numbers, nothing twice, nothing kept for ever', () => {
  const random = new Random(3);
  runFor(() => {
    const given: number[] = [];
    const bytes = new Uint8Array(2);
    const view = (packet: Uint8Array): number => (packet[0]! << 8) | packet[1]!;
    const buffer = new ReorderBuffer(
      { packet: (packet) => given.push(view(packet)) },
      { packets: 1 << (1 + random.below(8)), waitUs: 50_000 },
    );
    const start = random.below(65_536);
    const count = 200;
    let sent = 0;
    for (let i = 0; i < count; i++) {
      if (random.below(10) === 0) continue;
      const sequence = (start + Math.max(0, i + random.below(9) - 4)) & 0xffff;
      bytes[0] = sequence >>> 8;
      bytes[1] = sequence;
      buffer.push(bytes, sequence, i * 1000);
      sent++;
    }
    buffer.flush();
    for (let i = 1; i < given.length; i++) {
      const step = (given[i]! - given[i - 1]!) & 0xffff;
      assert.ok(step >= 1 && step < 1000, `${given[i - 1]} ${given[i]}`);
    }
    assert.equal(given.length + buffer.late + buffer.duplicates, sent);
  });
});

test('decode times: rising and never over the time of a stream that keeps what it declares', () => {
  const random = new Random(4);
  const config = recordingOf('ffmpeg51-h264-aac').tracks.find(({ kind }) => kind === 'video')!.config;
  runFor(() => {
    const dts = new DtsFromPts();
    dts.configure(config);
    let last = Number.NEGATIVE_INFINITY;
    let time = 0;
    // Nothing is shown before the first picture.
    dts.next(time);
    for (let i = 0; i < 60; i++) {
      time += 1000 + random.below(100_000);
      const later = time + 1000 + random.below(100_000);
      // Depth 1: a picture and one that is shown before it.
      const pair = random.below(2) === 0 ? [later, time] : [time, later];
      time = later;
      for (const pts of pair) {
        const found = dts.next(pts);
        assert.ok(found <= pts, `${found} over ${pts}`);
        assert.ok(found >= last);
        last = found;
      }
    }
  });
});

const LONGEST_CAPTURE_MS = 6000;
const MADE_UP_MS = 2500;

class Checker implements RtpIngestOutput {
  frames = 0;
  private readonly known = new Set<number>();
  private readonly last: number[] = [];

  setTrack(track: { readonly id: number }): void {
    this.known.add(track.id);
  }

  write(...[trackId, , dtsMs, ptsMs, , payload]: Parameters<RtpIngestOutput['write']>): void {
    this.frames++;
    assert.ok(this.known.has(trackId), 'a frame of a track that was not announced');
    assert.ok(payload.length > 0);
    assert.ok(Number.isFinite(dtsMs) && Number.isFinite(ptsMs) && ptsMs >= dtsMs, `${dtsMs} ${ptsMs}`);
    const before = this.last[trackId] ?? Number.NEGATIVE_INFINITY;
    // Packets of any place in a capture come in between, and first decode times behind a jump are made up.
    assert.ok(dtsMs > before - LONGEST_CAPTURE_MS - MADE_UP_MS, `${dtsMs} after ${before}`);
    this.last[trackId] = dtsMs;
  }
}

test('ingest: real packets, broken on their way', () => {
  const random = new Random(5);
  let frames = 0;
  const runs = runFor(() => {
    const { medias, packets } = CAPTURES[random.below(CAPTURES.length)]!;
    const isUdp = random.below(2) === 0;
    const reorder = isUdp ? { packets: 64, waitUs: 20_000 } : null;
    const checker = new Checker();
    const damage = (['until-key', 'frame', 'keep'] as const)[random.below(3)]!;
    const ingest = new RtpIngest(
      checker,
      medias.map((mappings) => ({ mappings, reorder })),
      1,
      { damage },
    );
    const rate = 1 + random.below(30);
    let nowUs = 0;
    for (let i = 0; i < packets.length; i++) {
      nowUs += random.below(20_000);
      let { channel, packet } = packets[i]! as { channel: number; packet: Uint8Array };
      const blow = random.below(rate * 5);
      if (blow === 0) continue;
      if (blow === 1) ({ channel, packet } = packets[random.below(packets.length)]!);
      if (blow === 2) packet = mutateHead(random, packet);
      if (blow === 3) i = Math.max(0, i - random.below(4));
      if (blow === 4) nowUs += random.below(30_000_000);
      if (channel % 2 === 0) ingest.receive(channel / 2, packet, nowUs);
      else ingest.receiveRtcp((channel - 1) / 2, packet, nowUs);
      if (random.below(20) === 0) ingest.tick(nowUs);
    }
    ingest.flush();
    ingest.receiverReport(0, nowUs);
    frames += checker.frames;
  });
  assert.ok(frames > runs, `${frames} frames of ${runs} runs`);
});
