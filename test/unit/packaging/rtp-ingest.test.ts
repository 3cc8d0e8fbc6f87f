import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  FRAME_CONFIG,
  FRAME_DISCONTINUITY,
  FRAME_IN_BAND_CONFIG,
  FRAME_KEY,
} from '../../../src/media/frame.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { rtpFeedFormat } from '../../../src/packaging/rtp-feed.ts';
import { RtpIngest, type RtpIngestMedia, type RtpIngestOptions } from '../../../src/packaging/rtp-ingest.ts';
import { ntpFraction, ntpSeconds } from '../../../src/wire/rtp/ntp-time.ts';
import { H264_PAYLOAD } from '../../../src/wire/rtp/payload-h264.ts';
import { DEFAULT_REORDER_LIMITS } from '../../../src/wire/rtp/reorder-buffer.ts';
import { parseRtcp, serializeRtcp } from '../../../src/wire/rtp/rtcp.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { encodeAll, openEncoder, recordingOf } from '../../support/feed-frames.ts';
import { IngestRecorder } from '../../support/ingest-recorder.ts';
import {
  interleavedPackets,
  mapping,
  type PacketFields,
  rtpPacket,
  toySound,
} from '../../support/rtp-rig.ts';
import { TestHub } from '../../support/test-hub.ts';

const FORMATS = [H264_PAYLOAD, toySound];
/** 64x48, High, with a depth of 1 (libx264). */
const SPS = Buffer.from('6764000aace411ec0440000003004000000503c48944', 'hex');
/** 320x180, Constrained Baseline, nothing reordered (libx264). */
const BASELINE_SPS = Buffer.from('6742c00cd901419f9f011000000300100000030320f142a480', 'hex');
const PPS = Buffer.from('68ebe3cb22c0', 'hex');
const BASELINE_PPS = Buffer.from('68cb83cb20', 'hex');
const sprop = (...sets: readonly Buffer[]): string => sets.map((set) => set.toString('base64')).join(',');
const CAMERA = mapping(96, 'H264', 90_000, { 'sprop-parameter-sets': sprop(BASELINE_SPS, BASELINE_PPS) });
const SILENT = mapping(96, 'H264', 90_000);
const PCMU = mapping(0, 'PCMU', 8000);

const key = (fill = 1): Buffer => Buffer.from([0x65, 0x88, fill, fill]);
const inter = (fill = 1): Buffer => Buffer.from([0x41, 0x9a, fill, fill]);
const withLengths = (...nals: readonly Buffer[]): string =>
  nals.map((nal) => nal.length.toString(16).padStart(8, '0') + nal.toString('hex')).join('');

class Rig extends IngestRecorder {
  readonly clock = new FakeClock();
  readonly ingest: RtpIngest;
  private readonly sequences: number[] = [];

  constructor(medias: readonly RtpIngestMedia[], options: Partial<RtpIngestOptions> = {}) {
    super();
    this.ingest = new RtpIngest(this, medias, 0xabcd, { formats: FORMATS, clock: this.clock, ...options });
  }

  /** The next packet of a media. */
  send(media: number, timestamp: number, payload: Uint8Array, extra: Partial<PacketFields> = {}): this {
    const sequence = extra.sequence ?? (this.sequences[media] ?? 100) + 1;
    this.sequences[media] = sequence;
    const type = media === 0 ? 96 : 0;
    const packet = rtpPacket({ type, marker: true, ssrc: media + 1, timestamp, payload, ...extra, sequence });
    this.ingest.receive(media, packet, this.clock.nowUs());
    // Whoever received it uses the memory again.
    packet.fill(0xee);
    return this;
  }

  skip(media: number, count = 1): this {
    this.sequences[media] = (this.sequences[media] ?? 100) + count;
    return this;
  }

  after(ms: number): this {
    this.clock.advanceMs(ms);
    this.ingest.tick(this.clock.nowUs());
    return this;
  }

