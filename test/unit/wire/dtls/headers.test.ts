import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DtlsHandshakeFragment,
  handshakeMessage,
  writeHandshakeHeader,
} from '../../../../src/wire/dtls/handshake-header.ts';
import { DtlsRecord, MAX_DTLS_SEQUENCE, writeRecordHeader } from '../../../../src/wire/dtls/record.ts';

test('a record: golden bytes and back', () => {
  const bytes = Buffer.alloc(20, 0xaa);
  writeRecordHeader(bytes, 2, 22, 0xfefd, 1, 0x1234_5678_9abc, 4);
  assert.equal(bytes.toString('hex'), 'aaaa16fefd0001123456789abc0004aaaaaaaaaa');
  const record = new DtlsRecord();
  assert.equal(record.parse(bytes, 2), 19);
  assert.deepEqual(
    { ...record },
    {
      type: 22,
      version: 0xfefd,
      epoch: 1,
      sequence: 0x1234_5678_9abc,
      start: 15,
      end: 19,
    },
  );
});

test('a record: every sequence number fits', () => {
  const bytes = Buffer.alloc(13);
  const record = new DtlsRecord();
  for (const sequence of [0, 1, 0xffff_ffff, 0x1_0000_0000, MAX_DTLS_SEQUENCE]) {
    writeRecordHeader(bytes, 0, 23, 0xfefd, 0xffff, sequence, 0);
    assert.equal(record.parse(bytes, 0), 13);
    assert.equal(record.sequence, sequence);
    assert.equal(record.epoch, 0xffff);
  }
});

test('a record: cut anywhere, or longer than the RFC allows', () => {
  const bytes = Buffer.alloc(13 + 9);
  writeRecordHeader(bytes, 0, 22, 0xfefd, 0, 0, 9);
  const record = new DtlsRecord();
  for (let length = 0; length < bytes.length; length++)
    assert.equal(record.parse(bytes.subarray(0, length), 0), -1);
  assert.equal(record.parse(bytes, 0), bytes.length);
  const long = Buffer.alloc(20_000);
  writeRecordHeader(long, 0, 22, 0xfefd, 0, 0, 18_432);
  assert.equal(record.parse(long, 0), 13 + 18_432);
  writeRecordHeader(long, 0, 22, 0xfefd, 0, 0, 18_433);
  assert.equal(record.parse(long, 0), -1);
});

test('a handshake message: golden bytes and back', () => {
  const message = handshakeMessage(20, 0x0102, Uint8Array.of(7, 8, 9));
  assert.equal(message.toString('hex'), '140000030102000000000003070809');
  const fragment = new DtlsHandshakeFragment();
  assert.equal(fragment.parse(message, 0, message.length), message.length);
  assert.deepEqual({ ...fragment }, { type: 20, length: 3, sequence: 0x0102, offset: 0, start: 12, end: 15 });
});

test('a fragment: cut, or outside its message', () => {
  const fragment = new DtlsHandshakeFragment();
  const bytes = Buffer.alloc(12 + 4);
  writeHandshakeHeader(bytes, 0, 11, 70_000, 3, 69_996, 4);
  for (let limit = 0; limit < bytes.length; limit++) assert.equal(fragment.parse(bytes, 0, limit), -1);
  assert.equal(fragment.parse(bytes, 0, bytes.length), 16);
  assert.equal(fragment.offset, 69_996);
  writeHandshakeHeader(bytes, 0, 11, 70_000, 3, 69_997, 4);
  assert.equal(fragment.parse(bytes, 0, bytes.length), -1);
});
