/**
 * Offers of a side that calls (RFC 8829 section 5.2) and what comes of their answers: we play from another server
 * (WHEP) or publish to one (WHIP). One section per track, or one for pictures and one for sound when we play.
 */
import { CODECS } from '../../codec/codec-id.ts';
import type { RtpCarriedTrack } from '../../packaging/rtp-feed-tracks.ts';
import { RejectedError } from '../../util/errors.ts';
import type { RtpMapping } from '../../wire/rtp/payload-format.ts';
import { parseFmtp } from '../../wire/sdp/media-format.ts';
import { type SdpAttribute, type SdpMedia, serializeSdp } from '../../wire/sdp/session-description.ts';
import type { RtcDescription, RtcFeedback, RtcMedia } from '../rtc-description.ts';
import { agreeExtensions, EXTENSION_URIS, type OfferedExtension, printExtensions } from './extensions.ts';
import { bothFeedback, printFeedback, usableFeedback } from './feedback.ts';
import { opusFmtp, printedName, printFmtp, printMapping, printRtx } from './format-parameters.ts';
import { parseProfileLevelId } from './h264-profile.ts';
import { parseAnswer, type RtcOffer } from './offer.ts';
import type { OfferedCodec, OfferedMedia } from './offer-media.ts';
import {
  attribute,
  type LocalSide,
  muxLines,
  RTP_PROFILE,
  section,
  sessionLines,
  sourceLines,
  transportLines,
} from './sections.ts';
import { SsrcSource } from './ssrc.ts';

export type CallRequest =
  | { readonly direction: 'publish'; readonly tracks: readonly RtpCarriedTrack[] }
  | { readonly direction: 'play' };

export interface RtcCall {
  readonly sdp: string;
  /**
   * What was agreed. Throws ProtocolError for an answer that makes no sense, RejectedError (`unsupported`) when the other
   * side takes nothing. Tracks that it does not take have no media.
   */
  accept(answer: string | Uint8Array): RtcDescription;
}

/** One payload type of ours. */
interface Choice {
  readonly mapping: RtpMapping;
  /** As printed. */
  readonly fmtp: string;
  /** -1 for sound. */
  readonly rtxPayloadType: number;
}

/** One m= section of ours. */
interface Proposal {
  readonly index: number;
  readonly kind: 'video' | 'audio';
  readonly choices: readonly Choice[];
  /** Of what we send; 0 otherwise. */
  readonly ssrc: number;
  readonly rtxSsrc: number;
  readonly feedTrack: number;
  readonly track: RtpCarriedTrack | null;
}

const EXTENSIONS: readonly OfferedExtension[] = [
  EXTENSION_URIS.mid,
  EXTENSION_URIS.absSendTime,
  EXTENSION_URIS.transportCc,
].map((uri, index) => ({ id: index + 1, uri, isSentByPeer: true, isReceivedByPeer: true }));
const FEEDBACK: RtcFeedback = { nack: true, pli: true, fir: true, transportCc: true, remb: true };
/** Range for what has no number of its own (RFC 3551 section 6), used by browsers in this order. */
const FIRST_DYNAMIC = 96;
const OPUS_TYPE = 111;
const VIDEO_CLOCK_RATE = 90_000;
/** Constrained Baseline, Main, Constrained High, High: which of them a server knows by name differs. */
const PLAYED_H264 = ['42e01f', '4d001f', '640c1f', '64001f'];
const COMMON_H264 = '42e01f';
const MAX_TRACKS = 8;

/** Full ICE, `actpass`; `local.isLite` is false. Throws RejectedError when there is no track to publish. */
export function makeOffer(request: CallRequest, local: LocalSide): RtcCall {
  const proposals = request.direction === 'play' ? playProposals() : publishProposals(request.tracks);
  if (proposals.length === 0)
    throw new RejectedError('unsupported', 'The stream has nothing that WebRTC carries.');
  const isSender = request.direction === 'publish';
  const media = proposals.map((proposal) => offerSection(proposal, local, isSender));
  const mids = proposals.map(({ index }) => String(index));
  return {
    sdp: serializeSdp(sessionLines(local, mids, true, media)),
    accept: (answer) => acceptAnswer(parseAnswer(answer), proposals, local, isSender),
  };
}

class PayloadTypes {
  private nextType = FIRST_DYNAMIC;

  next(): number {
    if (this.nextType === OPUS_TYPE) this.nextType++;
    return this.nextType++;
  }
}

function choice(
  types: PayloadTypes,
  encodingName: string,
  fmtp: string,
  fixed: { payloadType: number; clockRate: number; channels: number } | null = null,
): Choice {
  const payloadType = fixed?.payloadType ?? types.next();
  const { clockRate, channels } = fixed ?? { clockRate: VIDEO_CLOCK_RATE, channels: 0 };
  return {
    mapping: { payloadType, encodingName, clockRate, channels, fmtp: parseFmtp(fmtp) },
    fmtp,
    rtxPayloadType: fixed === null ? types.next() : -1,
  };
}