  /** A sender report: at `wallUs` the RTP time is `rtpTime`. */
  report(media: number, rtpTime: number, wallUs: number): this {
    const packet = serializeRtcp([
      {
        type: 'sr',
        ssrc: media + 1,
        ntpSeconds: wallUs === 0 ? 0 : ntpSeconds(wallUs),
        ntpFraction: wallUs === 0 ? 0 : ntpFraction(wallUs),
        rtpTime: rtpTime >>> 0,
        packets: 0,
        octets: 0,
        reports: [],
      },
    ]);
    this.ingest.receiveRtcp(media, packet, this.clock.nowUs());
    return this;
  }

  times(trackId: number): number[] {
    return this.of(trackId).map(({ ptsMs }) => Math.round(ptsMs * 100) / 100);
  }

  /** From frame to frame. */
  steps(trackId: number): number[] {
    const times = this.times(trackId);
    return times.slice(1).map((time, index) => Math.round((time - times[index]!) * 100) / 100);
  }
}

const tcp = (...mappings: RtpIngestMedia['mappings']): RtpIngestMedia => ({ mappings, reorder: null });
const udp = (...mappings: RtpIngestMedia['mappings']): RtpIngestMedia => ({
  mappings,
  reorder: DEFAULT_REORDER_LIMITS,
});

describe('tracks and configs', () => {
  test('what the descriptions tell is announced at once: even ids for video, odd for audio', () => {
    const rig = new Rig([tcp(PCMU), tcp(CAMERA), { ...tcp(PCMU), language: 'de' }]);
    assert.deepEqual(
      rig.tracks.map(({ id, kind, wireIndex, language }) => [id, kind, wireIndex, language]),
      [
        [1, 'audio', 0, ''],
        [0, 'video', 0, ''],
        [3, 'audio', 1, 'de'],
      ],
    );
    assert.equal(rig.tracks[1]!.config.width, 320);
    assert.equal(rig.ingest.isUsed(1), true);
  });

  test('media that are not used have a reason and disturb nobody', () => {
    const rig = new Rig([
      tcp(mapping(98, 'X-ODD', 90_000)),
      tcp(),
      tcp(mapping(97, 'H264', 90_000, { 'packetization-mode': '2' })),
    ]);
    assert.equal(rig.ingest.leftOut().length, 3);
    assert.match(rig.ingest.leftOut()[0]!, /X-ODD/);
    assert.match(rig.ingest.leftOut()[1]!, /does not say/);
    assert.match(rig.ingest.leftOut()[2]!, /interleaved/);
    rig.send(0, 0, key()).send(7, 0, key()).report(0, 0, 1e15);
    assert.equal(rig.ingest.isUsed(0), false);
    assert.deepEqual([rig.tracks.length, rig.frames.length], [0, 0]);
    assert.equal(rig.ingest.statistics(0).trackId, -1);
  });

  test('there are not more tracks than a stream takes', () => {
    const rig = new Rig(Array.from({ length: 6 }, () => tcp(CAMERA)));
    assert.deepEqual(
      rig.tracks.map(({ id }) => id),
      [0, 2, 4, 6],
    );
    assert.equal(rig.ingest.leftOut().length, 2);
  });

  test('frames wait for a config that comes in band', () => {
    const rig = new Rig([tcp(SILENT)]);
    assert.equal(rig.tracks.length, 0);
    rig.send(0, 0, inter());
    rig.send(0, 3600, SPS, { marker: false }).send(0, 3600, PPS, { marker: false }).send(0, 3600, key());
    assert.equal(rig.tracks[0]!.config.width, 64);
    assert.equal(rig.frames.length, 1);
    assert.equal(rig.frames[0]!.flags, FRAME_KEY | FRAME_IN_BAND_CONFIG);
    assert.equal(rig.frames[0]!.payload.toString('hex'), withLengths(SPS, PPS, key()));
    assert.equal(rig.ingest.statistics(0).framesWithoutConfig, 1);
  });

  test('other parameter sets give another config, the same ones do not', () => {
    const rig = new Rig([tcp(CAMERA)]);
    const sets = (sps: Buffer, pps: Buffer, timestamp: number): void => {
      rig.send(0, timestamp, sps, { marker: false }).send(0, timestamp, pps, { marker: false });
      rig.send(0, timestamp, key());
    };
    sets(BASELINE_SPS, BASELINE_PPS, 0);
    sets(SPS, PPS, 3600);
    sets(SPS, PPS, 7200);
    assert.deepEqual(
      rig.tracks.map(({ config }) => config.width),
      [320, 64],
    );
    assert.deepEqual(
      rig.frames.map(({ flags }) => (flags & FRAME_CONFIG) !== 0),
      [false, true, false],
    );
    assert.equal(rig.frames[1]!.config.width, 64);
  });

  test('a second payload type of the same media', () => {
    const rig = new Rig([tcp(PCMU, mapping(97, 'PCMU', 8000))]);
    rig.send(0, 0, Buffer.alloc(160), { type: 0 }).send(0, 160, Buffer.alloc(160), { type: 97 });
    assert.deepEqual(rig.steps(1), [20]);
  });
});

