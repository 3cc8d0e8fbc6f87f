/**
 * AC-3 (RFC 4184) and E-AC-3 (RFC 4598) over RTP: two bytes that tell whole frames from fragments and how many there
 * are, then the frames. Dependent substreams of E-AC-3 stay with the frame that they belong to.
 */
import { parseAc3Frame } from '../../codec/ac3.ts';
import type { CodecConfig } from '../../codec/codec-config.ts';
import type {
  RtpDepacketizer,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';
import { PayloadPieces } from './payload-pieces.ts';

const HEADER_BYTES = 2;
/** E-AC-3 with all its dependent substreams. */
const MAX_FRAME_BYTES = 4096 * 9;
const MAX_FRAGMENTS = 255;
const DEPENDENT = 1;
const SYNC_FIRST_BYTE = 0x0b;
const SYNC_SECOND_BYTE = 0x77;
/** Frame types of RFC 4184 section 4.1.1. */
const FIRST_WITH_FIVE_EIGHTHS = 1;
const FIRST_WITH_LESS = 2;
const FURTHER_FRAGMENT = 3;

export const AC3_PAYLOAD: RtpPayloadFormat = ac3('ac3', 'AC3');
export const EAC3_PAYLOAD: RtpPayloadFormat = ac3('eac3', 'EAC3');

function ac3(codec: 'ac3' | 'eac3', encodingName: string): RtpPayloadFormat {
  const isEac3 = codec === 'eac3';
  return {
    codec,
    encodingNames: [encodingName],
    describe: ({ sampleRate: clockRate, channels }) =>
      clockRate === 0 ? null : { payloadType: -1, encodingName, clockRate, channels, fmtp: '' },
    packetizer: (_config, maxPayload) => new Ac3Packetizer(isEac3, maxPayload),
    config: () => null,
    depacketizer: (mapping) => new Ac3Depacketizer(isEac3, mapping),
  };
}

class Ac3Packetizer implements RtpPacketizer {
  private readonly isEac3: boolean;
  private readonly room: number;

  constructor(isEac3: boolean, maxPayload: number) {
    this.isEac3 = isEac3;
    this.room = maxPayload - HEADER_BYTES;
  }

  packetize(payload: Uint8Array, _flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { length } = payload;
    const fragments = Math.ceil(length / this.room);
    if (fragments > MAX_FRAGMENTS) return;
    let at = 0;
    while (at < length) {
      const size = Math.min(this.room, length - at);
      const to = target.begin(HEADER_BYTES + size, at + size === length, 0);
      const { bytes } = target;
      bytes[to] = fragments === 1 ? 0 : this.fragmentType(at, size, length);
      // The number of frames, which is 1, or of fragments.
      bytes[to + 1] = fragments;
      bytes.set(size === length ? payload : payload.subarray(at, at + size), to + HEADER_BYTES);
      at += size;
    }
  }

  private fragmentType(at: number, size: number, length: number): number {
    if (this.isEac3) return 1;
    if (at > 0) return FURTHER_FRAGMENT;
    return size * 8 >= length * 5 ? FIRST_WITH_FIVE_EIGHTHS : FIRST_WITH_LESS;
  }
}

class Ac3Depacketizer implements RtpDepacketizer {
  damaged: number;
  private readonly isEac3: boolean;
  private readonly clockRate: number;
  private readonly pieces: PayloadPieces;

  constructor(isEac3: boolean, { clockRate }: RtpMapping) {
    this.damaged = 0;
    this.isEac3 = isEac3;
    this.clockRate = clockRate;
    this.pieces = new PayloadPieces(MAX_FRAME_BYTES);
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const { pieces } = this;
    if (pieces.used > 0 && (isAfterLoss || pieces.timestamp !== timestamp)) this.drop();
    // The first six bits are zero; some senders leave the two bytes out.
    const isBare = payload[0] === SYNC_FIRST_BYTE && payload[1] === SYNC_SECOND_BYTE;
    const start = isBare ? 0 : HEADER_BYTES;
    if (payload.length <= start) {
      this.damaged++;
      return;
    }
    const type = isBare ? 0 : payload[0]! & (this.isEac3 ? 1 : 3);
    if (type === 0) {
      if (pieces.used > 0) this.drop();
      this.frames(payload, start, payload.length, timestamp, output);
      return;
    }
    const isFirst = this.isEac3 ? pieces.used === 0 : type !== FURTHER_FRAGMENT;
    if (isFirst) {
      if (pieces.used > 0) this.drop();
      if (!pieces.begin(payload, start, timestamp, 0)) this.damaged++;
    } else if (pieces.used === 0 || !pieces.add(payload, start)) {
      this.damaged++;
    }
    if (!marker || pieces.used === 0) return;
    const { bytes, used } = pieces;
    pieces.clear();
    this.frames(bytes, 0, used, timestamp, output);
  }

  private frames(
    bytes: Uint8Array,
    start: number,
    size: number,
    timestamp: number,
    output: RtpUnitOutput,
  ): void {
    let at = start;
    let ticks = 0;
    while (at < size) {
      const frame = parseAc3Frame(bytes, at);
      let end = at + (frame?.size ?? 0);
      if (frame === null || frame.isEac3 !== this.isEac3 || frame.size === 0 || end > size) {
        this.damaged++;
        return;
      }
      if (this.isEac3) end = withDependents(bytes, end, size);
      output.unit(bytes.subarray(at, end), (timestamp + Math.round(ticks)) >>> 0, false);
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

/** Where the substreams end that depend on the frame before `from`. */
function withDependents(bytes: Uint8Array, from: number, size: number): number {
  let end = from;
  while (end < size) {
    const next = parseAc3Frame(bytes, end);
    if (next === null || next.streamType !== DEPENDENT || end + next.size > size) break;
    end += next.size;
  }
  return end;
}
