/**
 * Protection profiles of SRTP: AES in counter mode with HMAC-SHA1 (RFC 3711) and AES-GCM (RFC 7714). Leaves out: AES-f8,
 * keys of 192 bit, counter mode with 256 bit (RFC 6188), NULL ciphers.
 */

export interface SrtpProfile {
  readonly name: string;
  /** Of the use_srtp extension of DTLS (RFC 5764 section 4.1.2, RFC 7714 section 14.2). */
  readonly dtlsId: number;
  readonly cipher: 'aes-cm' | 'aes-gcm';
  /** Of the master key and of the session key. */
  readonly keyBytes: number;
  /** Of the master salt and of the session salt. */
  readonly saltBytes: number;
  readonly rtpTagBytes: number;
  readonly rtcpTagBytes: number;
}

export const AES128_CM_SHA1_80: SrtpProfile = {
  name: 'AES_CM_128_HMAC_SHA1_80',
  dtlsId: 0x0001,
  cipher: 'aes-cm',
  keyBytes: 16,
  saltBytes: 14,
  rtpTagBytes: 10,
  rtcpTagBytes: 10,
};

/** The short tag is for RTP alone (RFC 5764 section 4.1.2). */
export const AES128_CM_SHA1_32: SrtpProfile = {
  ...AES128_CM_SHA1_80,
  name: 'AES_CM_128_HMAC_SHA1_32',
  dtlsId: 0x0002,
  rtpTagBytes: 4,
};

export const AEAD_AES_128_GCM: SrtpProfile = {
  name: 'AEAD_AES_128_GCM',
  dtlsId: 0x0007,
  cipher: 'aes-gcm',
  keyBytes: 16,
  saltBytes: 12,
  rtpTagBytes: 16,
  rtcpTagBytes: 16,
};

export const AEAD_AES_256_GCM: SrtpProfile = {
  ...AEAD_AES_128_GCM,
  name: 'AEAD_AES_256_GCM',
  dtlsId: 0x0008,
  keyBytes: 32,
};

/** In order of preference: GCM first, one pass per packet instead of two. */
export const SRTP_PROFILES: readonly SrtpProfile[] = [
  AEAD_AES_128_GCM,
  AEAD_AES_256_GCM,
  AES128_CM_SHA1_80,
  AES128_CM_SHA1_32,
];

/** The profile of a number in use_srtp. */
export function srtpProfileOf(dtlsId: number): SrtpProfile | undefined {
  return SRTP_PROFILES.find((profile) => profile.dtlsId === dtlsId);
}

/** What protects one direction of one session. */
export interface SrtpKeys {
  readonly profile: SrtpProfile;
  /** `profile.keyBytes` long. */
  readonly masterKey: Uint8Array;
  /** `profile.saltBytes` long. */
  readonly masterSalt: Uint8Array;
  /** Name of the master key in every packet (RFC 3711 section 3.1), up to MAX_MKI_BYTES; not given: none. */
  readonly mki?: Uint8Array;
}

export const MAX_MKI_BYTES = 128;
