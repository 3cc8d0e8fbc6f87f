/** Recorded streams as bodies that a publisher sends, and what a stream's consumer gets of them. */
import assert from 'node:assert/strict';
import { type ClientRequest, type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { FRAME_KEY, type Frame } from '../../src/media/frame.ts';
import type { StreamHub } from '../../src/media/stream-hub.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import type { Track } from '../../src/media/track.ts';
import { flvFormat } from '../../src/packaging/flv-feed.ts';
import { fmp4Format } from '../../src/packaging/fmp4-feed.ts';
import { tsFormat } from '../../src/packaging/ts-feed.ts';
import { encodeAll, openEncoder, type Recording, recordingOfTags } from './feed-frames.ts';
import { demoTags } from './flv-tags.ts';

const FORMATS = { flv: flvFormat, ts: tsFormat, mp4: fmp4Format };
export type BodyFormat = keyof typeof FORMATS;
export const BODY_FORMATS = Object.keys(FORMATS) as BodyFormat[];

/** The first seconds of the clip of the built-in channel. */
export function demoRecording(seconds: number): Recording {
  const tags = demoTags().filter(({ timestamp }) => timestamp < seconds * 1000);
  return recordingOfTags(
    tags.map(({ type, timestamp, payload }) => ({ type, timestampMs: timestamp, body: payload })),
  );
}

const CLIP = demoRecording(3);

/** Beginning, one piece per frame, end; empty ones are left out. */
export function bodyOf(format: BodyFormat, recording: Recording = CLIP): Buffer[] {
  const encoder = openEncoder(FORMATS[format], recording);
  const frames = encodeAll(encoder, recording.frames);
  const start = Buffer.from(encoder.prologue(recording.frames[0]!.dts));
  const end = Buffer.from(encoder.epilogue(recording.frames.at(-1)!.dts));
  return [start, ...frames, end].filter((part) => part.length > 0);
}

/** Takes every frame of a stream from before it begins. */
export class StreamWitness {
  tracks: readonly Track[] = [];
  readonly frames: Frame[] = [];
  pauses = 0;
  ended = '';
  readonly detach: () => void;

  constructor(hub: StreamHub, app: string, name: string) {
    const consumer = {
      onTracks: (tracks: readonly Track[]) => {
        this.tracks = tracks;
      },
      onFrame: (frame: Frame) => void this.frames.push(frame),
      onPause: () => void this.pauses++,
      onEnd: (reason: string) => {
        this.ended = reason;
      },
    };
    this.detach = hub.consume(makeStreamKey(app, name), consumer, 20_000).detach;
  }

  ofKind(kind: 'video' | 'audio'): Frame[] {
    const ids = this.tracks.filter((track) => track.kind === kind).map(({ id }) => id);
    return this.frames.filter(({ trackId }) => ids.includes(trackId));
  }

  /** Every frame of the recording came, bit by bit; transport streams put parameter sets in front of key frames. */
  assertWhole(recording: Recording = CLIP, missing = 0): void {
    for (const kind of ['video', 'audio'] as const) {
      const ids = recording.tracks.filter((track) => track.kind === kind).map(({ id }) => id);
      const sent = recording.frames.filter(({ trackId }) => ids.includes(trackId));
      const got = this.ofKind(kind);
      assert.equal(got.length, sent.length - (kind === 'video' ? missing : 0), `frames of ${kind}`);
      for (const [index, frame] of got.entries()) {
        const { payload, flags } = sent[index]!;
        const tail = frame.payload.subarray(frame.payload.length - payload.length);
        assert.equal(Buffer.compare(tail, payload), 0, `${kind} frame ${index}`);
        assert.equal(frame.flags & FRAME_KEY, flags & FRAME_KEY, `key frame ${index}`);
        const step = frame.dts - got[0]!.dts;
        assert.ok(
          Math.abs(step - (sent[index]!.dts - sent[0]!.dts)) < 1500,
          `time of ${kind} frame ${index}`,
        );
      }
    }
  }
}

export interface PostOptions {
  readonly port: number;
  readonly path: string;
  readonly method?: string;
  readonly tls?: boolean;
  readonly headers?: Readonly<Record<string, string | number>>;
}

export interface PostAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A request whose body is written by hand. */
export class Post {
  readonly request: ClientRequest;
  readonly answer: Promise<PostAnswer>;
  /** The server said 100. */
  isContinued = false;
  isClosed = false;

  constructor({ port, path, method = 'POST', tls = false, headers = {} }: PostOptions) {
    const send = tls ? requestHttps : requestHttp;
    this.request = send({
      host: '127.0.0.1',
      port,
      path,
      method,
      headers,
      agent: false,
      rejectUnauthorized: false,
    });
    this.request.on('continue', () => {
      this.isContinued = true;
    });
    this.request.on('close', () => {
      this.isClosed = true;
    });
    this.answer = new Promise((resolve, reject) => {
      this.request.on('error', reject);
      this.request.on('response', (response) => {
        const parts: Buffer[] = [];
        const done = () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(parts).toString('utf8'),
          });
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', done);
        response.on('error', done);
      });
    });
    this.answer.catch(() => undefined);
  }

  write(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.request.write(part);
    return this;
  }

  end(): Promise<PostAnswer> {
    this.request.end();
    return this.answer;
  }
}
