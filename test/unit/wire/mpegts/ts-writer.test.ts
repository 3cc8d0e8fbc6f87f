import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import { FRAME_IN_BAND_CONFIG, FRAME_KEY, Frame } from '../../../../src/media/frame.ts';
import { makeTrack } from '../../../../src/media/track.ts';
import { reasonNotInTs } from '../../../../src/wire/mpegts/elementary-stream.ts';
import { TsWriter } from '../../../../src/wire/mpegts/ts-writer.ts';
import { TsChecker } from '../../../conformance/ts-checker.ts';
import * as media from './synthetic.ts';

const { audioTrack, Collected, clip, videoTrack } = media;
const TICKS_33 = 2 ** 33;

function write(
  tracks: readonly ReturnType<typeof makeTrack>[],
  frames: readonly Frame[],
  groupAudio = true,
): Buffer {
  const writer = new TsWriter({ groupAudio });
  assert.deepEqual(writer.setTracks(tracks), []);
  const to = new Collected();
  let written = 0;
  for (const frame of frames) written += writer.write(frame, to);
  written += writer.flush(to);
  const bytes = to.bytes();
  assert.equal(written, bytes.length, 'bytes written are told');
  return bytes;
}

function check(bytes: Uint8Array, options = {}): TsChecker {
  const checker = new TsChecker(options);
  checker.chunk(bytes);
  assert.deepEqual(checker.finish(), []);
  return checker;
}

/** The elementary stream data of the PES packets of one PID. */
function pesOf(bytes: Buffer, pid: number): Buffer[] {
  const list: Buffer[][] = [];
  for (let at = 0; at < bytes.length; at += 188) {
    const packet = bytes.subarray(at, at + 188);
    if ((((packet[1]! & 0x1f) << 8) | packet[2]!) !== pid || (packet[3]! & 0x10) === 0) continue;
    if ((packet[1]! & 0x40) !== 0) list.push([]);
    list.at(-1)!.push(packet.subarray((packet[3]! & 0x20) === 0 ? 4 : 5 + packet[4]!));
  }
  return list.map((parts) => Buffer.concat(parts));
}

const dataOf = (pes: Buffer) => pes.subarray(9 + pes[8]!).toString('hex');

test('ts writer: H.264 with B-frames and AAC keeps all rules, grouped and not', () => {
  for (const groupAudio of [true, false]) {
    const frames = clip({ seconds: 6 });
    const checker = check(write([videoTrack, audioTrack], frames, groupAudio));
    const video = checker.streams.get(0x100)!;
    const audio = checker.streams.get(0x101)!;
    assert.equal(video.streamType, 0x1b);
    assert.equal(video.accessUnits, 150);
    assert.equal(video.randomAccessPoints, 3);
    assert.equal(audio.streamType, 0x0f);
    assert.equal(audio.accessUnits, frames.length - 150);
    assert.equal(audio.pesPackets, groupAudio ? Math.ceil(audio.accessUnits / 4) : audio.accessUnits);
  }
});

test('ts writer: every codec that it carries', () => {
  const cases: [string, ReturnType<typeof makeTrack>, number, number][] = [
    ['h265', makeTrack(0, media.h265), 0x24, 40_000],
    ['aac 44.1', makeTrack(0, media.aac44), 0x0f, 23_220],
    ['mp3', makeTrack(0, media.plain('mp3', 44_100)), 0x03, 26_122],
    ['mp3 of MPEG-2', makeTrack(0, media.plain('mp3', 22_050)), 0x04, 26_122],
    ['ac3', makeTrack(0, media.plain('ac3')), 0x81, 32_000],
    ['eac3', makeTrack(0, media.plain('eac3')), 0x87, 32_000],
    ['opus', makeTrack(0, media.opus), 0x06, 20_000],
    ['opus without record', makeTrack(0, media.plain('opus')), 0x06, 60_000],
  ];
  for (const [name, track, streamType, frameUs] of cases) {
    const frames: Frame[] = [];
    for (let i = 0; i < 60; i++) {
      const dts = i * frameUs;
      frames.push(
        track.kind === 'video'
          ? media.picture(track, dts, i % 20 === 0)
          : media.sound(track, dts, 300, frameUs),
      );
    }
    const seen = check(write([track], frames)).streams.get(0x100)!;
    assert.equal(seen.streamType, streamType, name);
    const isCounted = track.config.codec === 'aac' || track.config.codec === 'opus' || track.kind === 'video';
    assert.equal(isCounted ? seen.accessUnits : 60, 60, name);
  }
});

