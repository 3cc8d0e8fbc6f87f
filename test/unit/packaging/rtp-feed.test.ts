import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import { Feed, type FeedEncoder } from '../../../src/media/feed.ts';
import { FRAME_DISCONTINUITY, FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { rtpFeedFormat, rtpStartsAt } from '../../../src/packaging/rtp-feed.ts';
import { rtpTracksOf } from '../../../src/packaging/rtp-feed-tracks.ts';
import { ntpToUs, wallUsOfNtp } from '../../../src/wire/rtp/ntp-time.ts';
import { H264_PAYLOAD } from '../../../src/wire/rtp/payload-h264.ts';
import { parseRtcp, type SenderReport } from '../../../src/wire/rtp/rtcp.ts';
import { RtpPacket } from '../../../src/wire/rtp/rtp-packet.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { encodeAll, recordingOf } from '../../support/feed-frames.ts';
import { interleavedPackets, toySound } from '../../support/rtp-rig.ts';

const FORMATS = [H264_PAYLOAD, toySound];
const CLIP = recordingOf('ffmpeg51-h264-aac');
const VIDEO = CLIP.tracks.find(({ kind }) => kind === 'video')!;
const SOUND = makeTrack(1, configFromRecord('g711u', new Uint8Array(0)));
const STEREO = makeTrack(3, configFromRecord('g711u', new Uint8Array(0), 1));

class Source {
  tracks: readonly Track[];
  readonly metadata = null;
  readonly label = 'live/cam';

  constructor(...tracks: readonly Track[]) {
    this.tracks = tracks;
  }
}

function frameOf(
  track: Track,
  us: number,
  bytes: number,
  extra: Partial<Pick<Frame, 'flags' | 'pts' | 'captureTime' | 'arrival'>> = {},
): Frame {
  const { flags = FRAME_KEY, pts = us, captureTime = Number.NaN, arrival = us } = extra;
  const payload = Buffer.alloc(bytes, 0x55);
  if (track.kind === 'video') {
    payload.writeUInt32BE(bytes - 4, 0);
    payload[4] = (flags & FRAME_KEY) === 0 ? 0x41 : 0x65;
    payload[5] = 0x88;
  }
  return new Frame(track.id, flags, us, pts, 0, payload, track.config, arrival, captureTime);
}

function rtpOf(bytes: Uint8Array, channel: number): RtpPacket[] {
  return interleavedPackets(bytes)
    .filter((one) => one.channel === channel)
    .map((one) => {
      const packet = new RtpPacket();
      assert.equal(packet.parse(one.packet), true);
      return packet;
    });
}

function reportsIn(
  bytes: Uint8Array,
): (SenderReport & { channel: number; cname: string; others: string[] })[] {
  return interleavedPackets(bytes)
    .filter(({ channel }) => channel % 2 === 1)
    .map(({ channel, packet }) => {
      const [report, name, ...others] = parseRtcp(packet);
      assert.equal(report?.type, 'sr');
      assert.equal(name?.type, 'sdes');
      assert.equal(name.ssrc, report.ssrc);
      return { ...report, channel, cname: name.cname, others: others.map(({ type }) => type) };
    });
}

function open(source: Source, clock = new FakeClock(), maxPacketBytes?: number): FeedEncoder {
  const options = { formats: FORMATS, clock };
  return rtpFeedFormat(maxPacketBytes === undefined ? options : { ...options, maxPacketBytes }).open(source);
}

describe('tracks', () => {
  test('channels and payload types follow the order; static types stay, the others count from 96', () => {
    const found = rtpTracksOf([SOUND, VIDEO, STEREO], FORMATS);
    assert.deepEqual(
      found.map(({ track, channel, payloadType }) => [track.id, channel, payloadType]),
      [
        [1, 0, 0],
        [0, 2, 96],
        [3, 4, 97],
      ],
    );
    assert.equal(found[1]!.description.encodingName, 'H264');
  });

  test('what RTP cannot carry has a reason and takes no channel', () => {
    const script = makeTrack(30, makeCodecConfig('data', new Uint8Array(0), ''));
    const source = new Source(script, SOUND);
    assert.deepEqual(
      rtpTracksOf(source.tracks, FORMATS).map(({ channel }) => channel),
      [0],
    );
    const encoder = open(source);
    assert.deepEqual(
      encoder.leftOut().map(({ track, reason }) => [track.id, reason]),
      [[30, 'RTP has no place for data.']],
    );
    assert.deepEqual(encodeAll(encoder, [frameOf(script, 0, 4)]), [Buffer.alloc(0)]);
  });

  test('the variant is in the name', () => {
    assert.equal(rtpFeedFormat({ formats: FORMATS }).name, 'rtp');
    assert.equal(rtpFeedFormat({ formats: FORMATS, maxPacketBytes: 1200 }).name, 'rtp-1200');
    assert.equal(rtpFeedFormat({ formats: FORMATS, maxPacketBytes: 1e9 }).name, 'rtp-65535');
  });
});

describe('packets', () => {
  for (const limit of [1432, 1200]) {
    test(`a frame of 50 000 bytes in packets of at most ${limit}`, () => {
      const encoder = open(new Source(VIDEO, SOUND), new FakeClock(), limit);
      const [first, second] = encodeAll(encoder, [
        frameOf(VIDEO, 0, 50_000),
        frameOf(VIDEO, 100_000, 60, { flags: 0 }),
      ]);
      const packets = [...rtpOf(first!, 0), ...rtpOf(second!, 0)];
      assert.ok(packets.length > 50_000 / limit);
      const longest = Math.max(...packets.map(({ bytes }) => bytes.length));
      assert.ok(longest <= limit && longest > limit - 10, `${longest}`);
      packets.forEach((packet, index) => {
        assert.equal(packet.sequence, (packets[0]!.sequence + index) & 0xffff);
        assert.equal(packet.ssrc, packets[0]!.ssrc);
        assert.equal(packet.payloadType, 96);
        const isLast = index >= packets.length - 2;
        assert.equal(packet.marker, isLast, `marker of ${index}`);
        const ticks = index === packets.length - 1 ? 9000 : 0;
        assert.equal(packet.timestamp, (packets[0]!.timestamp + ticks) >>> 0);
      });
    });
  }

  test('a frame that needs no more than its packets: nothing else is in the chunk', () => {
    const encoder = open(new Source(SOUND));
    const [, chunk] = encodeAll(encoder, [frameOf(SOUND, 0, 160), frameOf(SOUND, 20_000, 160)]);
    assert.equal(chunk!.length, 4 + 12 + 160);
    assert.equal(chunk!.toString('hex', 0, 6), '240000ac8000');
  });

  test('timestamps are presentation times and survive the wrap of 32 bits', () => {
    const encoder = open(new Source(VIDEO, SOUND));
    const hours = 20 * 3600 * 1e6;
    const frames = [
      frameOf(VIDEO, hours, 60, { pts: hours + 80_000 }),
      frameOf(VIDEO, hours + 40_000, 60, { flags: 0, pts: hours + 40_000 }),
      frameOf(VIDEO, hours + 80_000 + 47_721_858_844, 60, { flags: 0 }),
    ];
    const [a, b, c] = encodeAll(encoder, frames).map((chunk) => rtpOf(chunk, 0)[0]!.timestamp);
    assert.equal((a! - b!) >>> 0, 3600);
    // 2^32 ticks of 90 kHz are 47 721 858 844 us: the clock stands where it stood.
    assert.equal(c, a);
  });

  test('offsets of a packet inside its frame', () => {
    const encoder = open(new Source(SOUND), new FakeClock(), 256);
    const [chunk] = encodeAll(encoder, [frameOf(SOUND, 0, 500)]);
    const [first, second, third] = rtpOf(chunk!, 0).map(({ timestamp }) => timestamp);
    assert.deepEqual([(second! - first!) >>> 0, (third! - first!) >>> 0], [244, 488]);
  });

  test('parameter sets stand before a key frame that has none', () => {
    const encoder = open(new Source(VIDEO));
    const [chunk] = encodeAll(encoder, [frameOf(VIDEO, 0, 60)]);
    const packet = rtpOf(chunk!, 0)[0]!;
    const stapA = 24;
    assert.equal(packet.bytes[packet.payloadStart]! & 0x1f, stapA);
    assert.equal(packet.bytes[packet.payloadStart + 3]! & 0x1f, 7, 'SPS first');
  });
});

describe('sender reports', () => {
  test('all tracks at once, for one moment, in the prologue and every 4 s', () => {
    const clock = new FakeClock();
    const encoder = open(new Source(VIDEO, SOUND), clock);
    const first = encodeAll(encoder, [frameOf(SOUND, 1e6, 160, { arrival: clock.us })])[0]!;
    assert.equal(reportsIn(first).length, 2, 'at the start');
    const start = rtpOf(first, 2)[0]!;
    const prologue = reportsIn(encoder.prologue(1.5e6));
    assert.deepEqual(
      prologue.map(({ channel }) => channel),
      [1, 3],
    );
    const [video, sound] = prologue;
    assert.equal(video!.cname, sound!.cname, 'one name: players put the tracks together by it');
    assert.equal(sound!.ssrc, start.ssrc);
    assert.equal((sound!.rtpTime - start.timestamp) >>> 0, 4000);
    const wall = wallUsOfNtp(ntpToUs(sound!.ntpSeconds, sound!.ntpFraction), clock.wallUs());
    assert.equal(wall, clock.wallUs() + 500_000);
    assert.deepEqual([video!.ntpSeconds, video!.ntpFraction], [sound!.ntpSeconds, sound!.ntpFraction]);
    assert.deepEqual([sound!.packets, sound!.octets], [1, 160]);

    const counts: number[] = [];
    for (let ms = 1020; ms < 10_000; ms += 20) {
      clock.advanceMs(20);
      const [chunk] = encodeAll(encoder, [frameOf(SOUND, ms * 1000, 160, { arrival: clock.us })]);
      // A joiner's prologue does not put off the next report.
      encoder.prologue(ms * 1000);
      if (reportsIn(chunk!).length > 0) counts.push(ms);
    }
    assert.deepEqual(counts, [5000, 9000]);
  });

  test('wall clock of capture, where the source tells it', () => {
    const clock = new FakeClock();
    const encoder = open(new Source(SOUND), clock);
    const captureTime = 1_700_000_000_000_000;
    encodeAll(encoder, [frameOf(SOUND, 0, 160, { captureTime, arrival: clock.us })]);
    const [report] = reportsIn(encoder.prologue(20_000));
    assert.equal(
      wallUsOfNtp(ntpToUs(report!.ntpSeconds, report!.ntpFraction), clock.wallUs()),
      captureTime + 20_000,
    );
    const marked = { flags: FRAME_KEY | FRAME_DISCONTINUITY, arrival: clock.us };
    encodeAll(encoder, [frameOf(SOUND, 40_000, 160, marked)]);
    const [next] = reportsIn(encoder.prologue(40_000));
    assert.equal(
      wallUsOfNtp(ntpToUs(next!.ntpSeconds, next!.ntpFraction), clock.wallUs()),
      clock.wallUs(),
      'what was told holds no more behind a jump',
    );
  });

  test('goodbye of every track at the end', () => {
    const encoder = open(new Source(VIDEO, SOUND));
    encodeAll(encoder, [frameOf(SOUND, 0, 160)]);
    assert.deepEqual(
      reportsIn(encoder.epilogue(1e6)).map(({ channel, others }) => [channel, ...others]),
      [
        [1, 'bye'],
        [3, 'bye'],
      ],
    );
  });
});

describe('changes', () => {
  test('another config: the numbers of a track go on', () => {
    const source = new Source(SOUND);
    const encoder = open(source);
    const [before] = encodeAll(encoder, [frameOf(SOUND, 0, 160)]);
    assert.equal(encoder.tracksChanged(0).length > 0, true);
    const changed = makeTrack(1, configFromRecord('g711u', new Uint8Array(0)), 0, 'de');
    source.tracks = [changed];
    const [after] = encodeAll(encoder, [frameOf(changed, 20_000, 160)]);
    const [a] = rtpOf(before!, 0);
    const [b] = rtpOf(after!, 0);
    assert.equal(b!.ssrc, a!.ssrc);
    assert.equal(b!.sequence, (a!.sequence + 1) & 0xffff);
    assert.equal((b!.timestamp - a!.timestamp) >>> 0, 160);
  });

  test('a track that is added leaves the others on their channels', () => {
    const source = new Source(SOUND);
    const encoder = open(source);
    const [before] = encodeAll(encoder, [frameOf(SOUND, 0, 160)]);
    source.tracks = [SOUND, VIDEO];
    const reports = reportsIn(encoder.tracksChanged(20_000));
    assert.deepEqual(
      reports.map(({ channel }) => channel),
      [1, 3],
    );
    assert.equal(reports[0]!.ssrc, rtpOf(before!, 0)[0]!.ssrc);
  });

  test('before the first frame a change has nothing to tell', () => {
    assert.equal(open(new Source(SOUND)).tracksChanged(0).length, 0);
  });
});

describe('RTP-Info', () => {
  const limits = { queueUs: 1e9, queueBytes: 1e9, mergeUs: 0, mergeBytes: 0, stallUs: 1e9 };

  test('numbers of the first packets of a joiner, times of one moment', () => {
    const source = new Source(VIDEO, SOUND);
    const feed = new Feed(rtpFeedFormat({ formats: FORMATS, clock: new FakeClock() }), source, limits);
    const packets: RtpPacket[][] = [];
    [
      frameOf(VIDEO, 0, 60),
      frameOf(SOUND, 10_000, 160),
      frameOf(VIDEO, 40_000, 5000),
      frameOf(VIDEO, 80_000, 60, { flags: 0 }),
    ].forEach((frame, index) => {
      feed.append(frame, (frame.flags & FRAME_KEY) !== 0 && frame.trackId === 0, frame.trackId === 0);
      const { slab, start, end } = feed.chunks.at(index);
      packets.push(rtpOf(slab.subarray(start, end), frame.trackId === 0 ? 0 : 2));
    });
    const [video, sound] = rtpStartsAt(feed, 2);
    assert.deepEqual([video!.channel, sound!.channel], [0, 2]);
    assert.equal(video!.ssrc, packets[2]![0]!.ssrc);
    assert.equal(video!.sequence, packets[2]![0]!.sequence);
    assert.equal(video!.rtpTime, packets[2]![0]!.timestamp);
    assert.equal(sound!.sequence, (packets[1]![0]!.sequence + 1) & 0xffff, 'the one that will be made next');
    assert.equal((sound!.rtpTime - packets[1]![0]!.timestamp) >>> 0, 240);
    assert.equal(rtpStartsAt(feed, 0)[1]!.sequence, packets[1]![0]!.sequence);
  });
});
