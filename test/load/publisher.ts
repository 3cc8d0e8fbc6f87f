/**
 * Publishers of the load generator: any number of RTMP connections that send the same clip in a loop, one
 * write per message as encoders do. The bytes of a message are made once and shared by all of them; their
 * starts are spread over one second so that neither messages nor key frames coincide.
 */
import { connect, type Socket } from 'node:net';
import { CLOCK_OFFSET, type Clip, type ClipMessage, MARK_NONE, nowUs, stampClock } from './clip.ts';
import { deferred } from './deferred.ts';
import { PUBLISH_CHUNK_SIZE, RtmpClient, type RtmpTarget } from './rtmp-client.ts';
import { MESSAGE_AUDIO, MESSAGE_VIDEO, serializeMessage } from './rtmp-wire.ts';

const SPREAD_US = 1_000_000;
/** A publisher whose socket holds more than this leaves messages out, as an encoder does. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const BASIC_HEADER_BYTES = 12;

const shared = Buffer.allocUnsafeSlow(64 * 1024);

class Publisher {
  readonly socket: Socket;
  rtmp: RtmpClient | undefined;
  startUs = 0;
  next = 0;
  failure: string | undefined;

  constructor(target: RtmpTarget, onChange: () => void) {
    const fail = (reason: string): void => {
      this.failure ??= reason;
      this.socket.destroy();
      onChange();
    };
    const callback = (size: number): boolean => {
      try {
        this.rtmp?.feed(shared, 0, size);
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error));
      }
      if (this.rtmp?.publishing === true && this.startUs === 0) onChange();
      return true;
    };
    this.socket = connect(
      { host: target.host, port: target.port, onread: { buffer: shared, callback } },
      () => {
        this.rtmp = new RtmpClient(this.socket, target, 'publish', () => undefined);
      },
    );
    this.socket.setNoDelay(true);
    this.socket.on('error', (error) => fail(error.message));
    this.socket.on('close', () => fail('closed by the server'));
  }
}

/** What the group has sent since it was asked last. */
export interface SentCounts {
  readonly messages: number;
  readonly bytes: number;
  /** Messages left out because a socket was full. */
  readonly skipped: number;
  readonly failed: number;
  readonly failure: string | undefined;
}

export class PublisherGroup {
  private readonly clip: Clip;
  private readonly publishers: Publisher[] = [];
  private readonly wire: Buffer[] = [];
  private readonly hasClock: boolean;
  private timer: NodeJS.Timeout | undefined;
  private mark = MARK_NONE;
  private onMarked: ((payloadBytes: number) => void) | undefined;
  private payloadBytes = 0;
  private sequence = 0;
  private messages = 0;
  private bytes = 0;
  private skipped = 0;

  constructor(clip: Clip, hasClock: boolean) {
    this.clip = clip;
    this.hasClock = hasClock;
  }

  /** Resolves when all publish; publisher k of more than one has the stream name followed by k. */
  async start(target: RtmpTarget, count: number, concurrency: number, timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = deferred();
    const deadline = setTimeout(
      () => reject(new Error('not every publisher was accepted in time')),
      timeoutMs,
    );
    const origin = nowUs();
    let ready = 0;
    let opened = 0;
    const open = (): void => {
      while (opened < count && opened - ready < concurrency) {
        const index = opened;
        opened += 1;
        const stream = count === 1 ? target.stream : `${target.stream}${index}`;
        const publisher: Publisher = new Publisher({ ...target, stream }, () => {
          if (publisher.failure !== undefined) {
            reject(new Error(`publisher ${index}: ${publisher.failure}`));
          } else if (publisher.startUs === 0) {
            // The phase is fixed by the index, whenever the server gets round to answering.
            const phase = (index * SPREAD_US) / count;
            const seconds = Math.ceil((nowUs() - origin - phase) / SPREAD_US);
            publisher.startUs = origin + phase + seconds * SPREAD_US;
            this.sendPrologue(publisher);
            ready += 1;
            if (ready === count) resolve();
            open();
          }
        });
        this.publishers.push(publisher);
      }
    };
    open();
    this.schedule();
    try {
      await promise;
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Puts a mark into the next picture; resolves to the payload bytes sent before it, in total. */
  markNext(mark: number): Promise<number> {
    const { promise, resolve } = deferred<number>();
    this.mark = mark;
    this.onMarked = resolve;
    return promise;
  }

  takeCounts(): SentCounts {
    const failures = this.publishers.filter((publisher) => publisher.failure !== undefined);
    const counts = {
      messages: this.messages,
      bytes: this.bytes,
      skipped: this.skipped,
      failed: failures.length,
      failure: failures[0]?.failure,
    };
    this.messages = 0;
    this.bytes = 0;
    this.skipped = 0;
    return counts;
  }

  stop(): void {
    clearTimeout(this.timer);
    for (const publisher of this.publishers) publisher.socket.resetAndDestroy();
  }

  private sendPrologue(publisher: Publisher): void {
    for (const message of this.clip.prologue) {
      publisher.socket.write(this.serialize(message, 0, publisher.rtmp?.streamId ?? 1));
    }
  }

  private serialize(message: ClipMessage, timestampMs: number, streamId: number): Buffer {
    const chunkStream = message.type === MESSAGE_VIDEO ? 6 : message.type === MESSAGE_AUDIO ? 4 : 3;
    const { type, payload } = message;
    return serializeMessage(chunkStream, type, streamId, timestampMs, payload, PUBLISH_CHUNK_SIZE);
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      this.sendDue();
      this.schedule();
    }, 1);
  }

  private sendDue(): void {
    const now = nowUs();
    const { messages, durationMs } = this.clip;
    for (const publisher of this.publishers) {
      if (publisher.startUs === 0 || publisher.failure !== undefined) continue;
      for (;;) {
        const turn = Math.floor(publisher.next / messages.length);
        const message = messages[publisher.next - turn * messages.length]!;
        const timestampMs = message.timestampMs + turn * durationMs;
        if (publisher.startUs + timestampMs * 1000 > now) break;
        this.send(publisher, message, timestampMs);
        publisher.next += 1;
      }
    }
  }

  private send(publisher: Publisher, message: ClipMessage, timestampMs: number): void {
    if (publisher.socket.writableLength > MAX_UNSENT_BYTES) {
      this.skipped += 1;
      return;
    }
    let bytes = this.wire[publisher.next];
    if (bytes === undefined) {
      bytes = this.serialize(message, timestampMs, publisher.rtmp?.streamId ?? 1);
      // With one publisher every message is sent once, so nothing is kept.
      if (this.publishers.length > 1) this.wire[publisher.next] = bytes;
    }
    if (this.hasClock && message.hasClock) {
      stampClock(bytes, BASIC_HEADER_BYTES + CLOCK_OFFSET, nowUs(), this.sequence, this.mark);
      this.sequence += 1;
      if (this.onMarked !== undefined) {
        this.onMarked(this.payloadBytes);
        this.onMarked = undefined;
        this.mark = MARK_NONE;
      }
    }
    publisher.socket.write(bytes);
    this.payloadBytes += message.payload.length;
    this.messages += 1;
    this.bytes += bytes.length;
  }
}
