/** Both directions of one media: what the peer sends is opened with the keys that it told, ours goes out with our own. */
import type { SrtpKeys } from './srtp-profile.ts';
import { SrtpReceiver } from './srtp-receiver.ts';
import { SrtpSender } from './srtp-sender.ts';
import { MAX_SRTP_PACKET_BYTES } from './workspace.ts';

/** One for all: what is opened is read before the next packet is. */
const opened = Buffer.allocUnsafeSlow(MAX_SRTP_PACKET_BYTES);

export class SrtpMedia {
  readonly sender: SrtpSender;
  readonly receiver: SrtpReceiver;

  constructor(own: SrtpKeys, theirs: SrtpKeys) {
    this.sender = new SrtpSender(own);
    this.receiver = new SrtpReceiver(theirs);
  }

  /** Hot path. The packet, valid until the next call of any; null = it is not the peer's. */
  open(packet: Uint8Array, isRtcp: boolean): Uint8Array | null {
    const { receiver } = this;
    const length = isRtcp ? receiver.unprotectRtcp(packet, opened) : receiver.unprotectRtp(packet, opened);
    return length < 0 ? null : opened.subarray(0, length);
  }

  /** A packet of its own; empty when there is none (the key is used up). */
  sealRtcp(packet: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(packet.length + this.sender.rtcpOverhead);
    return out.subarray(0, Math.max(0, this.sender.protectRtcp(packet, out, 0)));
  }

  sealRtp(packet: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(packet.length + this.sender.rtpOverhead);
    return out.subarray(0, Math.max(0, this.sender.protect(packet, out, 0)));
  }
}
