/** A publisher on one message stream of an RTMP session: messages to frames, how long it may be silent. */
import type { Publication } from '../../media/publication.ts';
import { FlvIngest } from '../../packaging/flv-ingest.ts';
import { PublisherSilence, type PublisherTimes } from '../../runtime/publisher-silence.ts';
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
  private readonly silence: PublisherSilence;

  constructor(publication: Publication, nowUs: number, times: PublisherTimes) {
    this.publication = publication;
    this.ingest = new FlvIngest(publication);
    this.silence = new PublisherSilence(nowUs, times);
  }

  /** Hot path. Throws ProtocolError. */
  receive(message: RtmpMessage, nowUs: number): void {
    switch (message.typeId) {
      case MESSAGE_VIDEO:
        this.silence.onMedia(nowUs);
        this.ingest.video(message.timestamp, message.payload);
        return;
      case MESSAGE_AUDIO:
        this.silence.onMedia(nowUs);
        this.ingest.audio(message.timestamp, message.payload);
        return;
      case MESSAGE_DATA_AMF0:
        this.silence.onData(nowUs);
        this.ingest.script(message.timestamp, message.payload);
        return;
      case MESSAGE_DATA_AMF3:
        this.silence.onData(nowUs);
        // A leading 0 says that AMF0 follows; some senders leave it out.
        this.ingest.script(message.timestamp, message.payload.subarray(message.payload[0] === 0 ? 1 : 0));
        return;
      default:
    }
  }

  /** '' while all is well, else why the publisher must go. */
  overdue(nowUs: number): string {
    return this.silence.overdue(nowUs);
  }

  end(reason: string): void {
    this.publication.end(reason);
  }
}
