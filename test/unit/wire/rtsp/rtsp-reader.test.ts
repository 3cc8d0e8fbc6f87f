import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ProtocolError } from '../../../../src/util/errors.ts';
import {
  RtspHeaders,
  type RtspMessage,
  rtspRequest,
  rtspResponse,
  serializeRtsp,
} from '../../../../src/wire/rtsp/rtsp-message.ts';
import { RtspReader } from '../../../../src/wire/rtsp/rtsp-reader.ts';

const VECTORS = new URL('../../../vectors/rtsp/', import.meta.url);

class Heard {
  readonly messages: RtspMessage[] = [];
  readonly frames: string[] = [];
  /** Everything in its order. */
  readonly log: string[] = [];

  request(message: RtspMessage): void {
    this.messages.push(message);
    this.log.push(serializeRtsp(message).toString());
  }

  response(message: RtspMessage): void {
    this.request(message);
  }

  interleaved(channel: number, payload: Uint8Array): void {
    const text = `${channel}:${Buffer.from(payload).toString('hex')}`;
    this.frames.push(text);
    this.log.push(text);
  }
}

function read(bytes: Uint8Array, cuts: (length: number) => number): Heard {
  const heard = new Heard();
  const reader = new RtspReader(heard);
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, cuts(bytes.length - at));
    // A copy that is overwritten afterwards: whoever keeps a view of it is found out.
    const piece = Uint8Array.from(bytes.subarray(at, at + size));
    reader.receive(piece);
    piece.fill(0x2a);
    at += size;
  }
  return heard;
}

function splits(bytes: Uint8Array): Heard[] {
  let state = 7;
  const random = () => {
    state = (state * 1103515245 + 12345) % 0x8000_0000;
    return 1 + (state % 97);
  };
  return [read(bytes, (left) => left), read(bytes, () => 1), read(bytes, random), read(bytes, () => 1460)];
}

function readText(text: string): Heard {
  const [whole, ...others] = splits(Buffer.from(text, 'latin1'));
  for (const other of others) assert.deepEqual(other.log, whole!.log);
  return whole!;
}

/** Of each recorded file: how many messages and interleaved frames it holds, and the first message's beginning. */
const RECORDED: Readonly<Record<string, readonly [messages: number, frames: number, first: string]>> = {
  'rtsp-play-ffmpeg51-digest.c2s.bin': [6, 0, 'OPTIONS rtsp://127.0.0.1:8554/cam '],
  'rtsp-play-ffmpeg51-digest.s2c.bin': [5, 13, 'RTSP/1.0 200 OK'],
  'rtsp-play-ffmpeg51-tcp-zlm.c2s.bin': [6, 0, 'OPTIONS rtsp://127.0.0.1:8554/live/z '],
  'rtsp-play-ffmpeg51-tcp-zlm.s2c.bin': [5, 4, 'RTSP/1.0 200 OK'],
  'rtsp-play-ffmpeg51-udp.c2s.bin': [6, 0, 'OPTIONS '],
  'rtsp-play-ffmpeg51-udp.s2c.bin': [6, 0, 'RTSP/1.0 200 OK'],
  'rtsp-play-gst-basic.c2s.bin': [7, 0, 'OPTIONS '],
  'rtsp-play-gst-missing.s2c.bin': [2, 0, 'RTSP/1.0 200 OK'],
  'rtsp-record-ffmpeg51-udp.c2s.bin': [6, 0, 'OPTIONS '],
  'rtsp-record-ffmpeg51-udp.s2c.bin': [6, 0, 'RTSP/1.0 200 OK'],
  'rtsp-record-gst-rtspclientsink-tcp-gstserver.s2c.bin': [6, 1, 'RTSP/1.0 200 OK'],
  'rtsp-record-gst-rtspclientsink-tcp.c2s.bin': [5, 27, 'OPTIONS '],
};

for (const file of readdirSync(VECTORS).filter((name) => name.endsWith('.bin'))) {
  test(`rtsp reader: ${file} in pieces of every size`, () => {
    const bytes = readFileSync(new URL(file, VECTORS));
    const [whole, ...others] = splits(bytes);
    const [messages, frames, first] = RECORDED[file] ?? [0, 0, ''];
    assert.deepEqual([whole!.messages.length, whole!.frames.length], [messages, frames]);
    assert.ok(whole!.log[0]!.startsWith(first), whole!.log[0]);
    for (const other of others) assert.deepEqual(other.log, whole!.log);
  });
}

test('rtsp reader: what was serialized reads the same', () => {
  const headers = RtspHeaders.of({ CSeq: '7', Session: 'abc' }).add('X', '1').add('X', '2');
  const body = Buffer.from('v=0\r\n');
  for (const message of [rtspRequest('ANNOUNCE', 'rtsp://h/a', headers, body), rtspResponse(200, headers)]) {
    const [copy] = readText(serializeRtsp(message).toString('latin1')).messages;
    assert.deepEqual(copy!.headers.all('x'), ['1', '2']);
    assert.deepEqual(serializeRtsp(copy!), serializeRtsp(message));
  }
});

