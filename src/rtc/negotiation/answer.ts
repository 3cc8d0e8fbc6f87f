/**
 * Answers (RFC 3264, RFC 8829 section 5.3) of a server that is called: to a publisher who sends, to a player who
 * receives. Every section of the offer is answered in order: used, `inactive` where there is nothing for it (a section
 * that stays keeps the bundle whole), or with port 0 where nothing of it can be used.
 */
import { CODECS, type CodecId } from '../../codec/codec-id.ts';
import type { RtpCarriedTrack } from '../../packaging/rtp-feed-tracks.ts';
import { WEBRTC_PAYLOAD_FORMATS } from '../../packaging/webrtc-feed.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { type SdpMedia, serializeSdp } from '../../wire/sdp/session-description.ts';
import type { RtcDescription, RtcMedia } from '../rtc-description.ts';
import { listOf, matchTrack, whyNoMatch } from './codec-match.ts';
import { agreeExtensions } from './extensions.ts';
import { usableFeedback } from './feedback.ts';
import {
  printedName,
  printFmtp,
  printMapping,
  printRtx,
  receivedFmtp,
  sentFmtp,
} from './format-parameters.ts';
import type { RtcOffer } from './offer.ts';
import type { OfferedCodec, OfferedMedia } from './offer-media.ts';
import {
  attribute,
  codecLines,
  extensionLines,
  type LocalSide,
  muxLines,
  type SetupRole,
  section,
  sessionLines,
  sourceLines,
  transportLines,
} from './sections.ts';
import { bestFirst, MAX_LAYERS } from './simulcast.ts';
import { SsrcSource } from './ssrc.ts';

export interface PublishOptions {
  /** `live/cam`, for sentences. */
  readonly stream: string;
  /** Taken before all others, whatever order the publisher has; empty = the publisher's order. */
  readonly preferred: readonly CodecId[];
}

export interface PlayOptions {
  readonly stream: string;
}

export interface Negotiated {
  readonly description: RtcDescription;
  readonly sdp: string;
  /** Sentences: what was left out and why, what may not work. */
  readonly notes: readonly string[];
}

/** Of each kind: nobody sends or shows more. */
const MAX_MEDIAS_OF_KIND = 4;

/** What becomes of one section. */
type Plan =
  | { readonly is: 'used'; readonly media: RtcMedia; readonly fmtp: string; readonly rids: readonly string[] }
  | { readonly is: 'inactive'; readonly codec: OfferedCodec }
  | { readonly is: 'rejected' };

/**
 * To a publisher. Throws RejectedError: `bad-request` when the offer sends nothing, `unsupported` when nothing of it
 * can be received; ProtocolError when both sides are ICE-lite.
 */
export function answerPublish(offer: RtcOffer, local: LocalSide, options: PublishOptions): Negotiated {
  const notes: string[] = [];
  const reasons: string[] = [];
  const counts = { video: 0, audio: 0 };
  const plans = offer.medias.map((media): Plan => {
    const kind = usableKind(offer, media, notes);
    if (kind === null) return { is: 'rejected' };
    if (media.direction === 'recvonly' || media.direction === 'inactive') return idle(media);
    const codec = receivableCodec(media, options.preferred);
    if (codec === null) {
      const names = [...new Set(media.codecs.map(({ mapping }) => printedName(mapping)))].slice(0, 8);
      const offered = names.length === 0 ? 'no codec' : listOf(names);
      reasons.push(
        `The publisher offers ${offered} for ${wordFor(kind)}, and this server takes ${labelsOf(kind)}.`,
      );
      return { is: 'rejected' };
    }
    if (++counts[kind] > MAX_MEDIAS_OF_KIND) {
      notes.push(tooMany(kind));
      return { is: 'inactive', codec };
    }
    return receivingPlan(media, kind, codec, notes);
  });
  if (counts.video + counts.audio === 0) {
    if (reasons.length > 0) throw new RejectedError('unsupported', reasons.join(' '));
    throw new RejectedError(
      'bad-request',
      'This offer sends nothing: a publisher has a=sendonly or a=sendrecv in its sections.',
    );
  }
  return negotiated(offer, local, plans, [...notes, ...reasons]);
}

