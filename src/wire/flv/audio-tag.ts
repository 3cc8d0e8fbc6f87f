/**
 * Body of an audio tag, which is also the payload of an RTMP audio message: the legacy form (Adobe FLV 10.1, annex
 * E.4.2) and the extended one (enhanced RTMP v2, "ExAudioTagHeader" and "ExAudioTagBody").
 */
import { audioCodecOfFormat, audioCodecOfFourCc, SOUND_AAC, SOUND_EX_HEADER, SOUND_OPUS } from './four-cc.ts';
import { MediaTag, PACKET_CODED_FRAMES } from './media-tag.ts';

export const AUDIO_MULTITRACK = 5;

/**
 * Cursor over the packets of a body: `for (tag.reset(body); tag.advance(); ) use(tag)`. Bodies without a packet give
 * none. Legacy codecs give their bytes behind the first one, AAC behind the second.
 */
export class AudioTag extends MediaTag {
  /** The first byte: sound format, rate, size and type in the legacy form. */
  firstByte: number;

  constructor() {
    super('flv.bad-audio-tag', 'unknown-audio');
    this.firstByte = 0;
  }

  /** Begins a body. Throws ProtocolError. */
  reset(body: Uint8Array): this {
    this.resetTo(body);
    if (body.length === 0) return this;
    const first = body[0]!;
    this.firstByte = first;
    if (first >> 4 === SOUND_EX_HEADER) {
      this.readModifiers(first & 15);
      this.readCodec(AUDIO_MULTITRACK);
    } else {
      this.resetLegacy(first >> 4);
    }
    return this;
  }

  private resetLegacy(format: number): void {
    const { body } = this;
    this.codecTag = format;
    this.codec = audioCodecOfFormat(format);
    this.packetType = PACKET_CODED_FRAMES;
    this.start = 1;
    // One byte alone is sent by some encoders while there is no sound.
    if (body.length < 2) return;
    this.pending = true;
    const second = body[1]!;
    if (format === SOUND_AAC) {
      if (second > PACKET_CODED_FRAMES) throw this.broken('AAC packet type', second);
    } else if (format !== SOUND_OPUS || second > PACKET_CODED_FRAMES) {
      return;
    }
    // Opus by id has a packet type with some servers and none with others. A packet never begins with 0 or 1:
    // that would be 10 ms of narrow-band SILK, which no encoder of live sound makes.
    this.packetType = second;
    this.start = 2;
  }

  protected override setFourCc(fourCc: number): void {
    this.codecTag = fourCc;
    this.codec = audioCodecOfFourCc(fourCc);
  }

  protected override readPacketHeader(): void {
    // Nothing stands between the header and the codec's bytes.
  }
}