describe('a stream of ours comes back as it went', () => {
  for (const reorder of [null, DEFAULT_REORDER_LIMITS]) {
    test(reorder === null ? 'over TCP' : 'over UDP, every pair of packets exchanged', () => {
      const clip = recordingOf('ffmpeg51-h264-aac');
      const video = clip.tracks.find(({ kind }) => kind === 'video')!;
      const encoder = openEncoder(rtpFeedFormat({ formats: FORMATS, maxPacketBytes: 256 }), {
        ...clip,
        tracks: [video],
      });
      const description = H264_PAYLOAD.describe(video.config)!;
      const fmtp = new Map(
        description.fmtp.split(';').map((part) => {
          const at = part.indexOf('=');
          return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
        }),
      );
      const rig = new Rig([{ mappings: [{ ...mapping(96, 'H264', 90_000), fmtp }], reorder }]);
      const packets = encodeAll(encoder, clip.frames)
        .flatMap((chunk) => interleavedPackets(chunk))
        .filter(({ channel }) => channel === 0)
        .map(({ packet }) => packet);
      if (reorder !== null) {
        for (let i = 1; i + 1 < packets.length; i += 2) {
          [packets[i], packets[i + 1]] = [packets[i + 1]!, packets[i]!];
        }
      }
      for (const packet of packets) rig.ingest.receive(0, packet, rig.clock.nowUs());
      rig.ingest.flush();
      const sent = clip.frames.filter(({ trackId }) => trackId === video.id);
      assert.ok(
        sent.some((frame) => frame.dts !== frame.pts),
        'has reordering',
      );
      const [first] = rig.frames;
      assert.deepEqual(
        rig.frames.map(({ dtsMs, ptsMs }) => [
          Math.round(dtsMs - first!.dtsMs),
          Math.round(ptsMs - first!.dtsMs),
        ]),
        sent.map(({ dts, pts }) => [dts / 1000, pts / 1000]),
      );
      rig.frames.forEach(({ payload }, index) => {
        const original = Buffer.from(sent[index]!.payload);
        // Key frames got parameter sets in front.
        assert.equal(payload.subarray(-original.length).toString('hex'), original.toString('hex'));
      });
      assert.deepEqual([rig.ingest.statistics(0).lost, rig.ingest.statistics(0).damaged], [0, 0]);
    });
  }
});

