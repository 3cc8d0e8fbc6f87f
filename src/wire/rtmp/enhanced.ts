/**
 * What the two ends of an RTMP connection tell each other in `connect` and its `_result` about codecs and features
 * beyond the old ones (Enhanced RTMP v2, "Enhancing NetConnection connect Command"; v1 had only fourCcList).
 */
import { type AmfObject, type AmfValue, isAmfObject, makeAmfObject } from '../amf/amf-value.ts';

/** Bits of a codec's mask in the info maps (2 is: can encode). */
const CAN_DECODE = 1;
const CAN_FORWARD = 4;

/** Bits of capsEx. */
export const CAPS_RECONNECT = 1;
export const CAPS_MULTITRACK = 2;
export const CAPS_MOD_EX = 4;
export const CAPS_TIMESTAMP_NANO_OFFSET = 8;

const ANY = '*';
const MAX_FOUR_CCS = 64;

/** FourCC (or `*`) to mask. */
type FourCcMap = ReadonlyMap<string, number>;

/** Null is what the peer did not mention; many that could do more mention nothing at all. */
export interface EnhancedCapabilities {
  /** Codecs the peer can receive; `*` stands for any. Of v1, where it means video alone. */
  readonly fourCcList: readonly string[] | null;
  readonly videoFourCcInfoMap: FourCcMap | null;
  readonly audioFourCcInfoMap: FourCcMap | null;
  /** CAPS_ bits; 0 when there were none. */
  readonly capsEx: number;
}

/** What the peer told in its connect object, or a server in the information object of its answer. */
export function readEnhancedCapabilities(object: AmfObject): EnhancedCapabilities {
  const { fourCcList, videoFourCcInfoMap, audioFourCcInfoMap, capsEx } = object;
  return {
    fourCcList: readList(fourCcList),
    videoFourCcInfoMap: readMap(videoFourCcInfoMap),
    audioFourCcInfoMap: readMap(audioFourCcInfoMap),
    capsEx: typeof capsEx === 'number' ? capsEx >>> 0 : 0,
  };
}

function readList(value: AmfValue): string[] | null {
  if (!Array.isArray(value) && !isAmfObject(value)) return null;
  const items = Array.isArray(value) ? value : Object.values(value);
  const list: string[] = [];
  for (const item of items) {
    if (typeof item === 'string' && isFourCc(item) && list.length < MAX_FOUR_CCS) list.push(item);
  }
  return list;
}

function readMap(value: AmfValue): FourCcMap | null {
  if (!isAmfObject(value)) return null;
  const map = new Map<string, number>();
  for (const name of Object.keys(value)) {
    const mask = value[name];
    if (typeof mask === 'number' && isFourCc(name) && map.size < MAX_FOUR_CCS) map.set(name, mask & 7);
  }
  return map;
}

function isFourCc(text: string): boolean {
  return text === ANY || text.length === 4;
}

/** The codecs the peer said it can decode; null when it told nothing, or that it takes any. */
export function acceptedFourCcs(peer: EnhancedCapabilities): ReadonlySet<string> | null {
  const { fourCcList, videoFourCcInfoMap, audioFourCcInfoMap } = peer;
  if (fourCcList === null && videoFourCcInfoMap === null && audioFourCcInfoMap === null) return null;
  const accepted = new Set(fourCcList);
  addDecodable(accepted, videoFourCcInfoMap);
  addDecodable(accepted, audioFourCcInfoMap);
  return accepted.has(ANY) ? null : accepted;
}

function addDecodable(accepted: Set<string>, map: FourCcMap | null): void {
  if (map === null) return;
  for (const [fourCc, mask] of map) if ((mask & CAN_DECODE) !== 0) accepted.add(fourCc);
}

/**
 * The members that a server which passes on every codec adds to the information object of its `_result`: only
 * those that the client showed to know. `ownCapsEx` are the CAPS_ bits of this server.
 */
export function enhancedAnswer(peer: EnhancedCapabilities, ownCapsEx: number): AmfObject {
  const answer = makeAmfObject();
  const { fourCcList, videoFourCcInfoMap, audioFourCcInfoMap } = peer;
  if (fourCcList !== null) Object.assign(answer, { fourCcList: [ANY] });
  if (videoFourCcInfoMap !== null) Object.assign(answer, { videoFourCcInfoMap: { [ANY]: CAN_FORWARD } });
  if (audioFourCcInfoMap !== null) Object.assign(answer, { audioFourCcInfoMap: { [ANY]: CAN_FORWARD } });
  // A client of v2 sends capsEx even when it has none of the features, but 0 and absent are one here.
  if (videoFourCcInfoMap !== null || audioFourCcInfoMap !== null || peer.capsEx !== 0) {
    Object.assign(answer, { capsEx: ownCapsEx });
  }
  return answer;
}
