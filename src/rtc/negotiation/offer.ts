/**
 * What a peer's description says, offer or answer (RFC 8829 section 5.8): the m= sections, and the one transport that
 * they share by BUNDLE (RFC 9143) with its ICE (RFC 8839) and DTLS (RFC 8842) attributes. Whoever cannot be served
 * hears why. Left out: connections that are not bundled, RTCP on a port of its own, SDES keys, identity assertions.
 */
import { parseCandidate } from '../../ice/candidate.ts';
import { checkIceCredentials } from '../../ice/credentials.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import {
  attributeOf,
  parseSdp,
  type SdpAttribute,
  type SessionDescription,
} from '../../wire/sdp/session-description.ts';
import type { IceCredentials, RtcFingerprint } from '../rtc-description.ts';
import { type OfferedMedia, parseOfferMedia } from './offer-media.ts';

export interface RtcOffer {
  readonly medias: readonly OfferedMedia[];
  /** Sections that share the transport, in the order of a=group:BUNDLE; the first is the tagged one. */
  readonly bundled: readonly OfferedMedia[];
  /** The description has a=group:BUNDLE (without it only one section can be used). */
  readonly hasGroup: boolean;
  readonly ice: IceCredentials;
  /** `candidate:...` of the shared transport. */
  readonly candidates: readonly string[];
  readonly isLite: boolean;
  /** The peer sends and takes candidates later (RFC 8840). */
  readonly isTrickle: boolean;
  readonly fingerprint: RtcFingerprint;
  readonly setup: 'actpass' | 'active' | 'passive';
}

const MAX_CANDIDATES = 64;

/** Hexadecimal digits and colons of each hash (RFC 8122 section 5). The best of several is used. */
const HASH_LENGTHS: ReadonlyMap<RtcFingerprint['algorithm'], number> = new Map([
  ['sha-256', 95],
  ['sha-384', 143],
  ['sha-512', 191],
  ['sha-1', 59],
]);

/** Throws ProtocolError `webrtc.sdp-...` with a sentence that says what is wrong. */
export function parseOffer(text: string | Uint8Array): RtcOffer {
  return parsePeer(text, false);
}

/** The same of an answer; one without a=group:BUNDLE passes when its sections share the credentials. */
export function parseAnswer(text: string | Uint8Array): RtcOffer {
  return parsePeer(text, true);
}

function parsePeer(text: string | Uint8Array, isAnswer: boolean): RtcOffer {
  const session = parseLines(text);
  const medias = session.media.map((section, index) => parseOfferMedia(section, index, session));
  const live = medias.filter((media) => isLive(media));
  if (live.length === 0)
    throw new ProtocolError('webrtc.sdp-no-media', 'there is no section for picture or sound that is in use');
  checkMids(medias);
  const group = bundleGroup(session, medias);
  const bundled = group ?? withoutGroup(live, isAnswer);
  if (!bundled.some((media) => isLive(media)))
    throw new ProtocolError('webrtc.sdp-not-bundled', 'a=group:BUNDLE names no section for picture or sound');
  checkSecurity(session, bundled);
  const withoutMux = bundled.find((media) => isLive(media) && !media.hasRtcpMux);
  if (withoutMux !== undefined)
    throw new ProtocolError(
      'webrtc.sdp-no-rtcp-mux',
      `section "${withoutMux.mid}" lacks a=rtcp-mux: RTCP has no port of its own here`,
    );
  const levels = [...bundled.map(({ section }) => section.attributes), session.attributes];
  const ice = iceOf(levels, session);
  return {
    medias,
    bundled,
    hasGroup: group !== null,
    ice,
    candidates: candidatesOf(session, bundled, ice),
    isLite: attributeOf(session.attributes, 'ice-lite') !== null,
    isTrickle: levels.some((level) => /\btrickle\b/.test(attributeOf(level, 'ice-options') ?? '')),
    fingerprint: fingerprintOf(levels),
    setup: setupOf(levels, isAnswer),
  };
}

function parseLines(text: string | Uint8Array): SessionDescription {
  try {
    return parseSdp(text);
  } catch (error) {
    if (error instanceof ProtocolError) throw new ProtocolError('webrtc.sdp-unreadable', error.message);
    throw error;
  }
}

function isLive(media: OfferedMedia): boolean {
  return (media.kind === 'video' || media.kind === 'audio') && !media.isRejected;
}

function checkMids(medias: readonly OfferedMedia[]): void {
  const seen = new Set<string>();
  for (const { mid } of medias) {
    if (mid === '') continue;
    if (seen.has(mid)) throw new ProtocolError('webrtc.sdp-bad-mid', `two sections have a=mid:${mid}`);
    seen.add(mid);
  }
}

/** Sections of the first BUNDLE group that has picture or sound; null without any group. */
function bundleGroup(
  session: SessionDescription,
  medias: readonly OfferedMedia[],
): readonly OfferedMedia[] | null {
  let first: readonly OfferedMedia[] | null = null;
  for (const { name, value } of session.attributes) {
    if (name !== 'group' || !/^BUNDLE(\s|$)/.test(value)) continue;
    const mids = new Set(value.split(/\s+/).slice(1));
    const members = [...mids]
      .map((mid) => medias.find((media) => media.mid === mid && !media.isRejected))
      .filter((media) => media !== undefined);
    if (members.some((media) => isLive(media))) return members;
    first ??= members;
  }
  return first;
}

