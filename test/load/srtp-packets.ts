/** Packets of SRTP that one core protects and opens, beside the calls of node:crypto that a packet needs at least. */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../src/wire/rtp/rtp-packet.ts';
import { SRTP_PROFILES, type SrtpProfile } from '../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../src/wire/srtp/srtp-sender.ts';
import type { Trial, TrialGoal } from './trial.ts';

/** A full datagram, as the feed of WebRTC makes them. */
const PAYLOAD_BYTES = 1188;
const TURNS = 15;
const PACKETS = 5000;
const LIMIT = 1.35;
const SSRC = 0x1234;
const SLAB_BYTES = 1 << 20;
const SHA1_KEY_BYTES = 20;

/** One direction; returns how long so many packets take, ms. */
type Work = (packets: number) => number;

export const srtpPackets: Trial = {
  name: 'srtp',
  title: `packets of SRTP with ${PAYLOAD_BYTES} bytes, beside node:crypto alone`,
  missing: () => '',
  run: async ({ isQuick }) => {
    const rows = [['profile', 'work', 'packets/s', 'node:crypto alone', 'ratio']];
    const goals: TrialGoal[] = [];
    for (const profile of isQuick ? SRTP_PROFILES.slice(0, 1) : SRTP_PROFILES) {
      for (const [name, own, bare] of [
        ['protect', protect(profile), bareCipher(profile, false)],
        ['open', open(profile), bareCipher(profile, true)],
      ] as const) {
        const { packets, barePackets, ratio } = compare(own, bare);
        rows.push([profile.name, name, packets.toFixed(0), barePackets.toFixed(0), ratio.toFixed(2)]);
        const text = `${profile.name} ${name}/node:crypto alone, median of ${TURNS} turns <= ${LIMIT}`;
        goals.push({ text, value: ratio, limit: LIMIT });
      }
    }
    return { rows, goals, notes: [] };
  },
};

/** In turns, so that what else the machine does meets both. */
function compare(own: Work, bare: Work) {
  for (const work of [own, bare]) work(PACKETS);
  const turns = Array.from({ length: TURNS }, () => ({ own: own(PACKETS), bare: bare(PACKETS) }));
  const perSecond = (ms: number) => (PACKETS * 1000) / ms;
  return {
    packets: perSecond(median(turns.map((turn) => turn.own))),
    barePackets: perSecond(median(turns.map((turn) => turn.bare))),
    ratio: median(turns.map((turn) => turn.own / turn.bare)),
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function timed(run: () => void): number {
  const from = performance.now();
  run();
  return performance.now() - from;
}

function keysOf(profile: SrtpProfile) {
  return {
    profile,
    masterKey: new Uint8Array(profile.keyBytes).fill(7),
    masterSalt: new Uint8Array(profile.saltBytes).fill(9),
  };
}

/** What the product does for a packet: into a slab that a socket reads later. */
function protect(profile: SrtpProfile): Work {
  const sender = new SrtpSender(keysOf(profile));
  const header = Buffer.alloc(RTP_HEADER_BYTES);
  const payload = Buffer.alloc(PAYLOAD_BYTES, 3);
  let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  let used = 0;
  let sequence = 0;
  return (packets) =>
    timed(() => {
      for (let i = 0; i < packets; i++) {
        if (used + PAYLOAD_BYTES + 100 > SLAB_BYTES) {
          slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
          used = 0;
        }
        sequence = (sequence + 1) & 0xffff;
        writeRtpHeader(header, 0, 96, false, sequence, i, SSRC);
        used += sender.protectRtp(header, RTP_HEADER_BYTES, payload, slab, used);
      }
    });
}

function open(profile: SrtpProfile): Work {
  const sender = new SrtpSender(keysOf(profile));
  const receiver = new SrtpReceiver(keysOf(profile));
  const plain = Buffer.alloc(2048);
  const packet = Buffer.alloc(RTP_HEADER_BYTES + PAYLOAD_BYTES);
  let sequence = 0;
  return (packets) => {
    const length = packet.length + sender.rtpOverhead;
    const protectedOnes = Buffer.alloc(packets * length);
    for (let i = 0; i < packets; i++) {
      sequence = (sequence + 1) & 0xffff;
      writeRtpHeader(packet, 0, 96, false, sequence, i, SSRC);
      sender.protect(packet, protectedOnes, i * length);
    }
    // As sockets give them.
    const came = Array.from({ length: packets }, (_, i) =>
      protectedOnes.subarray(i * length, (i + 1) * length),
    );
    return timed(() => {
      for (const one of came)
        if (receiver.unprotectRtp(one, plain) < 0) throw new Error('a packet was refused');
    });
  };
}

/** The calls and nothing else: no numbers, no copies. */
function bareCipher(profile: SrtpProfile, opens: boolean): Work {
  const key = createSecretKey(Buffer.alloc(profile.keyBytes, 7));
  return profile.cipher === 'aes-gcm' ? bareGcm(key, opens) : bareCounter(key);
}

function bareGcm(key: KeyObject, opens: boolean): Work {
  const name = key.symmetricKeySize === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
  const header = Buffer.alloc(RTP_HEADER_BYTES);
  const iv = Buffer.alloc(12);
  const cipher = createCipheriv(name, key, iv);
  cipher.setAAD(header);
  const payload = Buffer.alloc(PAYLOAD_BYTES, 3);
  const ciphered = cipher.update(payload);
  cipher.final();
  const tag = cipher.getAuthTag();
  const seal = () => {
    const one = createCipheriv(name, key, iv);
    one.setAAD(header);
    one.update(payload);
    one.final();
    one.getAuthTag();
  };
  const unseal = () => {
    const one = createDecipheriv(name, key, iv);
    one.setAAD(header);
    one.setAuthTag(tag);
    one.update(ciphered);
    one.final();
  };
  const step = opens ? unseal : seal;
  return (packets) =>
    timed(() => {
      for (let i = 0; i < packets; i++) step();
    });
}

/** Counter mode is its own inverse. */
function bareCounter(key: KeyObject): Work {
  const hmacKey = createSecretKey(Buffer.alloc(SHA1_KEY_BYTES, 5));
  const iv = Buffer.alloc(16);
  const packet = Buffer.alloc(RTP_HEADER_BYTES + PAYLOAD_BYTES, 3);
  const payload = packet.subarray(RTP_HEADER_BYTES);
  return (packets) =>
    timed(() => {
      for (let i = 0; i < packets; i++) {
        createCipheriv('aes-128-ctr', key, iv).update(payload);
        createHmac('sha1', hmacKey).update(packet).digest();
      }
    });
}
