import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cipherSuite, DEFAULT_DTLS_SUITES } from '../../../src/dtls/cipher-suites.ts';
import { RecordCipher } from '../../../src/dtls/record-cipher.ts';
import { DtlsRecord, writeRecordHeader } from '../../../src/wire/dtls/record.ts';

const EPOCH = 1;
const SEQUENCE = 0x1_0000_0002;

function cipherOf(id: number): RecordCipher {
  const suite = cipherSuite(id)!;
  return new RecordCipher(suite, Buffer.alloc(suite.keyBytes, 7), Buffer.alloc(suite.ivBytes, 9));
}

function sealed(cipher: RecordCipher, payload: Buffer): Buffer {
  const length = payload.length + cipher.overhead;
  const bytes = Buffer.alloc(3 + 13 + length + 2, 0xee);
  writeRecordHeader(bytes, 3, 23, 0xfefd, EPOCH, SEQUENCE, length);
  cipher.seal(23, EPOCH, SEQUENCE, payload, bytes, 16);
  return bytes;
}

for (const id of DEFAULT_DTLS_SUITES) {
  test(`${id.toString(16)}: sealed and opened, any length`, () => {
    const record = new DtlsRecord();
    for (const length of [0, 1, 15, 16, 17, 1200, 16_384]) {
      const payload = Buffer.alloc(length, 0x5a);
      const bytes = sealed(cipherOf(id), payload);
      assert.equal(bytes.readUInt16BE(bytes.length - 2), 0xeeee, 'nothing behind it is touched');
      assert.notEqual(record.parse(bytes, 3), -1);
      assert.deepEqual(cipherOf(id).open(record, bytes), payload);
    }
  });

  test(`${id.toString(16)}: every byte of header and payload counts`, () => {
    const bytes = sealed(cipherOf(id), Buffer.from('payload'));
    const record = new DtlsRecord();
    const cipher = cipherOf(id);
    for (let at = 3; at < bytes.length - 2; at++) {
      // The version is not looked at; the length decides what is read at all.
      if ([4, 5, 14, 15].includes(at)) continue;
      const forged = Buffer.from(bytes);
      forged[at]! ^= 1;
      assert.notEqual(record.parse(forged, 3), -1);
      assert.equal(cipher.open(record, forged), null, `byte ${at}`);
    }
    assert.notEqual(record.parse(bytes, 3), -1);
    assert.notEqual(cipher.open(record, bytes), null);
  });

  test(`${id.toString(16)}: records that are too short`, () => {
    const cipher = cipherOf(id);
    const record = new DtlsRecord();
    for (let length = 0; length < cipher.overhead; length++) {
      const bytes = Buffer.alloc(13 + length);
      writeRecordHeader(bytes, 0, 23, 0xfefd, EPOCH, SEQUENCE, length);
      record.parse(bytes, 0);
      assert.equal(cipher.open(record, bytes), null);
    }
  });
}

test('two records never have the same nonce: the explicit part is epoch and sequence', () => {
  const bytes = sealed(cipherOf(0xc02b), Buffer.from('x'));
  assert.equal(bytes.subarray(16, 24).toString('hex'), '0001000100000002');
});