function withoutGroup(live: readonly OfferedMedia[], isAnswer: boolean): readonly OfferedMedia[] {
  const ufragOf = ({ section }: OfferedMedia) => attributeOf(section.attributes, 'ice-ufrag') ?? '';
  const isShared = isAnswer && live.every((media) => ufragOf(media) === ufragOf(live[0]!));
  if (live.length === 1 || isShared) return live;
  throw new ProtocolError(
    'webrtc.sdp-not-bundled',
    'there are several sections without a=group:BUNDLE; all of them have to share one transport here',
  );
}

/** DTLS-SRTP or nothing; which of its names the profile has does not matter (RFC 8829 section 5.1.2). */
function checkSecurity(session: SessionDescription, bundled: readonly OfferedMedia[]): void {
  const has = (name: string) =>
    attributeOf(session.attributes, name) !== null ||
    bundled.some(({ section }) => attributeOf(section.attributes, name) !== null);
  const strange = bundled.find(
    (media) => isLive(media) && !/^((UDP|TCP)\/)?(D?TLS\/)?RTP\/S?AVPF?$/.test(media.section.protocol),
  );
  if (strange !== undefined)
    throw new ProtocolError(
      'webrtc.sdp-bad-profile',
      `section "${strange.mid}" has a profile that is not RTP over DTLS; UDP/TLS/RTP/SAVPF is the usual one`,
    );
  if (has('fingerprint')) return;
  if (has('crypto'))
    throw new ProtocolError(
      'webrtc.sdp-sdes',
      'the keys are in the description (SDES); only DTLS is supported',
    );
  if (bundled.every((media) => !/\/SAVPF?$/.test(media.section.protocol)))
    throw new ProtocolError('webrtc.sdp-plain-rtp', 'this is plain RTP; WebRTC encrypts (UDP/TLS/RTP/SAVPF)');
  throw new ProtocolError('webrtc.sdp-no-fingerprint', 'there is no a=fingerprint of the DTLS certificate');
}

/** The first level that has them: the tagged section, other sections of the bundle, the session. */
function iceOf(levels: readonly (readonly SdpAttribute[])[], session: SessionDescription): IceCredentials {
  for (const level of levels) {
    const ufrag = attributeOf(level, 'ice-ufrag');
    const password = attributeOf(level, 'ice-pwd') ?? attributeOf(session.attributes, 'ice-pwd');
    if (ufrag !== null && password !== null) return checkedIce(ufrag, password);
  }
  throw new ProtocolError('webrtc.sdp-no-ice', 'there are no ICE credentials (a=ice-ufrag and a=ice-pwd)');
}

export function checkedIce(ufrag: string, password: string): IceCredentials {
  try {
    return checkIceCredentials(ufrag, password);
  } catch (error) {
    if (error instanceof RejectedError) throw new ProtocolError('webrtc.sdp-bad-ice', error.message);
    throw error;
  }
}

/** Sections with other credentials gather for a transport of their own, which is not used. */
function candidatesOf(
  session: SessionDescription,
  bundled: readonly OfferedMedia[],
  ice: IceCredentials,
): readonly string[] {
  const lines = new Set<string>();
  const levels = bundled.filter(({ section }) => {
    const ufrag = attributeOf(section.attributes, 'ice-ufrag');
    return ufrag === null || ufrag === ice.ufrag;
  });
  for (const attributes of [...levels.map(({ section }) => section.attributes), session.attributes])
    collectCandidates(attributes, lines);
  return [...lines];
}

/** Adds `candidate:...` of component 1 that can be read, up to 64. */
export function collectCandidates(attributes: readonly SdpAttribute[], lines: Set<string>): void {
  for (const { name, value } of attributes) {
    if (name !== 'candidate' || lines.size >= MAX_CANDIDATES) continue;
    const line = `candidate:${value}`;
    if (parseCandidate(line)?.component === 1) lines.add(line);
  }
}

function fingerprintOf(levels: readonly (readonly SdpAttribute[])[]): RtcFingerprint {
  const found = new Map<string, string>();
  for (const level of levels) {
    for (const { name, value } of level) {
      if (name !== 'fingerprint') continue;
      const [algorithm = '', digits = ''] = value.split(/\s+/);
      if (!found.has(algorithm.toLowerCase())) found.set(algorithm.toLowerCase(), digits.toUpperCase());
    }
    if (found.size > 0) break;
  }
  for (const [algorithm, length] of HASH_LENGTHS) {
    const value = found.get(algorithm);
    if (value?.length === length && /^[0-9A-F]{2}(:[0-9A-F]{2})*$/.test(value)) return { algorithm, value };
  }
  throw new ProtocolError(
    'webrtc.sdp-bad-fingerprint',
    'a=fingerprint is not a SHA-256, SHA-384, SHA-512 or SHA-1 in hexadecimal digits',
  );
}

/** Missing in an offer it may be either (RFC 8842 section 5.2), in an answer the answerer connects (RFC 4145). */
function setupOf(levels: readonly (readonly SdpAttribute[])[], isAnswer: boolean): RtcOffer['setup'] {
  for (const level of levels) {
    const value = attributeOf(level, 'setup')?.toLowerCase();
    if (value === undefined) continue;
    if (value === 'actpass' || value === 'active' || value === 'passive') return value;
    throw new ProtocolError('webrtc.sdp-bad-setup', 'a=setup is none of actpass, active and passive');
  }
  return isAnswer ? 'active' : 'actpass';
}
