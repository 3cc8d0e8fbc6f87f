/**
 * Keys of a connection (draft-sharabayko-srt-01 section 6): a passphrase and salt make the key encrypting key
 * (PBKDF2-HMAC-SHA1, 2048 rounds), which wraps stream keys (RFC 3394) for key material messages. Both directions begin
 * with the key of the caller; later each sender makes its own new ones, announced before use: one key is in use, the
 * other one is the next or the last.
 */
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import {
  readKeyMaterial,
  SRT_CIPHER_CTR,
  SRT_CIPHER_GCM,
  SRT_SALT_BYTES,
  type SrtKeyMaterial,
  writeKeyMaterial,
} from '../wire/srt/key-material.ts';
import { SRT_KEY_EVEN, SRT_KEY_ODD } from '../wire/srt/srt-packet.ts';
import { PacketKey } from './packet-key.ts';

const ROUNDS = 2048;
/** The last bytes of the salt go into PBKDF2. */
const PASSWORD_SALT_BYTES = 8;
/** A peer that changes its salt makes us derive a key, about 1 ms: not more often than this. */
const MIN_DERIVE_INTERVAL_US = 1_000_000;
const WRAP_IV = Buffer.alloc(8, 0xa6);

export class SrtKeyring {
  readonly keyBytes: number;
  private readonly passphrase: string;
  private readonly cipher: number;
  private readonly salt: Buffer;
  private readonly wrappingKey: Buffer;
  private derivedUs: number;
  /** Key in use to send, and the one made to follow it. */
  private sending: PacketKey;
  private next: PacketKey | null;
  private nextConfirmed: boolean;
  private sentPackets: number;
  private receiveEven: PacketKey | null;
  private receiveOdd: PacketKey | null;

  private constructor(
    passphrase: string,
    cipher: number,
    salt: Uint8Array,
    wrappingKey: Buffer,
    even: PacketKey | null,
    odd: PacketKey | null,
    sending: PacketKey,
  ) {
    this.passphrase = passphrase;
    this.cipher = cipher;
    this.keyBytes = wrappingKey.length;
    this.salt = Buffer.from(salt);
    this.wrappingKey = wrappingKey;
    this.derivedUs = Number.NEGATIVE_INFINITY;
    this.sending = sending;
    this.next = null;
    this.nextConfirmed = false;
    this.sentPackets = 0;
    this.receiveEven = even;
    this.receiveOdd = odd;
  }

  /** A caller's: a new even key. */
  static create(passphrase: string, keyBytes: number, gcm: boolean): SrtKeyring {
    const salt = randomBytes(SRT_SALT_BYTES);
    const cipher = gcm ? SRT_CIPHER_GCM : SRT_CIPHER_CTR;
    const even = new PacketKey(SRT_KEY_EVEN, cipher, randomBytes(keyBytes), salt);
    const wrappingKey = deriveWrappingKey(passphrase, salt, keyBytes);
    return new SrtKeyring(passphrase, cipher, salt, wrappingKey, even, null, even);
  }

  /** A listener's: from the caller's key material. Null for another passphrase or damaged material. */
  static open(passphrase: string, content: Uint8Array): SrtKeyring | null {
    const material = readKeyMaterial(content);
    if (material === null) return null;
    const wrappingKey = deriveWrappingKey(passphrase, material.salt, material.keyBytes);
    const secrets = unwrapKeys(wrappingKey, material);
    if (secrets === null) return null;
    const even = packetKey(SRT_KEY_EVEN, material, secrets[0]);
    const odd = packetKey(SRT_KEY_ODD, material, secrets[1]);
    const sending = even ?? odd;
    if (sending === null) return null;
    return new SrtKeyring(passphrase, material.cipher, material.salt, wrappingKey, even, odd, sending);
  }

  /** Bytes that a payload grows by. */
  get overhead(): number {
    return this.sending.overhead;
  }

  /** Key material of the key in use, and of the next one when there is one. */
  announcement(): Buffer {
    const keys = this.next === null ? [this.sending] : [this.sending, this.next];
    keys.sort((a, b) => a.keySpec - b.keySpec);
    const secrets = Buffer.concat(keys.map((key) => key.secret));
    const keySpec = keys.reduce((all, key) => all | key.keySpec, 0);
    const wrapped = wrapKeys(this.wrappingKey, secrets);
    return writeKeyMaterial({
      keySpec,
      cipher: this.cipher,
      salt: this.salt,
      keyBytes: this.keyBytes,
      wrapped,
    });
  }

