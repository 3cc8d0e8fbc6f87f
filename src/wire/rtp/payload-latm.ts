/**
 * AAC over RTP as MP4A-LATM: RFC 6416 and the older RFC 3016. Read only: what we send is MPEG4-GENERIC, which every
 * player of LATM knows too. The StreamMuxConfig stands in a=fmtp (cpresent=0) or in the elements (cpresent=1).
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { configFromRecord } from '../../codec/describe-config.ts';
import { LatmReader } from '../../codec/latm.ts';
import { InvariantError, ProtocolError } from '../../util/errors.ts';
import { fmtpBytes } from './payload-fmtp.ts';
import type { RtpDepacketizer, RtpMapping, RtpPayloadFormat, RtpUnitOutput } from './payload-format.ts';
import { PayloadPieces } from './payload-pieces.ts';

const MAX_ELEMENT_BYTES = 65_536;

export const LATM_PAYLOAD: RtpPayloadFormat = {
  codec: 'aac',
  encodingNames: ['MP4A-LATM'],
  describe: () => null,
  packetizer: () => {
    throw new InvariantError('MP4A-LATM is not sent');
  },
  config: (mapping) => {
    const { record } = readerOf(mapping);
    return record === null ? null : configFromRecord('aac', record);
  },
  depacketizer: (mapping) => new LatmDepacketizer(mapping),
};

/** A reader that knows the config of the session description if there is one. */
function readerOf(mapping: RtpMapping): LatmReader {
  const config = fmtpBytes(mapping, 'config');
  const present = mapping.fmtp.get('cpresent');
  // The default of cpresent is 1, but who sends a config and no cpresent means that one.
  const isInBand = present === undefined ? config === null : present !== '0';
  if (!isInBand && config === null) throw new ProtocolError('rtp.bad-config', 'MP4A-LATM without config');
  const reader = new LatmReader(isInBand);
  if (config !== null) reader.setConfig(config);
  return reader;
}

class LatmDepacketizer implements RtpDepacketizer {
  damaged: number;
  /** As the elements told it last; null = nothing yet. */
  config: CodecConfig | null;
  private readonly reader: LatmReader;
  private readonly pieces: PayloadPieces;
  private readonly clockRate: number;
  private record: Uint8Array | null;
  /** The rest of a broken element is left out. */
  private skipsUntilMarker: boolean;

  constructor(mapping: RtpMapping) {
    this.damaged = 0;
    this.config = null;
    this.reader = readerOf(mapping);
    this.pieces = new PayloadPieces(MAX_ELEMENT_BYTES);
    this.clockRate = mapping.clockRate;
    this.record = this.reader.record;
    this.skipsUntilMarker = false;
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const { pieces } = this;
    const isNew = pieces.timestamp !== timestamp;
    if (isNew) this.skipsUntilMarker = false;
    if (pieces.used > 0 && (isNew || isAfterLoss)) {
      this.skipsUntilMarker = !isNew;
      // Some senders set no marker: the next element tells that this one is whole.
      if (isNew && !isAfterLoss) this.element(pieces.bytes, pieces.used, pieces.timestamp, output);
      else this.damaged++;
      pieces.clear();
    }
    if (this.skipsUntilMarker) {
      if (marker) this.skipsUntilMarker = false;
      return;
    }
    if (marker && pieces.used === 0) {
      this.element(payload, payload.length, timestamp, output);
      return;
    }
    const isKept = pieces.used === 0 ? pieces.begin(payload, 0, timestamp, 0) : pieces.add(payload, 0);
    if (!isKept) {
      this.damaged++;
      this.skipsUntilMarker = !marker;
    } else if (marker) {
      this.flush(output);
    }
  }

  flush(output: RtpUnitOutput): void {
    const { pieces } = this;
    if (pieces.used > 0) this.element(pieces.bytes, pieces.used, pieces.timestamp, output);
    pieces.clear();
  }

  private element(bytes: Uint8Array, size: number, timestamp: number, output: RtpUnitOutput): void {
    const { reader } = this;
    const isWhole = reader.read(bytes, 0, size);
    if (reader.record !== this.record) this.learn(reader.record);
    const { config, count } = reader;
    if (!isWhole || config === null) {
      this.damaged++;
      return;
    }
    const ticks = (config.frameSamples * this.clockRate) / config.sampleRate;
    for (let i = 0; i < count; i++) {
      const frame = reader.frame(i);
      if (frame.length > 0) output.unit(frame, (timestamp + Math.round(i * ticks)) >>> 0, false);
    }
  }

  private learn(record: Uint8Array | null): void {
    this.record = record;
    // The reader has parsed it.
    if (record !== null) this.config = configFromRecord('aac', record);
  }
}