describe('times', () => {
  const sound = Buffer.alloc(160);

  test('tracks begin where they arrive, whatever their RTP times are', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    rig
      .send(0, 0xffff_f000, key())
      .after(25)
      .send(1, 77, sound)
      .after(15)
      .send(0, 0xffff_f000 + 3600, inter());
    assert.equal(rig.times(1)[0]! - rig.times(0)[0]!, 25);
    assert.deepEqual(rig.steps(0), [40], 'over the wrap of 32 bits');
  });

  test('reports before the first packets: in step from the first frame on', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    const wall = rig.clock.wallUs();
    rig.report(0, 90_000, wall).report(1, 8000, wall);
    // Sound was captured at the same time as the picture, and comes 300 ms later.
    rig.send(0, 90_000, key()).after(300).send(1, 8000, sound);
    assert.equal(rig.times(1)[0], rig.times(0)[0]);
    assert.equal(rig.frames[0]!.captureUs, wall);
    assert.equal(rig.frames[1]!.captureUs, wall);
  });

  test('the first reports put a track to its place at once, and none goes back', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    rig.send(0, 0, key()).after(120).send(1, 0, sound);
    const wall = rig.clock.wallUs();
    // By the wall clock sound and picture began together: sound is 120 ms too late.
    rig.report(0, 0, wall - 120_000).report(1, 0, wall - 120_000);
    rig.send(1, 160, sound).send(0, 3600, inter()).send(1, 320, sound);
    assert.deepEqual(rig.steps(1), [20, 20], 'the sound goes on');
    assert.deepEqual(rig.steps(0), [160], 'the picture comes to it');
    assert.equal(rig.times(1)[2]! - rig.times(0)[1]!, 0, 'both are 40 ms after the begin');
  });

  test('a track that is late goes forward alone', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    rig.send(0, 0, key()).send(1, 0, sound);
    const wall = rig.clock.wallUs();
    rig.report(0, 0, wall).report(1, 0, wall + 70_000);
    rig.send(1, 160, sound).send(0, 3600, inter());
    assert.deepEqual([rig.steps(1), rig.steps(0)], [[90], [40]]);
  });

  test('later differences are made up for slowly', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    const wall = rig.clock.wallUs();
    rig.report(0, 0, wall).report(1, 0, wall).send(0, 0, key()).send(1, 0, sound);
    rig
      .after(1000)
      .report(0, 90_000, wall + 1e6)
      .report(1, 8000, wall + 1e6 + 10_000);
    for (let i = 1; i <= 200; i++) rig.after(20).send(1, i * 160, sound);
    const steps = rig.steps(1);
    assert.ok(Math.max(...steps) <= 20.1 + 0.01, `${Math.max(...steps)}`);
    assert.ok(Math.abs(rig.times(1)[200]! - rig.times(1)[0]! - 4010) < 0.05, 'all 10 ms in 4 s');
  });

  test('one report that is far off changes nothing, two do', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    const wall = rig.clock.wallUs();
    rig.report(0, 0, wall).report(1, 0, wall).send(0, 0, key()).send(1, 0, sound);
    rig.report(1, 0, wall + 900_000).send(1, 160, sound);
    rig.report(1, 0, wall).send(1, 320, sound);
    rig.report(1, 0, wall + 900_000).send(1, 480, sound);
    rig.report(1, 0, wall + 900_000).send(1, 640, sound);
    const steps = rig.steps(1);
    assert.ok(Math.max(...steps.slice(0, 3)) < 20.2);
    assert.ok(Math.abs(steps[3]! - 920) < 1);
  });

  test('every frame that a packet holds after the first has its own time', () => {
    const rig = new Rig([tcp(PCMU)]);
    for (let i = 0; i < 5; i++) rig.send(0, i * 160, sound, { type: 0 });
    assert.deepEqual(rig.steps(1), [20, 20, 20, 20]);
    assert.equal(rig.frames[0]!.durationUs, 20_000);
    assert.equal(rig.frames[0]!.flags, FRAME_KEY);
  });
});

