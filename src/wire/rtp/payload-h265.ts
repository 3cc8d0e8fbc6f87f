/**
 * H.265 over RTP: RFC 7798. Single NAL units, aggregation packets and fragmentation units; decoding order numbers are
 * read past where SDP says that there are some. Left out: interleaving (NAL units are taken in the order in which
 * they come), several RTP streams for one track, PACI packets.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { configFromRecord } from '../../codec/describe-config.ts';
import { H265_PPS, H265_SPS, H265_VPS, isDroppedH265Nal } from '../../codec/h265.ts';
import { buildHevcConfig, hevcNalsOf, parseHevcConfig } from '../../codec/hevc-config.ts';
import { ProtocolError } from '../../util/errors.ts';
import type { NalRules } from './nal-access-unit.ts';
import { NalDepacketizer } from './nal-depacketizer.ts';
import { joinNals, NalPacketizer } from './nal-packetizer.ts';
import { parseParameterSets, printParameterSets } from './parameter-sets.ts';
import type {
  RtpDepacketizer,
  RtpDescription,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpUnitOutput,
} from './payload-format.ts';

const CLOCK_RATE = 90_000;
const LAST_SLICE = 31;
const ACCESS_UNIT_DELIMITER = 35;
/** Types from here on are packets of several NAL units or pieces of one (RFC 7798 section 4.4). */
const AGGREGATION = 48;
const FRAGMENT = 49;
const HEADER_BYTES = 2;
/** Decoding order number of the first NAL unit of a packet, and the difference of each further one. */
const DONL_BYTES = 2;
const DOND_BYTES = 1;
const NO_SETS = new Uint8Array(0);

const RULES: NalRules = {
  headerBytes: HEADER_BYTES,
  isDropped: isDroppedH265Nal,
  isSlice: (header) => ((header >> 1) & 0x3f) <= LAST_SLICE,
  isParameterSet(header) {
    const type = (header >> 1) & 0x3f;
    return type >= H265_VPS && type <= H265_PPS;
  },
  isDelimiter: (header) => ((header >> 1) & 0x3f) === ACCESS_UNIT_DELIMITER,
  /** A temporal id plus one of 0 is forbidden. */
  isValid: (bytes, start) => ((bytes[start]! >> 1) & 0x3f) < AGGREGATION && (bytes[start + 1]! & 7) !== 0,
  mayHideStartCodes(bytes, start) {
    const type = (bytes[start]! >> 1) & 0x3f;
    if (type === 0) return bytes[start] === 0 && bytes[start + 1] === 0;
    return type >= H265_VPS && type <= ACCESS_UNIT_DELIMITER;
  },
};

class H265Depacketizer extends NalDepacketizer {
  private readonly donlBytes: number;
  private readonly dondBytes: number;

  constructor(hasOrderNumbers: boolean) {
    super(RULES);
    this.donlBytes = hasOrderNumbers ? DONL_BYTES : 0;
    this.dondBytes = hasOrderNumbers ? DOND_BYTES : 0;
  }

  protected override piece(payload: Uint8Array, output: RtpUnitOutput): void {
    const { donlBytes, unit } = this;
    const type = (payload[0]! >> 1) & 0x3f;
    if (payload.length <= HEADER_BYTES + donlBytes) unit.nal(payload, 0, payload.length, output);
    else if (type === FRAGMENT) this.fragment(payload, output);
    else if (type === AGGREGATION) this.aggregate(payload, HEADER_BYTES + donlBytes, this.dondBytes, output);
    else if (type > FRAGMENT) unit.countDamage();
    else if (donlBytes === 0) unit.nal(payload, 0, payload.length, output);
    else this.ordered(payload, output);
  }

  /** A single NAL unit with its order number behind the header. */
  private ordered(payload: Uint8Array, output: RtpUnitOutput): void {
    const { unit } = this;
    unit.beginFragments(payload[0]!, payload[1]!, output);
    unit.fragment(payload, HEADER_BYTES + DONL_BYTES, payload.length);
    unit.closeFragment(output);
  }