function h264Fmtp(profileLevelId: string): string {
  return `level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=${profileLevelId}`;
}

function playProposals(): Proposal[] {
  const types = new PayloadTypes();
  const video = [
    ...PLAYED_H264.map((id) => choice(types, 'H264', h264Fmtp(id))),
    choice(types, 'H265', 'level-id=156;profile-id=1;tier-flag=0;tx-mode=SRST'),
    choice(types, 'VP8', ''),
    choice(types, 'VP9', 'profile-id=0'),
    choice(types, 'AV1', 'level-idx=13;profile=0;tier=0'),
  ];
  const opus = { payloadType: OPUS_TYPE, clockRate: 48_000, channels: 2 };
  const audio = [
    choice(types, 'OPUS', 'minptime=10;useinbandfec=1;stereo=1', opus),
    choice(types, 'PCMA', '', { payloadType: 8, clockRate: 8000, channels: 1 }),
    choice(types, 'PCMU', '', { payloadType: 0, clockRate: 8000, channels: 1 }),
    choice(types, 'G722', '', { payloadType: 9, clockRate: 8000, channels: 1 }),
  ];
  const common = { ssrc: 0, rtxSsrc: 0, feedTrack: -1, track: null };
  return [
    { ...common, index: 0, kind: 'video', choices: video },
    { ...common, index: 1, kind: 'audio', choices: audio },
  ];
}

function publishProposals(tracks: readonly RtpCarriedTrack[]): Proposal[] {
  const types = new PayloadTypes();
  const ssrcs = new SsrcSource();
  const proposals: Proposal[] = [];
  const counts = { video: 0, audio: 0 };
  for (const track of tracks) {
    const { kind } = track.track;
    if (kind === 'data' || proposals.length === MAX_TRACKS) continue;
    const choices = kind === 'video' ? videoChoices(track, types) : [audioChoice(track, types)];
    proposals.push({
      index: proposals.length,
      kind,
      choices,
      ssrc: ssrcs.next(),
      rtxSsrc: kind === 'video' ? ssrcs.next() : 0,
      feedTrack: counts[kind]++,
      track,
    });
  }
  return proposals;
}

/** H.264 as it is, and as the profile that all servers know: they hardly ever look at what comes. */
function videoChoices({ description }: RtpCarriedTrack, types: PayloadTypes): Choice[] {
  const { encodingName } = description;
  const told = parseFmtp(description.fmtp);
  if (encodingName !== 'H264') return [choice(types, encodingName, withoutSets(told))];
  const own = told.get('profile-level-id')?.toLowerCase();
  if (own === undefined) return [choice(types, encodingName, h264Fmtp(COMMON_H264))];
  const { profile, levelDigits } = parseProfileLevelId(own);
  const first = choice(types, encodingName, h264Fmtp(own));
  if (profile === 'Constrained Baseline') return [first];
  return [first, choice(types, encodingName, h264Fmtp(COMMON_H264.slice(0, 4) + levelDigits))];
}

/** Parameter sets come with every key frame. */
function withoutSets(told: ReadonlyMap<string, string>): string {
  return printFmtp(new Map([...told].filter(([name]) => !name.startsWith('sprop-'))));
}

function audioChoice(track: RtpCarriedTrack, types: PayloadTypes): Choice {
  const { encodingName, clockRate, channels, payloadType } = track.description;
  if (track.track.config.codec === 'opus') {
    const opus = { payloadType: OPUS_TYPE, clockRate, channels };
    return choice(types, 'OPUS', opusFmtp(track), opus);
  }
  const type = payloadType < 0 ? types.next() : payloadType;
  return choice(types, encodingName, '', { payloadType: type, clockRate, channels: Math.max(1, channels) });
}

function offerSection(proposal: Proposal, local: LocalSide, isSender: boolean): SdpMedia {
  const { index, kind, choices } = proposal;
  const mid = String(index);
  const formats = choices.flatMap(({ mapping, rtxPayloadType }) =>
    rtxPayloadType < 0 ? [mapping.payloadType] : [mapping.payloadType, rtxPayloadType],
  );
  const codecs: SdpAttribute[] = [];
  for (const { mapping, fmtp, rtxPayloadType } of choices) {
    const { payloadType, clockRate } = mapping;
    codecs.push(printMapping(mapping), ...printFeedback(payloadType, usableFeedback(FEEDBACK, kind, true)));
    if (fmtp !== '') codecs.push(attribute('fmtp', `${payloadType} ${fmtp}`));
    if (rtxPayloadType >= 0) codecs.push(...printRtx(rtxPayloadType, clockRate, payloadType));
  }
  const extensions = agreeExtensions(EXTENSIONS, 'send', mid, true);
  return section(kind, RTP_PROFILE, formats.map(String), [
    ...transportLines(local, mid, 'actpass', index === 0),
    ...printExtensions(extensions, EXTENSIONS),
    attribute(isSender ? 'sendonly' : 'recvonly'),
    ...muxLines(true),
    ...codecs,
    ...(isSender ? sourceLines(local.cname, kind, index, [proposal.ssrc, proposal.rtxSsrc]) : []),
  ]);
}