test('rtsp message: a value cannot begin another header field', () => {
  const text = serializeRtsp(rtspResponse(200, RtspHeaders.of({ CSeq: '1\r\nX: y' }))).toString();
  assert.equal(text, 'RTSP/1.0 200 OK\r\nCSeq: 1 X: y\r\n\r\n');
});

test('rtsp reader: bare line feeds, missing reasons, folded lines, lines without a name', () => {
  const { messages } = readText(
    'RTSP/1.0 200\ncseq:3\nPublic: A,\n  B\nnonsense\n:x\n\nRTSP/1.0 404 Not Found\r\nCSeq : 4\r\n\n',
  );
  const [first, second] = messages;
  assert.ok(first?.kind === 'response' && second?.kind === 'response');
  assert.deepEqual([first.status, first.reason, first.headers.get('Public')], [200, '', 'A, B']);
  assert.deepEqual([second.status, second.headers.get('CSEQ')], [404, '4']);
});

test('rtsp reader: frames between messages, padding between both', () => {
  const { log } = readText(
    '\r\n$\x01\0\x02ab\0\0$\x03\0\0OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n\r\n\r\n$\0\0\x01z',
  );
  assert.deepEqual(log, ['1:6162', '3:', 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n', '0:7a']);
});

test('rtsp reader: a frame in one piece is a view of that piece', () => {
  const bytes = Buffer.from('$\0\0\x03abc$\x01\0\x01d', 'latin1');
  const buffers: ArrayBufferLike[] = [];
  const output = {
    request() {},
    response() {},
    interleaved: (_: number, payload: Uint8Array) => buffers.push(payload.buffer),
  };
  new RtspReader(output).receive(bytes);
  assert.deepEqual(buffers, [bytes.buffer, bytes.buffer]);
});

test('rtsp reader: a body is our own memory, and blanks in the address stay', () => {
  const { messages } = readText('SET_PARAMETER rtsp://h/my cam RTSP/1.0\r\nContent-length: 3\r\n\r\nabc');
  const [message] = messages;
  assert.ok(message?.kind === 'request');
  assert.equal(message.uri, 'rtsp://h/my cam');
  assert.equal(Buffer.from(message.body).toString(), 'abc');
});

test('rtsp reader: the request of an HTTP tunnel ends with its header, the rest is kept', () => {
  const heard = new Heard();
  const reader = new RtspReader({
    request(message) {
      heard.request(message);
      reader.stop();
    },
    response: () => assert.fail(),
    interleaved: () => assert.fail(),
  });
  reader.receive(Buffer.from('POST /live/cam HTTP/1.0\r\nx-sessioncookie: abc\r\nContent-Le'));
  reader.receive(Buffer.from('ngth: 32767\r\n\r\nT1BUSU9OUw=='));
  assert.equal(heard.messages[0]!.version, 'HTTP/1.0');
  assert.equal(Buffer.from(reader.rest).toString(), 'T1BUSU9OUw==');
});

const BROKEN: readonly (readonly [name: string, text: string, code: string])[] = [
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'rtsp.bad-start-line'],
  ['another version', 'OPTIONS * FOO/1.0\r\n\r\n', 'rtsp.bad-start-line'],
  ['status below 100', 'RTSP/1.0 099 x\r\n\r\n', 'rtsp.bad-status'],
  [
    'lengths that differ',
    'OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'rtsp.bad-content-length',
  ],
  ['a negative length', 'OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n', 'rtsp.bad-content-length'],
  ['a huge body', 'OPTIONS * RTSP/1.0\r\nContent-Length: 65537\r\n\r\n', 'rtsp.body-too-big'],
  ['a huge header', `OPTIONS * RTSP/1.0\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`, 'rtsp.header-too-big'],
  ['a header without end', `OPTIONS * RTSP/1.0\r\nX: ${'a'.repeat(17_000)}`, 'rtsp.header-too-big'],
  ['too many fields', `OPTIONS * RTSP/1.0\r\n${'a:b\r\n'.repeat(129)}\r\n`, 'rtsp.too-many-headers'],
  ['nothing but noise', '\0'.repeat(5000), 'rtsp.no-message'],
];

for (const [name, text, code] of BROKEN) {
  test(`rtsp reader: ${name} is refused`, () => {
    const bytes = Buffer.from(text, 'latin1');
    for (const size of [bytes.length, 1, 700]) {
      assert.throws(
        () => read(bytes, () => size),
        (error) => error instanceof ProtocolError && error.code === code,
      );
    }
  });
}
