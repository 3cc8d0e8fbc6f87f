/** The checker must find what is wrong: good bytes are broken in one place each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TsWriter } from '../../src/wire/mpegts/ts-writer.ts';
import { audioTrack, Collected, clip, videoTrack } from '../unit/wire/mpegts/synthetic.ts';
import { checkTsSegments, TsChecker } from './ts-checker.ts';

function good(): Buffer {
  const writer = new TsWriter({ groupAudio: true });
  writer.setTracks([videoTrack, audioTrack]);
  const to = new Collected();
  for (const frame of clip({ seconds: 2, gop: 25 })) writer.write(frame, to);
  writer.flush(to);
  return to.bytes();
}

/** Offset of the n-th packet (from 0) of a PID that begins a payload unit. */
function unit(bytes: Buffer, pid: number, n = 0): number {
  let left = n;
  for (let at = 0; at < bytes.length; at += 188) {
    if ((bytes.readUInt16BE(at + 1) & 0x5fff) === (0x4000 | pid) && left-- === 0) return at;
  }
  throw new Error(`no unit ${n} on PID ${pid}`);
}

const without = (bytes: Buffer, at: number) =>
  Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 188)]);
/** Keeps some bits of a byte, then turns some round. */
function change(bytes: Buffer, at: number, keep: number, turn: number): undefined {
  bytes[at] = (bytes[at]! & keep) ^ turn;
}

/** First PES byte of a packet. */
const pesAt = (bytes: Buffer, packet: number) =>
  packet + ((bytes[packet + 3]! & 0x20) === 0 ? 4 : 5 + bytes[packet + 4]!);

test('ts checker: good bytes have no violations', () => {
  assert.deepEqual(checkTsSegments([good()]), []);
});

const breaks: [string, RegExp, (bytes: Buffer) => Buffer | undefined][] = [
  ['a cut packet', /not whole packets/, (bytes) => bytes.subarray(0, -1)],
  ['sync byte', /no sync byte/, (bytes) => change(bytes, 188 * 4, 0, 0x48)],
  ['error indicator', /transport error/, (bytes) => change(bytes, 188 * 4 + 1, ~0x80, 0x80)],
  ['scrambling', /scrambled/, (bytes) => change(bytes, 188 * 4 + 3, ~0x80, 0x80)],
  ['no content', /neither payload/, (bytes) => change(bytes, 188 * 4 + 3, 0x0f, 0)],
  ['a lost packet', /continuity counter/, (bytes) => without(bytes, 188 * 4)],
  ['a packet twice', /continuity counter/, (bytes) => Buffer.concat([bytes, bytes.subarray(-188)])],
  ['CRC of the PAT', /CRC/, (bytes) => change(bytes, 15, 0xff, 1)],
  ['CRC of the PMT', /CRC/, (bytes) => change(bytes, 188 + 20, 0xff, 1)],
  ['no PAT at the start', /does not begin with the program association/, (bytes) => bytes.subarray(188)],
  ['no PMT at the start', /not in the program map/, (bytes) => without(bytes, 188)],
  [
    'unknown PID',
    /not in the program map/,
    (bytes) => void bytes.writeUInt16BE(0x4155, unit(bytes, 0x101) + 1),
  ],
  [
    'length of the adaptation field',
    /adaptation field of 255/,
    (bytes) => change(bytes, unit(bytes, 0x100) + 4, 0, 255),
  ],
  [
    'stuffing',
    /stuffing/,
    (bytes) => change(bytes, unit(bytes, 0x101, 1) + 188 * 0 + lastStuffed(bytes), 0, 0),
  ],
  [
    'clock goes back',
    /clock reference does not grow/,
    (bytes) => void bytes.fill(0, unit(bytes, 0x100, 5) + 6, unit(bytes, 0x100, 5) + 10),
  ],
  ['clock jumps', /ms without a clock/, (bytes) => void bytes.writeUInt8(8, unit(bytes, 0x100, 5) + 7)],
  [
    'clock on another PID',
    /clock reference on PID/,
    (bytes) => void bytes.writeUInt16BE(0x4101, unit(bytes, 0x100, 5) + 1),
  ],
  ['no tables', /without a program association/, (bytes) => withoutTables(bytes)],
  [
    'start code of the PES',
    /no PES header/,
    (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 2, 0, 2),
  ],
  [
    'length of the PES',
    /PES length/,
    (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 5, 0xff, 1),
  ],
  ['stream id', /stream id/, (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 3, 0, 0xe0)],
  ['marker bit', /marker bit/, (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 11, 0xfe, 0)],
  [
    'PTS before DTS',
    /PTS before DTS/,
    (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x100, 1)) + 17, ~0x7f, 0x7f),
  ],
  ['late', /late/, (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 11, 0, 1)],
  ['early', /early/, (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 10, 0, 200)],
  [
    'delimiter',
    /without access unit delimiter/,
    (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x100, 1)) + 23, 0, 6),
  ],
  [
    'random access flag',
    /key frame without random access/,
    (bytes) => change(bytes, unit(bytes, 0x100) + 5, 0, 0x10),
  ],
  [
    'parameter sets',
    /without parameter sets/,
    (bytes) => change(bytes, bytes.indexOf('0000000167', 0, 'hex') + 4, 0, 0x66),
  ],
  ['ADTS', /no ADTS header/, (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 14, 0, 0)],
  [
    'ADTS length',
    /ADTS frame runs over|no ADTS header/,
    (bytes) => change(bytes, pesAt(bytes, unit(bytes, 0x101)) + 18, 0xff, 1),
  ],
];

