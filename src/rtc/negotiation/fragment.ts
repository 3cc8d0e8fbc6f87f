/**
 * Fragments of a description (RFC 8840 section 9, `application/trickle-ice-sdpfrag`): candidates that come later, and
 * new credentials when ICE starts again (RFC 8838, RFC 9725 section 4.3).
 */
import { ProtocolError } from '../../util/errors.ts';
import {
  attributeOf,
  parseSdp,
  type SdpMedia,
  type SessionDescription,
  serializeSdp,
} from '../../wire/sdp/session-description.ts';
import type { IceCredentials, RtcDescription } from '../rtc-description.ts';
import { checkedIce, collectCandidates } from './offer.ts';
import { attribute, candidateLines, type LocalSide, RTP_PROFILE, section } from './sections.ts';

export interface IceFragment {
  /** '' when there is none: then it means the current one. */
  readonly ufrag: string;
  readonly password: string;
  /** `candidate:...` of the section with these credentials, at most 64. */
  readonly candidates: readonly string[];
  /** No more will come. */
  readonly isEnd: boolean;
}

/** Throws ProtocolError. */
export function parseFragment(text: string | Uint8Array): IceFragment {
  const session = parseLines(text);
  const levels = [session.attributes, ...session.media.map(({ attributes }) => attributes)];
  const first = (name: string): string => {
    for (const level of levels) {
      const value = attributeOf(level, name);
      if (value !== null) return value;
    }
    return '';
  };
  const ufrag = first('ice-ufrag');
  const password = first('ice-pwd');
  if (ufrag !== '' && password !== '') checkedIce(ufrag, password);
  const candidates = new Set<string>();
  let isEnd = false;
  for (const level of levels) {
    const own = attributeOf(level, 'ice-ufrag');
    if (own !== null && own !== ufrag) continue;
    collectCandidates(level, candidates);
    isEnd ||= attributeOf(level, 'end-of-candidates') !== null;
  }
  return { ufrag, password, candidates: [...candidates], isEnd };
}

function parseLines(text: string | Uint8Array): SessionDescription {
  try {
    return parseSdp(text);
  } catch (error) {
    if (error instanceof ProtocolError) throw new ProtocolError('webrtc.sdp-unreadable', error.message);
    throw error;
  }
}

/** Candidates of ours for the transport of this connection. */
export function printFragment(fragment: IceFragment, description: RtcDescription): string {
  const lines = [attribute('ice-ufrag', fragment.ufrag), attribute('ice-pwd', fragment.password)];
  return printLines(fragment, description, lines);
}

export interface IceRestart {
  readonly remoteIce: IceCredentials;
  readonly remoteCandidates: readonly string[];
  /** The fragment that is answered. */
  readonly body: string;
}

/**
 * What a fragment of the peer asks for: null when it only brings candidates for the credentials that `description`
 * has. `local` has new credentials and all candidates. Throws ProtocolError when new credentials are incomplete.
 */
export function renegotiateIce(
  fragment: IceFragment,
  description: RtcDescription,
  makeLocal: () => Pick<LocalSide, 'ice' | 'candidates' | 'isLite'>,
): IceRestart | null {
  const { ufrag, password, candidates } = fragment;
  const { remoteIce } = description;
  if (ufrag === '' || ufrag === remoteIce.ufrag) return null;
  const restarted = checkedIce(ufrag, password);
  const local = makeLocal();
  const lines = [
    attribute('ice-ufrag', local.ice.ufrag),
    attribute('ice-pwd', local.ice.password),
    ...(local.isLite ? [attribute('ice-lite')] : []),
    attribute('ice-options', 'trickle'),
  ];
  const ours = { ...local.ice, candidates: local.candidates, isEnd: true };
  return {
    remoteIce: restarted,
    remoteCandidates: candidates,
    body: printLines(ours, description, lines),
  };
}

/** One section stands for all of the bundle; the lines that begin a whole description are not in a fragment. */
function printLines(
  fragment: IceFragment,
  description: RtcDescription,
  attributes: SessionDescription['attributes'],
): string {
  const media: SdpMedia[] = [];
  const [first] = description.medias;
  if (first !== undefined) {
    const lines = [
      attribute('mid', first.mid),
      ...candidateLines(fragment.candidates),
      ...(fragment.isEnd ? [attribute('end-of-candidates')] : []),
    ];
    media.push({ ...section(first.kind, RTP_PROFILE, [String(first.payloadType)], lines), connection: '' });
  }
  const text = serializeSdp({
    origin: '',
    name: '',
    information: '',
    connection: '',
    bandwidths: [],
    timing: '',
    attributes,
    media,
  });
  return text
    .split('\r\n')
    .filter((line) => !/^[vost]=/.test(line))
    .join('\r\n');
}