describe('loss', () => {
  const lossy = (damage: RtpIngestOptions['damage']): Rig => {
    const rig = new Rig([udp(CAMERA)], damage === undefined ? {} : { damage });
    rig.send(0, 0, key(1)).send(0, 3600, inter(2));
    rig.skip(0).send(0, 10_800, inter(4)).after(500);
    return rig.send(0, 14_400, inter(5)).send(0, 18_000, key(6)).send(0, 21_600, inter(7));
  };
  const fills = (rig: Rig): string =>
    rig.frames
      .map(({ payload, flags }) => `${(flags & FRAME_DISCONTINUITY) === 0 ? '' : '!'}${payload.at(-1)}`)
      .join(' ');

  test('until-key: nothing between the loss and the next key frame; no time jumps', () => {
    const rig = lossy(undefined);
    assert.equal(fills(rig), '1 2 6 7');
    const { lost, dropped, damaged } = rig.ingest.statistics(0);
    assert.deepEqual([lost, dropped, damaged], [1, 2, 0]);
  });

  test('frame: whole frames are kept', () => assert.equal(fills(lossy('frame')), '1 2 4 5 6 7'));

  test('frame: a damaged one is left out', () => {
    const rig = new Rig([tcp(CAMERA)], { damage: 'frame' });
    const slice = (fill: number): Buffer => Buffer.from([0x41, 0x1a, fill]);
    rig.send(0, 0, key(1)).send(0, 3600, inter(2), { marker: false }).skip(0);
    rig.send(0, 3600, slice(2)).send(0, 7200, inter(3));
    assert.equal(fills(rig), '1 3');
    const { lost, damaged, dropped } = rig.ingest.statistics(0);
    assert.deepEqual([lost, damaged, dropped], [1, 1, 1]);
  });

  test('keep: everything is written', () => assert.equal(fills(lossy('keep')), '1 2 4 5 6 7'));

  test('a stream without further key frames goes on after ten seconds', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key(1)).skip(0);
    for (let i = 1; i < 130; i++) rig.after(100).send(0, i * 9000, inter(2));
    assert.ok(rig.frames.length > 20 && rig.frames.length < 40, `${rig.frames.length}`);
  });

  test('lost sound costs what was lost', () => {
    const rig = new Rig([udp(PCMU)]);
    rig
      .send(0, 0, Buffer.alloc(160), { type: 0 })
      .skip(0)
      .send(0, 320, Buffer.alloc(160), { type: 0 })
      .after(500);
    assert.deepEqual(rig.steps(1), [40]);
  });

  test('late and repeated packets are counted', () => {
    const rig = new Rig([udp(PCMU)]);
    const send = (sequence: number): Rig =>
      rig.send(0, sequence * 160, Buffer.alloc(160), { type: 0, sequence });
    send(1);
    send(3);
    rig.after(500);
    send(2);
    send(3);
    const { lost, late, duplicates, packets } = rig.ingest.statistics(0);
    assert.deepEqual([lost, late, duplicates, packets], [1, 1, 1, 4]);
  });
});

