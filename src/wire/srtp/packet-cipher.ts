/**
 * One protected packet, whoever keeps its index: a part that stays readable, a ciphered part, a tag. Two kinds: counter
 * mode with HMAC-SHA1 (RFC 3711 sections 3.1, 3.4, 4.2) and GCM (RFC 7714 sections 8 and 9).
 */
import { CounterCipher } from './counter-cipher.ts';
import { GcmCipher } from './gcm-cipher.ts';
import { deriveSessionKeys } from './key-derivation.ts';
import type { PacketIndex } from './packet-index.ts';
import type { SrtpKeys } from './srtp-profile.ts';

export interface PacketCipher {
  /** What a packet grows by. */
  readonly overhead: number;
  /** Hot path. Writes the protected packet to `out` from `at` and returns its length; there is room. */
  seal(
    header: Uint8Array,
    headerLength: number,
    payload: Uint8Array,
    index: PacketIndex,
    out: Uint8Array,
    at: number,
  ): number;
  /**
   * Hot path. Writes the packet to `out` from 0 (which may be `packet` itself) and returns its length; -1 when it is not
   * what was sealed. It has at least `headerLength + overhead` bytes.
   */
  open(packet: Uint8Array, headerLength: number, index: PacketIndex, out: Uint8Array): number;
}

export function packetCipherFor(keys: SrtpKeys, use: 'rtp' | 'rtcp'): PacketCipher {
  const session = deriveSessionKeys(keys, use);
  const { profile, mki = new Uint8Array(0) } = keys;
  const sendsWord = use === 'rtcp';
  if (profile.cipher === 'aes-gcm') return new GcmCipher(session, mki, sendsWord);
  const tagBytes = sendsWord ? profile.rtcpTagBytes : profile.rtpTagBytes;
  return new CounterCipher(session, tagBytes, mki, sendsWord);
}
