/** Who may stay in HTTP/2 and for how long, by a clock that the test moves. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerHttp2Session } from 'node:http2';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { Http2Sessions, hasSoundHttp2 } from '../../../src/runtime/http2-sessions.ts';
import { LogHub, type LogLine } from '../../../src/util/log.ts';

class FakeSession extends EventEmitter {
  closed = false;
  destroyed = false;
  code = 0;
  window = 0;

  setLocalWindowSize(size: number): void {
    this.window = size;
  }

  close(): void {
    this.closed = true;
  }

  goaway(code: number): void {
    this.code = code;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1';
  destroyed = false;

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

class FakeStream extends EventEmitter {
  rstCode = 0;

  end(code: number): void {
    this.rstCode = code;
    this.emit('close');
  }
}

class Rig {
  nowMs = 5000;
  readonly lines: LogLine[] = [];
  readonly sessions = new Http2Sessions({
    handshakeMs: 1000,
    idleMs: 10_000,
    log: new LogHub('debug', (line) => this.lines.push(line)).logger(),
    nowMs: () => this.nowMs,
  });

  add(isReady = true) {
    const session = new FakeSession();
    const socket = new FakeSocket();
    this.sessions.add(session as unknown as ServerHttp2Session, socket as unknown as TLSSocket);
    if (isReady) session.emit('remoteSettings');
    return { session, socket };
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.sessions.check();
  }
}

function request(session: FakeSession): FakeStream {
  const stream = new FakeStream();
  session.emit('stream', stream);
  return stream;
}

test('http2 sessions: no SETTINGS after the handshake time', () => {
  const rig = new Rig();
  const silent = rig.add(false);
  const ready = rig.add();
  rig.pass(1000);
  assert.equal(silent.socket.destroyed, false);
  rig.pass(1);
  assert.equal(silent.socket.destroyed, true);
  assert.equal(ready.socket.destroyed, false);
  assert.equal(rig.sessions.size, 1);
});

test('http2 sessions: idle ones are told to go, then cut; one that waits for an answer is not idle', () => {
  const rig = new Rig();
  const { session, socket } = rig.add();
  const waiting = request(session);
  rig.pass(600_000);
  assert.equal(session.closed, false);
  waiting.end(0);
  session.emit('ping');
  rig.pass(10_000);
  assert.equal(session.closed, false);
  session.emit('ping');
  rig.pass(1);
  assert.equal(session.closed, true, 'pings are no requests');
  assert.equal(socket.destroyed, false);
  rig.pass(5000);
  assert.equal(socket.destroyed, false);
  rig.pass(1);
  assert.equal(socket.destroyed, true);
  assert.equal(rig.sessions.size, 0);
});

test('http2 sessions: counts begin anew at each look', () => {
  const events: readonly [string, number, (session: FakeSession) => void][] = [
    ['SETTINGS', 20, (session) => session.emit('remoteSettings')],
    ['PING', 50, (session) => session.emit('ping')],
    ['cancelled', 200, (session) => request(session).end(8)],
  ];
  for (const [name, most, act] of events) {
    const rig = new Rig();
    const { session, socket } = rig.add();
    for (let round = 0; round < 3; round++) {
      rig.pass(1);
      for (let i = 0; i < most; i++) act(session);
      assert.equal(session.destroyed, false, name);
    }
    act(session);
    assert.equal(session.destroyed, true, name);
    assert.equal(session.code, 11, 'ENHANCE_YOUR_CALM');
    assert.deepEqual(
      rig.lines.map((line) => [line.event, line.fields['remote']]),
      [['http2.flood', '192.0.2.1']],
    );
    assert.match(String(rig.lines[0]?.fields['cause']), new RegExp(name));
    act(session);
    assert.equal(rig.lines.length, 1);
    rig.pass(5001);
    assert.equal(socket.destroyed, true, name);
  }
});

test('http2 sessions: requests that end properly are no flood', () => {
  const rig = new Rig();
  const { session } = rig.add();
  for (let i = 0; i < 5000; i++) request(session).end(0);
  assert.equal(session.destroyed, false);
});

test('http2 sessions: closing', () => {
  const rig = new Rig();
  const early = rig.add();
  const running = request(early.session);
  rig.sessions.close();
  const late = rig.add();
  assert.deepEqual([early.session.closed, late.session.closed], [true, true]);
  rig.pass(60_000);
  assert.deepEqual([early.socket.destroyed, late.socket.destroyed], [false, true]);
  running.end(0);
  rig.sessions.destroy();
  assert.equal(early.socket.destroyed, true);
  assert.equal(rig.sessions.size, 0);
});

test('http2 sessions: releases of Node whose HTTP/2 can be made to crash', () => {
  const cases: readonly [string, boolean][] = [
    ['18.20.4', false],
    ['20.11.0', false],
    ['20.12.0', false],
    ['20.12.1', true],
    ['20.19.5', true],
    ['21.7.1', false],
    ['21.7.2', true],
    ['22.23.2', true],
    ['24.0.0-nightly', true],
  ];
  for (const [version, isSound] of cases) assert.equal(hasSoundHttp2(version), isSound, version);
});
