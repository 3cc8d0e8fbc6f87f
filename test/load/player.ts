/**
 * Players of the load generator. Each does the whole opening of its protocol and reads message by message
 * until the first coded picture; from there on most of them only count bytes and look for two marks in
 * them, which costs almost nothing; a measuring player goes on reading every message and takes the delay
 * from the clock inside.
 */
import { createHash } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CLOCK_MAGIC, nowUs, readClock } from './clip.ts';
import { type ByteSink, FlvReader, HttpResponseReader, WebSocketReader } from './flv-wire.ts';
import { RtmpClient } from './rtmp-client.ts';
import { MESSAGE_VIDEO } from './rtmp-wire.ts';
import { RtspClient } from './rtsp-client.ts';

export type PlayerProtocol = 'rtmp' | 'rtsp' | 'http-flv' | 'ws-flv' | 'raw';

export interface PlayerTarget {
  readonly protocol: PlayerProtocol;
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  readonly app: string;
  readonly stream: string;
}

const MARK_BYTES = CLOCK_MAGIC.length + 1;

/** One buffer that every socket of this process reads into: what was read is consumed before the next read. */
const shared = Buffer.allocUnsafeSlow(256 * 1024);
/** What a new search for a mark starts with; reused by all players. */
const seam = Buffer.alloc(2 * MARK_BYTES);

/** Where the mark that is looked for now is written; no player searches while it is undefined. */
export interface MarkSearch {
  needle: Buffer | undefined;
}

export interface PlayerEvents {
  /** The server has answered: the first audio, video or codec configuration has arrived. */
  onJoined(player: Player): void;
  /** The first coded picture, or for `raw` the first byte, has arrived. */
  onStarted(player: Player): void;
  onClosed(player: Player, reason: string): void;
  /** A measuring player received a picture. */
  onPicture(delayUs: number, gap: number): void;
}

export class Player {
  bytes = 0;
  readonly openedAtUs: number;
  joined: boolean = false;
  startedAtUs = 0;
  closed: boolean = false;
  /** Position in bytes of the mark found last, or -1. */
  markAt = -1;
  private tail: Buffer | undefined;
  private parser: ByteSink | undefined;
  private rtmp: RtmpClient | undefined;
  private readonly measuring: boolean;
  private lastSequence = -1;
  private readonly events: PlayerEvents;
  private readonly search: MarkSearch;
  readonly socket: Socket;

  constructor(target: PlayerTarget, measuring: boolean, search: MarkSearch, events: PlayerEvents) {
    this.openedAtUs = nowUs();
    this.measuring = measuring;
    this.search = search;
    this.events = events;
    const onread = { buffer: shared, callback: (size: number): boolean => this.onRead(size) };
    const options = { host: target.host, port: target.port, onread };
    this.socket = target.tls
      ? connectTls({ ...options, rejectUnauthorized: false }, () => this.open(target))
      : connectTcp(options, () => this.open(target));
    this.socket.setNoDelay(true);
    this.socket.on('error', (error) => this.close(error.message));
    this.socket.on('end', () => this.close('ended by the server'));
    this.socket.on('close', () => this.close('closed'));
  }

  /** Ends without leaving a TIME_WAIT behind, so that thousands of runs do not exhaust the ports. */
  stop(): void {
    this.closed = true;
    if (this.socket.destroyed) return;
    if ('encrypted' in this.socket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  private close(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.destroy();
    this.events.onClosed(this, reason);
  }

  private open(target: PlayerTarget): void {
    const onMedia = (type: number, _length: number, head: Buffer): void => this.onMedia(type, head);
    const path = `/${target.app}/${target.stream}.flv`;
    if (target.protocol === 'rtmp') {
      this.rtmp = new RtmpClient(this.socket, target, 'play', onMedia);
      this.parser = this.rtmp;
    } else if (target.protocol === 'rtsp') {
      this.parser = new RtspClient(this.socket, target, undefined, onMedia);
    } else if (target.protocol === 'http-flv') {
      this.parser = new HttpResponseReader(200, new FlvReader(onMedia));
      this.socket.write(`GET ${path} HTTP/1.1\r\nHost: ${target.host}:${target.port}\r\nAccept: */*\r\n\r\n`);
    } else if (target.protocol === 'ws-flv') {
      const key = createHash('sha1')
        .update(String(this.openedAtUs))
        .digest()
        .subarray(0, 16)
        .toString('base64');
      this.parser = new HttpResponseReader(101, new WebSocketReader(new FlvReader(onMedia)));
      this.socket.write(
        `GET ${path} HTTP/1.1\r\nHost: ${target.host}:${target.port}\r\nUpgrade: websocket\r\n` +
          `Connection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
    }
  }

  private onRead(size: number): boolean {
    const before = this.bytes;
    this.bytes = before + size;
    if (this.search.needle !== undefined && this.markAt < 0) this.findMark(this.search.needle, size, before);
    if (this.parser !== undefined) {
      try {
        this.parser.feed(shared, 0, size);
      } catch (error) {
        this.close(error instanceof Error ? error.message : String(error));
      }
    } else if (this.rtmp !== undefined) {
      this.rtmp.acknowledge(this.bytes);
    } else if (before === 0) {
      this.started();
    }
    return true;
  }

  /** A mark can lie across two reads, so the last bytes of a read without one are kept for the next. */
  private findMark(needle: Buffer, size: number, before: number): void {
    if (this.tail !== undefined) {
      const kept = this.tail.length;
      this.tail.copy(seam);
      const added = shared.copy(seam, kept, 0, Math.min(size, MARK_BYTES - 1));
      const at = seam.subarray(0, kept + added).indexOf(needle);
      if (at >= 0) {
        this.foundMark(before - kept + at);
        return;
      }
    }
    const at = shared.subarray(0, size).indexOf(needle);
    if (at >= 0) {
      this.foundMark(before + at);
      return;
    }
    const fresh = Buffer.from(shared.subarray(Math.max(0, size - MARK_BYTES + 1), size));
    const kept = size < MARK_BYTES - 1 ? this.tail : undefined;
    this.tail = kept === undefined ? fresh : Buffer.concat([kept, fresh]).subarray(1 - MARK_BYTES);
  }

  private foundMark(at: number): void {
    this.markAt = at;
    this.tail = undefined;
  }

  private onMedia(type: number, head: Buffer): void {
    this.join();
    if (type !== MESSAGE_VIDEO || head[1] !== 1) return;
    const isFirst = this.startedAtUs === 0;
    if (isFirst) this.started();
    if (!this.measuring) {
      this.parser = undefined;
      return;
    }
    const clock = readClock(head);
    if (clock === undefined) return;
    const gap = this.lastSequence < 0 ? 0 : clock.sequence - this.lastSequence - 1;
    this.lastSequence = clock.sequence;
    this.events.onPicture(nowUs() - clock.timeUs, Math.max(0, gap));
  }

  private join(): void {
    if (this.joined) return;
    this.joined = true;
    this.events.onJoined(this);
  }

  private started(): void {
    this.join();
    this.startedAtUs = nowUs();
    this.events.onStarted(this);
  }
}
