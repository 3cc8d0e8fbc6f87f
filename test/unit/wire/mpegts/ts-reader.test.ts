import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PesPacket } from '../../../../src/wire/mpegts/pes-reader.ts';
import type { TsProgram } from '../../../../src/wire/mpegts/psi-reader.ts';
import {
  looksLikeTs,
  TsReader,
  type TsReaderOptions,
  type TsReaderOutput,
} from '../../../../src/wire/mpegts/ts-reader.ts';
import { vector } from '../../media-file/media-files.ts';
import { association, line, map, packet, pes, Sender } from './packets.ts';

const MAP_PID = 0x1000;

class Recorder implements TsReaderOutput {
  readonly programs: TsProgram[] = [];
  readonly packets: string[] = [];
  readonly payloads: Buffer[] = [];

  maxPesBytes(): number {
    return 100_000;
  }

  program(program: TsProgram): void {
    this.programs.push(program);
  }

  pes({ pid, pts, dts, payload, position, isDamaged }: PesPacket): void {
    this.packets.push(`${pid} ${pts} ${dts} @${position} ${payload.length}${isDamaged ? ' damaged' : ''}`);
    this.payloads.push(Buffer.from(payload));
  }
}

function read(
  parts: readonly Uint8Array[],
  options: TsReaderOptions = {},
): { recorder: Recorder; reader: TsReader } {
  const recorder = new Recorder();
  const reader = new TsReader(recorder, options);
  for (const part of parts) reader.push(part);
  return { recorder, reader };
}

/** Tables, so often that the packets are found. */
function tables(...entries: ReturnType<typeof line>[]): Buffer {
  const both = [association([[1, MAP_PID]]), map(MAP_PID, entries)];
  return Buffer.concat([...both, ...both]);
}

const VIDEO = line(0x1b, 0x100);
const AUDIO = line(0x0f, 0x101);
const PICTURE = Buffer.concat([Buffer.from([0, 0, 0, 1, 0x65]), Buffer.alloc(500, 0xaa)]);

