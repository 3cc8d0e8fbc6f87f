/** Segments that are encrypted as a whole: AES-128 in CBC mode with PKCS7 padding (RFC 8216bis sections 4.4.4.4, 5.2). */
import { createDecipheriv } from 'node:crypto';
import type { SegmentKey } from '../../wire/hls/playlist-reader.ts';
import { HlsFetchError, type HlsSource } from './hls-source.ts';

const KEY_BYTES = 16;
const IV_BYTES = 16;
/** Servers that change keys do so every few segments. */
const MAX_KEYS = 16;
/** So that a page in place of a key is noticed as one. */
const MAX_KEY_ANSWER_BYTES = 4096;

export class SegmentKeys {
  private readonly source: HlsSource;
  /** By address, the oldest first. */
  private readonly keys = new Map<string, Buffer>();

  constructor(source: HlsSource) {
    this.source = source;
  }

  /** Rejects with HlsFetchError. `sequence` is the segment's media sequence number. */
  async decrypt(bytes: Buffer, key: SegmentKey, base: URL, sequence: number): Promise<Buffer> {
    if (key.method !== 'AES-128' || key.format !== 'identity')
      throw new HlsFetchError(`the segments are encrypted (${key.method}), which cannot be undone here`);
    const decipher = createDecipheriv(
      'aes-128-cbc',
      await this.load(key, base),
      key.iv ?? sequenceAsIv(sequence),
    );
    try {
      return Buffer.concat([decipher.update(bytes), decipher.final()]);
    } catch {
      throw new HlsFetchError('a segment cannot be decrypted with its key');
    }
  }

  private async load({ uri }: SegmentKey, base: URL): Promise<Buffer> {
    const url = resolveUrl(uri, base);
    const known = this.keys.get(url.href);
    if (known !== undefined) return known;
    const { bytes } = await this.source.fetch(url, null, MAX_KEY_ANSWER_BYTES);
    if (bytes.length !== KEY_BYTES)
      throw new HlsFetchError(`${url.host} gives a key of ${bytes.length} bytes in place of ${KEY_BYTES}`);
    for (const oldest of this.keys.keys()) {
      if (this.keys.size < MAX_KEYS) break;
      this.keys.delete(oldest);
    }
    this.keys.set(url.href, bytes);
    return bytes;
  }
}

/** Throws HlsFetchError for what is no address. */
export function resolveUrl(uri: string, base: URL): URL {
  try {
    return new URL(uri, base);
  } catch {
    throw new HlsFetchError('the list names what is no address');
  }
}

/** Big-endian, filled with zeros. */
function sequenceAsIv(sequence: number): Buffer {
  const iv = Buffer.alloc(IV_BYTES);
  iv.writeBigUInt64BE(BigInt(sequence), IV_BYTES - 8);
  return iv;
}
