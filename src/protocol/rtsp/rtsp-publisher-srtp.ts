/** SRTP of a publisher (RFC 4567): its keys come in ANNOUNCE or SETUP, ours for receiver reports go back with both answers. */
import { RejectedError } from '../../util/errors.ts';
import {
  KEY_FIELD,
  keyAttributeOf,
  keyData,
  keyField,
  newSrtpKeys,
  readKeyAttribute,
  readKeyField,
  srtpMedia,
  type ToldKeys,
} from '../../wire/rtsp/key-management.ts';
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';
import { isSecureProfile } from '../../wire/rtsp/transport-header.ts';
import type { SdpMedia, SessionDescription } from '../../wire/sdp/session-description.ts';
import type { SrtpMedia } from '../../wire/srtp/srtp-media.ts';
import type { SrtpKeys } from '../../wire/srtp/srtp-profile.ts';

/** What an announced media says of its keys. */
export interface AnnouncedKeys {
  readonly theirs: ToldKeys;
  readonly ours: SrtpKeys;
}

/** Null for a media without SRTP, or whose keys are not in the description. Throws RejectedError. */
export function announcedKeys(media: SdpMedia, description: SessionDescription): AnnouncedKeys | null {
  if (!isSecureProfile(media.protocol)) return null;
  const attribute = keyAttributeOf(media, description);
  return attribute === '' ? null : withOurs(readKeyAttribute(attribute));
}

function withOurs(theirs: ToldKeys | string): AnnouncedKeys {
  if (typeof theirs === 'string')
    throw new RejectedError('bad-request', `The SRTP keys of a track ${theirs}.`);
  return { theirs, ours: newSrtpKeys(theirs.keys.profile) };
}

/** The keys of SETUP are newer than those of ANNOUNCE. Throws RejectedError when there are none. */
export function secureMedia(request: RtspRequest, announced: AnnouncedKeys | null): SrtpMedia {
  const field = request.headers.get(KEY_FIELD);
  if (field === '' && announced === null)
    throw new RejectedError(
      'bad-request',
      'RTP/SAVP wants keys (KeyMgmt, or a=key-mgmt in the description).',
    );
  const told = field === '' ? null : withOurs(readKeyField(field));
  const theirs = told?.theirs ?? announced!.theirs; // one of them is there
  const isOldProfile = announced !== null && announced.ours.profile === theirs.keys.profile;
  const ours = isOldProfile ? announced.ours : (told?.ours ?? announced!.ours);
  return srtpMedia(ours, theirs);
}

/** Tells our keys for the media of this address, and the SSRC of our reports: some look for keys by it. */
export function ourKeyField(
  uri: string,
  keys: SrtpKeys,
  ssrc: number,
  wallUs: number,
): readonly [string, string] {
  return [KEY_FIELD, keyField(uri, keyData(keys, ssrc, wallUs))];
}