describe('ts reader', () => {
  test('the same comes out however the bytes are cut', () => {
    for (const name of ['h264-aac.mpegts', 'h264.m2ts']) {
      const bytes = vector(name);
      const whole = read([bytes]);
      whole.reader.finish();
      assert.ok(whole.recorder.packets.length > 15, name);
      assert.equal(whole.reader.skippedBytes, 0, name);
      let seed = 7;
      for (const size of [1, 187, 188, 189, 1316, 0]) {
        const recorder = new Recorder();
        const reader = new TsReader(recorder);
        for (let at = 0; at < bytes.length; ) {
          seed = (seed * 1103515245 + 12345) % 2 ** 31;
          const length = size === 0 ? 1 + (seed % 700) : size;
          reader.push(bytes.subarray(at, at + length));
          at += length;
        }
        reader.finish();
        assert.deepEqual(recorder.packets, whole.recorder.packets, `${name} in pieces of ${size}`);
        assert.deepEqual(recorder.payloads, whole.recorder.payloads, `${name} in pieces of ${size}`);
      }
    }
  });

  for (const [stride, before, behind] of [
    [188, 0, 0],
    [192, 4, 0],
    [204, 0, 16],
  ] as const) {
    test(`packets of ${stride} bytes, with garbage in front and between`, () => {
      const video = new Sender(0x100);
      const plain = Buffer.concat([
        tables(VIDEO),
        ...Array.from({ length: 12 }, (_, i) => video.unit(pes(PICTURE, { pts: i * 3600 }))),
      ]);
      const packets: Buffer[] = [Buffer.alloc(777, 0x11)];
      for (let at = 0; at < plain.length; at += 188) {
        packets.push(
          Buffer.alloc(before, at / 188),
          plain.subarray(at, at + 188),
          Buffer.alloc(behind, 0x47),
        );
        if (at === 188 * 20) packets.push(Buffer.alloc(333, 0x22));
      }
      const { recorder, reader } = read([Buffer.concat(packets)]);
      reader.finish();
      assert.equal(recorder.packets.length, 12);
      const skipped = reader.skippedBytes - 777 - 333;
      assert.ok(skipped >= -4 && skipped <= 4, `${skipped}`);
    });
  }

  test('a packet with a length is there at once, one without when the next begins', () => {
    const video = new Sender(0x100);
    const bounded = read([tables(VIDEO), video.unit(pes(PICTURE, { pts: 900 }))]);
    assert.deepEqual(bounded.recorder.packets, ['256 900 900 @752 505']);
    const open = read([
      tables(VIDEO),
      new Sender(0x100).unit(pes(PICTURE, { pts: 900, dts: 300, isOpen: true })),
    ]);
    assert.deepEqual(open.recorder.packets, []);
    open.reader.push(packet(0x100, 3, pes(PICTURE, { pts: 4500 }).subarray(0, 100), true));
    assert.deepEqual(open.recorder.packets, ['256 900 300 @752 505']);
    open.reader.finish();
    assert.equal(open.recorder.packets.length, 1, 'what is not complete is dropped at the end');
  });

  test('a picture in several packets is put together', () => {
    const video = new Sender(0x100);
    const rest = Buffer.alloc(300, 0xbb);
    const { recorder } = read([
      tables(VIDEO),
      video.unit(pes(PICTURE, { pts: 900, isOpen: true })),
      video.unit(pes(rest, { isOpen: true })),
      video.unit(pes(PICTURE, { pts: 4500, isOpen: true })),
      // Without a time, but it begins with a start code.
      video.unit(pes(PICTURE, { isOpen: true })),
      video.unit(pes(PICTURE, { pts: 9000 })),
    ]);
    assert.deepEqual(
      recorder.packets.map((text) => text.replace(/@\d+ /, '')),
      ['256 900 900 805', '256 4500 4500 505', '256 -1 -1 505', '256 9000 9000 505'],
    );
    assert.deepEqual(recorder.payloads[0], Buffer.concat([PICTURE, rest]));
  });

  test('a packet that is sent twice counts once, one that is missing is told', () => {
    const packets = new Sender(0x100).unit(pes(PICTURE, { pts: 900 }));
    const first = packets.subarray(0, 188);
    const twice = read([tables(VIDEO), first, first, packets.subarray(188)]);
    assert.deepEqual(twice.recorder.packets, ['256 900 900 @752 505']);
    assert.equal(twice.reader.continuityErrors, 0);
    const gap = read([
      tables(VIDEO),
      first,
      packets.subarray(376),
      packet(0x100, 3, pes(PICTURE.subarray(0, 100)), true),
    ]);
    assert.match(gap.recorder.packets[0]!, /^256 900 900 @752 3\d\d damaged$/);
    assert.equal(gap.reader.continuityErrors, 1);
    // The sender says that its counter jumps.
    const jump = packet(0x100, 9, pes(PICTURE.subarray(0, 100), { pts: 1 }), true, 0x80);
    assert.equal(read([tables(VIDEO), packets, jump]).reader.continuityErrors, 0);
  });

  test('sizes are bounded', () => {
    const video = new Sender(0x100);
    const huge = pes(Buffer.alloc(150_000, 1), { pts: 1, isOpen: true });
    const { recorder, reader } = read([
      tables(VIDEO),
      video.unit(huge),
      video.unit(pes(PICTURE, { pts: 2 })),
    ]);
    assert.equal(reader.tooLarge, 1);
    assert.equal(recorder.packets.length, 1);
  });

  test('tables with a wrong checksum are not believed', () => {
    const broken = map(MAP_PID, [AUDIO], 1);
    broken[20] = broken[20]! ^ 1;
    const { recorder, reader } = read([tables(VIDEO), broken]);
    assert.equal(recorder.programs.length, 1);
    assert.equal(reader.badSections, 1);
  });

  test('the program changes: what stays goes on, what is new is there', () => {
    const video = new Sender(0x100);
    const audio = new Sender(0x101);
    const sound = () => audio.unit(pes(Buffer.alloc(50, 1), { streamId: 0xc0, pts: 5 }));
    const { recorder } = read([
      tables(VIDEO),
      sound(),
      video.unit(pes(PICTURE, { pts: 1, isOpen: true })).subarray(0, 376),
      map(MAP_PID, [VIDEO, AUDIO], 1),
      video.unit(Buffer.alloc(1)),
      sound(),
      map(MAP_PID, [AUDIO], 2),
      video.unit(pes(PICTURE, { pts: 2 })),
      sound(),
    ]);
    assert.deepEqual(
      recorder.programs.map(({ streams }) => streams.map(({ pid }) => pid)),
      [[256], [256, 257], [257]],
    );
    assert.deepEqual(
      recorder.packets.map((text) => text.split(' ')[0]),
      ['256', '257', '257'],
    );
  });

  test('of two programs the first is followed until it is gone', () => {
    const other = 0x1001;
    const both = association([
      [1, MAP_PID],
      [2, other],
    ]);
    const { recorder, reader } = read([
      both,
      map(other, [AUDIO], 0, 2),
      map(MAP_PID, [VIDEO]),
      both,
      map(other, [AUDIO], 0, 2),
      association([[2, other]], 1),
      map(other, [AUDIO], 0, 2),
    ]);
    assert.equal(reader.programCount, 2);
    assert.deepEqual(
      recorder.programs.map(({ number }) => number),
      [1, 2],
    );
  });

  test('scrambled packets and those marked as damaged are left out', () => {
    const unit = new Sender(0x100).unit(pes(PICTURE.subarray(0, 100), { pts: 1 }));
    const scrambled = Buffer.from(unit);
    scrambled[3] = scrambled[3]! | 0x80;
    const bad = Buffer.from(unit);
    bad[1] = bad[1]! | 0x80;
    const { recorder, reader } = read([tables(VIDEO), scrambled, bad]);
    assert.deepEqual(recorder.packets, []);
    assert.equal(reader.scrambledPackets, 1);
    assert.equal(reader.badPackets, 1);
  });

  test('a reader that begins in the middle knows the program', () => {
    const first = read([tables(VIDEO)]);
    const program = first.recorder.programs[0]!;
    const bytes = new Sender(0x100).unit(pes(PICTURE, { pts: 1 }));
    const { recorder, reader } = read([bytes], { position: 5000, program });
    // Three packets are too few to be sure of before the end.
    assert.deepEqual(recorder.packets, []);
    reader.finish();
    assert.deepEqual(recorder.packets, ['256 1 1 @5000 505']);
  });

  test('what looks like a transport stream', () => {
    assert.ok(looksLikeTs(vector('h264.m2ts').subarray(0, 1224)));
    assert.ok(!looksLikeTs(vector('h264-aac.flv').subarray(0, 1224)));
    assert.ok(!looksLikeTs(Buffer.alloc(100, 0x47)));
  });
});
