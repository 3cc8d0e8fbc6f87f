/**
 * From the secret of the key agreement to everything else: master secret (RFC 5246 section 8.1, RFC 7627 section 4), key
 * block (6.3), Finished (7.4.9), keys for SRTP (RFC 5705, RFC 5764 section 4.2).
 */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { tlsPrf } from '../crypto/tls-prf.ts';
import { srtpProfileOf } from '../wire/srtp/srtp-profile.ts';
import type { CipherSuite } from './cipher-suites.ts';
import { RecordCipher } from './record-cipher.ts';
import type { DtlsSrtpKeys } from './settings.ts';

const MASTER_SECRET_BYTES = 48;
const VERIFY_DATA_BYTES = 12;

/** All messages of a handshake so far, as they are hashed and signed. */
export class Transcript {
  private messages: Uint8Array[];

  constructor() {
    this.messages = [];
  }

  /** Keeps the memory. Handshakes have a fixed list of messages, and each has its limit. */
  add(message: Uint8Array): void {
    this.messages.push(message);
  }

  clear(): void {
    this.messages = [];
  }

  hash(suite: CipherSuite): Buffer {
    const hash = createHash(suite.hash);
    for (const message of this.messages) hash.update(message);
    return hash.digest();
  }

  bytes(): Buffer {
    return Buffer.concat(this.messages);
  }
}

/** `sessionHash` is that of the transcript up to the client's key exchange; null: no extended master secret. */
export function masterSecret(
  suite: CipherSuite,
  preMaster: Uint8Array,
  sessionHash: Uint8Array | null,
  clientRandom: Uint8Array,
  serverRandom: Uint8Array,
): KeyObject {
  const label = sessionHash === null ? 'master secret' : 'extended master secret';
  const seed = sessionHash ?? Buffer.concat([clientRandom, serverRandom]);
  return createSecretKey(tlsPrf(suite.hash, createSecretKey(preMaster), label, seed, MASTER_SECRET_BYTES));
}

export class KeySchedule {
  private readonly suite: CipherSuite;
  private readonly master: KeyObject;
  private readonly clientRandom: Uint8Array;
  private readonly serverRandom: Uint8Array;

  constructor(suite: CipherSuite, master: KeyObject, clientRandom: Uint8Array, serverRandom: Uint8Array) {
    this.suite = suite;
    this.master = master;
    this.clientRandom = clientRandom;
    this.serverRandom = serverRandom;
  }

  recordCiphers(): { client: RecordCipher; server: RecordCipher } {
    const { suite } = this;
    const { ivBytes, keyBytes } = suite;
    const seed = Buffer.concat([this.serverRandom, this.clientRandom]);
    const block = tlsPrf(suite.hash, this.master, 'key expansion', seed, 2 * (keyBytes + ivBytes));
    const ivs = 2 * keyBytes;
    return {
      client: new RecordCipher(suite, block.subarray(0, keyBytes), block.subarray(ivs, ivs + ivBytes)),
      server: new RecordCipher(suite, block.subarray(keyBytes, ivs), block.subarray(ivs + ivBytes)),
    };
  }

  verifyData(isClient: boolean, transcript: Transcript): Buffer {
    const label = isClient ? 'client finished' : 'server finished';
    return tlsPrf(this.suite.hash, this.master, label, transcript.hash(this.suite), VERIFY_DATA_BYTES);
  }

  /** `profile` 0: empty keys. */
  srtpKeys(profile: number): DtlsSrtpKeys {
    const { keyBytes: key, saltBytes: salt } = srtpProfileOf(profile) ?? { keyBytes: 0, saltBytes: 0 };
    const seed = Buffer.concat([this.clientRandom, this.serverRandom]);
    const material = tlsPrf(this.suite.hash, this.master, 'EXTRACTOR-dtls_srtp', seed, 2 * (key + salt));
    return {
      srtpProfile: profile,
      clientKey: material.subarray(0, key),
      serverKey: material.subarray(key, 2 * key),
      clientSalt: material.subarray(2 * key, 2 * key + salt),
      serverSalt: material.subarray(2 * key + salt),
    };
  }
}