  /** The key for one more packet. */
  takeSendKey(refreshPackets: number, announcePackets: number): PacketKey {
    const announceAt = refreshPackets - Math.min(announcePackets, (refreshPackets - 1) >> 1);
    if (this.next === null && this.sentPackets >= announceAt) {
      const keySpec = this.sending.keySpec === SRT_KEY_EVEN ? SRT_KEY_ODD : SRT_KEY_EVEN;
      this.next = new PacketKey(keySpec, this.cipher, randomBytes(this.keyBytes), this.salt);
      this.nextConfirmed = false;
    } else if (this.next !== null && this.nextConfirmed && this.sentPackets >= refreshPackets) {
      // Who uses a key that the peer does not have is not understood: an unconfirmed one waits.
      this.sending = this.next;
      this.next = null;
      this.sentPackets = 0;
    }
    this.sentPackets++;
    return this.sending;
  }

  /** True while the peer has not said that it has the next key. */
  get mustAnnounce(): boolean {
    return this.next !== null && !this.nextConfirmed;
  }

  /** The peer's answer to the announcement: the message itself. */
  confirm(content: Uint8Array): void {
    const material = readKeyMaterial(content);
    if (this.next !== null && material !== null && (material.keySpec & this.next.keySpec) !== 0)
      this.nextConfirmed = true;
  }

  receiveKey(keySpec: number): PacketKey | null {
    if (keySpec === SRT_KEY_EVEN) return this.receiveEven;
    return keySpec === SRT_KEY_ODD ? this.receiveOdd : null;
  }

  /** New keys of the peer; false when they cannot be used, the old ones stay then. */
  install(content: Uint8Array, nowUs: number): boolean {
    const material = readKeyMaterial(content);
    if (material === null || material.cipher !== this.cipher || material.keyBytes !== this.keyBytes)
      return false;
    let wrappingKey = this.wrappingKey;
    if (!this.salt.equals(material.salt)) {
      if (nowUs - this.derivedUs < MIN_DERIVE_INTERVAL_US) return false;
      this.derivedUs = nowUs;
      wrappingKey = deriveWrappingKey(this.passphrase, material.salt, this.keyBytes);
    }
    const secrets = unwrapKeys(wrappingKey, material);
    if (secrets === null) return false;
    const [even, odd] = secrets;
    // A repeated announcement makes no new keys.
    if (even !== null && !this.receiveEven?.secret.equals(even))
      this.receiveEven = packetKey(SRT_KEY_EVEN, material, even);
    if (odd !== null && !this.receiveOdd?.secret.equals(odd))
      this.receiveOdd = packetKey(SRT_KEY_ODD, material, odd);
    return true;
  }
}

function deriveWrappingKey(passphrase: string, salt: Uint8Array, keyBytes: number): Buffer {
  return pbkdf2Sync(
    passphrase,
    salt.subarray(SRT_SALT_BYTES - PASSWORD_SALT_BYTES),
    ROUNDS,
    keyBytes,
    'sha1',
  );
}

/** RFC 3394 section 2.2.1. */
export function wrapKeys(wrappingKey: Uint8Array, keys: Uint8Array): Buffer {
  const cipher = createCipheriv(`id-aes${wrappingKey.length * 8}-wrap`, wrappingKey, WRAP_IV);
  return Buffer.concat([cipher.update(keys), cipher.final()]);
}

function packetKey(keySpec: number, material: SrtKeyMaterial, secret: Buffer | null): PacketKey | null {
  return secret === null ? null : new PacketKey(keySpec, material.cipher, secret, material.salt);
}

/** RFC 3394 section 2.2.2: the even key and the odd one; null when the check value is wrong. */
export function unwrapKeys(
  wrappingKey: Uint8Array,
  material: SrtKeyMaterial,
): [Buffer | null, Buffer | null] | null {
  const { keySpec, keyBytes } = material;
  let secrets: Buffer;
  try {
    const decipher = createDecipheriv(`id-aes${wrappingKey.length * 8}-wrap`, wrappingKey, WRAP_IV);
    secrets = Buffer.concat([decipher.update(material.wrapped), decipher.final()]);
  } catch {
    return null;
  }
  return [
    (keySpec & SRT_KEY_EVEN) === 0 ? null : secrets.subarray(0, keyBytes),
    (keySpec & SRT_KEY_ODD) === 0 ? null : secrets.subarray(secrets.length - keyBytes),
  ];
}
