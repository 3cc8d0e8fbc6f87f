/**
 * H.264 over RTP: RFC 6184. Sends packetization mode 1 (single NAL units, STAP-A, FU-A); reads modes 0 and 1, and
 * what cameras make of them (nal-access-unit.ts). The interleaved mode 2 with STAP-B, MTAP and FU-B is left out.
 */
import { buildAvcConfig, parseAvcConfig } from '../../codec/avc-config.ts';
import type { CodecConfig } from '../../codec/codec-config.ts';
import { configFromRecord } from '../../codec/describe-config.ts';
import { H264_PPS, H264_SPS, isDroppedH264Nal } from '../../codec/h264.ts';
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
const FIRST_SLICE = 1;
const LAST_SLICE = 5;
const ACCESS_UNIT_DELIMITER = 9;
/** Types from here on are packets of several NAL units or pieces of one (RFC 6184 table 1). */
const STAP_A = 24;
const FU_A = 28;
const NO_SETS = new Uint8Array(0);

const RULES: NalRules = {
  headerBytes: 1,
  isDropped: isDroppedH264Nal,
  isSlice(header) {
    const type = header & 0x1f;
    return type >= FIRST_SLICE && type <= LAST_SLICE;
  },
  isParameterSet(header) {
    const type = header & 0x1f;
    return type === H264_SPS || type === H264_PPS;
  },
  isDelimiter: (header) => (header & 0x1f) === ACCESS_UNIT_DELIMITER,
  isValid(bytes, start) {
    const type = bytes[start]! & 0x1f;
    return type > 0 && type < STAP_A;
  },
  mayHideStartCodes(bytes, start) {
    const type = bytes[start]! & 0x1f;
    return type === 0 || (type >= H264_SPS && type <= ACCESS_UNIT_DELIMITER);
  },
};

class H264Depacketizer extends NalDepacketizer {
  constructor() {
    super(RULES);
  }

  protected override piece(payload: Uint8Array, output: RtpUnitOutput): void {
    const type = payload[0]! & 0x1f;
    if (type === FU_A) this.fragment(payload, output);
    else if (type === STAP_A) this.aggregate(payload, 1, 0, output);
    else if (type < STAP_A) this.unit.nal(payload, 0, payload.length, output);
    else this.unit.countDamage();
  }

  private fragment(payload: Uint8Array, output: RtpUnitOutput): void {
    const { unit } = this;
    if (payload.length < 2) {
      unit.countDamage();
      return;
    }
    const head = payload[1]!;
    // The bits of start and end together are against the rules, and a whole NAL unit in one packet.
    if ((head & 0x80) !== 0) unit.beginFragments((payload[0]! & 0xe0) | (head & 0x1f), 0, output);
    unit.fragment(payload, 2, payload.length);
    if ((head & 0x40) !== 0) unit.closeFragment(output);
  }
}

class H264Packetizer extends NalPacketizer {
  constructor(maxPayload: number) {
    super(maxPayload, 1);
  }

  protected override setsOf(config: CodecConfig): Uint8Array {
    if (config.record.length === 0) return NO_SETS;
    const { sps, pps } = parseAvcConfig(config.record);
    return joinNals([sps, pps]);
  }

  /** RFC 6184 section 5.7: the forbidden bit of any, the highest importance of all. */
  protected override mergeHeaders(header: number, next: number): number {
    return ((header | next) & 0x80) | Math.max(header & 0x60, next & 0x60);
  }

  protected override mergeSeconds(): number {
    return 0;
  }

  protected override writeAggregationHeader(target: Uint8Array, at: number, header: number): void {
    target[at] = header | STAP_A;
  }

  protected override writeFragmentHeader(
    target: Uint8Array,
    at: number,
    header: number,
    _second: number,
    bits: number,
  ): void {
    target[at] = (header & 0xe0) | FU_A;
    target[at + 1] = bits | (header & 0x1f);
  }
}

export const H264_PAYLOAD: RtpPayloadFormat = {
  codec: 'h264',
  encodingNames: ['H264'],

  describe(config: CodecConfig): RtpDescription {
    let fmtp = 'packetization-mode=1';
    if (config.record.length > 0) {
      const { profileIdc, constraints, levelIdc, sps, pps } = parseAvcConfig(config.record);
      const id = (profileIdc << 16) | (constraints << 8) | levelIdc;
      fmtp += `; sprop-parameter-sets=${printParameterSets([...sps, ...pps])}`;
      fmtp += `; profile-level-id=${id.toString(16).padStart(6, '0').toUpperCase()}`;
    }
    return { payloadType: -1, encodingName: 'H264', clockRate: CLOCK_RATE, channels: 0, fmtp };
  },

  packetizer(_config: CodecConfig, maxPayload: number): RtpPacketizer {
    return new H264Packetizer(maxPayload);
  },

  /** Sets that cannot be read count as none: cameras that tell nonsense here send good ones in band. */
  config(mapping: RtpMapping): CodecConfig | null {
    const sps: Uint8Array[] = [];
    const pps: Uint8Array[] = [];
    for (const nal of parseParameterSets(mapping.fmtp.get('sprop-parameter-sets'))) {
      const type = nal[0]! & 0x1f;
      if (type === H264_SPS) sps.push(nal);
      else if (type === H264_PPS) pps.push(nal);
    }
    if (sps.length === 0 || pps.length === 0) return null;
    try {
      return configFromRecord('h264', buildAvcConfig(sps, pps));
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  },

  depacketizer(mapping: RtpMapping): RtpDepacketizer {
    if (mapping.fmtp.get('packetization-mode') === '2') {
      throw new ProtocolError('rtp.h264-mode', 'packetization-mode=2 (interleaved) is not supported');
    }
    return new H264Depacketizer();
  },
};
