import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import { Feed } from '../../../src/media/feed.ts';
import { FRAME_DISPOSABLE, FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import {
  pictureFramesLeftOut,
  WEBRTC_PACKET_BYTES,
  webrtcFeedTracks,
  webrtcFormat,
} from '../../../src/packaging/webrtc-feed.ts';
import { FRAME_MARK_BYTES, FRAME_MARK_CHANNEL } from '../../../src/packaging/webrtc-frame-mark.ts';
import { interleavedPackets } from '../../support/rtp-rig.ts';

const VIDEO = makeTrack(
  0,
  makeCodecConfig('vp8', new Uint8Array(0), 'vp08.00.10.08', { width: 640, height: 360 }),
);
/** x264 with two B-frames, no pyramid: the SPS declares pictures out of order. */
const B_FRAMES = makeTrack(
  0,
  configFromRecord(
    'h264',
    Buffer.from(
      '0164000dffe100196764000dacd10141fb011000000300100000030320f142912001000668ebe3cb22c0fdf8f800',
      'hex',
    ),
  ),
);
const SOUND = makeTrack(1, configFromRecord('g711u', new Uint8Array(0)));
const AC3 = makeTrack(3, configFromRecord('ac3', new Uint8Array(0)));
const LIMITS = {
  queueUs: 10_000_000,
  queueBytes: 1_000_000,
  mergeUs: 0,
  mergeBytes: 65_536,
  stallUs: 30_000_000,
};

function open(...tracks: readonly Track[]): Feed {
  return new Feed(webrtcFormat, { tracks, metadata: null, label: 'live/cam' }, LIMITS);
}

function frameOf(track: Track, us: number, bytes: number, flags = 0, pts = us): Frame {
  // A VP8 picture says by its first bit whether it is a key frame (0).
  const payload = Buffer.alloc(bytes, 0x55);
  payload[0] = (flags & FRAME_KEY) === 0 ? 0x55 : 0x54;
  return new Frame(track.id, flags, us, pts, 0, payload, track.config, us, Number.NaN);
}

function chunksOf(feed: Feed): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = feed.chunks.tail; at < feed.chunks.head; at++) {
    const { slab, start, end } = feed.chunks.at(at);
    list.push(slab.subarray(start, end));
  }
  return list;
}

/** RTP times of the pictures, from the first on. */
function timesOf(feed: Feed): number[] {
  const times = chunksOf(feed).map((bytes) => {
    const [first] = interleavedPackets(bytes).filter(({ channel }) => channel === 0);
    return Buffer.from(first!.packet).readUInt32BE(4);
  });
  return times.map((time) => (time - times[0]!) >>> 0);
}

test('every frame begins with a mark that tells key frames and times, in memory of all threads', () => {
  const feed = open(VIDEO, SOUND);
  feed.append(frameOf(VIDEO, 0, 5000, FRAME_KEY), true, true);
  feed.append(frameOf(SOUND, 10_000, 160, FRAME_KEY), false, false);
  feed.append(frameOf(VIDEO, 40_000, 100), false, true);
  const marks = chunksOf(feed).map((bytes) => {
    const mark = Buffer.from(bytes.subarray(0, FRAME_MARK_BYTES));
    assert.deepEqual(
      [mark[0], mark[1], mark.readUInt16BE(2)],
      [0x24, FRAME_MARK_CHANNEL, FRAME_MARK_BYTES - 4],
    );
    return [mark[4], mark.readDoubleBE(8)];
  });
  assert.deepEqual(marks, [
    [FRAME_KEY, 0],
    [0, 10_000],
    [0, 40_000],
  ]);
  assert.ok(feed.chunks.at(0).slab.buffer instanceof SharedArrayBuffer);
});

test('packets fit every path, and those of a picture end with the marker', () => {
  const feed = open(VIDEO);
  feed.append(frameOf(VIDEO, 0, 20_000, FRAME_KEY), true, true);
  const [bytes] = chunksOf(feed);
  const packets = interleavedPackets(bytes!).filter(({ channel }) => channel === 0);
  assert.ok(packets.length >= 17);
  assert.ok(packets.every(({ packet }) => packet.length <= WEBRTC_PACKET_BYTES));
  assert.deepEqual([...new Set(packets.slice(0, -1).map(({ packet }) => packet[1]! >> 7))], [0]);
  assert.equal(packets.at(-1)!.packet[1]! >> 7, 1);
});

