/** A publisher on one message stream of an RTMP session: messages to frames, first-packet and idle time. */
import type { Publication } from '../../media/publication.ts';
import { FlvIngest } from '../../packaging/flv-ingest.ts';
import type { RtmpMessage } from '../../wire/rtmp/chunk-reader.ts';
import {
  MESSAGE_AUDIO,
  MESSAGE_DATA_AMF0,
  MESSAGE_DATA_AMF3,
  MESSAGE_VIDEO,
} from '../../wire/rtmp/message.ts';

export class RtmpPublish {
  readonly publication: Publication;
  private readonly ingest: FlvIngest;
  private readonly startUs: number;
  private lastMediaUs = 0;
  private readonly firstPacketMs: number;
  private readonly idleMs: number;

  constructor(publication: Publication, nowUs: number, firstPacketMs: number, idleMs: number) {
    this.publication = publication;
    this.ingest = new FlvIngest(publication);
    this.startUs = nowUs;
    this.firstPacketMs = firstPacketMs;
    this.idleMs = idleMs;
  }

  /** Hot path. Throws ProtocolError. */
  receive(message: RtmpMessage, nowUs: number): void {
    switch (message.typeId) {
      case MESSAGE_VIDEO:
        this.lastMediaUs = nowUs;
        this.ingest.video(message.timestamp, message.payload);
        return;
      case MESSAGE_AUDIO:
        this.lastMediaUs = nowUs;
        this.ingest.audio(message.timestamp, message.payload);
        return;
      case MESSAGE_DATA_AMF0:
        this.onData(nowUs);
        this.ingest.script(message.timestamp, message.payload);
        return;
      case MESSAGE_DATA_AMF3:
        this.onData(nowUs);
        // A leading 0 says that AMF0 follows; some senders leave it out.
        this.ingest.script(message.timestamp, message.payload.subarray(message.payload[0] === 0 ? 1 : 0));
        return;
      default:
    }
  }

  /** Data keep a stream alive; but metadata alone are not the first packet that is waited for. */
  private onData(nowUs: number): void {
    if (this.lastMediaUs !== 0) this.lastMediaUs = nowUs;
  }

  /** '' while all is well, else why the publisher must go. */
  overdue(nowUs: number): string {
    if (this.lastMediaUs === 0) {
      const waitedMs = (nowUs - this.startUs) / 1000;
      return this.firstPacketMs > 0 && waitedMs > this.firstPacketMs
        ? `The publisher sent no media within ${this.firstPacketMs / 1000} s (publish first-packet in policy.xml).`
        : '';
    }
    const silentMs = (nowUs - this.lastMediaUs) / 1000;
    return this.idleMs > 0 && silentMs > this.idleMs
      ? `The publisher sent no media for ${this.idleMs / 1000} s (publish idle in policy.xml).`
      : '';
  }

  end(reason: string): void {
    this.publication.end(reason);
  }
}