describe('cameras and what they do', () => {
  test('marker on every slice: the pictures still come whole after the first', () => {
    const rig = new Rig([tcp(CAMERA)], { damage: 'keep' });
    const rest = Buffer.from([0x41, 0x1a, 9]);
    for (let i = 0; i < 5; i++) rig.send(0, i * 3600, i === 0 ? key() : inter(i)).send(0, i * 3600, rest);
    rig.ingest.flush();
    assert.equal(rig.frames.at(-1)!.payload.toString('hex'), withLengths(inter(4), rest));
    assert.equal(rig.frames.at(-2)!.payload.toString('hex'), withLengths(inter(3), rest));
  });

  test('no marker at all: the next time ends a picture', () => {
    const rig = new Rig([tcp(CAMERA)]);
    for (let i = 0; i < 4; i++) rig.send(0, i * 3600, i === 0 ? key() : inter(i), { marker: false });
    rig.ingest.flush();
    assert.deepEqual(rig.steps(0), [40, 40, 40]);
  });

  test('parameter sets with a time and a marker of their own are no picture', () => {
    const rig = new Rig([tcp(SILENT)]);
    rig.send(0, 100, SPS).send(0, 200, PPS).send(0, 3600, key()).send(0, 7200, inter());
    assert.equal(rig.frames.length, 2);
    assert.deepEqual(rig.steps(0), [40]);
  });

  test('padding is no part of the picture', () => {
    const rig = new Rig([tcp(CAMERA)]);
    const packet = rtpPacket({
      sequence: 1,
      timestamp: 0,
      marker: true,
      payload: Buffer.from([...key(), 0, 0, 3]),
    });
    packet[0] = packet[0]! | 0x20;
    rig.ingest.receive(0, packet, 0);
    assert.equal(rig.frames[0]!.payload.toString('hex'), withLengths(key()));
  });

  test('packets of padding alone keep the numbers together', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key());
    const empty = rtpPacket({ sequence: 102, timestamp: 0, ssrc: 1, payload: Buffer.from([0, 0, 0, 4]) });
    empty[0] = empty[0]! | 0x20;
    rig.ingest.receive(0, empty, 0);
    rig.send(0, 3600, inter(), { sequence: 103 });
    assert.deepEqual([rig.frames.length, rig.ingest.statistics(0).lost], [2, 0]);
  });

  for (const media of [tcp, udp]) {
    test(`SSRC that changes in mid-stream, ${media === tcp ? 'TCP' : 'UDP'}: followed, no packet is missing`, () => {
      const rig = new Rig([media(CAMERA)]);
      rig.send(0, 0, key(1)).after(40).send(0, 3600, inter(2)).after(40);
      const other = { ssrc: 99, sequence: 40_000 };
      rig.send(0, 5_000_000, key(3), other).after(40).send(0, 5_003_600, inter(4), { ssrc: 99 });
      assert.deepEqual(
        rig.frames.map(({ payload }) => payload.at(-1)),
        [1, 2, 3, 4],
      );
      assert.deepEqual(
        rig.steps(0),
        [40, 80, 40].map((step, i) => (i === 1 ? rig.steps(0)[1]! : step)),
      );
      assert.ok(rig.steps(0)[1]! >= 40 && rig.steps(0)[1]! <= 80, 'goes on by the time that passed');
      assert.equal(rig.frames[2]!.flags & FRAME_DISCONTINUITY, FRAME_DISCONTINUITY);
      assert.equal(rig.ingest.statistics(0).restarts, 2);
    });
  }

  test('a packet with a foreign SSRC in between is not ours', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key(1));
    rig.ingest.receive(
      0,
      rtpPacket({ sequence: 7, timestamp: 9, ssrc: 5, marker: true, payload: key(9) }),
      0,
    );
    rig.send(0, 3600, inter(2));
    assert.deepEqual(
      rig.frames.map(({ payload }) => payload.at(-1)),
      [1, 2],
    );
    assert.equal(rig.ingest.statistics(0).lost, 0);
  });

  for (const media of [tcp, udp]) {
    test(`sequence numbers that start again, ${media === tcp ? 'TCP' : 'UDP'}: no loss is counted`, () => {
      const rig = new Rig([media(CAMERA)], { damage: 'keep' });
      rig.send(0, 0, key(1), { sequence: 30_000 }).send(0, 3600, inter(2));
      rig.send(0, 7200, inter(3), { sequence: 1 }).send(0, 10_800, inter(4)).send(0, 14_400, inter(5));
      assert.deepEqual(
        rig.frames.map(({ payload }) => payload.at(-1)),
        [1, 2, 3, 4, 5],
      );
      const { lost, restarts } = rig.ingest.statistics(0);
      assert.deepEqual([lost, restarts], [0, 1]);
    });
  }

  test('RTP times that start again: the time that passed is what counts', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 4_000_000_000, key(1)).after(40).send(0, 4_000_003_600, inter(2)).after(40);
    rig.send(0, 1000, inter(3)).after(40).send(0, 4600, inter(4));
    assert.deepEqual(rig.steps(0), [40, 40, 40]);
    assert.equal(rig.frames[2]!.flags & FRAME_DISCONTINUITY, FRAME_DISCONTINUITY);
  });

  test('another payload type than announced, from the begin', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key(1), { type: 98 }).send(0, 3600, inter(2), { type: 98 });
    rig.send(0, 3600, inter(9), { type: 99 });
    assert.equal(rig.frames.length, 2);
    assert.equal(rig.ingest.statistics(0).foreignPackets, 1);
  });

  test('another payload type beside the announced one (comfort noise, metadata) is left out', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key(1)).send(0, 0, inter(9), { type: 98 }).send(0, 3600, inter(2));
    assert.deepEqual(
      rig.frames.map(({ payload }) => payload.at(-1)),
      [1, 2],
    );
    assert.equal(rig.ingest.statistics(0).foreignPackets, 1);
  });

  test('no sender reports: arrival alone', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    rig.send(0, 0, key()).send(1, 0, Buffer.alloc(160));
    assert.ok(Number.isNaN(rig.frames[0]!.captureUs));
    assert.deepEqual(rig.times(0), rig.times(1));
  });

  test('sender reports with NTP 0 tell nothing', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    rig.send(0, 0, key()).send(1, 0, Buffer.alloc(160));
    rig.report(0, 0, 0).report(1, 4000, 0).send(1, 160, Buffer.alloc(160));
    assert.deepEqual(rig.steps(1), [20]);
    assert.equal(rig.ingest.statistics(0).badReports, 1);
  });

  test('a clock that was never set still keeps the tracks together, and is shown to nobody', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    // Seconds since it was switched on, in the year 1970.
    rig.report(0, 0, 33e6).report(1, 0, 33e6).send(0, 0, key()).after(200).send(1, 0, Buffer.alloc(160));
    assert.equal(rig.times(0)[0], rig.times(1)[0]);
    assert.ok(Number.isNaN(rig.frames[0]!.captureUs));
  });

  test('sender reports of an RTP time that has nothing to do with the packets', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    const wall = rig.clock.wallUs();
    rig.send(0, 0, key()).send(1, 0, Buffer.alloc(160));
    rig.report(0, 0, wall).report(1, 123_456_789, wall).send(1, 160, Buffer.alloc(160));
    assert.deepEqual(rig.steps(1), [20]);
    assert.equal(rig.ingest.statistics(1).badReports, 1);
  });

  test('wall clocks of two tracks that are years apart', () => {
    const rig = new Rig([tcp(CAMERA), tcp(PCMU)]);
    const wall = rig.clock.wallUs();
    rig.send(0, 0, key()).send(1, 0, Buffer.alloc(160));
    rig
      .report(0, 0, wall)
      .report(1, 0, wall - 3e14)
      .send(1, 160, Buffer.alloc(160));
    assert.deepEqual(rig.steps(1), [20]);
  });

  test('a wrong clock rate: G.711 stamped in 16 kHz is found out', () => {
    const rig = new Rig([tcp(PCMU)]);
    for (let i = 0; i < 1000; i++) rig.send(0, i * 320, Buffer.alloc(160), { type: 0 }).after(20);
    const steps = rig.steps(1);
    assert.equal(steps[0], 40);
    assert.deepEqual(steps.slice(-300), new Array(300).fill(20));
    assert.ok(Math.min(...steps) >= 0, 'never back');
  });

  test('a wrong clock rate: video announced with 1 kHz', () => {
    const rig = new Rig([
      tcp(mapping(96, 'H264', 1000, { 'sprop-parameter-sets': sprop(BASELINE_SPS, BASELINE_PPS) })),
    ]);
    for (let i = 0; i < 400; i++) rig.send(0, i * 3600, i === 0 ? key() : inter()).after(40);
    assert.deepEqual(rig.steps(0).slice(-100), new Array(100).fill(40));
  });

  test('a burst at the start is no other clock rate', () => {
    const rig = new Rig([tcp(PCMU)]);
    let sent = 0;
    for (; sent < 250; sent++) rig.send(0, sent * 160, Buffer.alloc(160), { type: 0 });
    for (; sent < 1200; sent++) rig.after(20).send(0, sent * 160, Buffer.alloc(160), { type: 0 });
    assert.deepEqual(rig.steps(1), new Array(1199).fill(20));
  });

  test('a pause of the whole source keeps its times', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key()).after(30_000).send(0, 3600, inter());
    assert.deepEqual(rig.steps(0), [40]);
  });
});

