/**
 * Which of the payload types that a player offers fits a track: H.264 by profile and packetization mode, H.265 by
 * profile, tier and level (RFC 7798), VP9 and AV1 by profile, sound by clock rate. Says what a person should know.
 */
import { CODECS } from '../../codec/codec-id.ts';
import type { RtpCarriedTrack } from '../../packaging/rtp-feed-tracks.ts';
import { parseFmtp } from '../../wire/sdp/media-format.ts';
import { h264Distance, parseProfileLevelId } from './h264-profile.ts';
import type { OfferedCodec, OfferedMedia } from './offer-media.ts';

export interface CodecMatch {
  readonly codec: OfferedCodec;
  /** A sentence, or ''. */
  readonly note: string;
}

type Parameters = ReadonlyMap<string, string>;

/** Payload types that fit worse than any that fits. */
const MODE_0_COST = 20;
const OTHER_PROFILE_COST = 40;
/** Nobody plays it as it is. */
const NO_FIT = Number.POSITIVE_INFINITY;

/** The best of the section for this track, the player's order deciding between equals; null when none fits. */
export function matchTrack(track: RtpCarriedTrack, media: OfferedMedia, stream: string): CodecMatch | null {
  const told = parseFmtp(track.description.fmtp);
  let best: OfferedCodec | null = null;
  let bestCost = NO_FIT;
  for (const codec of media.codecs) {
    const cost = costOf(track, told, codec);
    if (cost < bestCost) {
      best = codec;
      bestCost = cost;
    }
  }
  return best === null ? null : { codec: best, note: noteFor(told, best, bestCost, media, stream) };
}

function costOf(track: RtpCarriedTrack, told: Parameters, offered: OfferedCodec): number {
  if (offered.codec !== track.track.config.codec) return NO_FIT;
  const { fmtp } = offered.mapping;
  switch (offered.codec) {
    case 'h264':
      return h264Cost(told, fmtp);
    case 'h265':
      return h265Cost(told, fmtp);
    case 'vp9':
      return numberOf(told, 'profile-id', 0) === numberOf(fmtp, 'profile-id', 0) ? 0 : NO_FIT;
    case 'av1': {
      // Each profile of AV1 takes in those below it.
      const distance = numberOf(fmtp, 'profile', 0) - numberOf(told, 'profile', 0);
      return distance >= 0 ? distance : NO_FIT;
    }
    case 'g711a':
    case 'g711u':
    case 'g722':
      return track.description.clockRate === offered.mapping.clockRate && track.description.channels <= 1
        ? 0
        : NO_FIT;
    default:
      return 0;
  }
}

/** A track of which nothing is known (no parameter sets yet) fits all: browsers decode more than they offer. */
function h264Cost(told: Parameters, offered: Parameters): number {
  const distance = told.has('profile-level-id')
    ? h264Distance(
        parseProfileLevelId(told.get('profile-level-id')).profile,
        parseProfileLevelId(offered.get('profile-level-id')).profile,
      )
    : 0;
  const isMode1 = offered.get('packetization-mode') === '1';
  return (distance < 0 ? OTHER_PROFILE_COST : distance) + (isMode1 ? 0 : MODE_0_COST);
}

function h265Cost(told: Parameters, offered: Parameters): number {
  const profile = numberOf(told, 'profile-id', 1);
  const decoder = numberOf(offered, 'profile-id', 1);
  const isTaken = profile === decoder || (decoder === 2 && (profile === 1 || profile === 3));
  if (!isTaken || numberOf(told, 'profile-space', 0) !== numberOf(offered, 'profile-space', 0)) return NO_FIT;
  const level = numberOf(offered, 'level-id', 93);
  const isOver =
    numberOf(told, 'tier-flag', 0) > numberOf(offered, 'tier-flag', 0) ||
    numberOf(told, 'level-id', 93) > level;
  return (profile === decoder ? 0 : 1) + (isOver ? OTHER_PROFILE_COST : 0);
}

function noteFor(
  told: Parameters,
  codec: OfferedCodec,
  cost: number,
  media: OfferedMedia,
  stream: string,
): string {
  if (codec.codec === 'h265' && cost >= OTHER_PROFILE_COST)
    return `${stream} is H.265 of a higher tier or level than this player offers, so it may fail to show the picture.`;
  if (codec.codec !== 'h264' || cost < MODE_0_COST) return '';
  if (cost < OTHER_PROFILE_COST)
    return 'This player offers H.264 in packetization mode 0 only; it gets mode 1, which players take all the same.';
  const names = new Set<string>();
  for (const one of media.codecs)
    if (one.codec === 'h264')
      names.add(parseProfileLevelId(one.mapping.fmtp.get('profile-level-id')).profile);
  const { profile, profileDigits } = parseProfileLevelId(told.get('profile-level-id'));
  const name = profile === 'other' ? `of profile ${Number.parseInt(profileDigits.slice(0, 2), 16)}` : profile;
  return `${stream} is H.264 ${name}, and this player offers ${listOf([...names])} only, so it may fail to show the picture.`;
}

/** Why no payload type of the section fits: `live/cam is H.265, and this player offers VP8 and H.264 only.` */
export function whyNoMatch(track: RtpCarriedTrack, media: OfferedMedia, stream: string): string {
  const { kind, config } = track.track;
  const { label } = CODECS[config.codec];
  const offered = new Set<string>();
  let isOtherForm = false;
  for (const { codec } of media.codecs) {
    if (codec === null) continue;
    if (codec === config.codec) isOtherForm = true;
    offered.add(codec === config.codec ? `other forms of ${label}` : CODECS[codec].label);
  }
  const subject = kind === 'video' ? stream : `The sound of ${stream}`;
  const form = isOtherForm && config.profile !== '' ? `${label} ${config.profile}` : label;
  if (offered.size === 0)
    return `${subject} is ${form}, and this player offers no codec that this server sends.`;
  return `${subject} is ${form}, and this player offers ${listOf([...offered])} only.`;
}

/** `a, b and c`. */
export function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
}

function numberOf(parameters: Parameters, name: string, fallback: number): number {
  const text = parameters.get(name) ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) : fallback;
}
