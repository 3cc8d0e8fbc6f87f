/** The messages of an unmasked byte stream of RFC 6455 (section 5.2), lengths in their shortest form. */
import assert from 'node:assert/strict';

export function webSocketMessages(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    assert.equal(bytes[at], 0x82, 'a whole binary message');
    let length = bytes[at + 1]!;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      assert.ok(length > 125);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      assert.ok(length > 65_535);
      at += 8;
    }
    assert.ok(at + length <= bytes.length, 'the message is complete');
    messages.push(bytes.subarray(at, at + length));
    at += length;
  }
  return messages;
}
