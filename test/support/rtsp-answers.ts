/** The server's side of an RTSP client session in tests: reads what the session asks, answers in words of the test. */
import assert from 'node:assert/strict';
import type { CodecConfig } from '../../src/codec/codec-config.ts';
import type { Track } from '../../src/media/track.ts';
import type { RtspRequest } from '../../src/wire/rtsp/rtsp-message.ts';
import { RtspReader } from '../../src/wire/rtsp/rtsp-reader.ts';

export class RtspAnswers {
  /** Interleaved frames of the client: channel and payload. */
  readonly frames: (readonly [channel: number, payload: Buffer])[] = [];
  private readonly requests: RtspRequest[] = [];
  private readonly answers: number[] = [];
  private readonly reader: RtspReader;
  private readonly deliver: (bytes: Buffer) => void;
  private last: RtspRequest | null = null;

  /** `deliver` gives bytes to the session. */
  constructor(deliver: (bytes: Buffer) => void) {
    this.deliver = deliver;
    this.reader = new RtspReader({
      request: (request) => this.requests.push(request),
      response: ({ status }) => this.answers.push(status),
      interleaved: (channel, payload) => this.frames.push([channel, Buffer.from(payload)]),
    });
  }

  /** What the session writes. */
  write(bytes: Uint8Array): void {
    this.reader.receive(bytes);
  }

  /** The next request, which must be this one. */
  asked(line: string): RtspRequest {
    const request = this.requests.shift();
    assert.ok(request, `nothing was asked, not ${line}`);
    assert.equal(`${request.method} ${request.uri}`, line);
    this.last = request;
    return request;
  }

  /** Nothing is asked that was not looked at. */
  quiet(): void {
    assert.deepEqual(
      this.requests.map(({ method, uri }) => `${method} ${uri}`),
      [],
    );
  }

  /** Status of the client's next answer. */
  answered(): number {
    return this.answers.shift() ?? 0;
  }

  /** Answers the last request that was looked at. `CSeq` in the fields replaces the right one. */
  answer(status: number, fields: readonly string[] = [], body = ''): void {
    const own = fields.some((field) => field.startsWith('CSeq'))
      ? []
      : [`CSeq: ${this.last?.headers.get('CSeq')}`];
    const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
    const head = [`RTSP/1.0 ${status} Whatever`, ...own, ...fields, ...length].join('\r\n');
    this.say(`${head}\r\n\r\n${body}`);
  }

  say(text: string): void {
    this.deliver(Buffer.from(text, 'latin1'));
  }

  /** An interleaved frame. */
  frame(channel: number, payload: Buffer): void {
    this.deliver(Buffer.concat([Buffer.of(0x24, channel, payload.length >> 8, payload.length), payload]));
  }
}

/** RTP packet of this payload type. */
export function rtp(
  payloadType: number,
  sequence: number,
  timestamp: number,
  payload: Buffer,
  ssrc = 7,
): Buffer {
  const head = Buffer.alloc(12);
  head[0] = 0x80;
  head[1] = payloadType | 0x80;
  head.writeUInt16BE(sequence, 2);
  head.writeUInt32BE(timestamp, 4);
  head.writeUInt32BE(ssrc, 8);
  return Buffer.concat([head, payload]);
}

/** Tracks and frames of an ingest. */
export class FoundFrames {
  readonly tracks: string[] = [];
  readonly frames: string[] = [];

  setTrack({ id, config }: Track): void {
    this.tracks.push(`${id} ${config.codec}`);
  }

  write(
    trackId: number,
    _flags: number,
    _dtsMs: number,
    _ptsMs: number,
    _durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    this.frames.push(`${trackId} ${config.codec} ${payload.length}`);
  }
}
