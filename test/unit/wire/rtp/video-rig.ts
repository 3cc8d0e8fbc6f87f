/** What the tests of the video payload formats share: tables of packets, targets that collect, recorded packets. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import type { CodecId } from '../../../../src/codec/codec-id.ts';
import type {
  RtpDepacketizer,
  RtpMapping,
  RtpPayloadFormat,
  RtpPayloadTarget,
} from '../../../../src/wire/rtp/payload-format.ts';
import { RtpPacket } from '../../../../src/wire/rtp/rtp-packet.ts';

/** One RTP packet without its header. */
export interface Piece {
  readonly payload: Uint8Array;
  readonly marker: boolean;
  /** Default: the same for all. */
  readonly timestamp?: number;
  readonly isAfterLoss?: boolean;
}

/** `payload`: bytes or hex. */
export function plain(
  payload: Uint8Array | string,
  marker = false,
  timestamp = 1000,
  isAfterLoss = false,
): Piece {
  return { payload: typeof payload === 'string' ? hex(payload) : payload, marker, timestamp, isAfterLoss };
}

export interface Unit {
  readonly payload: Uint8Array;
  readonly timestamp: number;
  readonly isDamaged: boolean;
}

/** Gives out memory that is full of something else, as a real target does, and checks that all of it is written. */
export class CollectingTarget implements RtpPayloadTarget {
  bytes: Uint8Array = new Uint8Array(70_000);
  private readonly ends: { payload: Uint8Array; marker: boolean }[] = [];

  begin(size: number, marker: boolean, timestampOffset: number): number {
    assert.ok(size > 0 && timestampOffset === 0);
    const at = (this.ends.length * 7) % 90;
    this.bytes = new Uint8Array(size + 100).fill(0xa5);
    this.ends.push({ payload: this.bytes.subarray(at, at + size), marker });
    return at;
  }

  pieces(): Piece[] {
    for (const { payload } of this.ends) {
      const { buffer, byteOffset, byteLength } = payload;
      const behind = new Uint8Array(buffer).subarray(byteOffset + byteLength);
      assert.ok(
        behind.every((byte) => byte === 0xa5),
        'nothing is written behind a packet',
      );
    }
    return this.ends;
  }
}

export function packetize(
  format: RtpPayloadFormat,
  payload: Uint8Array,
  maxPayload: number,
  flags = 0,
  config = configOf(format.codec),
): Piece[] {
  const target = new CollectingTarget();
  format.packetizer(config, maxPayload).packetize(payload, flags, config, target);
  return target.pieces();
}

export function depacketize(
  format: RtpPayloadFormat,
  pieces: readonly Piece[],
  fmtp: Readonly<Record<string, string>> = {},
): { units: Unit[]; damaged: number } {
  return pushAll(format.depacketizer(mappingOf(format, fmtp)), pieces);
}

/** Pushes and flushes; fails when the depacketizer changes what it is given. */
export function pushAll(
  depacketizer: RtpDepacketizer,
  pieces: readonly Piece[],
): { units: Unit[]; damaged: number } {
  const units: Unit[] = [];
  const output = {
    unit(payload: Uint8Array, timestamp: number, isDamaged: boolean): void {
      assert.ok(payload.length > 0);
      units.push({ payload: Uint8Array.from(payload), timestamp, isDamaged });
    },
  };
  for (const { payload, timestamp = 1000, marker, isAfterLoss = false } of pieces) {
    const before = Buffer.from(payload);
    depacketizer.push(payload, timestamp, marker, isAfterLoss, output);
    assert.equal(Buffer.compare(before, payload), 0, 'the input is not changed');
  }
  depacketizer.flush(output);
  return { units, damaged: depacketizer.damaged };
}

/** A frame and its packets. */
export interface BothWays {
  readonly name: string;
  /** 64 if not given. */
  readonly maxPayload?: number;
  readonly flags?: number;
  readonly unit: Uint8Array;
  /** As hex; the last one has the marker. */
  readonly packets: readonly string[];
}