test('ts writer: what stands before a key frame', () => {
  const sets = '00000001' + '6764000cacd941419f9f01100000030010000003032';
  const pes = (frame: Frame) => dataOf(pesOf(write([videoTrack], [frame]), 0x100)[0]!);
  const key = pes(media.picture(videoTrack, 0, true, 3));
  assert.ok(key.startsWith(`0000000109f0${sets}`), key);
  assert.ok(key.endsWith('0000000165a5a5'));
  assert.equal(pes(media.picture(videoTrack, 0, false, 3)), '0000000109f0' + '0000000141a5a5');
  const inBand = (units: Buffer) =>
    new Frame(0, FRAME_KEY | FRAME_IN_BAND_CONFIG, 0, 0, 0, units, media.h264, 0, Number.NaN);
  const whole = media.nals([[0x67], 2], [[0x68], 2], [[0x65], 2]);
  assert.equal(pes(inBand(whole)), '0000000109f0' + '0000000167a5' + '0000000168a5' + '0000000165a5');
  const ppsAlone = media.nals([[0x68], 2], [[0x65], 2]);
  assert.ok(pes(inBand(ppsAlone)).startsWith(`0000000109f0${sets}`), 'SPS is missing, so the record is used');
});

test('ts writer: a key frame of H.265 has delimiter, VPS, SPS and PPS', () => {
  const track = makeTrack(0, media.h265);
  const data = dataOf(pesOf(write([track], [media.picture(track, 0, true, 4)]), 0x100)[0]!);
  assert.match(
    data,
    /^00000001460150000000014001[0-9a-f]+000000014201[0-9a-f]+000000014401[0-9a-f]+000000012601a5a5$/,
  );
});

test('ts writer: ADTS and Opus headers, grouped', () => {
  const adts = dataOf(pesOf(write([audioTrack], [media.sound(audioTrack, 0, 2)]), 0x101)[0]!);
  assert.equal(adts, 'fff14c40013ffc' + '5a5a');
  const track = makeTrack(0, media.opus);
  for (const [size, head] of [
    [3, '7fe003'],
    [254, '7fe0fe'],
    [255, '7fe0ff00'],
    [600, '7fe0ffff5a'],
  ] as const) {
    const frames = [media.sound(track, 0, size, 20_000), media.sound(track, 20_000, size, 20_000)];
    const units = pesOf(write([track], frames), 0x100);
    assert.equal(units.length, 1);
    const unit = head + '5a'.repeat(size);
    assert.equal(dataOf(units[0]!), unit + unit, `${size} bytes`);
  }
});

test('ts writer: a golden first packet: tables, clock, random access, stuffing', () => {
  const bytes = write([audioTrack], [media.sound(audioTrack, 0, 2)]);
  assert.equal(bytes.length, 3 * 188);
  assert.equal(bytes.toString('hex', 0, 22), '47400010' + '0000b00d0001c100000001f0002ab104b2' + 'ff');
  assert.equal(bytes.toString('hex', 188, 188 + 12), '47500010' + '0002b0120001c300');
  const packet = bytes.subarray(376);
  // Adaptation field of 160 bytes: random access and clock of 0.5 s; then 14 bytes of PES header and 9 of ADTS.
  assert.equal(packet.toString('hex', 0, 12), '47410130' + 'a050' + '000057e47e00');
  assert.equal(packet.toString('hex', 165), '000001c0001184800521000' + '5bf21' + 'fff14c40013ffc5a5a');
});

test('ts writer: audio in groups is complete, and a gap starts a new group', () => {
  const at = [0, 1, 2, 10, 11].map((index) => index * media.AAC_FRAME_US);
  const bytes = write(
    [audioTrack],
    at.map((dts) => media.sound(audioTrack, dts, 50)),
  );
  assert.deepEqual(
    pesOf(bytes, 0x101).map((pes) => (pes.length - 14) / 57),
    [3, 2],
  );
  check(bytes, { maxPcrGapMs: 300 });
});

test('ts writer: a group is bounded in bytes', () => {
  const frames = Array.from({ length: 8 }, (_, i) => media.sound(audioTrack, i * 1000, 6000, 1000));
  const bytes = write([audioTrack], frames);
  assert.deepEqual(
    pesOf(bytes, 0x101).map((pes) => (pes.length - 14) / 6007),
    [2, 2, 2, 2],
  );
});