describe('reports and statistics', () => {
  test('receiver report with our name', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key()).skip(0).send(0, 7200, inter()).report(0, 7200, rig.clock.wallUs()).after(500);
    const [report, name] = parseRtcp(rig.ingest.receiverReport(0, rig.clock.nowUs()));
    assert.equal(report?.type, 'rr');
    assert.equal(report.ssrc, 0xabcd);
    const [block] = report.reports;
    assert.deepEqual([block!.ssrc, block!.lost, block!.delaySinceLastSr], [1, 1, 32_768]);
    assert.notEqual(block!.lastSr, 0);
    assert.deepEqual(name, { type: 'sdes', ssrc: 0xabcd, cname: 'sluice' });
  });

  test('before the first packet a report is empty', () => {
    const [report] = parseRtcp(new Rig([tcp(CAMERA)]).ingest.receiverReport(0, 0));
    assert.deepEqual(report, { type: 'rr', ssrc: 0xabcd, reports: [] });
  });

  test('what is no RTP packet is counted', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.ingest.receive(0, Buffer.from('nonsense'), 0);
    assert.equal(rig.ingest.statistics(0).damaged, 1);
    assert.equal(rig.ingest.statistics(0).packets, 0);
  });

  test('goodbye: what waits comes out, and whoever goes on has not left', () => {
    const rig = new Rig([tcp(CAMERA)]);
    rig.send(0, 0, key(), { marker: false });
    assert.equal(rig.frames.length, 0);
    rig.ingest.receiveRtcp(0, serializeRtcp([{ type: 'bye', ssrcs: [1], reason: '' }]), 0);
    assert.deepEqual([rig.frames.length, rig.ingest.hasLeft], [1, true]);
    rig.send(0, 3600, inter());
    assert.equal(rig.ingest.hasLeft, false);
  });
});

