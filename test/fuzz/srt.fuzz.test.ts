/**
 * Seeded, time-boxed: any datagram is read or refused without an exception; what is read is written again alike; a
 * connection, a listener and a caller that get damaged, forged and repeated datagrams stay within their bounds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SrtAgreement } from '../../src/srt/agreement.ts';
import { SrtCaller } from '../../src/srt/caller.ts';
import { SrtConnection } from '../../src/srt/connection.ts';
import { SrtKeyring } from '../../src/srt/keyring.ts';
import { SrtListener, type SrtRequest } from '../../src/srt/listener.ts';
import { readHandshake, writeHandshake } from '../../src/wire/srt/handshake.ts';
import { readKeyMaterial, writeKeyMaterial } from '../../src/wire/srt/key-material.ts';
import { decodeLossRanges, encodeLossRanges } from '../../src/wire/srt/loss-list.ts';
import { SrtPacket } from '../../src/wire/srt/srt-packet.ts';
import { FUZZ_SECONDS } from '../support/fuzz.ts';
import { seededRandom, settingsWith } from '../support/srt-model.ts';
import { recordedSrt } from '../support/srt-vectors.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_240_818);
const SEEDS = ['ffmpeg51-plain', 'ffmpeg51-aes128-rekey', 'ffmpeg51-loss3', 'slt-streamid'].flatMap((name) =>
  recordedSrt(name).map(({ bytes }) => bytes),
);

/** A recorded datagram with some bytes changed, cut or put on; or a random one. */
function mutate(random: () => number): Buffer {
  if (random() < 0.1)
    return Buffer.from(Array.from({ length: Math.floor(random() * 120) }, () => random() * 256));
  const bytes = Buffer.from(SEEDS[Math.floor(random() * SEEDS.length)]!);
  for (let i = Math.floor(random() * 6); i > 0; i--)
    bytes[Math.floor(random() * Math.min(bytes.length, 130))] = random() < 0.3 ? 0xff : random() * 256;
  if (random() < 0.2) return bytes.subarray(0, Math.floor(random() * bytes.length));
  return random() < 0.1 ? Buffer.concat([bytes, bytes]) : bytes;
}

function rounds(seed: number, run: (random: () => number, round: number) => void): void {
  const random = seededRandom(seed);
  const until = performance.now() + FUZZ_SECONDS * 1000;
  for (let round = 0; performance.now() < until || round < 2000; round++) run(random, round);
}

test('fuzz: SRT packets and handshakes', () => {
  let handshakes = 0;
  let materials = 0;
  const packet = new SrtPacket();
  rounds(SEED, (random) => {
    const bytes = mutate(random);
    packet.parse(bytes);
    const handshake = readHandshake(bytes);
    if (handshake !== null) {
      handshakes++;
      const again = readHandshake(writeHandshake(handshake, 0, 0));
      // A conclusion without extensions keeps its field; unknown extensions are gone.
      if (again !== null && handshake.version >= 5) assert.equal(again.streamId, handshake.streamId);
    }
    const ranges = decodeLossRanges(bytes, Math.floor(random() * 20));
    if (ranges !== null) assert.deepEqual(decodeLossRanges(encodeLossRanges(ranges), 0), ranges);
    const material = readKeyMaterial(bytes.subarray(16));
    if (material === null) return;
    materials++;
    assert.deepEqual(readKeyMaterial(writeKeyMaterial(material)), material);
  });
  assert.ok(handshakes > 100 && materials > 10, `${handshakes} handshakes, ${materials} key materials`);
});

