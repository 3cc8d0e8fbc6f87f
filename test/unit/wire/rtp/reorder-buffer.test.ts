import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ReorderBuffer, type ReorderLimits } from '../../../../src/wire/rtp/reorder-buffer.ts';

/** Packets are their sequence number in four hex digits; a number behind a loss gets a `!`. */
class Rig {
  readonly given: string[] = [];
  readonly buffer: ReorderBuffer;
  readonly views: Uint8Array[] = [];
  nowUs = 0;

  constructor(limits: ReorderLimits = { packets: 8, waitUs: 100_000 }) {
    this.buffer = new ReorderBuffer(this, limits);
  }

  packet(bytes: Uint8Array, isAfterLoss: boolean): void {
    this.views.push(bytes);
    this.given.push(`${isAfterLoss ? '!' : ''}${Buffer.from(bytes).readUInt16BE(0)}`);
  }

  push(...sequences: readonly number[]): this {
    for (const sequence of sequences) {
      const bytes = Buffer.alloc(2);
      bytes.writeUInt16BE(sequence);
      this.buffer.push(bytes, sequence, this.nowUs);
      // Whoever receives may use the memory again.
      bytes.fill(0xee);
    }
    return this;
  }

  after(us: number): this {
    this.nowUs += us;
    this.buffer.tick(this.nowUs);
    return this;
  }

  take(): string {
    return this.given.splice(0).join(' ');
  }

  get counts(): readonly number[] {
    const { lost, late, duplicates, restarts } = this.buffer;
    return [lost, late, duplicates, restarts];
  }
}

describe('reorder buffer', () => {
  test('in order: the very bytes pass, over the wrap', () => {
    const rig = new Rig();
    const bytes = Buffer.from([0xff, 0xfe]);
    rig.buffer.push(bytes, 65_534, 0);
    assert.equal(rig.views[0], bytes);
    rig.push(65_535, 0, 1);
    assert.equal(rig.take(), '65534 65535 0 1');
    assert.deepEqual(rig.counts, [0, 0, 0, 0]);
  });

  test('two that changed places, over the wrap', () => {
    const rig = new Rig().push(65_534, 0, 65_535, 1);
    assert.equal(rig.take(), '65534 65535 0 1');
    assert.deepEqual(rig.counts, [0, 0, 0, 0]);
  });

  test('a packet that does not come is given up after the time, not before', () => {
    const rig = new Rig().push(1, 3, 4);
    assert.equal(rig.take(), '1');
    rig.after(99_999);
    assert.equal(rig.take(), '');
    rig.after(1);
    assert.equal(rig.take(), '!3 4');
    assert.deepEqual(rig.counts, [1, 0, 0, 0]);
  });

  test('the time is looked at when packets come too', () => {
    const rig = new Rig().push(1, 3);
    rig.nowUs += 100_000;
    rig.push(4);
    assert.equal(rig.take(), '1 !3 4');
  });

  test('each gap waits for its own time', () => {
    const rig = new Rig().push(1, 3);
    rig.nowUs += 60_000;
    rig.push(5);
    rig.after(40_000);
    assert.equal(rig.take(), '1 !3');
    rig.after(59_999);
    assert.equal(rig.take(), '');
    rig.after(1);
    assert.equal(rig.take(), '!5');
  });

  test('what comes after it was given up is late, what came before is a duplicate', () => {
    const rig = new Rig().push(1, 3).after(100_000);
    rig.push(2, 3, 1, 4, 4);
    assert.equal(rig.take(), '1 !3 4');
    assert.deepEqual(rig.counts, [1, 1, 3, 0]);
  });

  test('a packet that waits is not kept twice', () => {
    const rig = new Rig().push(1, 3, 3, 2);
    assert.equal(rig.take(), '1 2 3');
    assert.deepEqual(rig.counts, [0, 0, 1, 0]);
  });

  test('no more packets wait than allowed', () => {
    const rig = new Rig().push(1, 3, 4, 5, 6, 7, 8, 9);
    assert.equal(rig.take(), '1', '2 may come yet');
    rig.push(10);
    assert.equal(rig.take(), '!3 4 5 6 7 8 9 10');
    assert.deepEqual(rig.counts, [1, 0, 0, 0]);
  });

  test('a loss larger than the buffer', () => {
    const rig = new Rig().push(1, 3, 40);
    assert.equal(rig.take(), '1 !3');
    rig.after(100_000);
    assert.equal(rig.take(), '!40');
    assert.deepEqual(rig.counts, [37, 0, 0, 0]);
  });

  test('no more bytes wait than 2 MiB', () => {
    const given: number[] = [];
    const buffer = new ReorderBuffer(
      { packet: (bytes) => given.push(bytes[0]!) },
      { packets: 64, waitUs: 1e9 },
    );
    buffer.push(Uint8Array.of(0), 0, 0);
    for (let sequence = 2; sequence < 42; sequence++) {
      const bytes = new Uint8Array(60_000);
      bytes[0] = sequence;
      buffer.push(bytes, sequence, 0);
    }
    assert.equal(given.length, 41);
    assert.equal(buffer.lost, 1);
  });

  test('a source that starts its numbers again is followed with its second packet', () => {
    const rig = new Rig().push(1000, 1001, 40_000);
    assert.equal(rig.take(), '1000 1001');
    rig.push(40_001, 40_002);
    assert.equal(rig.take(), '!40000 40001 40002');
    assert.deepEqual(rig.counts, [0, 0, 0, 1]);
  });

  test('a single stray packet changes nothing', () => {
    const rig = new Rig().push(1000, 40_000, 1001, 40_001, 1002);
    assert.equal(rig.take(), '1000 1001 1002');
    assert.deepEqual(rig.counts, [0, 0, 0, 0]);
  });

  test('what waited comes before the restart', () => {
    const rig = new Rig().push(1, 3, 20_000, 20_001);
    assert.equal(rig.take(), '1 !3 !20000 20001');
  });

  test('reset: any number may follow, behind what waited', () => {
    const rig = new Rig().push(1, 3);
    rig.buffer.reset();
    rig.push(50_000, 50_001);
    assert.equal(rig.take(), '1 !3 !50000 50001');
  });
});
