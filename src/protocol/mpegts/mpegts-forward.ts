/**
 * Sends one of our streams as MPEG-TS in datagrams, plain or in RTP (RFC 2250), to a host or a multicast group. To the
 * stream it is a player like any other that begins with the next key frame, so that nothing goes out in a burst; frames
 * go out as they come, seven packets to a datagram. Tables and clock references come often enough for who joins late.
 */

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { parseTsAddress, type TsAddress } from '../../client/mpegts/ts-address.ts';
import { closeQuietly, openSender } from '../../client/mpegts/ts-socket.ts';
import type { Sink } from '../../media/sink.ts';
import type { Subscription } from '../../media/subscription.ts';
import { tsFormat } from '../../packaging/ts-feed.ts';
import type { ForwardRequest, ModuleContext, OutgoingForward } from '../../runtime/module.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../wire/rtp/rtp-packet.ts';

const WAIT_FOR_SOURCE_MS = 2000;
/** What fits into the MTU of Ethernet with all headers. */
const DATAGRAM_BYTES = 7 * 188;
/** What may wait in the socket before datagrams are left out. */
const HIGH_WATER_BYTES = 2 * 1024 * 1024;
/** MP2T (RFC 3551 table 5). */
const RTP_PAYLOAD_TYPE = 33;

export class MpegtsForward implements OutgoingForward, Sink {
  private readonly context: ModuleContext;
  private readonly request: ForwardRequest;
  private readonly address: TsAddress | null;
  private readonly socket: Socket | null;
  private readonly isRtp: boolean;
  private readonly ssrc = randomBytes(4).readUInt32BE();
  private sequence = randomBytes(2).readUInt16BE();
  private subscription: Subscription | null = null;
  private isReady = false;
  private ended = false;

  constructor(context: ModuleContext, request: ForwardRequest) {
    this.context = context;
    this.request = request;
    this.address = parseTsAddress(request.url);
    this.isRtp = this.address?.scheme === 'rtp';
    if (this.address === null) {
      this.socket = null;
      context.tick.after(0, () => this.finish(`${request.url} is no address for datagrams`));
      return;
    }
    this.socket = openSender(
      this.address,
      () => this.start(),
      (error) => this.onError(error),
    );
  }

  private start(): void {
    if (this.ended) return;
    this.isReady = true;
    try {
      const { source } = this.request;
      this.subscription = this.context.hub.subscribe(source, tsFormat, this, 'live', WAIT_FOR_SOURCE_MS);
    } catch (error) {
      this.finish((error as Error).message);
      return;
    }
    this.request.onLive();
  }

  /** Nobody who listens (ICMP) is no reason to stop: who sends datagrams does not wait for the other side. */
  private onError(error: NodeJS.ErrnoException): void {
    if (!this.isReady) this.finish(error.code ?? error.message);
  }

  bytesSent(): number {
    return this.subscription?.bytesSent ?? 0;
  }

  writable(): boolean {
    return this.socket !== null && this.socket.getSendQueueSize() < HIGH_WATER_BYTES;
  }

  /** Always whole packets; what is left over after a frame is not kept for the next. */
  write(bytes: Uint8Array): void {
    const { socket } = this;
    if (socket === null || this.ended) return;
    const timestamp = Math.round((this.context.clock.nowUs() * 9) / 100) % 0x1_0000_0000;
    for (let at = 0; at < bytes.length; at += DATAGRAM_BYTES) {
      const part = bytes.subarray(at, Math.min(at + DATAGRAM_BYTES, bytes.length));
      if (this.isRtp) socket.send([this.header(timestamp), part], ignore);
      else socket.send(part, ignore);
    }
  }

  private header(timestamp: number): Buffer {
    const header = Buffer.allocUnsafe(RTP_HEADER_BYTES);
    writeRtpHeader(header, 0, RTP_PAYLOAD_TYPE, false, this.sequence, timestamp, this.ssrc);
    this.sequence = (this.sequence + 1) & 0xffff;
    return header;
  }

  /** The stream ended. */
  end(reason: string): void {
    this.finish(reason);
  }

  private finish(reason: string): void {
    if (this.ended) return;
    this.close();
    this.request.onEnd(reason);
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.subscription?.close();
    if (this.socket !== null) closeQuietly(this.socket);
  }
}

/** What cannot be delivered is lost, as it is on the way. */
function ignore(): void {}
