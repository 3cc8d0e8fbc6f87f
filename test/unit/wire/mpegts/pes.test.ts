import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pesHeaderBytes, STREAM_ID_VIDEO, writePesHeader } from '../../../../src/wire/mpegts/pes.ts';

function header(payloadBytes: number, pts: number, dts: number): string {
  const target = Buffer.alloc(32, 0xee);
  const end = writePesHeader(target, 2, STREAM_ID_VIDEO, payloadBytes, pts, dts);
  assert.equal(end, 2 + pesHeaderBytes(pts !== dts));
  return target.toString('hex', 2, end);
}

test('pes: golden headers', () => {
  const cases: [string, number, number, number, string][] = [
    ['PTS only', 100, 126_000, 126_000, '000001e0006c8480052100' + '07d861'],
    ['PTS and DTS', 100, 129_600, 126_000, '000001e0007184c00a3100' + '07f48111' + '0007d861'],
    ['largest values', 0, 0x1_ffff_ffff, 0x1_ffff_ffff, '000001e00008848005' + '2fffffffff'],
    ['longest with a length', 65_527, 0, 0, '000001e0ffff848005' + '2100010001'],
    ['too long for a length', 65_528, 0, 0, '000001e00000848005' + '2100010001'],
  ];
  for (const [name, payloadBytes, pts, dts, expected] of cases) {
    assert.equal(header(payloadBytes, pts, dts), expected, name);
  }
});
