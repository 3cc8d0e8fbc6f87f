/**
 * What comes beside pictures and sound and is passed on as it is: ONVIF metadata (ONVIF Streaming Specification
 * section 5.2.1: one XML document, its last packet has the marker) and KLV (RFC 6597, likewise). The `mime` of the
 * config says which. Compressed metadata are passed on compressed.
 */
import { type CodecConfig, makeCodecConfig } from '../../codec/codec-config.ts';
import type {
  RtpDepacketizer,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';
import { PayloadPieces } from './payload-pieces.ts';

const CLOCK_RATE = 90_000;
const MEDIA_TYPE = 'application/';
const MAX_DOCUMENT_BYTES = 0x10_0000;
/** Enough for `<prefix:MetadataStream`. */
const ROOT_BYTES = 40;
const NO_RECORD = new Uint8Array(0);
const NAMES: readonly string[] = [
  'VND.ONVIF.METADATA',
  'VND.ONVIF.METADATA.GZIP',
  'VND.ONVIF.METADATA.EXI.ONVIF',
  'VND.ONVIF.METADATA.EXI.EXT',
  'SMPTE336M',
];

export const DATA_PAYLOAD: RtpPayloadFormat = {
  codec: 'data',
  encodingNames: NAMES,
  describe: ({ mime }) => {
    const encodingName = mime.slice(MEDIA_TYPE.length);
    if (!mime.startsWith(MEDIA_TYPE) || !NAMES.includes(encodingName.toUpperCase())) return null;
    return { payloadType: -1, encodingName, clockRate: CLOCK_RATE, channels: 0, fmtp: '' };
  },
  packetizer: (_config, maxPayload) => new DataPacketizer(maxPayload),
  config: ({ encodingName }) => makeCodecConfig('data', NO_RECORD, MEDIA_TYPE + encodingName.toLowerCase()),
  depacketizer: () => new DataDepacketizer(),
};

/**
 * Whether a document surely begins here: an XML declaration or byte order mark, the root element of ONVIF, a GZIP
 * member, a universal label of KLV.
 */
function isBegin(payload: Uint8Array): boolean {
  const head = String.fromCharCode(...payload.subarray(0, ROOT_BYTES));
  if (head.startsWith('<')) return head[1] === '?' || head.includes('MetadataStream');
  return head.startsWith('\xef\xbb') || head.startsWith('\x1f\x8b') || head.startsWith('\x06\x0e');
}

class DataPacketizer implements RtpPacketizer {
  private readonly maxPayload: number;

  constructor(maxPayload: number) {
    this.maxPayload = maxPayload;
  }

  packetize(payload: Uint8Array, _flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { length } = payload;
    let at = 0;
    while (at < length) {
      const size = Math.min(this.maxPayload, length - at);
      const to = target.begin(size, at + size === length, 0);
      target.bytes.set(size === length ? payload : payload.subarray(at, at + size), to);
      at += size;
    }
  }
}

class DataDepacketizer implements RtpDepacketizer {
  damaged: number;
  private readonly pieces: PayloadPieces;
  /** Up to the next marker or time: what is there belongs to a document that is not whole. */
  private skips: boolean;
  private skippedTime: number;

  constructor() {
    this.damaged = 0;
    this.pieces = new PayloadPieces(MAX_DOCUMENT_BYTES);
    this.skips = false;
    this.skippedTime = -1;
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const { pieces } = this;
    if (this.skips && timestamp !== this.skippedTime) this.skips = false;
    if (isAfterLoss) {
      if (pieces.used > 0) this.damaged++;
      pieces.clear();
      this.skips = !isBegin(payload);
      this.skippedTime = timestamp;
    } else if (pieces.used > 0 && timestamp !== pieces.timestamp) {
      // Some cameras set no marker.
      this.finish(output);
    }
    if (this.skips) {
      if (marker) this.skips = false;
      return;
    }
    if (marker && pieces.used === 0) {
      if (payload.length > 0) output.unit(payload, timestamp, false);
      return;
    }
    const isKept = pieces.used === 0 ? pieces.begin(payload, 0, timestamp, 0) : pieces.add(payload, 0);
    if (!isKept) {
      this.damaged++;
      this.skips = !marker;
      this.skippedTime = timestamp;
    } else if (marker) {
      this.finish(output);
    }
  }

  /** Nothing tells that what waits is whole. */
  flush(): void {
    if (this.pieces.used > 0) this.damaged++;
    this.pieces.clear();
  }

  private finish(output: RtpUnitOutput): void {
    const { pieces } = this;
    if (pieces.used > 0) output.unit(pieces.view(), pieces.timestamp, false);
    pieces.clear();
  }
}