  private fragment(payload: Uint8Array, output: RtpUnitOutput): void {
    const { unit } = this;
    const head = payload[HEADER_BYTES]!;
    const isStart = (head & 0x80) !== 0;
    const from = HEADER_BYTES + 1 + (isStart ? this.donlBytes : 0);
    if (from > payload.length) {
      unit.countDamage();
      return;
    }
    if (isStart) unit.beginFragments((payload[0]! & 0x81) | ((head & 0x3f) << 1), payload[1]!, output);
    unit.fragment(payload, from, payload.length);
    if ((head & 0x40) !== 0) unit.closeFragment(output);
  }
}

class H265Packetizer extends NalPacketizer {
  constructor(maxPayload: number) {
    super(maxPayload, HEADER_BYTES);
  }

  protected override setsOf(config: CodecConfig): Uint8Array {
    if (config.record.length === 0) return NO_SETS;
    const hevc = parseHevcConfig(config.record);
    return joinNals([hevcNalsOf(hevc, H265_VPS), hevcNalsOf(hevc, H265_SPS), hevcNalsOf(hevc, H265_PPS)]);
  }

  /** RFC 7798 section 4.4.2: the forbidden bit of any, the lowest layer (its high bit is here). */
  protected override mergeHeaders(header: number, next: number): number {
    return ((header | next) & 0x80) | Math.min(header & 1, next & 1);
  }

  /** The lowest layer and the lowest temporal id. */
  protected override mergeSeconds(second: number, next: number): number {
    return Math.min(second & 0xf8, next & 0xf8) | Math.min(second & 7, next & 7);
  }

  protected override writeAggregationHeader(
    target: Uint8Array,
    at: number,
    header: number,
    second: number,
  ): void {
    target[at] = header | (AGGREGATION << 1);
    target[at + 1] = second;
  }

  protected override writeFragmentHeader(
    target: Uint8Array,
    at: number,
    header: number,
    second: number,
    bits: number,
  ): void {
    target[at] = (header & 0x81) | (FRAGMENT << 1);
    target[at + 1] = second;
    target[at + 2] = bits | ((header >> 1) & 0x3f);
  }
}

export const H265_PAYLOAD: RtpPayloadFormat = {
  codec: 'h265',
  encodingNames: ['H265', 'HEVC'],

  describe(config: CodecConfig): RtpDescription {
    let fmtp = '';
    if (config.record.length > 0) {
      const hevc = parseHevcConfig(config.record);
      const { space, profileIdc, highTier, levelIdc } = hevc.profile;
      fmtp = `profile-space=${space}; profile-id=${profileIdc}; tier-flag=${highTier ? 1 : 0}; level-id=${levelIdc}`;
      fmtp += `; sprop-vps=${printParameterSets(hevcNalsOf(hevc, H265_VPS))}`;
      fmtp += `; sprop-sps=${printParameterSets(hevcNalsOf(hevc, H265_SPS))}`;
      fmtp += `; sprop-pps=${printParameterSets(hevcNalsOf(hevc, H265_PPS))}`;
    }
    return { payloadType: -1, encodingName: 'H265', clockRate: CLOCK_RATE, channels: 0, fmtp };
  },

  packetizer(_config: CodecConfig, maxPayload: number): RtpPacketizer {
    return new H265Packetizer(maxPayload);
  },

  /** Sets that cannot be read count as none: cameras that tell nonsense here send good ones in band. */
  config(mapping: RtpMapping): CodecConfig | null {
    const vps = parseParameterSets(mapping.fmtp.get('sprop-vps'));
    const sps = parseParameterSets(mapping.fmtp.get('sprop-sps'));
    const pps = parseParameterSets(mapping.fmtp.get('sprop-pps'));
    if (vps.length === 0 || sps.length === 0 || pps.length === 0) return null;
    try {
      return configFromRecord('h265', buildHevcConfig(vps, sps, pps));
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  },

  depacketizer(mapping: RtpMapping): RtpDepacketizer {
    return new H265Depacketizer(Number(mapping.fmtp.get('sprop-max-don-diff') ?? '0') > 0);
  },
};