/**
 * To a player: each receiving section gets the next track of its kind that it can have. Throws RejectedError:
 * `unsupported` with a sentence when nothing at all can be sent; ProtocolError when both sides are ICE-lite.
 */
export function answerPlay(
  offer: RtcOffer,
  tracks: readonly RtpCarriedTrack[],
  local: LocalSide,
  options: PlayOptions,
): Negotiated {
  const { stream } = options;
  const notes: string[] = [];
  const reasons = new Set<string>();
  const ssrcs = new SsrcSource(offer.medias.flatMap((media) => [...media.ssrcs, ...media.repairs.flat()]));
  const used = new Set<RtpCarriedTrack>();
  const asked = new Set<string>();
  const counts = { video: 0, audio: 0 };
  const plans = offer.medias.map((media): Plan => {
    const kind = usableKind(offer, media, notes);
    if (kind === null) return { is: 'rejected' };
    if (media.direction === 'sendonly' || media.direction === 'inactive') return idle(media);
    asked.add(kind);
    const ofKind = tracks.filter(({ track }) => track.kind === kind);
    for (const [feedTrack, track] of ofKind.entries()) {
      if (used.has(track) || counts[kind] >= MAX_MEDIAS_OF_KIND) continue;
      const match = matchTrack(track, media, stream);
      if (match === null) {
        reasons.add(whyNoMatch(track, media, stream));
        continue;
      }
      used.add(track);
      counts[kind]++;
      if (match.note !== '') notes.push(match.note);
      return sendingPlan(media, kind, match.codec, track, feedTrack, ssrcs);
    }
    return idle(media);
  });
  const missing = leftOut(tracks, used, asked, stream);
  if (used.size === 0) throw new RejectedError('unsupported', whyNothing(tracks, reasons, missing, stream));
  return negotiated(offer, local, plans, [...notes, ...reasons, ...missing]);
}

/** Video or audio when the section can be used at all; notes why not. */
function usableKind(offer: RtcOffer, media: OfferedMedia, notes: string[]): 'video' | 'audio' | null {
  const { kind } = media;
  if (media.isRejected) return null;
  if (kind !== 'video' && kind !== 'audio') {
    notes.push(`Section "${media.mid}" (${kind}) is refused: only pictures and sound are carried.`);
    return null;
  }
  if (offer.bundled.includes(media)) return kind;
  notes.push(`Section "${media.mid}" (${kind}) is refused: it is not in the bundle.`);
  return null;
}

function idle(media: OfferedMedia): Plan {
  const codec = media.codecs.find((one) => one.codec !== null);
  return codec === undefined ? { is: 'rejected' } : { is: 'inactive', codec };
}

/** The preferred codec, or the first; of H.264 a payload type that allows NAL units in pieces. */
function receivableCodec(media: OfferedMedia, preferred: readonly CodecId[]): OfferedCodec | null {
  const known = media.codecs.filter((one) => one.codec !== null && canRead(one));
  const wish = preferred.find((codec) => known.some((one) => one.codec === codec)) ?? known[0]?.codec;
  const fitting = known.filter((one) => one.codec === wish);
  const pieces = fitting.find((one) => one.mapping.fmtp.get('packetization-mode') === '1');
  return pieces ?? fitting[0] ?? null;
}

