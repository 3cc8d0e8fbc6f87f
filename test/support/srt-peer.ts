/** A program that calls by SRT: sends a transport stream, or takes one. */
import { parseSrtAddress, streamIdOf } from '../../src/client/srt/srt-address.ts';
import { SrtCall } from '../../src/client/srt/srt-call.ts';
import type { SrtLink } from '../../src/client/srt/srt-link.ts';
import { until } from './until.ts';

const PAYLOAD_BYTES = 1316;
/** So many are sent before the process may receive. */
const BATCH = 16;

export class SrtPeer {
  link: SrtLink | null = null;
  readonly received: Uint8Array[] = [];
  /** Why it is over, '' before. */
  ended = '';
  readonly faults: unknown[] = [];
  private readonly call: SrtCall;

  constructor(url: string, connectMs = 5000) {
    const address = parseSrtAddress(url);
    if (address === null) throw new Error(`${url} is no address`);
    this.call = new SrtCall(
      address,
      {
        onConnected: (link) => {
          this.link = link;
        },
        onPayload: (payload) => this.received.push(payload),
        onEnd: (reason) => {
          this.ended = reason;
        },
      },
      {
        streamId: streamIdOf(address, 'request'),
        connectMs,
        nowUs: () => Math.round(performance.now() * 1000),
        after: (delayMs, run) => {
          const timer = setTimeout(run, delayMs);
          return { cancel: () => clearTimeout(timer) };
        },
        onFault: (error) => this.faults.push(error),
        maxBandwidth: 0,
      },
    );
  }

  /** Resolves with a connection. */
  static async connected(url: string): Promise<SrtPeer> {
    const peer = new SrtPeer(url);
    await until('the connection', () => peer.link !== null || peer.ended !== '');
    if (peer.link === null) throw new Error(peer.ended);
    return peer;
  }

  /** Resolves with the reason for which there is no connection. */
  static async refused(url: string): Promise<string> {
    const peer = new SrtPeer(url);
    await until('the refusal', () => peer.link !== null || peer.ended !== '');
    if (peer.link === null) return peer.ended;
    peer.close();
    throw new Error('it was not refused');
  }

  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  /** As fast as the connection takes it. */
  async send(bytes: Buffer): Promise<void> {
    let count = 0;
    for (let at = 0; at < bytes.length; at += PAYLOAD_BYTES) {
      const payload = bytes.subarray(at, at + PAYLOAD_BYTES);
      while (this.link?.send(payload) === false) {
        if (this.ended !== '') throw new Error(this.ended);
        await new Promise((done) => setTimeout(done, 1));
      }
      this.link?.flush();
      if (++count % BATCH === 0) await new Promise((done) => setImmediate(done));
    }
  }

  close(): void {
    this.call.close();
  }
}