test('ts writer: another config in mid-group ends the group first', () => {
  const other = makeTrack(1, media.aac44);
  const writer = new TsWriter({ groupAudio: true });
  writer.setTracks([audioTrack]);
  const to = new Collected();
  writer.write(media.sound(audioTrack, 0, 2), to);
  writer.write(media.sound(other, media.AAC_FRAME_US, 2), to);
  writer.flush(to);
  // Rate index 3 is 48 kHz, 4 is 44.1 kHz.
  assert.deepEqual(pesOf(to.bytes(), 0x101).map(dataOf), ['fff14c40013ffc5a5a', 'fff15080013ffc5a5a']);
});

test('ts writer: the 33-bit clock wraps and all rules hold', () => {
  const wrapUs = Math.round((TICKS_33 * 100) / 9) - 1_000_000;
  const frames = clip({ seconds: 4, startUs: wrapUs - 2_000_000 });
  const checker = check(write([videoTrack, audioTrack], frames));
  const video = checker.streams.get(0x100)!;
  assert.ok(video.firstPts > video.lastPts, 'it did wrap');
});

test('ts writer: sparse video still has a clock every 100 ms', () => {
  check(write([videoTrack], clip({ seconds: 8, fps: 2, gop: 4, audio: null })), { maxTableGapMs: 1000 });
  check(write([videoTrack, audioTrack], clip({ seconds: 8, fps: 1, gop: 4 })));
});

test('ts writer: a discontinuity is told on the next clock reference, whichever PID brings it', () => {
  for (const first of ['video', 'audio']) {
    const writer = new TsWriter({ groupAudio: false });
    writer.setTracks([videoTrack, audioTrack]);
    const to = new Collected();
    for (const frame of clip({ seconds: 1 })) writer.write(frame, to);
    const packetsBefore = to.bytes().length / 188;
    writer.markDiscontinuity();
    if (first === 'audio') writer.write(media.sound(audioTrack, 60_000_000), to);
    for (const frame of clip({ seconds: 1, startUs: 60_000_000 })) writer.write(frame, to);
    const checker = check(to.bytes());
    assert.equal(checker.discontinuities.length, 1);
    assert.ok(checker.discontinuities[0]! > packetsBefore);
  }
});

test('ts writer: tables come on request, and a change of tracks gives a new version', () => {
  const writer = new TsWriter({ groupAudio: false });
  const to = new Collected();
  writer.setTracks([audioTrack]);
  for (let i = 0; i < 10; i++) writer.write(media.sound(audioTrack, i * media.AAC_FRAME_US), to);
  const small = to.bytes().length;
  writer.requestTables();
  writer.write(media.sound(audioTrack, 220_000), to);
  assert.equal(to.bytes().readUInt16BE(small + 1), 0x4000, 'PAT');
  writer.setTracks([videoTrack, audioTrack]);
  for (const frame of clip({ seconds: 1, startUs: 240_000 })) writer.write(frame, to);
  writer.setTracks([videoTrack, audioTrack]);
  const checker = check(to.bytes());
  assert.deepEqual([...checker.streams.keys()].sort(), [0x100, 0x101]);
});

test('ts writer: what cannot be carried is told in words', () => {
  const usac = makeCodecConfig('aac', Uint8Array.of(0xf9, 0x46, 0x40, 0x20), 'mp4a.40.42');
  const family255 = media.opusRecord('opus51.ogg').slice();
  family255[18] = 255;
  const cases: [string, ReturnType<typeof makeTrack>, RegExp][] = [
    ['av1', makeTrack(0, media.plain('av1')), /no place for AV1/],
    ['vp9', makeTrack(0, media.plain('vp9')), /no place for VP9/],
    ['g711', makeTrack(0, media.plain('g711a')), /no place for G.711 A-law/],
    ['flac', makeTrack(0, media.plain('flac')), /no place for FLAC/],
    ['xHE-AAC', makeTrack(0, usac), /object type 42/],
    [
      'AAC channels in the record',
      makeTrack(0, makeCodecConfig('aac', Uint8Array.of(0x11, 0x80, 4, 0xc4, 0, 0x20, 0, 0), '')),
      /channel layout|broken/,
    ],
    ['odd Opus', makeTrack(0, makeCodecConfig('opus', family255, 'Opus')), /channel mapping/],
    ['broken avcC', makeTrack(0, makeCodecConfig('h264', Uint8Array.of(1, 2, 3), '')), /broken/],
  ];
  for (const [name, track, expected] of cases) {
    assert.match(reasonNotInTs(track), expected, name);
    const writer = new TsWriter({ groupAudio: false });
    assert.equal(writer.setTracks([track])[0]?.track, track, name);
    const to = new Collected();
    assert.equal(writer.write(media.sound(track, 0), to), 0);
    assert.equal(to.count, 0);
  }
  assert.equal(
    reasonNotInTs(makeTrack(0, makeCodecConfig('opus', media.opusRecord('opus51.ogg'), 'Opus'))),
    '',
  );
});

