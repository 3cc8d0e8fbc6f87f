/** Pulled streams on a fake clock: which source is tried when, waits, fail-over, return, viewers that wait. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeFailure } from '../../../../src/client/describe-failure.ts';
import type { PullEnd, PullHandlers } from '../../../../src/client/pull.ts';
import { FRAME_DISCONTINUITY, FRAME_KEY, Frame } from '../../../../src/media/frame.ts';
import type { StreamRules } from '../../../../src/media/stream-hub.ts';
import { makeStreamKey } from '../../../../src/media/stream-key.ts';
import { makeTrack } from '../../../../src/media/track.ts';
import { PullChannel } from '../../../../src/service/pull/pull-channel.ts';
import type { PullRule } from '../../../../src/service/pull/pull-config.ts';
import { RejectedError } from '../../../../src/util/errors.ts';
import { LogHub, type LogLine } from '../../../../src/util/log.ts';
import { MemorySink } from '../../../support/memory-sink.ts';
import { TestHub, VIDEO } from '../../../support/test-hub.ts';
import { toyFormat } from '../../../support/toy-format.ts';

const KEY = makeStreamKey('live', 'cam');
const FRAME_MS = 40;

class FakePull {
  readonly handlers: PullHandlers;
  readonly place: number;
  readonly number: number;
  readonly carrier?: string;
  closed = false;
  bytesReceived = 0;
  private at = 0;
  private readonly startUs: number;

  constructor(handlers: PullHandlers, place: number, number: number) {
    this.handlers = handlers;
    this.place = place;
    this.number = number;
    this.startUs = number * 1_000_000_000;
    if (place === 0) this.carrier = 'webrtc';
  }

  frame(nowUs: number): void {
    if (this.closed) return;
    if (this.at === 0) this.handlers.onTracks([makeTrack(0, VIDEO)]);
    const dts = this.startUs + this.at * FRAME_MS * 1000;
    const flags = this.at++ % 10 === 0 ? FRAME_KEY : 0;
    this.bytesReceived += 3;
    this.handlers.onFrame(
      new Frame(0, flags, dts, dts, 0, Buffer.from([this.number, this.at]), VIDEO, nowUs, Number.NaN),
    );
  }

  end(reason: string, kind: PullEnd['kind'] = 'broken'): void {
    this.closed = true;
    this.handlers.onEnd({ kind, reason });
  }

  pause(): void {}
  resume(): void {}
  close(): void {
    this.closed = true;
  }
}

class World extends TestHub {
  readonly opened: FakePull[] = [];
  readonly channel: PullChannel;
  readonly lines: LogLine[] = [];
  readonly idle: string[] = [];
  returns = true;
  heldBy = '';
  random = 0.5;
  /** Places whose sources cannot be reached. */
  readonly dead = new Set<number>();
  readonly sink = new MemorySink();
  readonly dts: number[] = [];
  readonly seen: number[] = [];
  marked = 0;

  constructor(count: number, rule: Partial<PullRule> = {}, rules: Partial<StreamRules> = {}) {
    super({ gop: { cache: true, frames: 1000, bytes: 1_000_000, us: 30_000_000 }, ...rules });
    const urls = Array.from({ length: count }, (_, place) => `rtmp://user:secret@host/${place}`);
    const source = {
      priority: 0,
      transport: 'auto',
      verify: true,
      connectMs: 10_000,
      silenceMs: 5000,
    } as const;
    this.channel = new PullChannel(
      {
        hub: this.hub,
        nowUs: () => this.clock.nowUs(),
        wallMs: () => this.clock.wallUs() / 1000,
        after: (delayMs, run) => this.tick.after(delayMs, run),
        heldBy: () => this.heldBy,
        askersOf: () => ['us-1'],
        returns: () => this.returns,
        random: () => this.random,
        open: (url, handlers) => {
          const place = Number(url.slice(-1));
          if (url.startsWith('bad:')) throw new RejectedError('unsupported', `"${url}" is no URL.`);
          const pull = new FakePull(handlers, place, this.opened.length);
          this.opened.push(pull);
          if (this.dead.has(place)) pull.end(`nothing listens at ${url}`, 'failed');
          return pull;
        },
        userAgent: 'test',
        rtcCalls: { current: null },
        onFault: (error) => this.faults.push(error),
      },
      new LogHub('debug', (line) => this.lines.push(line)).logger(),
      {
        key: KEY,
        rule: {
          stream: KEY.text,
          sources: urls.map((url) => ({ ...source, url })),
          onDemand: false,
          startMs: 10_000,
          closeMs: 5000,
          retryMs: 1000,
          retryMaxMs: 8000,
          where: 'policy.xml:1:1',
          ...rule,
        },
        urls,
        by: 'policy',
      },
      { onStart: () => undefined, onIdle: (channel) => this.idle.push(channel.origin.key.text) },
    );
    this.hub.registerOnDemand(KEY, this.channel);
  }

  /** A viewer that follows what the stream shows. */
  watch(): void {
    this.hub.subscribe(KEY, toyFormat, this.sink, 'gop', 0);
    this.hub.consume(
      KEY,
      {
        onTracks: () => undefined,
        onFrame: (frame) => {
          this.dts.push(frame.dts / 1000);
          this.seen.push(frame.payload[0]!);
          if ((frame.flags & FRAME_DISCONTINUITY) !== 0) this.marked++;
        },
        onPause: () => undefined,
        onEnd: () => undefined,
      },
      0,
    );
  }

  /** Sources that are open and alive send for so long. */
  run(ms: number, ...silent: FakePull[]): void {
    for (let at = 0; at < ms; at += FRAME_MS) {
      for (const pull of this.opened) if (!silent.includes(pull)) pull.frame(this.clock.nowUs());
      this.advanceMs(FRAME_MS);
    }
  }

  get last(): FakePull {
    return this.opened.at(-1)!;
  }

  get places(): string {
    return this.opened.map(({ place }) => place).join('');
  }

  checkTimes(): void {
    for (let i = 1; i < this.dts.length; i++)
      assert.ok(this.dts[i]! > this.dts[i - 1]!, `frame ${i} goes back`);
    assert.equal(this.sink.endReason, null);
  }
}

