/**
 * The head of an H.264 slice as far as it tells what is referred to: ITU-T H.264 7.3.2.2 (picture parameter set), 7.3.3
 * (slice header), 7.3.3.1 (changes of reference lists), 7.3.3.2 (weights, passed over), 7.3.3.3 (marking). Frames only:
 * fields, slice groups and switching slices are refused.
 */
import { BitReader, removeEmulationPrevention } from '../util/bit-reader.ts';
import { ProtocolError } from '../util/errors.ts';
import type { H264Sps } from './h264-sps.ts';

const BAD_PPS = 'codec.bad-h264-pps';
const BAD_SLICE = 'codec.bad-h264-slice';
const MAX_REFERENCES = 32;
const MAX_CHANGES = 66;
/** The head is far shorter, even with weights for all references. */
const MAX_HEAD_BYTES = 1024;
const SLICE_IDR = 5;

export interface H264Pps {
  readonly id: number;
  readonly hasBottomOrder: boolean;
  /** References of P slices that do not say how many. */
  readonly references: number;
  readonly referencesBack: number;
  readonly isWeighted: boolean;
  readonly weightedBack: number;
  readonly hasRedundantCount: boolean;
}

/** With its header byte. Throws ProtocolError. */
export function parseH264Pps(nal: Uint8Array): H264Pps {
  if (nal.length < 2) throw new ProtocolError(BAD_PPS, `${nal.length} bytes`);
  const bits = new BitReader(removeEmulationPrevention(nal, 1), BAD_PPS);
  const id = bits.ueMax(255, 'pic_parameter_set_id');
  bits.ueMax(31, 'seq_parameter_set_id');
  bits.skip(1); // entropy_coding_mode_flag
  const hasBottomOrder = bits.flag();
  bits.ueMax(0, 'num_slice_groups_minus1');
  const references = bits.ueMax(MAX_REFERENCES - 1, 'num_ref_idx_l0_default_active_minus1') + 1;
  const referencesBack = bits.ueMax(MAX_REFERENCES - 1, 'num_ref_idx_l1_default_active_minus1') + 1;
  const isWeighted = bits.flag();
  const weightedBack = bits.bits(2);
  bits.se();
  bits.se();
  bits.se();
  bits.skip(2); // deblocking_filter_control_present_flag, constrained_intra_pred_flag
  const hasRedundantCount = bits.flag();
  return { id, hasBottomOrder, references, referencesBack, isWeighted, weightedBack, hasRedundantCount };
}

/** An operation and its number: of modification_of_pic_nums_idc, or of memory_management_control_operation. */
interface H264Operation {
  readonly op: number;
  readonly value: number;
}

export interface H264SliceHeader {
  readonly type: 'P' | 'B' | 'I';
  readonly frameNum: number;
  readonly isIdr: boolean;
  /** Other pictures may refer to this one. */
  readonly isReference: boolean;
  /** How many of list 0 are used; 0 for I. */
  readonly references: number;
  readonly changes: readonly H264Operation[];
  /** Null: the oldest one makes room. */
  readonly marking: readonly H264Operation[] | null;
}

/** A slice NAL unit in [start, end), header byte included. `ppsOf`: by id. Throws ProtocolError. */
export function parseH264SliceHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
  sps: H264Sps,
  ppsOf: (id: number) => H264Pps | undefined,
): H264SliceHeader {
  const header = bytes[start] ?? 0;
  const isIdr = (header & 0x1f) === SLICE_IDR;
  const isReference = (header & 0x60) !== 0;
  const raw = removeEmulationPrevention(bytes, start + 1, Math.min(end, start + 1 + MAX_HEAD_BYTES));
  const bits = new BitReader(raw, BAD_SLICE);
  bits.ue(); // first_mb_in_slice
  const type = (['P', 'B', 'I'] as const)[bits.ueMax(9, 'slice_type') % 5];
  const pps = ppsOf(bits.ueMax(255, 'pic_parameter_set_id'));
  if (type === undefined || pps === undefined || sps.interlaced)
    throw new ProtocolError(BAD_SLICE, 'fields, a switching slice, or no such parameter set');
  const { slices } = sps;
  if (slices.hasSeparatePlanes) bits.skip(2);
  const frameNum = bits.bits(slices.frameNumBits);
  if (isIdr) bits.ue();
  if (slices.orderType === 0) {
    bits.skip(slices.orderLsbBits);
    if (pps.hasBottomOrder) bits.se();
  } else if (slices.orderType === 1 && !slices.hasNoOrderDelta) {
    bits.se();
    if (pps.hasBottomOrder) bits.se();
  }
  if (pps.hasRedundantCount) bits.ue();
  if (type === 'B') bits.skip(1); // direct_spatial_mv_pred_flag

  let references = type === 'I' ? 0 : pps.references;
  let referencesBack = type === 'B' ? pps.referencesBack : 0;
  if (type !== 'I' && bits.flag()) {
    references = bits.ueMax(MAX_REFERENCES - 1, 'num_ref_idx_l0_active_minus1') + 1;
    if (type === 'B') referencesBack = bits.ueMax(MAX_REFERENCES - 1, 'num_ref_idx_l1_active_minus1') + 1;
  }
  const changes = type === 'I' ? [] : readChanges(bits);
  if (type === 'B') readChanges(bits);
  const hasWeights = type === 'P' ? pps.isWeighted : type === 'B' && pps.weightedBack === 1;
  if (hasWeights) {
    const hasChroma = sps.chromaFormat !== 0 && !slices.hasSeparatePlanes;
    skipWeights(bits, references + referencesBack, hasChroma);
  }
  const marking = isReference ? readMarking(bits, isIdr) : null;
  return { type, frameNum, isIdr, isReference, references, changes, marking };
}

function readChanges(bits: BitReader): H264Operation[] {
  const list: H264Operation[] = [];
  if (!bits.flag()) return list;
  for (;;) {
    const op = bits.ueMax(3, 'modification_of_pic_nums_idc');
    if (op === 3) return list;
    if (list.length === MAX_CHANGES) throw new ProtocolError(BAD_SLICE, 'too many changes of a list');
    list.push({ op, value: bits.ue() });
  }
}

function skipWeights(bits: BitReader, count: number, hasChroma: boolean): void {
  bits.ue();
  if (hasChroma) bits.ue();
  for (let i = 0; i < count; i++) {
    if (bits.flag()) {
      bits.se();
      bits.se();
    }
    if (!hasChroma || !bits.flag()) continue;
    for (let k = 0; k < 4; k++) bits.se();
  }
}

function readMarking(bits: BitReader, isIdr: boolean): H264Operation[] | null {
  if (isIdr) {
    bits.skip(1); // no_output_of_prior_pics_flag
    if (bits.flag()) throw new ProtocolError(BAD_SLICE, 'long-term references');
    return null;
  }
  if (!bits.flag()) return null;
  const list: H264Operation[] = [];
  for (;;) {
    const op = bits.ueMax(6, 'memory_management_control_operation');
    if (op === 0) return list;
    if (op !== 1 && op !== 5) throw new ProtocolError(BAD_SLICE, 'long-term references');
    if (list.length === MAX_CHANGES) throw new ProtocolError(BAD_SLICE, 'too many operations');
    list.push({ op, value: op === 1 ? bits.ue() : 0 });
  }
}
