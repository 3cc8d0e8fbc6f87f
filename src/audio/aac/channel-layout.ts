/**
 * Which elements a frame of AAC has and which loudspeakers they are for: channel configurations (ISO/IEC 14496-3 table
 * 1.19) and program_config_element (4.4.1.1). Leaves out: mixdown hints, height extension of a PCE's comment.
 */
import { ProtocolError } from '../../util/errors.ts';
import type { Speaker } from '../pcm.ts';
import type { AacBits } from './aac-bits.ts';

export const SINGLE = 0;
export const PAIR = 1;
export const COUPLING = 2;
export const LOW_FREQUENCY = 3;

export interface LayoutElement {
  /** Syntactic element: SINGLE, PAIR or LOW_FREQUENCY. */
  readonly type: number;
  /** element_instance_tag, or -1 when any will do. */
  readonly tag: number;
  readonly speakers: readonly Speaker[];
}

const MAX_CHANNELS = 16;

const CENTRE: LayoutElement = { type: SINGLE, tag: -1, speakers: ['C'] };
const FRONT: LayoutElement = { type: PAIR, tag: -1, speakers: ['L', 'R'] };
const HALF: LayoutElement = { type: PAIR, tag: -1, speakers: ['Lc', 'Rc'] };
const SURROUND: LayoutElement = { type: PAIR, tag: -1, speakers: ['Ls', 'Rs'] };
const BACK: LayoutElement = { type: PAIR, tag: -1, speakers: ['Lb', 'Rb'] };
const BACK_CENTRE: LayoutElement = { type: SINGLE, tag: -1, speakers: ['Cs'] };
const LOW: LayoutElement = { type: LOW_FREQUENCY, tag: -1, speakers: ['LFE'] };

const LAYOUTS = new Map<number, readonly LayoutElement[]>([
  [1, [CENTRE]],
  [2, [FRONT]],
  [3, [CENTRE, FRONT]],
  [4, [CENTRE, FRONT, BACK_CENTRE]],
  [5, [CENTRE, FRONT, SURROUND]],
  [6, [CENTRE, FRONT, SURROUND, LOW]],
  [7, [CENTRE, HALF, FRONT, SURROUND, LOW]],
  [11, [CENTRE, FRONT, SURROUND, BACK_CENTRE, LOW]],
  [12, [CENTRE, FRONT, SURROUND, BACK, LOW]],
]);

/** Elements of a channelConfiguration in their order, or undefined when we know none of that number. */
export function layoutOfConfig(channelConfig: number): readonly LayoutElement[] | undefined {
  return LAYOUTS.get(channelConfig);
}

/**
 * Reads a program_config_element, whose bits count from the start of `bits`. Throws ProtocolError when it is cut off or
 * lists no or too many channels.
 */
export function readProgramConfig(bits: AacBits): LayoutElement[] {
  bits.skip(4 + 2 + 4); // element_instance_tag, object_type, sampling_frequency_index
  const front = bits.bits(4);
  const side = bits.bits(4);
  const back = bits.bits(4);
  const low = bits.bits(2);
  const associated = bits.bits(3);
  const coupling = bits.bits(4);
  if (bits.flag()) bits.skip(4); // mono_mixdown
  if (bits.flag()) bits.skip(4); // stereo_mixdown
  if (bits.flag()) bits.skip(3); // matrix_mixdown
  const elements: LayoutElement[] = [];
  for (let i = 0; i < front; i++) {
    const type = bits.bits(1);
    elements.push({ type, tag: bits.bits(4), speakers: type === SINGLE ? CENTRE.speakers : HALF.speakers });
  }
  for (let i = 0; i < side; i++) {
    const type = bits.bits(1);
    elements.push({
      type,
      tag: bits.bits(4),
      speakers: type === SINGLE ? BACK_CENTRE.speakers : SURROUND.speakers,
    });
  }
  for (let i = 0; i < back; i++) {
    const type = bits.bits(1);
    const speakers = type === SINGLE ? BACK_CENTRE.speakers : side > 0 ? BACK.speakers : SURROUND.speakers;
    elements.push({ type, tag: bits.bits(4), speakers });
  }
  for (let i = 0; i < low; i++)
    elements.push({ type: LOW_FREQUENCY, tag: bits.bits(4), speakers: LOW.speakers });
  bits.skip(4 * associated + 5 * coupling);
  bits.align();
  const comment = bits.bits(8);
  bits.skip(8 * comment);
  let channels = 0;
  for (const { speakers } of elements) channels += speakers.length;
  if (bits.isOverrun || channels === 0 || channels > MAX_CHANNELS)
    throw new ProtocolError('codec.bad-aac-config', `program config of ${channels} channels`);
  return nameFrontPairs(elements);
}

/** The pairs of the front are told from the inside to the outside: the last is left and right. */
function nameFrontPairs(elements: LayoutElement[]): LayoutElement[] {
  const last = elements.findLastIndex(({ speakers }) => speakers === HALF.speakers);
  return elements.map((element, i) => (i === last ? { ...element, speakers: FRONT.speakers } : element));
}