/** Offset in its packet of a stuffing byte of the second audio unit's packet with stuffing. */
function lastStuffed(bytes: Buffer): number {
  const at = unit(bytes, 0x101, 1);
  for (let packet = at; ; packet += 188) {
    const isAudio = (bytes.readUInt16BE(packet + 1) & 0x1fff) === 0x101;
    if (isAudio && (bytes[packet + 3]! & 0x20) !== 0 && bytes[packet + 4]! > 2) return packet - at + 6;
  }
}

function withoutTables(bytes: Buffer): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 188) {
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
    if (at < 376 || (pid !== 0 && pid !== 0x1000)) kept.push(bytes.subarray(at, at + 188));
  }
  return Buffer.concat(kept);
}

for (const [name, expected, damage] of breaks) {
  test(`ts checker: finds ${name}`, () => {
    const bytes = Buffer.from(good());
    const violations = checkTsSegments([damage(bytes) ?? bytes]);
    assert.match(violations.join('\n'), expected);
  });
}

test('ts checker: a segment must begin with a key frame, unless it is said not to', () => {
  const writer = new TsWriter({ groupAudio: true });
  writer.setTracks([videoTrack, audioTrack]);
  const to = new Collected();
  const frames = clip({ seconds: 2 }).slice(1);
  for (const frame of frames) writer.write(frame, to);
  assert.match(checkTsSegments([to.bytes()]).join(), /does not begin with random access/);
  const checker = new TsChecker();
  checker.segment(to.bytes(), 'dependent', false);
  assert.deepEqual(checker.finish(), []);
});

test('ts checker: a map that changes under the same version, a version that changes for nothing', () => {
  const first = new TsWriter({ groupAudio: false });
  const second = new TsWriter({ groupAudio: false });
  first.setTracks([videoTrack]);
  second.setTracks([videoTrack, audioTrack]);
  const one = new Collected();
  const two = new Collected();
  for (const frame of clip({ seconds: 1, audio: null })) first.write(frame, one);
  for (const frame of clip({ seconds: 1 })) second.write(frame, two);
  assert.match(checkTsSegments([one.bytes(), two.bytes()]).join(), /changes under the same version/);
  const third = new TsWriter({ groupAudio: false });
  third.setTracks([]);
  third.setTracks([videoTrack]);
  third.setTracks([]);
  third.setTracks([videoTrack]);
  const three = new Collected();
  for (const frame of clip({ seconds: 1, audio: null, startUs: 1_000_000 })) third.write(frame, three);
  assert.match(checkTsSegments([one.bytes(), three.bytes()]).join(), /version changes without a reason/);
});
