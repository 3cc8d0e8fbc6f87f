/**
 * Layers of simulcast that a peer sends: a=simulcast and a=rid (RFC 8853, RFC 8851), also the form of its drafts
 * (`send rid=a;b`) and a=rid lines alone. Left out: layers that are told apart by SSRC (`ssrc-group:SIM`), and
 * alternatives of a layer beyond the first.
 */
import { parseFmtp } from '../../wire/sdp/media-format.ts';
import type { SdpAttribute } from '../../wire/sdp/session-description.ts';

export interface OfferedRid {
  readonly id: string;
  /** Payload types to which it is restricted; empty = all. */
  readonly payloadTypes: readonly number[];
  /** Pixels or bits per second that a=rid limits it to; 0 = not told. */
  readonly limit: number;
}

/** Nobody sends more than three. */
export const MAX_LAYERS = 4;
const MAX_RIDS = 16;
const RID = /^[A-Za-z0-9_-]{1,64}$/;
/** Names that tell which layer is how good, the best first. */
const KNOWN_NAMES: readonly (readonly string[])[] = [
  ['f', 'h', 'q'],
  ['h', 'm', 'l'],
  ['hi', 'mid', 'lo'],
  ['high', 'mid', 'low'],
  ['high', 'medium', 'low'],
  ['full', 'half', 'quarter'],
  ['r2', 'r1', 'r0'],
];

/** In the order of the peer. */
export function parseRids(attributes: readonly SdpAttribute[]): readonly OfferedRid[] {
  const described = new Map<string, OfferedRid>();
  let listed: readonly string[] | null = null;
  for (const { name, value } of attributes) {
    if (name === 'rid' && described.size < MAX_RIDS) {
      const [id = '', direction = '', restrictions = ''] = value.split(/\s+/);
      if (direction === 'send' && RID.test(id) && !described.has(id))
        described.set(id, { id, ...parseRestrictions(restrictions) });
    } else if (name === 'simulcast' && listed === null) listed = sentStreams(value);
  }
  const ids = listed ?? [...described.keys()];
  const rids = ids.map((id) => described.get(id) ?? { id, payloadTypes: [], limit: 0 });
  return rids.length > 1 ? rids : [];
}

/** `send a;~b,c recv d` -> a, b. */
function sentStreams(value: string): readonly string[] | null {
  const match = /(?:^|\s)send\s+(?:rid=)?(\S+)/.exec(value);
  if (match === null) return null;
  const ids = new Set<string>();
  for (const stream of match[1]!.split(';')) {
    const id = (stream.split(',')[0] ?? '').replace('~', '');
    if (RID.test(id) && ids.size < MAX_RIDS) ids.add(id);
  }
  return [...ids];
}

function parseRestrictions(text: string): Pick<OfferedRid, 'payloadTypes' | 'limit'> {
  const values = parseFmtp(text);
  const numberOf = (name: string) => Number(/^\d{1,9}$/.exec(values.get(name) ?? '')?.[0] ?? 0);
  const payloadTypes = (values.get('pt') ?? '')
    .split(',')
    .filter((type) => /^\d{1,3}$/.test(type))
    .map(Number);
  const pixels = numberOf('max-width') * numberOf('max-height');
  return { payloadTypes, limit: pixels || numberOf('max-fs') || numberOf('max-br') };
}

/**
 * Ids, the best layer first. The order of an offer says nothing about that (browsers list the smallest first, some
 * programs the biggest): limits do, else well-known names; what tells nothing stays as it is.
 */
export function bestFirst(rids: readonly OfferedRid[]): readonly string[] {
  const ids = rids.map(({ id }) => id);
  if (rids.every(({ limit }) => limit > 0))
    return [...rids].sort((a, b) => b.limit - a.limit).map(({ id }) => id);
  const names = KNOWN_NAMES.find((known) => ids.every((id) => known.includes(id.toLowerCase())));
  if (names === undefined) return ids;
  return [...ids].sort((a, b) => names.indexOf(a.toLowerCase()) - names.indexOf(b.toLowerCase()));
}
