/** Messages between the benchmark and its load processes, over the IPC channel of a child process. */
import type { PlayerTarget } from './player.ts';
import type { SentCounts } from './publisher.ts';
import type { RtmpTarget } from './rtmp-client.ts';

export interface PublishRequest {
  readonly target: RtmpTarget;
  readonly clipFile: string;
  readonly count: number;
  readonly hasClock: boolean;
}

export interface PlayRequest {
  readonly target: PlayerTarget;
  readonly count: number;
  readonly measuring: boolean;
  /** Connections that may be waiting for the server's first media at the same moment. */
  readonly concurrency: number;
  readonly timeoutMs: number;
}

export interface PlayReply {
  readonly started: number;
  /** Milliseconds from connecting to the first picture, one per started player. */
  readonly firstMediaMs: readonly number[];
  readonly failure: string | undefined;
}

export interface WindowReply {
  readonly seconds: number;
  /** Bytes received per player, in the order of connecting. */
  readonly bytes: readonly number[];
  readonly delaysUs: readonly number[];
  /** Pictures that measuring players missed. */
  readonly gaps: number;
  readonly closed: number;
  readonly failure: string | undefined;
  readonly sent: SentCounts | undefined;
  /** CPU seconds of the load process itself. */
  readonly cpuSeconds: number;
}

/** Operation name to its request and reply. */
export interface Operations {
  publish: { request: PublishRequest; reply: null };
  play: { request: PlayRequest; reply: PlayReply };
  coalesce: { request: { readonly everyMs: number }; reply: null };
  windowStart: { request: null; reply: null };
  windowEnd: { request: null; reply: WindowReply };
  /** Makes every player look for a mark, forgetting what was found for the last one; undefined stops it. */
  seek: { request: { readonly mark?: number }; reply: null };
  /** Position of the mark in bytes for every player, -1 where it has not arrived. */
  found: { request: null; reply: readonly number[] };
  /** Sends a mark; the reply is the count of payload bytes sent before it. */
  mark: { request: { readonly mark: number }; reply: number };
}

export type Operation = keyof Operations;

export interface RequestMessage {
  readonly id: number;
  readonly operation: Operation;
  readonly request: unknown;
}

export interface ReplyMessage {
  readonly id: number;
  readonly reply?: unknown;
  readonly error?: string;
}
