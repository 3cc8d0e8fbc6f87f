/** Seeded, time-boxed: any MIKEY message, attribute and header field is read or refused without an exception. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyData, readKeyAttribute, readKeyField } from '../../src/wire/rtsp/key-management.ts';
import { parseMikey, serializeMikey } from '../../src/wire/rtsp/mikey.ts';
import { SRTP_PROFILES } from '../../src/wire/srtp/srtp-profile.ts';
import { mutateHead, Random, runFor } from '../support/fuzz.ts';
import { srtpKeys } from '../support/srtp-vectors.ts';

const SEEDS = SRTP_PROFILES.flatMap((profile) => [
  keyData(srtpKeys(profile), 1, 3),
  keyData(srtpKeys(profile, 5, Buffer.from('name')), 1, 3),
]).map((data) => Buffer.from(data, 'base64'));

test('fuzz: MIKEY messages', () => {
  const random = new Random(0x1234);
  let read = 0;
  let usable = 0;
  const runs = runFor(() => {
    const seed = SEEDS[random.below(SEEDS.length)]!;
    const bytes = random.below(10) === 0 ? random.bytes(random.below(200)) : mutateHead(random, seed);
    const message = parseMikey(bytes);
    if (message !== null) {
      read++;
      // Payloads of other kinds are gone, and the order is ours; what was understood stays.
      const again = parseMikey(serializeMikey(message));
      if (message.keys.length > 0) assert.deepEqual(again, message);
    }
    const told = readKeyField(`prot=mikey;data="${Buffer.from(bytes).toString('base64')}"`);
    if (typeof told === 'string') assert.ok(told.length > 0);
    else {
      usable++;
      const { profile, masterKey, masterSalt } = told.keys;
      assert.deepEqual([masterKey.length, masterSalt.length], [profile.keyBytes, profile.saltBytes]);
    }
  });
  assert.ok(read > runs / 100 && usable > 0, `${read} of ${runs} were read, ${usable} had keys`);
});

test('fuzz: attributes and header fields', () => {
  const random = new Random(0x77);
  const words = [
    'mikey',
    'prot',
    '=',
    ';',
    '"',
    'data',
    'uri',
    ' ',
    ',',
    'AQAF',
    SEEDS[0]!.toString('base64'),
    'x',
  ];
  runFor(() => {
    let text = '';
    for (let i = random.below(12); i >= 0; i--) text += words[random.below(words.length)];
    for (const result of [readKeyField(text), readKeyAttribute(text)])
      if (typeof result !== 'string') assert.equal(result.keys.profile, SRTP_PROFILES[0]);
  });
});
