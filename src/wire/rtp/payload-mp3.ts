/**
 * MPEG audio over RTP: RFC 2250 section 3.4 and 3.5, static payload type 14. Four bytes, the last two of which tell
 * where in a frame the packet begins, then whole frames or a fragment of one. The clock is 90 kHz.
 * Only layer III is used. Leaves out MPA-ROBUST (RFC 5219), whose frames are not those of the codec.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { parseMp3Frame } from '../../codec/mp3.ts';
import type {
  RtpDepacketizer,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';
import { PayloadPieces } from './payload-pieces.ts';

const STATIC_TYPE = 14;
const CLOCK_RATE = 90_000;
const HEADER_BYTES = 4;
/** Longest frame: free format at the highest rate stays below it. */
const MAX_FRAME_BYTES = 16_384;
const LAYER_3 = 3;

export const MP3_PAYLOAD: RtpPayloadFormat = {
  codec: 'mp3',
  encodingNames: ['MPA'],
  describe: () => ({
    payloadType: STATIC_TYPE,
    encodingName: 'MPA',
    clockRate: CLOCK_RATE,
    channels: 0,
    fmtp: '',
  }),
  packetizer: (_config, maxPayload) => new Mp3Packetizer(maxPayload),
  config: () => null,
  depacketizer: (mapping) => new Mp3Depacketizer(mapping),
};

class Mp3Packetizer implements RtpPacketizer {
  private readonly room: number;

  constructor(maxPayload: number) {
    this.room = maxPayload - HEADER_BYTES;
  }

  packetize(payload: Uint8Array, _flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { length } = payload;
    if (length > MAX_FRAME_BYTES) return;
    let at = 0;
    while (at < length) {
      const size = Math.min(this.room, length - at);
      const to = target.begin(HEADER_BYTES + size, false, 0);
      const { bytes } = target;
      bytes[to] = 0;
      bytes[to + 1] = 0;
      bytes[to + 2] = at >>> 8;
      bytes[to + 3] = at;
      bytes.set(size === length ? payload : payload.subarray(at, at + size), to + HEADER_BYTES);
      at += size;
    }
  }
}

class Mp3Depacketizer implements RtpDepacketizer {
  damaged: number;
  private readonly clockRate: number;
  private readonly pieces: PayloadPieces;

  constructor({ clockRate }: RtpMapping) {
    this.damaged = 0;
    this.clockRate = clockRate;
    this.pieces = new PayloadPieces(MAX_FRAME_BYTES);
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    _marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const { pieces } = this;
    if (pieces.used > 0 && isAfterLoss) this.drop();
    // The first two bytes are zero; some senders leave the four bytes out.
    const start = payload[0] === 0xff ? 0 : HEADER_BYTES;
    if (payload.length <= start) {
      this.damaged++;
      return;
    }
    const offset = start === 0 ? 0 : (payload[2]! << 8) | payload[3]!;
    if (offset > 0) {
      this.fragment(payload, offset, timestamp, output);
      return;
    }
    if (pieces.used > 0) this.drop();
    this.frames(payload, start, timestamp, output);
  }

  private fragment(payload: Uint8Array, offset: number, timestamp: number, output: RtpUnitOutput): void {
    const { pieces } = this;
    if (pieces.used !== offset || pieces.timestamp !== timestamp) {
      this.drop();
      return;
    }
    if (!pieces.add(payload, HEADER_BYTES) || pieces.used > pieces.expected) this.drop();
    else if (pieces.used === pieces.expected) {
      output.unit(pieces.view(), timestamp, false);
      pieces.clear();
    }
  }

  private frames(payload: Uint8Array, start: number, timestamp: number, output: RtpUnitOutput): void {
    let at = start;
    let ticks = 0;
    while (at < payload.length) {
      const frame = parseMp3Frame(payload, at);
      if (frame === null || frame.layer !== LAYER_3) {
        this.damaged++;
        return;
      }
      const time = (timestamp + Math.round(ticks)) >>> 0;
      // Free format: the next header would tell, and there is none in a packet.
      const end = frame.size === 0 ? payload.length : at + frame.size;
      if (end > payload.length) {
        if (!this.pieces.begin(payload, at, time, frame.size)) this.damaged++;
        return;
      }
      output.unit(payload.subarray(at, end), time, false);
      ticks += (frame.samples * this.clockRate) / frame.sampleRate;
      at = end;
    }
  }

  private drop(): void {
    this.damaged++;
    this.pieces.clear();
  }

  /** A fragment without the rest is of no use. */
  flush(): void {
    if (this.pieces.used > 0) this.drop();
  }
}
