/** Assigned numbers of DTLS 1.2 that are used here (RFC 6347, 5246, 8422, 5764, 7627, 7905, 8446 section 4.2.3). */

/** Versions count downwards; 1.3 says 1.2 in its hello and names itself in an extension. */
export const DTLS_1_0 = 0xfeff;
export const DTLS_1_2 = 0xfefd;

export const DTLS_CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

export const DTLS_HANDSHAKE = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

export const DTLS_EXTENSION = {
  supportedGroups: 10,
  ecPointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  supportedVersions: 43,
  renegotiationInfo: 0xff01,
} as const;

export const DTLS_SUITE = {
  ecdheEcdsaAes128Gcm: 0xc02b,
  ecdheEcdsaAes256Gcm: 0xc02c,
  ecdheRsaAes128Gcm: 0xc02f,
  ecdheRsaAes256Gcm: 0xc030,
  ecdheRsaChaCha20: 0xcca8,
  ecdheEcdsaChaCha20: 0xcca9,
  /** Not a suite: stands for an empty renegotiation_info (RFC 5746 section 3.3). */
  emptyRenegotiationInfo: 0x00ff,
} as const;

export const TLS_GROUP = { p256: 23, p384: 24, x25519: 29 } as const;
