/** Puts records into datagrams, several into one as long as they fit, and numbers and protects them. */

import { DTLS_HANDSHAKE_HEADER_BYTES, writeHandshakeHeader } from '../wire/dtls/handshake-header.ts';
import { DTLS_1_2, DTLS_CONTENT } from '../wire/dtls/numbers.ts';
import { DTLS_RECORD_HEADER_BYTES, MAX_DTLS_SEQUENCE, writeRecordHeader } from '../wire/dtls/record.ts';
import type { RecordCipher } from './record-cipher.ts';

/** A shorter piece of a message is not worth its two headers. */
const MIN_PIECE_BYTES = 64;

export class RecordWriter {
  /** In the header of records without protection: a first hello says 1.0. */
  plainVersion: number;
  /** Of the next record of epoch 0. */
  plainSequence: number;
  /** For epoch 1. */
  cipher: RecordCipher | null;
  private sequence: number;
  private readonly mtu: number;
  private readonly send: (datagram: Uint8Array) => void;
  private datagram: Buffer | null;
  private used: number;

  constructor(mtu: number, send: (datagram: Uint8Array) => void) {
    this.plainVersion = DTLS_1_2;
    this.plainSequence = 0;
    this.cipher = null;
    this.sequence = 0;
    this.mtu = mtu;
    this.send = send;
    this.datagram = null;
    this.used = 0;
  }

  /** A whole message (with its header) in as many pieces as are needed. */
  writeMessage(epoch: number, message: Uint8Array): void {
    const length = message.length - DTLS_HANDSHAKE_HEADER_BYTES;
    for (let at = 0; at < length || at === 0; ) {
      const left = length - at;
      let room = this.room(epoch) - DTLS_HANDSHAKE_HEADER_BYTES;
      if (room < left && room < MIN_PIECE_BYTES) {
        this.flush();
        room = this.room(epoch) - DTLS_HANDSHAKE_HEADER_BYTES;
      }
      const size = Math.min(left, room);
      if (size === length) {
        this.write(DTLS_CONTENT.handshake, epoch, message);
        return;
      }
      const piece = Buffer.allocUnsafe(DTLS_HANDSHAKE_HEADER_BYTES + size);
      const sequence = (message[4]! << 8) | message[5]!;
      writeHandshakeHeader(piece, 0, message[0]!, length, sequence, at, size);
      const from = DTLS_HANDSHAKE_HEADER_BYTES + at;
      piece.set(message.subarray(from, from + size), DTLS_HANDSHAKE_HEADER_BYTES);
      this.write(DTLS_CONTENT.handshake, epoch, piece);
      at += size;
    }
  }

  /** One record. A payload that is longer than a datagram may be gets one of its own all the same. */
  write(type: number, epoch: number, payload: Uint8Array): void {
    const cipher = epoch === 0 ? null : this.cipher!;
    const length = payload.length + (cipher?.overhead ?? 0);
    const size = DTLS_RECORD_HEADER_BYTES + length;
    if (this.used + size > this.mtu) this.flush();
    this.datagram ??= Buffer.allocUnsafe(Math.max(size, this.mtu));
    const { datagram, used } = this;
    const sequence = epoch === 0 ? this.plainSequence++ : this.sequence++;
    const version = epoch === 0 ? this.plainVersion : DTLS_1_2;
    writeRecordHeader(datagram, used, type, version, epoch, sequence, length);
    if (cipher === null) datagram.set(payload, used + DTLS_RECORD_HEADER_BYTES);
    else cipher.seal(type, epoch, sequence, payload, datagram, used + DTLS_RECORD_HEADER_BYTES);
    this.used = used + size;
  }

  /** Sends what is there. */
  flush(): void {
    const { datagram, used } = this;
    if (datagram === null) return;
    this.datagram = null;
    this.used = 0;
    this.send(datagram.subarray(0, used));
  }

  /** A further record would use a number twice. */
  get isSpent(): boolean {
    return this.sequence > MAX_DTLS_SEQUENCE;
  }

  /** Bytes of payload that fit into what is left of the datagram. */
  private room(epoch: number): number {
    const overhead = epoch === 0 ? 0 : this.cipher!.overhead;
    return this.mtu - this.used - DTLS_RECORD_HEADER_BYTES - overhead;
  }
}
