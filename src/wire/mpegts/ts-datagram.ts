/**
 * Datagrams of one sender to the bytes of a transport stream: as they are (senders often cut packets in two), or behind
 * RTP headers (RFC 2250, payload type 33 or a dynamic one), put in order by their sequence numbers. The first datagram
 * tells which of both it is. Leaves out forward error correction (SMPTE 2022-1) and RTCP.
 */
import { ReorderBuffer, type ReorderOutput } from '../rtp/reorder-buffer.ts';
import { isRtcp, RtpPacket } from '../rtp/rtp-packet.ts';
import { looksLikeTs } from './ts-reader.ts';

export type TsTransport = 'udp' | 'rtp';

/** Packets are put in order within this many, and wait no longer for one that is missing. */
const REORDER_LIMITS = { packets: 256, waitUs: 100_000 };
const PACKET_BYTES = 188;
const SYNC_BYTE = 0x47;

const probe = new RtpPacket();

/** How a sender's first datagram carries a transport stream; '' = it is something else. */
export function transportOf(datagram: Uint8Array): TsTransport | '' {
  if (beginsWithPackets(datagram, 0, datagram.length)) return 'udp';
  if (!isRtcp(datagram) && probe.parse(datagram)) {
    if (beginsWithPackets(datagram, probe.payloadStart, probe.payloadEnd)) return 'rtp';
  }
  return looksLikeTs(datagram) ? 'udp' : '';
}

function beginsWithPackets(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < PACKET_BYTES || bytes[start] !== SYNC_BYTE) return false;
  return end - start <= PACKET_BYTES || bytes[start + PACKET_BYTES] === SYNC_BYTE;
}

export class TsDatagramReader implements ReorderOutput {
  readonly transport: TsTransport;
  /** Datagrams that are no RTP, or have another payload than the first. */
  strange = 0;
  private readonly onBytes: (bytes: Uint8Array) => void;
  private readonly reorder: ReorderBuffer;
  private readonly rtp = new RtpPacket();
  private payloadType = -1;

  /** `onBytes` gets views that are valid during the call only. */
  constructor(transport: TsTransport, onBytes: (bytes: Uint8Array) => void) {
    this.transport = transport;
    this.onBytes = onBytes;
    this.reorder = new ReorderBuffer(this, REORDER_LIMITS);
  }

  /** RTP packets that never came. */
  get lost(): number {
    return this.reorder.lost;
  }

  /** Hot path. */
  push(datagram: Uint8Array, nowUs: number): void {
    if (this.transport === 'udp') {
      this.onBytes(datagram);
      return;
    }
    const { rtp } = this;
    if (isRtcp(datagram)) return;
    if (!rtp.parse(datagram)) {
      this.strange++;
      return;
    }
    if (this.payloadType < 0) this.payloadType = rtp.payloadType;
    if (rtp.payloadType === this.payloadType) this.reorder.push(datagram, rtp.sequence, nowUs);
    else this.strange++;
  }

  packet(bytes: Uint8Array): void {
    const { rtp } = this;
    if (rtp.parse(bytes)) this.onBytes(bytes.subarray(rtp.payloadStart, rtp.payloadEnd));
  }
}