describe('pull channel', () => {
  test('always on: retries wait longer and longer, with chance in it, until the limit', () => {
    const w = new World(1);
    w.dead.add(0);
    w.channel.open();
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      waits.push((w.channel.nextAttemptUs - w.clock.nowUs()) / 1000);
      w.random = i % 2;
      w.advanceMs(waits.at(-1)! + 100);
    }
    assert.deepEqual(waits, [1000, 1600, 4800, 6400, 9600, 6400]);
    assert.equal(w.channel.state, 'retrying');
    assert.equal(w.channel.lastError, 'nothing listens at rtmp://host/0');
    assert.doesNotMatch(JSON.stringify(w.lines), /secret/);
    assert.equal(w.hub.find(KEY.text), undefined, 'the name is not held');
  });

  test('a certificate that is not trusted: the cause says what to do', () => {
    const w = new World(1);
    w.channel.open();
    w.last.end(describeFailure('DEPTH_ZERO_SELF_SIGNED_CERT', 'cam.example', 322), 'failed');
    assert.equal(
      w.channel.lastError,
      'the certificate of cam.example:322 is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT); verify="off" of the source takes it all the same',
    );
  });

  test('three sources: the order of preference, then the next ones after a loss; the viewer stays', () => {
    const w = new World(3);
    w.dead.add(0);
    w.channel.open();
    assert.equal(w.places, '01');
    w.run(1000);
    w.watch();
    w.run(11_000);
    assert.equal(w.channel.state, 'live');
    w.opened[1]!.end('cut');
    assert.equal(w.places.slice(-1), '2');
    w.run(2000);
    assert.equal(w.channel.run?.options.place, 2);
    assert.equal(w.channel.lastError, '');
    assert.deepEqual([...new Set(w.seen)], [w.opened[1]!.number, w.last.number]);
    w.checkTimes();
    assert.equal(w.marked, 0, 'the gap is short and the tracks are the same');
  });

  test('the stream knows by what its media come, in the first place and after a change of the source', () => {
    const w = new World(2);
    w.channel.open();
    w.run(1000);
    w.watch();
    assert.equal(w.hub.find(KEY.text)?.carrier, 'webrtc');
    w.last.end('cut');
    w.run(2000);
    assert.equal(w.places, '01');
    assert.equal(w.hub.find(KEY.text)?.carrier, 'pull');
    w.last.end('cut');
    w.run(2000);
    assert.equal(w.places, '010');
    assert.equal(w.hub.find(KEY.text)?.carrier, 'webrtc');
  });

  test('return: a better source is looked for, stands by until it is steady, and the other one is closed', () => {
    const w = new World(2, {}, { steadyMs: 2000 });
    w.dead.add(0);
    w.channel.open();
    const second = w.last;
    w.run(500);
    w.watch();
    w.run(14_000);
    assert.equal(w.places, '01');
    w.run(2000);
    assert.equal(w.places, '010', 'tried once more, in vain');
    w.dead.clear();
    w.run(29_500);
    assert.equal(w.places, '0100');
    assert.equal(w.channel.standby?.options.place, 0);
    assert.equal(second.closed, false);
    w.run(2600);
    assert.equal(second.closed, true);
    assert.equal(w.channel.run?.options.place, 0);
    assert.equal(w.channel.standby, null);
    w.run(60_000);
    assert.equal(w.places, '0100', 'nothing better is there to look for');
    w.checkTimes();
    assert.equal(w.marked, 0);
  });

  test('without return nothing is looked for', () => {
    const w = new World(2);
    w.returns = false;
    w.dead.add(0);
    w.channel.open();
    w.dead.clear();
    w.run(60_000);
    assert.equal(w.places, '01');
  });

  test('the source in use is lost while the better one stands by: it takes over at once', () => {
    const w = new World(2, {}, { steadyMs: 600_000 });
    w.dead.add(0);
    w.channel.open();
    w.run(500);
    w.watch();
    w.dead.clear();
    w.run(16_000);
    assert.equal(w.channel.standby?.options.place, 0);
    w.opened[1]!.end('cut');
    w.run(1000);
    assert.equal(w.channel.run?.options.place, 0);
    assert.equal(w.channel.state, 'live');
    assert.equal(w.places, '010');
    w.checkTimes();
  });

  test('a source that gives media for a moment only is not opened again at once', () => {
    const w = new World(1);
    w.channel.open();
    for (let i = 0; i < 4; i++) {
      w.run(400);
      w.last.end('cut');
      assert.equal(w.channel.state, 'retrying');
      w.advanceMs((w.channel.nextAttemptUs - w.clock.nowUs()) / 1000 + 100);
    }
    assert.equal(w.opened.length, 5);
    assert.equal(w.channel.attempts, 5);
  });

  test('a long life pays: then it is opened again at once', () => {
    const w = new World(1);
    w.channel.open();
    w.run(12_000);
    w.last.end('cut');
    assert.equal(w.channel.state, 'connecting');
    assert.equal(w.opened.length, 2);
  });

  test('on demand: starts with the first viewer, stops after the last, and nothing is left', () => {
    const w = new World(1, { onDemand: true });
    assert.equal(w.channel.state, 'idle');
    const viewer = w.hub.subscribe(KEY, toyFormat, w.sink, 'gop', 0);
    assert.equal(w.channel.state, 'connecting');
    w.run(1000);
    const other = w.hub.subscribe(KEY, toyFormat, new MemorySink(), 'gop', 0);
    assert.equal(w.opened.length, 1);
    viewer.close();
    other.close();
    w.run(4000);
    assert.equal(w.channel.state, 'live', 'the next viewer often comes soon');
    w.run(1500);
    assert.equal(w.channel.state, 'idle');
    assert.equal(w.opened[0]!.closed, true);
    assert.deepEqual(w.idle, [KEY.text]);
    assert.equal(w.hub.find(KEY.text), undefined);
    w.advanceMs(60_000);
    assert.equal(w.tick.pending, 0);
  });

  test('on demand: viewers wait so long, and are told why there is nothing', () => {
    const w = new World(2, { onDemand: true });
    w.dead.add(0).add(1);
    w.hub.subscribe(KEY, toyFormat, w.sink, 'gop', 0);
    w.advanceMs(9900);
    assert.equal(w.sink.endReason, null);
    w.advanceMs(300);
    assert.equal(w.sink.endReason, 'live/cam did not start within 10 s: nothing listens at rtmp://host/1.');
    assert.equal(w.channel.state, 'idle');
    assert.equal(w.hub.find(KEY.text), undefined);
    w.advanceMs(60_000);
    assert.equal(w.tick.pending, 0);
  });

  test('on demand: the last viewer that still waits leaves, and it stops', () => {
    const w = new World(1, { onDemand: true });
    const viewer = w.hub.subscribe(KEY, toyFormat, w.sink, 'gop', 0);
    viewer.close();
    assert.equal(w.channel.state, 'idle');
    assert.equal(w.opened[0]!.closed, true);
  });

  test('on demand: a lost source is replaced while viewers wait; after the grace they are told', () => {
    const w = new World(1, { onDemand: true });
    w.watch();
    w.run(1000);
    w.last.end('cut');
    w.advanceMs(1500);
    w.run(1000);
    assert.equal(w.sink.endReason, null);
    w.dead.add(0);
    w.last.end('cut again');
    w.advanceMs(11_000);
    assert.match(w.sink.endReason ?? '', /^live\/cam cannot be had from its source: nothing listens/);
  });

  test('always on: a viewer that comes while nothing is there waits, and brings the next attempt forward', () => {
    const w = new World(1, { retryMs: 60_000, retryMaxMs: 60_000 });
    w.dead.add(0);
    w.channel.open();
    w.advanceMs(5000);
    w.dead.clear();
    w.watch();
    assert.equal(w.opened.length, 2);
    w.run(500);
    assert.equal(w.channel.state, 'live');
    assert.ok(w.dts.length > 0);
  });

  test('a publisher holds the name: refused until it leaves, then taken at once for those who watch', () => {
    const w = new World(1, { retryMs: 60_000, retryMaxMs: 60_000 });
    const publication = w.hub.publish(KEY, w.owner('p'));
    publication.setTrack(makeTrack(0, VIDEO));
    publication.write(0, FRAME_KEY, 0, 0, 0, Buffer.from([200]), VIDEO);
    w.watch();
    w.channel.open();
    w.run(200);
    assert.equal(w.channel.state, 'retrying');
    assert.match(w.channel.lastError, /live\/cam is already being published by 127\.0\.0\.1:1/);
    w.advanceMs(3000);
    publication.end('gone');
    w.run(1000);
    assert.equal(w.channel.state, 'live');
    assert.equal(w.sink.endReason, null);
    w.checkTimes();
  });

  test('a publisher that may take the name over ends the pull, which does not take it back', () => {
    const w = new World(1, {}, { busy: 'takeover' });
    w.channel.open();
    w.run(12_000);
    const publication = w.hub.publish(KEY, w.owner('p'));
    assert.equal(w.opened[0]!.closed, true);
    w.run(400);
    assert.equal(publication.ended, false);
    assert.match(w.channel.lastError, /already being published/);
    const { length } = w.opened;
    w.heldBy = 'live/cam is published by 127.0.0.1:1 (test)';
    w.run(60_000);
    assert.equal(w.opened.length, length, 'nothing is fetched that could not be published');
    assert.equal(w.channel.lastError, w.heldBy);
    w.heldBy = '';
    publication.end('gone');
    w.run(12_000);
    assert.equal(w.channel.state, 'live');
  });

  test('with standby a publisher goes first, and the pull goes on behind it', () => {
    const w = new World(1, {}, { busy: 'standby', steadyMs: 0, rankOf: () => 0 });
    w.channel.open();
    w.run(1000);
    w.watch();
    const publication = w.hub.publish(KEY, w.owner('p'));
    publication.setTrack(makeTrack(0, VIDEO));
    for (let i = 0; i < 20; i++) {
      publication.write(0, i % 5 === 0 ? FRAME_KEY : 0, i * 40, i * 40, 0, Buffer.from([200]), VIDEO);
      w.run(40);
    }
    const states = () =>
      w.hub.publishersOf(w.hub.find(KEY.text)!).map(({ owner, state }) => `${owner.protocol} ${state}`);
    assert.deepEqual(states(), ['test active', 'pull standby']);
    publication.end('gone');
    w.run(1000);
    assert.deepEqual(states(), ['pull active']);
    w.checkTimes();
  });

  test('closing ends everything', () => {
    const w = new World(1);
    w.channel.open();
    w.run(1000);
    w.watch();
    w.hub.unregisterOnDemand(KEY);
    w.channel.close('the policy has changed');
    assert.equal(w.channel.state, 'stopped');
    assert.equal(w.last.closed, true);
    w.hub.close('over');
    assert.equal(w.tick.pending, 0);
    assert.deepEqual(w.faults, []);
  });
});
