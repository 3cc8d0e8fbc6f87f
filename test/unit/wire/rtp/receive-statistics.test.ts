import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceiveStatistics } from '../../../../src/wire/rtp/receive-statistics.ts';
import type { SenderReport } from '../../../../src/wire/rtp/rtcp.ts';

/** Sequence, RTP time, arrival in microseconds. */
function feed(statistics: ReceiveStatistics, packets: readonly (readonly [number, number, number])[]): void {
  for (const [sequence, timestamp, us] of packets) statistics.onPacket(7, sequence, timestamp, 100, us);
}

test('loss: fraction of the interval, total since the begin (RFC 3550 A.3)', () => {
  const statistics = new ReceiveStatistics(8000);
  assert.equal(statistics.report(0), null);
  feed(statistics, [
    [65_534, 0, 0],
    [65_535, 160, 20_000],
    [1, 480, 60_000],
    [2, 640, 80_000],
  ]);
  const first = statistics.report(80_000)!;
  assert.deepEqual([first.ssrc, first.fractionLost, first.lost, first.highestSequence], [7, 51, 1, 0x1_0002]);
  feed(statistics, [[3, 800, 100_000]]);
  const second = statistics.report(100_000)!;
  assert.deepEqual([second.fractionLost, second.lost, second.highestSequence], [0, 1, 0x1_0003]);
  // The lost one arrives late, and one comes twice.
  feed(statistics, [
    [0, 320, 110_000],
    [3, 800, 111_000],
  ]);
  const third = statistics.report(120_000)!;
  assert.deepEqual([third.fractionLost, third.lost], [0, -1]);
  assert.deepEqual([statistics.packets, statistics.bytes], [7, 700]);
});

test('jitter: a sixteenth of each change of the transit time (RFC 3550 A.8)', () => {
  const statistics = new ReceiveStatistics(8000);
  feed(statistics, [
    [1, 0xffff_ff60, 0],
    [2, 0, 20_000],
    [3, 160, 40_000],
  ]);
  assert.equal(statistics.report(0)!.jitter, 0);
  // 20 ms late are 160 ticks: 160/16 = 10.
  feed(statistics, [[4, 320, 80_000]]);
  assert.equal(statistics.report(0)!.jitter, 10);
  assert.equal(statistics.jitterUs, 1250);
  // Back in time: 10 + (160 - 10)/16.
  feed(statistics, [[5, 480, 80_000]]);
  assert.equal(statistics.report(0)!.jitter, 19);
});

test('last sender report and how long ago it was', () => {
  const statistics = new ReceiveStatistics(90_000);
  const report: SenderReport = {
    type: 'sr',
    ssrc: 7,
    ntpSeconds: 0xaabb_ccdd,
    ntpFraction: 0x1122_3344,
    rtpTime: 0,
    packets: 0,
    octets: 0,
    reports: [],
  };
  statistics.onSenderReport(report, 1_000_000);
  feed(statistics, [[1, 0, 1_000_000]]);
  const { lastSr, delaySinceLastSr } = statistics.report(2_500_000)!;
  assert.equal(lastSr, 0xccdd_1122);
  assert.equal(delaySinceLastSr, 98_304);
});

test('another source: its loss begins anew, the total goes on', () => {
  const statistics = new ReceiveStatistics(8000);
  feed(statistics, [
    [1, 0, 0],
    [4, 0, 0],
  ]);
  statistics.onPacket(8, 40_000, 0, 100, 0);
  assert.equal(statistics.lost, 2);
  assert.deepEqual(
    (({ ssrc, lost, highestSequence }) => [ssrc, lost, highestSequence])(statistics.report(0)!),
    [8, 0, 40_000],
  );
  statistics.onPacket(8, 10, 0, 100, 0);
  assert.equal(statistics.report(0)!.highestSequence, 10, 'numbers that start again');
  assert.equal(statistics.lost, 2);
});
