/** The pseudo-random function of TLS 1.2 (RFC 5246 section 5). */
import { createHmac, type KeyObject } from 'node:crypto';

/** Hash of a cipher suite: key derivation, transcript, Finished. */
export type TlsHash = 'sha256' | 'sha384';

/** `bytes` octets of P_hash(secret, label + seed). */
export function tlsPrf(
  hash: TlsHash,
  secret: KeyObject,
  label: string,
  seed: Uint8Array,
  bytes: number,
): Buffer {
  const labelled = Buffer.allocUnsafe(label.length + seed.length);
  labelled.write(label, 0, 'latin1');
  labelled.set(seed, label.length);
  const out = Buffer.allocUnsafe(bytes);
  let chain = createHmac(hash, secret).update(labelled).digest();
  for (let at = 0; ; ) {
    const block = createHmac(hash, secret).update(chain).update(labelled).digest();
    block.copy(out, at);
    at += block.length;
    if (at >= bytes) return out;
    chain = createHmac(hash, secret).update(chain).digest();
  }
}