test('fuzz: SRT connection', () => {
  const settings = settingsWith({
    latencyMs: 50,
    sendBufferPackets: 128,
    receiveBufferPackets: 128,
    peerIdleTimeoutMs: 60_000,
    passphrase: 'correcthorse',
  });
  let delivered = 0;
  let closed = 0;
  let connection: SrtConnection | null = null;
  let nowUs = 1_000_000;
  rounds(SEED + 1, (random, round) => {
    if (connection === null || connection.closed || round % 1000 === 0) {
      const agreement: SrtAgreement = {
        localSocketId: 1,
        peerSocketId: 2,
        sendSequence: 0x7fff_ff00,
        receiveSequence: 0x7fff_ff00,
        mss: 1500,
        flowWindow: 128,
        receiveLatencyMs: 50,
        sendLatencyMs: 50,
        keyring: random() < 0.5 ? SrtKeyring.create('correcthorse', 16, random() < 0.5) : null,
        peerFlags: Math.floor(random() * 256),
        peerVersion: 0x010501,
        streamId: '',
        group: null,
        startUs: nowUs,
        peerStartUs: nowUs,
      };
      const events = {
        send: () => undefined,
        deliver: () => {
          delivered++;
        },
        closed: () => {
          closed++;
        },
      };
      connection = new SrtConnection(agreement, settings, events, nowUs);
    }
    nowUs += Math.floor(random() * 20_000);
    const bytes = mutate(random);
    if (bytes.length >= 16) {
      bytes.writeUInt32BE(1, 12);
      // Near the numbers that count.
      if ((bytes[0]! & 0x80) === 0)
        bytes.writeUInt32BE((0x7fff_ff00 + Math.floor(random() * 400)) & 0x7fff_ffff, 0);
      else if (bytes.length >= 20 && bytes[1] !== 0 && random() < 0.7)
        bytes.writeUInt32BE((0x7fff_ff00 + Math.floor(random() * 400)) & 0x7fff_ffff, 16);
      // Shutdowns end the fun.
      if (bytes[0] === 0x80 && bytes[1] === 5 && random() < 0.99) bytes[1] = 7;
    }
    connection.receive(bytes, nowUs);
    if (random() < 0.3) connection.sendMessage(Buffer.alloc(188), nowUs);
    connection.tick(nowUs);
    if (!connection.closed) assert.ok(connection.nextWakeUs > nowUs - 1);
    const stats = connection.statistics(nowUs);
    assert.ok(stats.pktRcvBuf >= 0 && stats.pktRcvBuf <= 128, `${stats.pktRcvBuf} received`);
    assert.ok(stats.pktSndBuf >= 0 && stats.pktSndBuf <= 128, `${stats.pktSndBuf} to send`);
    assert.ok(stats.byteRcvBuf >= 0 && stats.byteSndBuf >= 0 && stats.pktFlightSize >= 0);
  });
  assert.ok(delivered > 0 && closed > 0, `${delivered} delivered, ${closed} closed`);
});

test('fuzz: SRT listener and caller', () => {
  let cookie = 0;
  const requests: SrtRequest[] = [];
  const listener = new SrtListener(Buffer.alloc(32, 5), 0, {
    send: (datagram) => {
      cookie = readHandshake(datagram)?.cookie ?? 0;
    },
    request: (request) => requests.push(request),
    refused: () => undefined,
  });
  let nowUs = 0;
  let accepted = 0;
  let connected = 0;
  const caller = (): SrtCaller =>
    new SrtCaller(
      { settings: settingsWith({}), streamId: 'a', localSocketId: 1, peerAddress: '::1' },
      {
        send: () => undefined,
        failed: () => undefined,
        connected: () => {
          connected++;
        },
      },
      nowUs,
    );
  let calling = caller();
  rounds(SEED + 2, (random, round) => {
    nowUs += 10_000;
    const bytes = mutate(random);
    const address = `192.0.2.${Math.floor(random() * 4)}`;
    if (bytes.length >= 48 && random() < 0.7) bytes.writeUInt32BE(cookie, 44);
    listener.receive(bytes, address, 1000, nowUs);
    assert.ok(listener.size <= 4096);
    const request = requests.pop();
    if (request !== undefined && random() < 0.5) {
      const passphrase = request.keyBytes > 0 ? 'correcthorse128' : '';
      if (listener.accept(request, settingsWith({ passphrase }), 9, nowUs) !== null) accepted++;
      listener.release(request);
    }
    listener.tick(nowUs);
    if (bytes.length >= 16) bytes.writeUInt32BE(1, 12);
    calling.receive(bytes, nowUs);
    calling.tick(nowUs);
    if (round % 50 === 0) calling = caller();
  });
  assert.ok(accepted > 5 && connected > 0, `${accepted} accepted, ${connected} connected`);
});