test('ts writer: more tracks than there is room for are refused, not mixed up', () => {
  const tracks = Array.from({ length: 40 }, (_, id) => makeTrack(id, media.aac, id, 'deu'));
  const writer = new TsWriter({ groupAudio: false });
  assert.equal(writer.setTracks(tracks).length, 8);
  assert.equal(writer.setTracks([makeTrack(1, media.aac), makeTrack(65, media.aac)]).length, 1);
  const to = new Collected();
  assert.equal(writer.write(media.sound(makeTrack(65, media.aac), 0), to), 0);
});

test('ts writer: the language is in the program map when it has three letters', () => {
  const text = write([makeTrack(0, media.aac, 0, 'deu')], [media.sound(makeTrack(0, media.aac), 0)]).toString(
    'latin1',
  );
  assert.ok(text.includes('\x0a\x04deu\x00'));
  const two = write([makeTrack(0, media.aac, 0, 'de')], [media.sound(makeTrack(0, media.aac), 0)]);
  assert.ok(!two.toString('latin1').includes('\x0a\x04de'));
});

test('ts writer: bad frames cost themselves only', () => {
  const writer = new TsWriter({ groupAudio: false });
  writer.setTracks([videoTrack, audioTrack]);
  const to = new Collected();
  const raw = (trackId: number, payload: Uint8Array) =>
    new Frame(trackId, 0, 1, 1, 0, payload, trackId === 0 ? media.h264 : media.aac, 0, Number.NaN);
  const bad: [string, Frame][] = [
    ['nothing in it', raw(0, new Uint8Array(0))],
    ['only empty NAL units', raw(0, new Uint8Array(8))],
    ['length over the end', raw(0, Uint8Array.of(0, 0, 0, 9, 0x41))],
    ['AAC over 13 bits', raw(1, new Uint8Array(8185))],
    ['unknown track', raw(7, new Uint8Array(10))],
  ];
  for (const [name, frame] of bad) assert.equal(writer.write(frame, to), 0, name);
  for (const frame of clip({ seconds: 1, startUs: 40_000 })) writer.write(frame, to);
  const half = Buffer.concat([media.nals([[0x41], 5]), Buffer.from([0, 0, 9, 9, 1])]);
  writer.write(new Frame(0, 0, 1_080_000, 1_080_000, 0, half, media.h264, 0, Number.NaN), to);
  check(to.bytes());
  assert.equal(
    dataOf(pesOf(to.bytes(), 0x100).at(-1)!),
    '0000000109f0' + '0000000141a5a5a5a5',
    'what is whole is sent',
  );
});

test('ts writer: pictures too long for a PES length, and a negative composition offset', () => {
  const big = media.picture(videoTrack, 0, true, 70_000);
  const early = media.picture(videoTrack, 40_000, false, 100, 0);
  const bytes = write([videoTrack], [big, early]);
  const checker = check(bytes);
  assert.equal(checker.streams.get(0x100)!.accessUnits, 2);
  assert.equal(pesOf(bytes, 0x100)[0]!.readUInt16BE(4), 0);
});

test('ts writer: ungrouped, every call makes at most one reservation', () => {
  const writer = new TsWriter({ groupAudio: false });
  writer.setTracks([videoTrack, audioTrack]);
  for (const frame of clip({ seconds: 2 })) {
    const to = new Collected();
    assert.equal(writer.write(frame, to) > 0 ? 1 : 0, to.count);
    assert.equal(to.count, 1);
    assert.equal(to.bytes().length % 188, 0);
  }
});
