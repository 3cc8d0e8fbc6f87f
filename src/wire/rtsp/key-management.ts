/**
 * SRTP keys in RTSP (RFC 4567): `a=key-mgmt:mikey DATA` of descriptions, `KeyMgmt: prot=mikey;uri="...";data="DATA"` of
 * requests and answers, and what their MIKEY message says of the cipher (RFC 3830 section 6.10.1, RFC 7714 section 14.3).
 * A length of 4 as that of the authentication key means the short tag: GStreamer writes it so. Times of messages are not
 * compared with ours (TLS keeps old ones away, and clocks of cameras are wrong).
 */
import { randomBytes } from 'node:crypto';
import { ntpFraction, ntpSeconds } from '../rtp/ntp-time.ts';
import { attributeOf, type SdpMedia, type SessionDescription } from '../sdp/session-description.ts';
import { SrtpMedia } from '../srtp/srtp-media.ts';
import {
  AEAD_AES_128_GCM,
  AEAD_AES_256_GCM,
  AES128_CM_SHA1_32,
  AES128_CM_SHA1_80,
  MAX_MKI_BYTES,
  type SrtpKeys,
  type SrtpProfile,
} from '../srtp/srtp-profile.ts';
import {
  MAX_MIKEY_BYTES,
  type MikeyMessage,
  type MikeyPolicy,
  type MikeySource,
  parseMikey,
  serializeMikey,
} from './mikey.ts';

const KEY_ATTRIBUTE = 'key-mgmt';
/** Name of the header field. */
export const KEY_FIELD = 'KeyMgmt';

const MAX_DATA_LENGTH = Math.ceil((MAX_MIKEY_BYTES * 4) / 3) + 4;
const RANDOM_BYTES = 16;
const AUTH_KEY_BYTES = 20;
const SHORT_TAG_BYTES = 4;

/** Types of policy parameters. */
const CIPHER = 0;
const KEY_BYTES = 1;
const AUTHENTICATION = 2;
const AUTH_KEY_LENGTH = 3;
const RTP_ENCRYPTION = 7;
const RTCP_ENCRYPTION = 8;
const RTP_AUTHENTICATION = 10;
const TAG_BYTES = 11;
const AEAD_TAG_BYTES = 20;
const AES_CM = 1;
const AES_GCM = 6;
const HMAC_SHA1 = 1;

/** What a peer protects its packets with. */
export interface ToldKeys {
  readonly keys: SrtpKeys;
  readonly sources: readonly MikeySource[];
}

/** Keys that nobody had before. */
export function newSrtpKeys(profile: SrtpProfile): SrtpKeys {
  return {
    profile,
    masterKey: randomBytes(profile.keyBytes),
    masterSalt: randomBytes(profile.saltBytes),
  };
}

/** Value of the attribute of a media or of the whole session; '' = there is none. */
export function keyAttributeOf({ attributes }: SdpMedia, description: SessionDescription): string {
  return attributeOf(attributes, KEY_ATTRIBUTE) ?? attributeOf(description.attributes, KEY_ATTRIBUTE) ?? '';
}

/** Value of the attribute; a string = why it cannot be used, as the end of a sentence. */
export function readKeyAttribute(value: string): ToldKeys | string {
  const match = /^\s*([a-z0-9]+)\s+(\S+)/i.exec(value);
  if (match?.[1]?.toLowerCase() !== 'mikey') return 'are told by another protocol than MIKEY';
  return readData(match[2]!);
}

/** Value of the header field; as `readKeyAttribute`. Its uri is not compared: servers behind others have other names. */
export function readKeyField(value: string): ToldKeys | string {
  const protocol = /(?:^|[;,\s])prot\s*=\s*"?([a-z0-9]+)/i.exec(value)?.[1] ?? '';
  const data = /(?:^|[;,\s])data\s*=\s*"?([a-z0-9+/=]+)/i.exec(value)?.[1] ?? '';
  if (protocol.toLowerCase() !== 'mikey') return 'are told by another protocol than MIKEY';
  return readData(data);
}

function readData(data: string): ToldKeys | string {
  if (data.length > MAX_DATA_LENGTH) return 'are in a message that is too long';
  const message = parseMikey(Buffer.from(data, 'base64'));
  return message === null ? 'are in a MIKEY message that cannot be read' : keysOf(message);
}

function keysOf({ policies, sources, keys }: MikeyMessage): ToldKeys | string {
  const [key] = keys;
  if (key === undefined || keys.length > 1) return 'are not exactly one';
  const wanted = sources[0]?.policy ?? 0;
  const profile = profileOf(policies.find(({ number }) => number === wanted) ?? policies[0]);
  if (typeof profile === 'string') return profile;
  const { keyBytes, saltBytes } = profile;
  const masterKey = key.key.subarray(0, keyBytes);
  const masterSalt = key.salt ?? key.key.subarray(keyBytes);
  const isWhole =
    masterKey.length === keyBytes &&
    masterSalt.length === saltBytes &&
    (key.salt === null || key.key.length === keyBytes);
  if (!isWhole) return `are not as long as ${profile.name} wants them`;
  const mki = key.mki === null || key.mki.length === 0 ? {} : { mki: key.mki };
  if (key.mki !== null && key.mki.length > MAX_MKI_BYTES) return 'have a name that is too long';
  return { keys: { profile, masterKey, masterSalt, ...mki }, sources };
}

