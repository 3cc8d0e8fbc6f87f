import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http1Sink, Http2Sink } from '../../../../src/protocol/http-live/live-sink.ts';

/** Stands for a socket or an HTTP/2 stream. */
class FakeStream {
  writableLength = 0;
  destroyed = false;
  readonly written: string[] = [];
  /** Without it a sink writes through `write`, as it does over TLS. */
  readonly encrypted = true;

  write(bytes: Uint8Array): void {
    this.written.push(Buffer.from(bytes).toString('latin1'));
  }
}

function http2(): { sink: Http2Sink; stream: FakeStream; log: unknown[] } {
  const stream = new FakeStream();
  const log: unknown[] = [];
  const response = { writeHead: (status: number, headers: object) => log.push([status, headers]) };
  const sink = new Http2Sink(response as never, stream as never, { 'Content-Type': 'video/mp2t' }, (reason) =>
    log.push(reason),
  );
  return { sink, stream, log };
}

test('HTTP/2: the headers go out with the first bytes, once', () => {
  const { sink, stream, log } = http2();
  assert.deepEqual([sink.hasBegun, log.length], [false, 0]);
  sink.write(Buffer.from('a'));
  sink.write(Buffer.from('b'));
  assert.deepEqual(log, [[200, { 'Content-Type': 'video/mp2t' }]]);
  assert.deepEqual(stream.written, ['a', 'b']);
  assert.equal(sink.hasBegun, true);
});

test('HTTP/2: a stream that holds too much takes nothing, one that is gone gets nothing', () => {
  const { sink, stream, log } = http2();
  stream.writableLength = 512 * 1024 - 1;
  assert.equal(sink.writable(), true);
  stream.writableLength = 512 * 1024;
  assert.equal(sink.writable(), false);
  stream.destroyed = true;
  sink.write(Buffer.from('a'));
  assert.deepEqual([stream.written, log, sink.hasBegun], [[], [], false]);
});

test('HTTP/2: the end is told on', () => {
  const { sink, log } = http2();
  sink.end('why');
  assert.deepEqual(log, ['why']);
});

test('HTTP/1.1: status line and headers stand before the first bytes, in one write', () => {
  const socket = new FakeStream();
  const ends: string[] = [];
  const sink = new Http1Sink(socket as never, { Server: 'x', Connection: 'close' }, (reason) =>
    ends.push(reason),
  );
  assert.equal(sink.hasBegun, false);
  sink.write(Buffer.from('a'));
  sink.write(Buffer.from('b'));
  assert.deepEqual(socket.written, ['HTTP/1.1 200 OK\r\nServer: x\r\nConnection: close\r\n\r\na', 'b']);
  assert.equal(sink.hasBegun, true);
  sink.end('why');
  assert.deepEqual(ends, ['why']);
});
