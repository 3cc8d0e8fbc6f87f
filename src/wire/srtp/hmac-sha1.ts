/**
 * HMAC-SHA1 (RFC 2104) of what lies in the workspace. Two one-shot hashes over blocks whose keys were prepared once,
 * with digests as strings of bytes (a Buffer per digest costs more than the hash of it): 1.2 us for 1200 bytes; an Hmac
 * object costs 3.1 us. Where the runtime has no one-shot hash (before Node 20.12) it is an Hmac object.
 */
import crypto, { type KeyObject } from 'node:crypto';
import { PACKET_AT, WORK, WORK_WORDS, workUpTo } from './workspace.ts';

const BLOCK_BYTES = PACKET_AT;
const BLOCK_WORDS = BLOCK_BYTES / 4;
const DIGEST_BYTES = 20;
const INNER = 0x36;
const OUTER = 0x5c;

const oneShot = typeof crypto.hash === 'function' ? crypto.hash : null;

/** Whose inner key is in the workspace now. */
let owner: HmacSha1 | null = null;

export class HmacSha1 {
  private readonly key: KeyObject;
  private readonly inner: Int32Array;
  private readonly outer: Buffer;
  private readonly hash: typeof oneShot;

  /** Key of at most 64 bytes. `hash`: null = as on a runtime without one-shot hashes. */
  constructor(key: Uint8Array, hash: typeof oneShot = oneShot) {
    this.key = crypto.createSecretKey(key);
    const inner = new Uint8Array(BLOCK_BYTES).fill(INNER);
    this.outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, OUTER);
    for (let i = 0; i < key.length; i++) {
      inner[i]! ^= key[i]!;
      this.outer[i]! ^= key[i]!;
    }
    this.inner = new Int32Array(inner.buffer);
    this.hash = hash;
  }

  /** Hot path. Digest of the workspace from PACKET_AT to `end`: 20 characters, one per byte. */
  digest(end: number): string {
    const { hash, outer } = this;
    if (hash === null) {
      return crypto.createHmac('sha1', this.key).update(WORK.subarray(PACKET_AT, end)).digest('binary');
    }
    if (owner !== this) this.takeWorkspace();
    const digest = hash('sha1', workUpTo(end), 'binary');
    for (let i = 0; i < DIGEST_BYTES; i++) outer[BLOCK_BYTES + i] = digest.charCodeAt(i);
    return hash('sha1', outer, 'binary');
  }

  private takeWorkspace(): void {
    const { inner } = this;
    for (let i = 0; i < BLOCK_WORDS; i++) WORK_WORDS[i] = inner[i]!;
    owner = this;
  }
}