function acceptAnswer(
  answer: RtcOffer,
  proposals: readonly Proposal[],
  local: LocalSide,
  isSender: boolean,
): RtcDescription {
  const medias: RtcMedia[] = [];
  for (const proposal of proposals) {
    const media = answer.medias[proposal.index];
    if (media === undefined || media.isRejected || media.kind !== proposal.kind) continue;
    if (!answer.bundled.includes(media)) continue;
    const isWilling =
      media.direction === 'sendrecv' || media.direction === (isSender ? 'recvonly' : 'sendonly');
    if (!isWilling) continue;
    const agreed = isSender ? sentMedia(media, proposal) : receivedMedia(media, proposal);
    if (agreed !== null) medias.push(agreed);
  }
  if (medias.length === 0) {
    const what = isSender ? 'takes none of what is published' : 'sends nothing that can be played';
    throw new RejectedError('unsupported', `The other side ${what}.`);
  }
  return {
    medias,
    localIce: local.ice,
    remoteIce: answer.ice,
    remoteCandidates: answer.candidates,
    remoteIsLite: answer.isLite,
    isCaller: true,
    dtlsRole: answer.setup === 'active' ? 'server' : 'client',
    remoteFingerprint: answer.fingerprint,
    cname: local.cname,
  };
}

/** The first payload type of the answer that is one of ours. */
function sentMedia(media: OfferedMedia, proposal: Proposal): RtcMedia | null {
  for (const answered of media.codecs) {
    const chosen = proposal.choices.find(({ mapping }) => isSame(mapping, answered.mapping));
    if (chosen === undefined) continue;
    const common = commonMedia(media, proposal, answered, 'send');
    const hasRtx = answered.rtxPayloadType === chosen.rtxPayloadType && common.feedback.nack;
    const rtxPayloadType = hasRtx ? chosen.rtxPayloadType : -1;
    return {
      ...common,
      codec: proposal.track!.track.config.codec,
      fmtp: chosen.fmtp,
      rtxPayloadType,
      ssrc: proposal.ssrc,
      rtxSsrc: rtxPayloadType >= 0 ? proposal.rtxSsrc : 0,
    };
  }
  return null;
}

/** The first codec of the answer that is one of ours, under whatever number. */
function receivedMedia(media: OfferedMedia, proposal: Proposal): RtcMedia | null {
  for (const answered of media.codecs) {
    const { codec, mapping } = answered;
    if (codec === null || CODECS[codec].kind !== proposal.kind) continue;
    const common = commonMedia(media, proposal, answered, 'receive');
    const ssrc = media.ssrcs[0] ?? 0;
    return {
      ...common,
      codec,
      fmtp: printFmtp(mapping.fmtp),
      rtxPayloadType: common.feedback.nack ? answered.rtxPayloadType : -1,
      ssrc,
      rtxSsrc: media.repairs.find(([repaired]) => repaired === ssrc)?.[1] ?? 0,
    };
  }
  return null;
}

function isSame(ours: RtpMapping, theirs: RtpMapping): boolean {
  return (
    ours.payloadType === theirs.payloadType &&
    ours.encodingName.toUpperCase() === theirs.encodingName &&
    ours.clockRate === theirs.clockRate
  );
}

function commonMedia(
  media: OfferedMedia,
  proposal: Proposal,
  answered: OfferedCodec,
  direction: 'send' | 'receive',
) {
  const { kind, index, feedTrack } = proposal;
  const { mapping, payloadType } = answered;
  const ours = media.extensions.filter(({ id, uri }) =>
    EXTENSIONS.some((extension) => extension.id === id && extension.uri === uri),
  );
  // An answer may leave out a=mid when there is no bundle; the section is the same.
  const mid = String(index);
  const extensions = agreeExtensions(ours, direction, mid, answered.feedback.transportCc);
  return {
    index,
    mid,
    kind,
    direction,
    encodingName: printedName(mapping),
    clockRate: mapping.clockRate,
    channels: kind === 'audio' ? Math.max(1, mapping.channels) : 0,
    payloadType,
    rids: [],
    extensions,
    feedback: usableFeedback(bothFeedback(answered.feedback, FEEDBACK), kind, extensions.transportCc > 0),
    feedTrack,
  } as const;
}
