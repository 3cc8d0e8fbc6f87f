/** A transport stream inside RTP (RFC 2250 section 2: whole TS packets behind the RTP header), put in order, to frames. */
import { TsIngest, type TsIngestOutput } from '../../packaging/ts-ingest.ts';
import { TsReader } from '../../wire/mpegts/ts-reader.ts';
import { ReorderBuffer, type ReorderOutput } from '../../wire/rtp/reorder-buffer.ts';
import { RtpPacket } from '../../wire/rtp/rtp-packet.ts';

export class RtspTsMedia implements ReorderOutput {
  packets = 0;
  private readonly order = new ReorderBuffer(this);
  private readonly header = new RtpPacket();
  private readonly ingest: TsIngest;
  private readonly reader: TsReader;

  constructor(output: TsIngestOutput) {
    this.ingest = new TsIngest(output, { isLossy: true });
    this.reader = new TsReader(this.ingest);
  }

  get lost(): number {
    return this.order.lost;
  }

  get damaged(): number {
    return this.reader.continuityErrors + this.reader.badPackets;
  }

  get dropped(): number {
    return this.ingest.droppedFrames;
  }

  /** Hot path. Bytes are valid during the call only. */
  receive(bytes: Uint8Array, nowUs: number): void {
    if (!this.header.parse(bytes)) return;
    this.packets++;
    this.order.push(bytes, this.header.sequence, nowUs);
  }

  packet(bytes: Uint8Array): void {
    const { header } = this;
    if (header.parse(bytes)) this.reader.push(bytes.subarray(header.payloadStart, header.payloadEnd));
  }

  tick(nowUs: number): void {
    this.order.tick(nowUs);
  }

  flush(): void {
    this.order.flush();
  }
}