export function testBothWays(format: RtpPayloadFormat, cases: readonly BothWays[]): void {
  for (const { name, maxPayload = 64, flags = 0, unit, packets } of cases) {
    const isLast = (i: number): boolean => i === packets.length - 1;

    test(`${format.codec} sent: ${name}`, () => {
      assert.deepEqual(
        packetize(format, unit, maxPayload, flags).map(({ payload, marker }) => [toHex(payload), marker]),
        packets.map((packet, i) => [packet, isLast(i)]),
      );
    });

    test(`${format.codec} received: ${name}`, () => {
      const pieces = packets.map((packet, i) => ({ payload: hex(packet), marker: isLast(i) }));
      const { units, damaged } = depacketize(format, pieces);
      assert.deepEqual([units.map(({ payload }) => toHex(payload)), damaged], [[toHex(unit)], 0]);
    });
  }
}

/** Packets that we do not send, and what comes of them. */
export interface Quirk {
  readonly name: string;
  readonly pieces: readonly Piece[];
  readonly units: readonly Uint8Array[];
  /** Of the units; not looked at if not given. */
  readonly timestamps?: readonly number[];
  /** Which of them are damaged. */
  readonly damagedUnits?: readonly number[];
  readonly damaged?: number;
  readonly fmtp?: Readonly<Record<string, string>>;
}

export function testReceived(format: RtpPayloadFormat, quirks: readonly Quirk[]): void {
  for (const { name, pieces, units, timestamps, damagedUnits = [], damaged = 0, fmtp = {} } of quirks) {
    test(`${format.codec} received: ${name}`, () => {
      const result = depacketize(format, pieces, fmtp);
      assert.deepEqual(
        result.units.map(({ payload }) => toHex(payload)),
        units.map(toHex),
      );
      if (timestamps !== undefined) {
        assert.deepEqual(
          result.units.map(({ timestamp }) => timestamp),
          timestamps,
        );
      }
      const damagedFound = result.units.flatMap(({ isDamaged }, i) => (isDamaged ? [i] : []));
      assert.deepEqual([damagedFound, result.damaged], [damagedUnits, damaged]);
    });
  }
}

export function mappingOf(format: RtpPayloadFormat, fmtp: Readonly<Record<string, string>> = {}): RtpMapping {
  const encodingName = format.encodingNames[0] ?? '';
  return {
    payloadType: 96,
    encodingName,
    clockRate: 90_000,
    channels: 0,
    fmtp: new Map(Object.entries(fmtp)),
  };
}

export function configOf(codec: CodecId): CodecConfig {
  return makeCodecConfig(codec, new Uint8Array(0), '');
}

/** Bytes from hex digits, blanks ignored. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

/** `count` bytes in which no start code is. */
export function filler(count: number, first = 1): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => 1 + ((first + i * 7) % 250));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** Canonical payload of NAL units. */
export function nals(...units: readonly Uint8Array[]): Uint8Array {
  return concat(...units.flatMap((unit) => [Uint8Array.of(0, 0, unit.length >> 8, unit.length), unit]));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export interface Capture {
  readonly name: string;
  readonly codec: CodecId;
  /** First half of the SHA-256 of every canonical payload (of Motion JPEG: of the scan), and its size. */
  readonly frames: readonly string[];
  readonly sizes: readonly number[];
  readonly packets: readonly string[];
}

const file = new URL('../../../vectors/rtp/video/captures.json', import.meta.url);
export const captures = JSON.parse(readFileSync(file, 'utf8')) as readonly Capture[];

/** The RTP packets of a capture, with its losses: packets that are missing are told. */
export function piecesOf(capture: Capture): Piece[] {
  const packet = new RtpPacket();
  return capture.packets.map((text) => {
    assert.ok(packet.parse(hex(text)));
    const { bytes, payloadStart, payloadEnd, marker, timestamp } = packet;
    return { payload: bytes.slice(payloadStart, payloadEnd), marker, timestamp };
  });
}
