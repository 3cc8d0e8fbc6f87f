/** What one track sent lately, by sequence number, for packets that are asked for again (RFC 4585 section 6.2.1). */

const NO_BYTES = new Uint8Array(0);

/** One packet as it was sent; the payload is a view of the stream's memory. */
export class SentPacket {
  sequence = -1;
  timestamp = 0;
  marker = false;
  slab: Uint8Array = NO_BYTES;
  payloadStart = 0;
  payloadEnd = 0;
  sentUs = 0;
  resentUs = 0;
  resentCount = 0;
  /** What its header extensions said. */
  absSendTime = 0;
  transportNumber = 0;
}

export class PacketHistory {
  private readonly entries: SentPacket[] = [];
  private readonly mask: number;

  /** `size`: packets that are remembered, a power of two. */
  constructor(size: number) {
    this.mask = size - 1;
    for (let i = 0; i < size; i++) this.entries.push(new SentPacket());
  }

  /** The entry for a packet that is being sent; the caller fills it. */
  next(sequence: number): SentPacket {
    const entry = this.entries[sequence & this.mask]!;
    entry.sequence = sequence;
    return entry;
  }

  find(sequence: number): SentPacket | null {
    const entry = this.entries[sequence & this.mask]!;
    return entry.sequence === sequence ? entry : null;
  }

  /** Lets go of the memory of packets that nobody asks for any more. */
  forgetBefore(sentUs: number): void {
    for (const entry of this.entries) {
      if (entry.sequence < 0 || entry.sentUs >= sentUs) continue;
      entry.sequence = -1;
      entry.slab = NO_BYTES;
    }
  }
}