test('a Publication is such an output: its frames carry the wall clock of capture', () => {
  const hub = new TestHub();
  const publication = hub.hub.publish(makeStreamKey('live', 'cam'), hub.owner('camera'));
  const found: number[] = [];
  publication.stream.addConsumer({
    onTracks: () => {},
    onFrame: (frame) => found.push(frame.captureTime),
    onPause: () => {},
    onEnd: () => {},
  });
  const wall = hub.clock.wallUs();
  const options = { formats: FORMATS, clock: hub.clock };
  const ingest = new RtpIngest(publication, [tcp(PCMU)], 1, options);
  const packet = (sequence: number): Buffer =>
    rtpPacket({ type: 0, sequence, timestamp: sequence * 160, payload: Buffer.alloc(160) });
  ingest.receive(0, packet(1), 0);
  const report = { type: 'sr', ssrc: 1, rtpTime: 320, packets: 0, octets: 0, reports: [] } as const;
  const ntp = { ntpSeconds: ntpSeconds(wall), ntpFraction: ntpFraction(wall) };
  ingest.receiveRtcp(0, serializeRtcp([{ ...report, ...ntp }]), 0);
  ingest.receive(0, packet(3), 0);
  assert.deepEqual(found, [Number.NaN, wall + 20_000]);
});