/** Some parameters ask for a form that is not read. */
function canRead({ codec, mapping }: OfferedCodec): boolean {
  const format = WEBRTC_PAYLOAD_FORMATS.find((one) => one.codec === codec);
  try {
    return format?.depacketizer(mapping) !== undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

function agreedMedia(
  media: OfferedMedia,
  kind: 'video' | 'audio',
  offered: OfferedCodec,
  direction: 'send' | 'receive',
) {
  const { mapping } = offered;
  const usesTransportCc = offered.feedback.transportCc;
  const extensions = agreeExtensions(media.extensions, direction, media.mid, usesTransportCc);
  const feedback = usableFeedback(offered.feedback, kind, extensions.transportCc > 0);
  return {
    index: media.index,
    mid: media.mid,
    kind,
    direction,
    codec: offered.codec!,
    encodingName: printedName(mapping),
    clockRate: mapping.clockRate,
    channels: kind === 'audio' ? Math.max(1, mapping.channels) : 0,
    payloadType: offered.payloadType,
    rtxPayloadType: feedback.nack ? offered.rtxPayloadType : -1,
    extensions,
    feedback,
  } as const;
}

function receivingPlan(
  media: OfferedMedia,
  kind: 'video' | 'audio',
  codec: OfferedCodec,
  notes: string[],
): Plan {
  const agreed = agreedMedia(media, kind, codec, 'receive');
  const offeredRids = media.rids.filter(
    ({ payloadTypes }) => payloadTypes.length === 0 || payloadTypes.includes(codec.payloadType),
  );
  const canLayer = offeredRids.length > 1 && agreed.extensions.rid > 0;
  if (offeredRids.length > 1 && !canLayer)
    notes.push('Simulcast is left out: the header extension rtp-stream-id is not offered.');
  if (canLayer && offeredRids.length > MAX_LAYERS)
    notes.push(`Only ${MAX_LAYERS} layers of simulcast are taken; ${offeredRids.length} are offered.`);
  const rids = canLayer ? offeredRids.slice(0, MAX_LAYERS) : [];
  const ssrc = media.ssrcs[0] ?? 0;
  return {
    is: 'used',
    fmtp: receivedFmtp(codec),
    rids: rids.map(({ id }) => id),
    media: {
      ...agreed,
      fmtp: printFmtp(codec.mapping.fmtp),
      ssrc,
      rtxSsrc: media.repairs.find(([repaired]) => repaired === ssrc)?.[1] ?? 0,
      rids: bestFirst(rids),
      feedTrack: -1,
    },
  };
}

function sendingPlan(
  media: OfferedMedia,
  kind: 'video' | 'audio',
  codec: OfferedCodec,
  track: RtpCarriedTrack,
  feedTrack: number,
  ssrcs: SsrcSource,
): Plan {
  const agreed = agreedMedia(media, kind, codec, 'send');
  const fmtp = sentFmtp(codec, track);
  const ssrc = ssrcs.next();
  const rtxSsrc = agreed.rtxPayloadType >= 0 ? ssrcs.next() : 0;
  return { is: 'used', fmtp, rids: [], media: { ...agreed, fmtp, ssrc, rtxSsrc, rids: [], feedTrack } };
}

/** Tracks for which no section asks. */
function leftOut(
  tracks: readonly RtpCarriedTrack[],
  used: ReadonlySet<RtpCarriedTrack>,
  asked: ReadonlySet<string>,
  stream: string,
): string[] {
  const sentences = new Set<string>();
  for (const carried of tracks) {
    if (used.has(carried)) continue;
    const { track } = carried;
    const what = track.kind === 'video' ? 'picture' : 'sound';
    if (!asked.has(track.kind)) sentences.add(`This player asks for no ${what}, which ${stream} has.`);
  }
  return [...sentences];
}

function whyNothing(
  tracks: readonly RtpCarriedTrack[],
  reasons: ReadonlySet<string>,
  missing: readonly string[],
  stream: string,
): string {
  if (tracks.length === 0) return `${stream} has nothing that WebRTC carries.`;
  if (reasons.size > 0) return [...reasons].join(' ');
  return missing.length > 0 ? missing.join(' ') : 'This offer receives nothing.';
}

function negotiated(
  offer: RtcOffer,
  local: LocalSide,
  plans: readonly Plan[],
  notes: readonly string[],
): Negotiated {
  if (offer.isLite && local.isLite)
    throw new ProtocolError('webrtc.sdp-both-lite', 'both sides are ICE-lite, so nobody would begin');
  const setup: SetupRole = offer.setup === 'passive' ? 'active' : 'passive';
  const accepted = offer.bundled.filter(({ index }) => plans[index]!.is !== 'rejected');
  const tagged = accepted[0];
  const media = offer.medias.map((one, index) =>
    answerSection(one, plans[index]!, local, setup, one === tagged),
  );
  const bundle = offer.hasGroup ? accepted.map(({ mid }) => mid) : null;
  return {
    description: {
      medias: plans.flatMap((plan) => (plan.is === 'used' ? [plan.media] : [])),
      localIce: local.ice,
      remoteIce: offer.ice,
      remoteCandidates: offer.candidates,
      remoteIsLite: offer.isLite,
      isCaller: false,
      dtlsRole: setup === 'active' ? 'client' : 'server',
      remoteFingerprint: offer.fingerprint,
      cname: local.cname,
    },
    sdp: serializeSdp(sessionLines(local, bundle, offer.isTrickle, media)),
    notes: [...new Set(notes)],
  };
}

function answerSection(
  offered: OfferedMedia,
  plan: Plan,
  local: LocalSide,
  setup: SetupRole,
  isTagged: boolean,
): SdpMedia {
  const { type, protocol, formats } = offered.section;
  const mux = muxLines(offered.hasRtcpRsize);
  if (plan.is === 'used') {
    const { media, fmtp, rids } = plan;
    const types = [media.payloadType, media.rtxPayloadType].filter((payloadType) => payloadType >= 0);
    const layers = rids.map((rid) => attribute('rid', `${rid} recv`));
    if (rids.length > 0) layers.push(attribute('simulcast', `recv ${rids.join(';')}`));
    return section(type, protocol, types.map(String), [
      ...transportLines(local, offered.mid, setup, isTagged),
      ...extensionLines(media, offered.extensions),
      attribute(media.direction === 'send' ? 'sendonly' : 'recvonly'),
      ...mux,
      ...codecLines(media, fmtp),
      ...layers,
      ...(media.direction === 'send'
        ? sourceLines(local.cname, media.kind, media.index, [media.ssrc, media.rtxSsrc])
        : []),
    ]);
  }
  if (plan.is === 'inactive') {
    const { codec } = plan;
    const fmtp = receivedFmtp(codec);
    return section(
      type,
      protocol,
      [String(codec.payloadType)],
      [
        ...transportLines(local, offered.mid, setup, isTagged),
        attribute('inactive'),
        ...mux,
        printMapping(codec.mapping),
        ...(fmtp === '' ? [] : [attribute('fmtp', `${codec.payloadType} ${fmtp}`)]),
      ],
    );
  }
  return rejectedSection(offered, local, setup, formats);
}

/** Some programs read codecs, ICE and DTLS of a refused section too. */
function rejectedSection(
  offered: OfferedMedia,
  local: LocalSide,
  setup: SetupRole,
  formats: readonly string[],
): SdpMedia {
  const { type, protocol } = offered.section;
  const lines = [...transportLines(local, offered.mid, setup, false), attribute('inactive')];
  if (offered.kind === 'video' || offered.kind === 'audio') lines.push(...muxLines(false));
  for (const { mapping, payloadType, rtxPayloadType } of offered.codecs) {
    lines.push(printMapping(mapping));
    if (rtxPayloadType >= 0) lines.push(...printRtx(rtxPayloadType, mapping.clockRate, payloadType));
  }
  return section(type, protocol, formats, lines, 0);
}

function wordFor(kind: 'video' | 'audio'): string {
  return kind === 'video' ? 'the picture' : 'the sound';
}

function tooMany(kind: 'video' | 'audio'): string {
  return `More than ${MAX_MEDIAS_OF_KIND} sections of ${kind} are left out.`;
}

function labelsOf(kind: 'video' | 'audio'): string {
  const labels = WEBRTC_PAYLOAD_FORMATS.map(({ codec }) => CODECS[codec])
    .filter((facts) => facts.kind === kind)
    .map(({ label }) => label);
  return listOf(labels);
}
