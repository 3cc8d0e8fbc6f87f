/** Names in URLs, URLs without secrets, and the pacer. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NamePattern } from '../../../../src/config/name-pattern.ts';
import { Frame } from '../../../../src/media/frame.ts';
import { PullPacer } from '../../../../src/service/pull/pull-pacer.ts';
import { fillUrl } from '../../../../src/service/pull/pull-variables.ts';
import { shownUrl, withoutSecrets } from '../../../../src/util/shown-url.ts';
import { TestHub, VIDEO } from '../../../support/test-hub.ts';

describe('variables', () => {
  for (const [pattern, name, stars] of [
    ['live/*', 'live/cam', ['cam']],
    ['live/*', 'live/a/b', ['a/b']],
    ['live/*-*', 'live/a-b-c', ['a', 'b-c']],
    ['live/(x)*', 'live/(x)1', ['1']],
    ['live/*-*', 'live/-', ['', '']],
    ['*/*-*x', 'live/a-b-x', ['live', 'a', 'b-']],
    ['live/cam', 'live/cam', []],
    ['live/*', 'other/cam', null],
    [`live/${'*-'.repeat(8)}*x`, `live/${'-'.repeat(250)}`, null],
    ['l.ve/*', 'live/cam', null],
  ] as const)
    test(`${pattern} and ${name}`, () => assert.deepEqual(new NamePattern(pattern).stars(name), stars));

  for (const [url, name, stars, filled] of [
    ['rtsp://nvr/$1', 'live/7', ['7'], 'rtsp://nvr/7'],
    ['rtsp://nvr/$app/$name?x=$2', 'cam/yard/7', ['a', 'b'], 'rtsp://nvr/cam/yard/7?x=b'],
    ['rtsp://nvr/$1', 'live/x', ['a@evil:80/?k#/é'], 'rtsp://nvr/a%40evil%3A80/%3Fk%23/%C3%A9'],
    ['rtsp://nvr/$3/$names', 'live/x', ['a'], 'rtsp://nvr/$3/$names'],
  ] as const)
    test(`${url} for ${name}`, () => assert.equal(fillUrl(url, name, [...stars]), filled));
});

test('URLs are shown without user, password and values', () => {
  for (const [url, shown] of [
    ['rtsp://u:p@h:554/a', 'rtsp://h:554/a'],
    ['rtsp://u:p@ss/w@h/a', 'rtsp://ss/w@h/a'],
    ['http://h/a.flv?token=1#f', 'http://h/a.flv?…'],
    ['udp://@239.1.1.1:5000', 'udp://239.1.1.1:5000'],
    ['no url', 'no url'],
  ] as const)
    assert.equal(shownUrl(url), shown);
  assert.equal(
    withoutSecrets('"rtmp://u:p@h/a" is bad; http://x:y@z/', 'rtmp://u:p@h/a'),
    '"rtmp://h/a" is bad; http://z/',
  );
});

class PacedWorld extends TestHub {
  readonly written: number[] = [];
  readonly holds: boolean[] = [];
  readonly pacer: PullPacer;

  constructor(leadUs: number) {
    super();
    this.pacer = new PullPacer({
      leadUs,
      nowUs: () => this.clock.nowUs(),
      after: (delayMs, run) => this.tick.after(delayMs, run),
      write: (frame) => this.written.push(frame.dts / 1000),
      hold: (held) => this.holds.push(held),
    });
  }

  push(...ms: number[]): void {
    for (const at of ms)
      this.pacer.push(
        new Frame(0, 0, at * 1000, at * 1000, 0, Buffer.alloc(10), VIDEO, this.clock.nowUs(), Number.NaN),
        null,
      );
  }
}

const steps = (from: number, count: number, step = 40) =>
  Array.from({ length: count }, (_, i) => from + i * step);

describe('pacer', () => {
  test('what is live goes through as it comes, also over jumps of its clock', () => {
    const w = new PacedWorld(10_000_000);
    for (const at of [...steps(500_000, 50), ...steps(7, 50), ...steps(90_000_000, 50)]) {
      w.push(at);
      w.advanceMs(40);
    }
    assert.equal(w.written.length, 150);
    assert.deepEqual(w.holds, []);
  });

  test('a file is held up when it is ten seconds ahead, and nothing is lost or out of order', () => {
    const w = new PacedWorld(10_000_000);
    w.push(...steps(0, 500));
    assert.equal(w.written.length, 251);
    assert.deepEqual(w.holds, [true]);
    w.advanceMs(5000);
    assert.ok(Math.abs(w.written.length - 376) <= 3, `${w.written.length}`);
    w.advanceMs(6000);
    assert.deepEqual(w.written, steps(0, 500));
    assert.deepEqual(w.holds, [true, false]);
  });

  test('what comes in bursts is spread, and a pause of the source is not made up for', () => {
    const w = new PacedWorld(300_000);
    w.push(...steps(0, 150));
    assert.equal(w.written.length, 8);
    for (let i = 0; i < 60; i++) w.advanceMs(100);
    assert.equal(w.written.length, 150);
    w.advanceMs(30_000);
    w.push(...steps(6000, 150));
    const after = w.written.length - 150;
    assert.ok(after >= 8 && after <= 22, `${after} at once`);
    let drained = false;
    w.pacer.drain(() => {
      drained = true;
    });
    assert.equal(drained, false);
    for (let i = 0; i < 65; i++) w.advanceMs(100);
    assert.equal(drained, true);
    assert.equal(w.written.length, 300);
    assert.equal(w.tick.pending, 0);
  });

  test('a source that cannot wait is bounded', () => {
    const w = new PacedWorld(300_000);
    w.push(...steps(0, 20_000));
    assert.ok(w.written.length > 8000);
    w.pacer.close();
    const { length } = w.written;
    w.advanceMs(60_000);
    assert.equal(w.written.length, length);
    assert.equal(w.tick.pending, 0);
  });
});
