/**
 * AAC over RTP as MPEG4-GENERIC: RFC 3640, modes AAC-hbr and AAC-lbr and any other widths of the header fields. Sent as
 * AAC-hbr, one access unit in a packet or in several. Leaves out interleaving, auxiliary data, CELP.
 * How a fragment tells its size differs: RFC 3640 wants that of the whole access unit, GStreamer writes what remains
 * of it, others that of the fragment. The first and the marker decide.
 */
import { buildAudioSpecificConfig, parseAudioSpecificConfig } from '../../codec/aac.ts';
import { ascOfAdts, parseAdtsHeader } from '../../codec/adts.ts';
import type { CodecConfig } from '../../codec/codec-config.ts';
import { configFromRecord } from '../../codec/describe-config.ts';
import { ProtocolError } from '../../util/errors.ts';
import { AuHeaders } from './payload-aac-headers.ts';
import { fmtpBytes, fmtpNumber, soundOf, toHex } from './payload-fmtp.ts';
import type {
  RtpDepacketizer,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';
import { PayloadPieces } from './payload-pieces.ts';

const AAC_LC = 2;
/** audioProfileLevelIndication, ISO/IEC 14496-3 table 1.14: HE-AAC from 0x2c, HE-AAC v2 from 0x30 to 0x33. */
const PROFILE_HE_AAC = 0x2c;
const PROFILE_HE_AAC_V2 = 0x30;
const PROFILE_AFTER_HE_AAC = 0x34;
/** A half of it is still a rate that HE-AAC is used with. */
const LOWEST_HE_AAC_RATE = 32_000;
const STREAM_TYPE_VISUAL = 4;
/** AU-headers-length, AU-size of 13 bits, AU-Index of 3. */
const HEADER_BYTES = 4;
const HEADER_BITS = 16;
const MAX_SENT_BYTES = 0x1fff;
const MAX_UNIT_BYTES = 65_536;
/**
 * Packets without headers that make sense, one after the other, until we take it that there are none; more where
 * headers were seen, which may have been chance.
 */
const MISSES_UNTIL_HEADERLESS = 3;
const MISSES_AFTER_HEADERS = 50;
const SENT_FMTP =
  'streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=';

export const AAC_PAYLOAD: RtpPayloadFormat = {
  codec: 'aac',
  encodingNames: ['MPEG4-GENERIC'],
  describe: (config) => {
    const { sampleRate, channels, record } = config;
    if (record.length === 0 || sampleRate === 0) return null;
    const fmtp = SENT_FMTP + toHex(record);
    return { payloadType: -1, encodingName: 'MPEG4-GENERIC', clockRate: sampleRate, channels, fmtp };
  },
  packetizer: (_config, maxPayload) => new AacPacketizer(maxPayload),
  config: configOf,
  depacketizer: (mapping) => {
    if (fmtpNumber(mapping, 'streamtype', 0) === STREAM_TYPE_VISUAL) {
      throw new ProtocolError('rtp.not-supported', 'MPEG4-GENERIC with pictures');
    }
    return new AacDepacketizer(mapping);
  },
};

function configOf(mapping: RtpMapping): CodecConfig {
  return configFromRecord('aac', fmtpBytes(mapping, 'config') ?? recordOfProfile(mapping));
}

/** Some cameras send no config: LC of the clock rate, or HE-AAC as old decoders see it. */
function recordOfProfile(mapping: RtpMapping): Uint8Array {
  const { sampleRate, channels } = soundOf(mapping);
  const profile = fmtpNumber(mapping, 'profile-level-id', 0);
  const isHe =
    profile >= PROFILE_HE_AAC && profile < PROFILE_AFTER_HE_AAC && sampleRate >= LOWEST_HE_AAC_RATE;
  const coded = isHe && profile >= PROFILE_HE_AAC_V2 ? 1 : channels;
  // Seven and eight channels: ISO/IEC 14496-3 table 1.19.
  const channelConfig = coded <= 6 ? coded : coded === 8 ? 7 : 0;
  if (channelConfig === 0)
    throw new ProtocolError('rtp.bad-mapping', `AAC of ${channels} channels, no config`);
  return buildAudioSpecificConfig(AAC_LC, isHe ? sampleRate / 2 : sampleRate, channelConfig);
}

class AacPacketizer implements RtpPacketizer {
  private readonly room: number;

  constructor(maxPayload: number) {
    this.room = maxPayload - HEADER_BYTES;
  }

  packetize(payload: Uint8Array, _flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { length } = payload;
    if (length > MAX_SENT_BYTES) return;
    let at = 0;
    while (at < length) {
      const size = Math.min(this.room, length - at);
      const isLast = at + size === length;
      const to = target.begin(HEADER_BYTES + size, isLast, 0);
      const { bytes } = target;
      bytes[to] = 0;
      bytes[to + 1] = HEADER_BITS;
      bytes[to + 2] = length >>> 5;
      bytes[to + 3] = length << 3;
      bytes.set(size === length ? payload : payload.subarray(at, at + size), to + HEADER_BYTES);
      at += size;
    }
  }
}

class AacDepacketizer implements RtpDepacketizer {
  damaged: number;
  /** What ADTS headers told where the session description has no config; null = nothing yet. */
  config: CodecConfig | null;
  private readonly headers: AuHeaders;
  private readonly pieces: PayloadPieces;
  private readonly unitTicks: number;
  private readonly clockRate: number;
  private readonly needsConfig: boolean;
  private misses: number;
  private hasSeenHeaders: boolean;
  private isHeaderless: boolean;
  /** Whole access units come without marker. */
  private hasNoMarkers: boolean;

  constructor(mapping: RtpMapping) {
    const { record } = configOf(mapping);
    const { frameSamples, sampleRate } = parseAudioSpecificConfig(record);
    const told = fmtpNumber(mapping, 'constantduration', 0);
    this.damaged = 0;
    this.config = null;
    this.headers = new AuHeaders(mapping);
    this.pieces = new PayloadPieces(MAX_UNIT_BYTES);
    this.clockRate = mapping.clockRate;
    this.unitTicks = told > 0 ? told : Math.round((frameSamples * mapping.clockRate) / sampleRate);
    this.needsConfig = (mapping.fmtp.get('config') ?? '') === '';
    this.misses = 0;
    this.hasSeenHeaders = false;
    this.isHeaderless = false;
    this.hasNoMarkers = false;
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const { headers, pieces } = this;
    if (pieces.used > 0 && (isAfterLoss || pieces.timestamp !== timestamp)) {
      if (isAfterLoss && pieces.timestamp === timestamp) {
        // The rest of what was lost in part.
        this.damaged++;
        pieces.clear();
        return;
      }
      if (pieces.expected === 0 && !isAfterLoss) this.hasNoMarkers = true;
      this.finish(output, isAfterLoss);
    }
    if (!this.readHeaders(payload)) {
      this.damaged++;
      return;
    }
    if (headers.count > 1) {
      this.several(payload, timestamp, output);
      return;
    }
    this.one(payload, timestamp, marker, output);
  }

  private readHeaders(payload: Uint8Array): boolean {
    const { headers } = this;
    if (!this.isHeaderless && headers.read(payload)) {
      this.misses = 0;
      this.hasSeenHeaders = true;
      return true;
    }
    if (!this.isHeaderless && !isAdts(payload, 0)) {
      const limit = this.hasSeenHeaders ? MISSES_AFTER_HEADERS : MISSES_UNTIL_HEADERLESS;
      this.isHeaderless = ++this.misses >= limit;
      return false;
    }
    // Some cameras send no headers: the packet is the access unit, often with its ADTS header.
    headers.count = 1;
    headers.sizes[0] = 0;
    headers.dataStart = 0;
    return payload.length > 0;
  }

  private several(payload: Uint8Array, timestamp: number, output: RtpUnitOutput): void {
    const { headers, pieces } = this;
    if (pieces.used > 0) {
      this.damaged++;
      pieces.clear();
    }
    let at = headers.dataStart;
    for (let i = 0; i < headers.count; i++) {
      const end = at + headers.sizes[i]!;
      this.emit(payload, at, end, (timestamp + i * this.unitTicks) >>> 0, output);
      at = end;
    }
  }

  /** A whole access unit, or a fragment of one. */
  private one(payload: Uint8Array, timestamp: number, marker: boolean, output: RtpUnitOutput): void {
    const { headers, pieces } = this;
    const { dataStart } = headers;
    const size = headers.sizes[0]!;
    const rest = payload.length - dataStart;
    if (pieces.used > 0) {
      if (!pieces.add(payload, dataStart)) this.damaged++;
      else if (marker || pieces.used === pieces.expected) this.finish(output, false);
    } else if (size > rest) {
      if (marker || !pieces.begin(payload, dataStart, timestamp, size)) this.damaged++;
    } else if (marker || this.hasNoMarkers) {
      this.emit(payload, dataStart, size === 0 ? payload.length : dataStart + size, timestamp, output);
    } else {
      // The marker is missing: a fragment that tells its own size, or a sender without markers.
      const whole = size === 0 ? payload : payload.subarray(0, dataStart + size);
      if (!pieces.begin(whole, dataStart, timestamp, 0)) this.damaged++;
    }
  }

  private finish(output: RtpUnitOutput, isAfterLoss: boolean): void {
    const { pieces } = this;
    const { used, expected, timestamp } = pieces;
    pieces.clear();
    if (expected === 0 ? isAfterLoss : expected !== used) {
      this.damaged++;
      return;
    }
    this.emit(pieces.bytes, 0, used, timestamp, output);
  }

  flush(output: RtpUnitOutput): void {
    if (this.pieces.used > 0) this.finish(output, false);
  }

  private emit(
    bytes: Uint8Array,
    start: number,
    end: number,
    timestamp: number,
    output: RtpUnitOutput,
  ): void {
    if (isAdts(bytes, start)) this.emitAdts(bytes, start, end, timestamp, output);
    else
      output.unit(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), timestamp, false);
  }

  /** Some cameras leave the ADTS headers on, or put several ADTS frames into one access unit. */
  private emitAdts(
    bytes: Uint8Array,
    start: number,
    end: number,
    timestamp: number,
    output: RtpUnitOutput,
  ): void {
    let at = start;
    let time = timestamp;
    while (at < end) {
      const header = parseAdtsHeader(bytes, at);
      const next = header === null ? 0 : at + header.frameSize;
      // Several blocks behind one header cannot be told apart.
      if (header === null || next > end || header.blocks > 1) {
        this.damaged++;
        return;
      }
      if (this.needsConfig) this.learn(ascOfAdts(header));
      if (next > at + header.headerSize)
        output.unit(bytes.subarray(at + header.headerSize, next), time, false);
      const ticks = (1024 * this.clockRate) / header.sampleRate;
      time = (time + Math.round(ticks)) >>> 0;
      at = next;
    }
  }

  private learn(record: Uint8Array): void {
    if (this.config !== null && Buffer.compare(this.config.record, record) === 0) return;
    try {
      this.config = configFromRecord('aac', record);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.damaged++;
    }
  }
}

/** The first bits of an AAC access unit are never the sync word of ADTS: they would mean that it is empty. */
function isAdts(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xff && ((bytes[at + 1] ?? 0) & 0xf6) === 0xf0;
}
