/**
 * SRTP of one media that is played (RFC 4567): the server tells its keys in the answer to SETUP or in the description,
 * ours, for receiver reports, go with SETUP.
 */
import {
  KEY_FIELD,
  keyData,
  keyField,
  newSrtpKeys,
  readKeyAttribute,
  readKeyField,
  srtpMedia,
  type ToldKeys,
} from '../../wire/rtsp/key-management.ts';
import type { RtspResponse } from '../../wire/rtsp/rtsp-message.ts';
import type { SrtpMedia } from '../../wire/srtp/srtp-media.ts';
import { AES128_CM_SHA1_80, type SrtpKeys } from '../../wire/srtp/srtp-profile.ts';
import type { PullDetails } from '../pull.ts';

export class MediaKeys {
  /** Null before the answer to SETUP. */
  srtp: SrtpMedia | null = null;
  private readonly ours: SrtpKeys;
  private readonly described: ToldKeys | string;

  constructor(described: ToldKeys | string) {
    this.described = described;
    const profile = typeof described === 'string' ? AES128_CM_SHA1_80 : described.keys.profile;
    this.ours = newSrtpKeys(profile);
  }

  /** Header fields of SETUP. `ssrc`: of our reports. */
  fields(url: string, ssrc: number, wallUs: number): Readonly<Record<string, string>> {
    return { [KEY_FIELD]: keyField(url, keyData(this.ours, ssrc, wallUs)) };
  }

  /** The answer to SETUP. Returns '', or why there is no SRTP: continues a sentence that names the server. */
  take(response: RtspResponse): string {
    const field = response.headers.get(KEY_FIELD);
    const told = field === '' ? this.described : readKeyField(field);
    if (typeof told === 'string') return `sends SRTP whose keys ${told}`;
    this.srtp = srtpMedia(this.ours, told);
    return '';
  }
}

/** Of all medias that are SRTP: the profile, and packets that were not the peer's. */
export function srtpDetails(medias: readonly SrtpMedia[]): PullDetails {
  const [first] = medias;
  if (first === undefined) return {};
  const refused = medias.reduce((sum, { receiver }) => sum + receiver.refused, 0);
  return { srtp: first.sender.keys.profile.name, srtp_refused: refused };
}

/** `attribute`: of the description, '' = there is none. */
export function mediaKeys(attribute: string): MediaKeys {
  return new MediaKeys(attribute === '' ? 'are not told' : readKeyAttribute(attribute));
}