function profileOf(policy: MikeyPolicy | undefined): SrtpProfile | string {
  const parameterOf = (type: number, usual: number): number => {
    const found = policy?.parameters.find((one) => one.type === type)?.value;
    return found === undefined ? usual : found.reduce((sum, byte) => sum * 256 + byte, 0);
  };
  for (const type of [RTP_ENCRYPTION, RTCP_ENCRYPTION, RTP_AUTHENTICATION])
    if (parameterOf(type, 1) !== 1) return 'are for packets that are not fully protected';
  const cipher = parameterOf(CIPHER, AES_CM);
  const keyBytes = parameterOf(KEY_BYTES, AES128_CM_SHA1_80.keyBytes);
  if (cipher === AES_GCM) {
    if (parameterOf(AEAD_TAG_BYTES, AEAD_AES_128_GCM.rtpTagBytes) === AEAD_AES_128_GCM.rtpTagBytes) {
      if (keyBytes === AEAD_AES_128_GCM.keyBytes) return AEAD_AES_128_GCM;
      if (keyBytes === AEAD_AES_256_GCM.keyBytes) return AEAD_AES_256_GCM;
    }
  } else if (cipher === AES_CM && keyBytes === AES128_CM_SHA1_80.keyBytes) {
    const usualTag = parameterOf(AUTH_KEY_LENGTH, AUTH_KEY_BYTES) === SHORT_TAG_BYTES ? SHORT_TAG_BYTES : 10;
    const tag = parameterOf(TAG_BYTES, usualTag);
    if (parameterOf(AUTHENTICATION, HMAC_SHA1) === HMAC_SHA1) {
      if (tag === AES128_CM_SHA1_80.rtpTagBytes) return AES128_CM_SHA1_80;
      if (tag === AES128_CM_SHA1_32.rtpTagBytes) return AES128_CM_SHA1_32;
    }
  }
  return 'are for a cipher that Sluice does not have (AES-CM-128 with HMAC-SHA1 and AES-GCM it has)';
}

/** Both directions of a media whose sender told its keys. */
export function srtpMedia(ours: SrtpKeys, { keys, sources }: ToldKeys): SrtpMedia {
  const media = new SrtpMedia(ours, keys);
  for (const { ssrc, rollover } of sources) if (ssrc !== 0) media.receiver.setRollover(ssrc, rollover);
  return media;
}

/**
 * Base64 of a MIKEY message with these keys, which nothing was sealed with so far. `ssrc`: 0 = not known. `wallUs`:
 * microseconds since 1970.
 */
export function keyData(keys: SrtpKeys, ssrc: number, wallUs: number): string {
  const { profile, masterKey, masterSalt, mki = null } = keys;
  const message: MikeyMessage = {
    csbId: randomBytes(4).readUInt32BE(),
    sources: [{ policy: 0, ssrc, rollover: 0 }],
    ntpSeconds: ntpSeconds(wallUs),
    ntpFraction: ntpFraction(wallUs),
    random: randomBytes(RANDOM_BYTES),
    policies: [{ number: 0, parameters: parametersOf(profile) }],
    keys: [{ key: Buffer.concat([masterKey, masterSalt]), salt: null, mki }],
  };
  return serializeMikey(message).toString('base64');
}

function parametersOf(profile: SrtpProfile): MikeyPolicy['parameters'] {
  const { keyBytes, rtpTagBytes } = profile;
  const isGcm = profile.cipher === 'aes-gcm';
  const authKeyBytes = rtpTagBytes === SHORT_TAG_BYTES ? SHORT_TAG_BYTES : AUTH_KEY_BYTES;
  const pairs: readonly (readonly [type: number, value: number])[] = [
    [CIPHER, isGcm ? AES_GCM : AES_CM],
    [KEY_BYTES, keyBytes],
    [AUTHENTICATION, isGcm ? 0 : HMAC_SHA1],
    [AUTH_KEY_LENGTH, isGcm ? 0 : authKeyBytes],
    [RTP_ENCRYPTION, 1],
    [RTCP_ENCRYPTION, 1],
    [RTP_AUTHENTICATION, 1],
    [isGcm ? AEAD_TAG_BYTES : TAG_BYTES, rtpTagBytes],
  ];
  return pairs.map(([type, value]) => ({ type, value: Uint8Array.of(value) }));
}

export function keyAttribute(data: string): { readonly name: string; readonly value: string } {
  return { name: KEY_ATTRIBUTE, value: `mikey ${data}` };
}

/** Value of the header field. `uri`: address of the media. */
export function keyField(uri: string, data: string): string {
  return `prot=mikey;uri="${uri.replace(/"/g, '')}";data="${data}"`;
}
