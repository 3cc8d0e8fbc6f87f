/** Packets protected by libsrtp, and keys for SRTP tests. */
import { readFileSync } from 'node:fs';
import { SRTP_PROFILES, type SrtpKeys, type SrtpProfile } from '../../src/wire/srtp/srtp-profile.ts';

interface Recorded {
  readonly plainRtp: readonly string[];
  readonly plainRtcp: readonly string[];
  readonly protected: readonly {
    readonly profile: string;
    readonly key: string;
    readonly rtp: readonly string[];
    readonly rtcp: readonly string[];
  }[];
}

export interface SrtpVector {
  readonly keys: SrtpKeys;
  readonly rtp: readonly { readonly plain: Buffer; readonly sealed: Buffer }[];
  readonly rtcp: readonly { readonly plain: Buffer; readonly sealed: Buffer }[];
}

export function srtpVector(profile: SrtpProfile): SrtpVector {
  const file = new URL('../vectors/srtp/gstreamer.json', import.meta.url);
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as Recorded;
  const one = recorded.protected.find((each) => each.profile === profile.name)!;
  const key = Buffer.from(one.key, 'hex');
  const pair = (plain: string, i: number, sealed: readonly string[]) => ({
    plain: Buffer.from(plain, 'hex'),
    sealed: Buffer.from(sealed[i]!, 'hex'),
  });
  return {
    keys: {
      profile,
      masterKey: key.subarray(0, profile.keyBytes),
      masterSalt: key.subarray(profile.keyBytes),
    },
    rtp: recorded.plainRtp.map((plain, i) => pair(plain, i, one.rtp)),
    rtcp: recorded.plainRtcp.map((plain, i) => pair(plain, i, one.rtcp)),
  };
}

/** Keys of no secrecy at all. */
export function srtpKeys(profile: SrtpProfile, seed = 1, mki?: Uint8Array): SrtpKeys {
  return {
    profile,
    masterKey: Buffer.alloc(profile.keyBytes, seed),
    masterSalt: Buffer.alloc(profile.saltBytes, seed + 100),
    ...(mki === undefined ? {} : { mki }),
  };
}

export function eachProfile(run: (profile: SrtpProfile) => void): void {
  for (const profile of SRTP_PROFILES) run(profile);
}

export function rtpPacket(sequence: number, ssrc: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = 96;
  header.writeUInt16BE(sequence, 2);
  header.writeUInt32BE(sequence * 3000, 4);
  header.writeUInt32BE(ssrc, 8);
  return Buffer.concat([header, payload]);
}

/** A receiver report without blocks, and a name. */
export function rtcpPacket(ssrc: number, name = 'sluice'): Buffer {
  const packet = Buffer.from('80c900010000000081ca00040000000001066e616d65000000000000', 'hex');
  packet.writeUInt32BE(ssrc, 4);
  packet.writeUInt32BE(ssrc, 12);
  packet.write(name.slice(0, 6).padEnd(6), 18, 'latin1');
  return packet;
}