test('pictures that nothing refers to are left out where they are shown before what came already', () => {
  const feed = open(B_FRAMES);
  const picture = (us: number, flags: number, pts: number) => {
    const frame = frameOf(B_FRAMES, us, 50, flags, pts);
    // One NAL unit: IDR, or a slice that is referred to or not.
    frame.payload.set([0, 0, 0, 46, (flags & FRAME_KEY) !== 0 ? 0x65 : flags === 0 ? 0x41 : 0x01]);
    feed.append(frame, (flags & FRAME_KEY) !== 0, true);
  };
  // Decoded 0 120 40 80, as B-frames come.
  picture(0, FRAME_KEY, 40_000);
  picture(40_000, 0, 160_000);
  picture(80_000, FRAME_DISPOSABLE, 80_000);
  picture(120_000, FRAME_DISPOSABLE, 120_000);
  // In order: stays.
  picture(160_000, FRAME_DISPOSABLE, 200_000);
  assert.equal(chunksOf(feed).length, 3);
  assert.equal(pictureFramesLeftOut(feed.encoder), 2);
  assert.deepEqual(timesOf(feed), [0, 10_800, 14_400]);
});

test('a picture that others refer to goes out with a time behind the one before', () => {
  const feed = open(B_FRAMES);
  const picture = (us: number, flags: number, pts: number) => {
    const frame = frameOf(B_FRAMES, us, 50, flags, pts);
    frame.payload.set([0, 0, 0, 46, (flags & FRAME_KEY) !== 0 ? 0x65 : 0x41]);
    feed.append(frame, (flags & FRAME_KEY) !== 0, true);
  };
  picture(0, FRAME_KEY, 40_000);
  picture(40_000, 0, 160_000);
  picture(80_000, 0, 80_000);
  picture(120_000, 0, 200_000);
  assert.deepEqual(timesOf(feed), [0, 10_800, 10_801, 14_400]);
});

test('what WebRTC does not know is left out with a reason', () => {
  const feed = open(VIDEO, AC3);
  assert.deepEqual(
    feed.encoder.leftOut().map(({ track }) => track.id),
    [3],
  );
  feed.append(frameOf(AC3, 0, 100, FRAME_KEY), false, false);
  assert.equal(chunksOf(feed).length, 0);
});

test('other tracks are another generation, which frames and reports alone carry in their marks', () => {
  let tracks: readonly Track[] = [SOUND];
  const source = {
    get tracks() {
      return tracks;
    },
    metadata: null,
    label: 'live/cam',
  };
  const feed = new Feed(webrtcFormat, source, LIMITS);
  const generationOf = (bytes: Uint8Array) => {
    assert.equal(bytes[1], FRAME_MARK_CHANNEL);
    return Buffer.from(bytes).readUInt16BE(6);
  };
  feed.append(frameOf(SOUND, 0, 160, FRAME_KEY), true, false);
  const first = webrtcFeedTracks(feed.encoder);
  assert.deepEqual([first.generation, first.carried.map(({ track }) => track.id)], [1, [1]]);
  // In whatever order they came.
  tracks = [SOUND, VIDEO];
  assert.equal(generationOf(feed.encoder.tracksChanged(20_000)), 2);
  feed.append(frameOf(SOUND, 20_000, 160, FRAME_KEY), false, false);
  feed.append(frameOf(VIDEO, 20_000, 160, FRAME_KEY), true, true);
  const { generation, carried } = webrtcFeedTracks(feed.encoder);
  assert.deepEqual([generation, carried.map(({ track }) => track.id)], [2, [0, 1]]);
  assert.deepEqual(chunksOf(feed).map(generationOf), [1, 2, 2]);
  assert.equal(generationOf(feed.encoder.prologue(30_000)), 2);
});
