import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BenchCase, CASES } from '../../load/cases.ts';
import { drawChart } from '../../load/chart.ts';
import { CLOCK_MAGIC, CLOCK_OFFSET, MARK_END, parseClip, readClock, stampClock } from '../../load/clip.ts';
import { judge, markdownTable, remarks, textTable } from '../../load/report.ts';
import { percentile, type Result } from '../../load/result.ts';

function flvTag(type: number, timestampMs: number, data: Buffer): Buffer {
  const header = Buffer.alloc(11);
  header[0] = type;
  header.writeUIntBE(data.length, 1, 3);
  header.writeUIntBE(timestampMs, 4, 3);
  return Buffer.concat([header, data, Buffer.alloc(4)]);
}

const slice = Buffer.from('17010000000000000265b8', 'hex');
const file = Buffer.concat([
  Buffer.alloc(13),
  flvTag(18, 0, Buffer.from('02000a6f6e4d65746144617461', 'hex')),
  flvTag(9, 0, Buffer.from('1700000000', 'hex')),
  flvTag(8, 0, Buffer.from('af001210', 'hex')),
  flvTag(9, 0, slice),
  flvTag(8, 5, Buffer.from('af0121', 'hex')),
  flvTag(9, 33, slice),
]);

function result(peer: string, values: Partial<Result>): Result {
  return {
    case: 'rtmp-3000-lo',
    peer,
    version: '1',
    count: 3000,
    cpuPercent: undefined,
    cpuSecondsPerGbit: undefined,
    residentMib: 50,
    kibPerConnection: undefined,
    mbps: 750,
    playerKbpsMin: undefined,
    playerKbpsP50: undefined,
    complete: undefined,
    behind: undefined,
    firstMediaP50Ms: undefined,
    firstMediaP99Ms: undefined,
    delayP50Ms: undefined,
    delayP99Ms: undefined,
    messagesPerSecond: undefined,
    microsecondsPerMessage: undefined,
    unreadKib: undefined,
    startMs: undefined,
    foreignPercent: undefined,
    loadCorePercent: undefined,
    loadPercent: undefined,
    notes: [],
    ...values,
  };
}

function caseNamed(name: string): BenchCase {
  const found = CASES.find((one) => one.name === name);
  assert.ok(found);
  return found;
}

test('a clip has its prologue apart, and a clock in every picture that keeps the NAL units well formed', () => {
  const clip = parseClip(file);
  assert.deepEqual(
    clip.prologue.map((message) => [message.type, message.hasClock]),
    [
      [18, false],
      [9, false],
      [8, false],
    ],
  );
  assert.equal(clip.prologue[0]!.payload.subarray(3, 16).toString(), '@setDataFrame');
  assert.deepEqual(
    clip.messages.map((message) => [message.type, message.timestampMs, message.hasClock]),
    [
      [9, 0, true],
      [8, 5, false],
      [9, 33, true],
    ],
  );
  assert.equal(clip.durationMs, 67);
  const picture = clip.messages[0]!.payload;
  const first = picture.readUInt32BE(5);
  assert.equal(picture[9], 6);
  assert.equal(picture.readUInt32BE(9 + first), 2);
  assert.equal(9 + first + 4 + 2, picture.length);
});

test('a file without pictures is refused', () => {
  assert.throws(() => parseClip(file.subarray(0, 13)), /no metadata/);
});

test('the clock that was stamped is read again, also behind another NAL unit', () => {
  const picture = Buffer.from(parseClip(file).messages[0]!.payload);
  stampClock(picture, CLOCK_OFFSET, 1_234_567_890.75, 42, MARK_END);
  assert.deepEqual(readClock(picture), { timeUs: 1_234_567_890, sequence: 42 });
  const delimiter = Buffer.from('0000000209f0', 'hex');
  const later = Buffer.concat([picture.subarray(0, 5), delimiter, picture.subarray(5)]);
  assert.deepEqual(readClock(later), { timeUs: 1_234_567_890, sequence: 42 });
  assert.ok(picture.includes(Buffer.concat([CLOCK_MAGIC, Buffer.of(MARK_END)])));
  assert.equal(picture.indexOf(Buffer.of(0, 0, 1), CLOCK_OFFSET), -1);
  assert.equal(readClock(Buffer.alloc(40)), undefined);
  assert.equal(readClock(picture.subarray(0, CLOCK_OFFSET + 20)), undefined);
});

test('percentiles take the value at the rank', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(percentile(values, 0), 1);
  assert.equal(percentile(values, 0.5), 51);
  assert.equal(percentile(values, 0.99), 100);
  assert.equal(percentile(values, 1), 100);
  assert.equal(percentile([], 0.5), undefined);
});

test('goals are judged alone, beside other servers, and FLV beside RTMP', () => {
  const own = result('sluice', { cpuSecondsPerGbit: 0.12, complete: 2999, kibPerConnection: 10 });
  const nms2 = result('nms2', { cpuSecondsPerGbit: 0.5 });
  const verdict = (name: string, results: Result[]): string[] =>
    judge(caseNamed(name), results).map(
      (line) => `${line.met ? '+' : '-'} ${line.text.replace(`${name}: `, '')}`,
    );
  assert.deepEqual(verdict('rtmp-3000-lo', [own, nms2]), [
    '+ CPU-s per Gbit <= 0.15: 0.12',
    '+ CPU-s per Gbit <= 0.3 x nms2: 0.24',
    '+ KiB per player <= 24: 10',
    '- incomplete players <= 0: 1',
  ]);
  assert.deepEqual(verdict('rtmp-3000-lo', [nms2]), []);
  const flv = result('sluice', { case: 'flv-3000-lo', cpuSecondsPerGbit: 0.15 });
  assert.deepEqual(verdict('flv-3000-lo', [own, flv]), ['- CPU-s per Gbit <= 1.1 x rtmp-3000-lo: 1.25']);
});

test('tables name what makes a figure doubtful', () => {
  const busy = result('nginx', {
    loadCorePercent: 96,
    foreignPercent: 40,
    notes: ['3 players disconnected (reset)'],
  });
  assert.equal(remarks(busy).length, 3);
  const text = textTable(caseNamed('rtmp-3000-lo'), [busy]);
  assert.match(text, /nginx: the load core was 96 % busy/);
  assert.match(text, /nginx: 3 players disconnected/);
  assert.equal(remarks(result('nginx', { loadCorePercent: 84 })).length, 0);
  const rows = markdownTable(caseNamed('push-1000-lo'), [busy]).split('\n');
  assert.deepEqual(
    rows.map((row) => row.split('|').length),
    rows.map(() => rows[0]!.split('|').length),
  );
});

test('the chart has a bar per server and measure, scaled to the longest', () => {
  const results = [
    result('nms2', { cpuSecondsPerGbit: 0.5, delayP50Ms: 70 }),
    result('sluice', { cpuSecondsPerGbit: 0.125, delayP50Ms: 175 }),
    result('bare', { cpuSecondsPerGbit: 0.1 }),
  ];
  const svg = drawChart([caseNamed('rtmp-3000-lo'), caseNamed('start')], results, '2026-01-01');
  const widths = [...svg.matchAll(/<rect class="(\w+)"[^>]* width="([\d.]+)"/g)].map((m) => [
    m[1],
    Number(m[2]),
  ]);
  assert.deepEqual(
    widths.map(([kind]) => kind),
    ['own', 'peer', 'floor', 'own', 'peer'],
  );
  assert.equal(Number(widths[0]![1]) * 4, Number(widths[1]![1]));
  assert.ok(svg.indexOf('>Sluice<') < svg.indexOf('>node-media-server 2<'));
});
