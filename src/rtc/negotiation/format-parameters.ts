/**
 * What our descriptions say in a=rtpmap and a=fmtp. In an answer the parameters by which a browser finds the payload
 * type again (profile, packetization mode, tier) stay as offered; level and sound tell what is sent.
 */
import type { RtpCarriedTrack } from '../../packaging/rtp-feed-tracks.ts';
import type { RtpMapping } from '../../wire/rtp/payload-format.ts';
import { parseFmtp } from '../../wire/sdp/media-format.ts';
import type { SdpAttribute } from '../../wire/sdp/session-description.ts';
import { parseProfileLevelId } from './h264-profile.ts';
import type { OfferedCodec } from './offer-media.ts';

/** Of each codec, which parameters of an offer an answer repeats. */
const REPEATED: Readonly<Record<string, readonly string[]>> = {
  h264: ['level-asymmetry-allowed', 'packetization-mode', 'profile-level-id'],
  h265: ['level-id', 'profile-id', 'profile-space', 'tier-flag', 'tx-mode'],
  vp9: ['profile-id'],
  av1: ['level-idx', 'profile', 'tier'],
};
/** Packets of 10 ms are the shortest that browsers make for music. */
const OPUS_MIN_PTIME = 'minptime=10';
const MAX_TEXT = 1024;

/** Parameters as they came, in one line; cut where nobody needs more. */
export function printFmtp(fmtp: ReadonlyMap<string, string>): string {
  const parts: string[] = [];
  let length = 0;
  for (const [name, value] of fmtp) {
    const part = value === '' ? name : `${name}=${value}`;
    length += part.length + 1;
    if (length > MAX_TEXT) break;
    parts.push(part);
  }
  return parts.join(';');
}

function repeated(offered: OfferedCodec): Map<string, string> {
  const { fmtp } = offered.mapping;
  const kept = new Map<string, string>();
  for (const name of REPEATED[offered.codec ?? ''] ?? []) {
    const value = fmtp.get(name);
    if (value !== undefined && value.length <= 32) kept.set(name, value);
  }
  return kept;
}

/** Of an answer that receives. Whoever can send stereo may: a browser does so only when it is asked to. */
export function receivedFmtp(offered: OfferedCodec): string {
  if (offered.codec !== 'opus') return printFmtp(repeated(offered));
  const { fmtp } = offered.mapping;
  const parts = [OPUS_MIN_PTIME];
  if (fmtp.get('useinbandfec') === '1') parts.push('useinbandfec=1');
  if (fmtp.get('sprop-stereo') !== '0' && fmtp.get('stereo') !== '0') parts.push('stereo=1');
  return parts.join(';');
}

/** Of an answer that sends this track. */
export function sentFmtp(offered: OfferedCodec, track: RtpCarriedTrack): string {
  if (offered.codec === 'opus') return opusFmtp(track);
  const kept = repeated(offered);
  const ours = parseFmtp(track.description.fmtp).get('profile-level-id');
  const theirs = kept.get('profile-level-id');
  if (offered.codec === 'h264' && theirs !== undefined && ours !== undefined) {
    const canDiffer = kept.get('level-asymmetry-allowed') === '1';
    const { profileDigits, levelDigits } = parseProfileLevelId(theirs);
    const level = canDiffer ? parseProfileLevelId(ours).levelDigits : levelDigits;
    kept.set('profile-level-id', profileDigits + level);
  }
  return printFmtp(kept);
}

export function opusFmtp(track: RtpCarriedTrack): string {
  const stereo = track.track.config.channels === 2 ? ';stereo=1;sprop-stereo=1' : '';
  return `${OPUS_MIN_PTIME};useinbandfec=1${stereo}`;
}

/** As registered: Opus in lower case, all others in upper case. */
export function printedName({ encodingName }: RtpMapping): string {
  return encodingName === 'OPUS' || encodingName === 'RTX' ? encodingName.toLowerCase() : encodingName;
}

/** a=rtpmap; one channel needs no number. */
export function printMapping(mapping: RtpMapping): SdpAttribute {
  const { payloadType, clockRate, channels } = mapping;
  const count = channels > 1 ? `/${channels}` : '';
  return { name: 'rtpmap', value: `${payloadType} ${printedName(mapping)}/${clockRate}${count}` };
}

/** a=rtpmap and a=fmtp of the packets that are sent again (RFC 4588 section 8). */
export function printRtx(payloadType: number, clockRate: number, repairs: number): SdpAttribute[] {
  return [
    { name: 'rtpmap', value: `${payloadType} rtx/${clockRate}` },
    { name: 'fmtp', value: `${payloadType} apt=${repairs}` },
  ];
}
