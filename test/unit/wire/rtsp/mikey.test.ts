/** MIKEY messages of GStreamer 1.22 and of ours; what they say of keys (RFC 3830, RFC 4567). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  keyAttribute,
  keyData,
  keyField,
  newSrtpKeys,
  readKeyAttribute,
  readKeyField,
  type ToldKeys,
} from '../../../../src/wire/rtsp/key-management.ts';
import { type MikeyMessage, parseMikey, serializeMikey } from '../../../../src/wire/rtsp/mikey.ts';
import {
  AEAD_AES_128_GCM,
  AES128_CM_SHA1_32,
  AES128_CM_SHA1_80,
} from '../../../../src/wire/srtp/srtp-profile.ts';
import { eachProfile, srtpKeys } from '../../../support/srtp-vectors.ts';

/** DESCRIBE of gst-rtsp-server, SETUP of rtspsrc, SETUP of rtspclientsink (with a second crypto session). */
const GSTREAMER = {
  server:
    'AQAFADHr158BAACaRACpAAAAAAsA7qwowGkNvwUKECAZ8BOnSP2zNHzfa/7fmqoBAAAAFQABAQEBEAIBAQMBCgcBAQgBAQoBAQAAACIAIAAeWB1T9W0CqXk0QHjwoaUe90iF9p25W402c2rTYjrqAA==',
  player:
    'AQAFAGoGxx0BAAAX4QnBAAAAAAsA7qwowGutfXwKELDQmMU2pBFw878nqImUa6kBAAAAFQABAQEBEAIBAQMBCgcBAQgBAQoBAQAAACIAIAAeGTB58slsHonBOMdYg4duxuHgN49cPdfftTYkZPs9AA==',
  publisher:
    'AQAFAFNEp5YCAACmeKF8AAAAAACYWp8UAAAAAAsA7qwow1xCpm0KEFNB6YTy5SpKx02i+p/zCroBAAAAFQABAQEBEAIBAQMBCgcBAQgBAQoBAQAAACIAIAAecs7RNXPWN0SUuvZE81+wuRoXdCuhJCHJBDDQ8QiwAA==',
};

const message = (data: string): MikeyMessage => parseMikey(Buffer.from(data, 'base64'))!;

function told(result: ToldKeys | string): ToldKeys {
  assert.notEqual(typeof result, 'string', String(result));
  return result as ToldKeys;
}

/** The message of GStreamer with other policy parameters. */
function withPolicy(...parameters: readonly (readonly [number, number])[]): string {
  const { policies, ...rest } = message(GSTREAMER.server);
  const changed = policies[0]!.parameters
    .filter(({ type }) => !parameters.some(([other]) => other === type))
    .concat(parameters.map(([type, value]) => ({ type, value: Uint8Array.of(value) })));
  return serializeMikey({ ...rest, policies: [{ number: 0, parameters: changed }] }).toString('base64');
}

describe('messages', () => {
  for (const [name, data] of Object.entries(GSTREAMER)) {
    test(`of GStreamer's ${name}, read and written again`, () => {
      assert.equal(serializeMikey(message(data)).toString('base64'), data);
    });
  }

  test('what they hold', () => {
    const { csbId, sources, ntpSeconds, random, policies, keys } = message(GSTREAMER.publisher);
    assert.equal(csbId, 0x5344a796);
    assert.deepEqual(sources, [
      { policy: 0, ssrc: 0xa678a17c, rollover: 0 },
      { policy: 0, ssrc: 0x985a9f14, rollover: 0 },
    ]);
    assert.equal(ntpSeconds, 0xeeac28c3);
    assert.equal(random.length, 16);
    assert.deepEqual(
      policies[0]!.parameters.map(({ type, value }) => [type, ...value]),
      [
        [0, 1],
        [1, 16],
        [2, 1],
        [3, 10],
        [7, 1],
        [8, 1],
        [10, 1],
      ],
    );
    assert.equal(keys.length, 1);
    assert.equal(keys[0]!.key.length, 30);
  });

  test('with a rollover, a name, a salt apart, two policies and two keys', () => {
    const whole: MikeyMessage = {
      ...message(GSTREAMER.server),
      sources: [{ policy: 3, ssrc: 0xdeadbeef, rollover: 0x0102_0304 }],
      policies: [
        { number: 3, parameters: [] },
        { number: 0, parameters: [{ type: 0, value: Uint8Array.of(1) }] },
      ],
      keys: [
        {
          key: Uint8Array.from({ length: 16 }, (_, i) => i),
          salt: new Uint8Array(14),
          mki: Uint8Array.of(1, 2),
        },
        { key: new Uint8Array(30), salt: null, mki: null },
      ],
    };
    assert.deepEqual(parseMikey(serializeMikey(whole)), whole);
  });

  test('cut anywhere, they are refused', () => {
    const bytes = Buffer.from(GSTREAMER.publisher, 'base64');
    for (let length = 0; length < bytes.length; length++)
      assert.equal(parseMikey(bytes.subarray(0, length)), null, `${length} bytes`);
  });

  test('of other kinds, they are refused', () => {
    const bytes = Buffer.from(GSTREAMER.server, 'base64');
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(bytes);
      copy[at] = value;
      return parseMikey(copy);
    };
    assert.equal(changed(0, 2), null, 'version');
    assert.equal(changed(1, 2), null, 'public keys');
    assert.equal(changed(2, 2), null, 'envelope');
    assert.equal(changed(9, 7), null, 'map of another protocol');
    const kemac = bytes.length - 38;
    assert.equal(changed(kemac, 1), null, 'ciphered keys');
    assert.equal(changed(kemac + 4, 0x00), null, 'generation key');
    assert.notEqual(changed(3, 0x80), null, 'the wish for an answer');
  });
});

describe('keys', () => {
  test('of an attribute and of a header field', () => {
    const { keys, sources } = told(readKeyAttribute(`mikey ${GSTREAMER.server}`));
    assert.equal(keys.profile, AES128_CM_SHA1_80);
    assert.equal(Buffer.from(keys.masterKey).toString('hex'), '581d53f56d02a979344078f0a1a51ef7');
    assert.equal(Buffer.from(keys.masterSalt).toString('hex'), '4885f69db95b8d36736ad3623aea');
    assert.equal(sources[0]!.ssrc, 0x9a4400a9);
    const field = `prot=mikey;uri="rtsp://127.0.0.1:18555/a/stream=0";data="${GSTREAMER.server}"`;
    assert.deepEqual(readKeyField(field), { keys, sources });
    assert.deepEqual(readKeyField(`prot=mikey; uri=""; data=${GSTREAMER.server}`), { keys, sources });
  });

  eachProfile((profile) => {
    test(`of ${profile.name}, written and read`, () => {
      const mki = profile === AEAD_AES_128_GCM ? Buffer.from('name') : undefined;
      const keys = srtpKeys(profile, 9, mki);
      const data = keyData(keys, 0xdeadbeef, 1_700_000_000_500_000);
      const again = told(readKeyField(keyField('rtsps://host/"live/trackID=0', data)));
      assert.deepEqual(again.sources, [{ policy: 0, ssrc: 0xdeadbeef, rollover: 0 }]);
      assert.equal(again.keys.profile, profile);
      assert.deepEqual(Buffer.from(again.keys.masterKey), Buffer.from(keys.masterKey));
      assert.deepEqual(Buffer.from(again.keys.masterSalt), Buffer.from(keys.masterSalt));
      assert.deepEqual(again.keys.mki && Buffer.from(again.keys.mki), mki);
      assert.deepEqual(readKeyAttribute(keyAttribute(data).value), again);
      const { ntpSeconds, ntpFraction } = message(data);
      assert.equal(ntpSeconds, 1_700_000_000 + 2_208_988_800);
      assert.equal(ntpFraction, 2 ** 31);
    });
  });

  test('new ones are never the same', () => {
    const [a, b] = [newSrtpKeys(AES128_CM_SHA1_80), newSrtpKeys(AES128_CM_SHA1_80)];
    assert.notDeepEqual(a.masterKey, b.masterKey);
    assert.notDeepEqual(a.masterSalt, b.masterSalt);
  });

  const cases: readonly [name: string, data: string, expected: string | RegExp][] = [
    ['a short tag, as GStreamer says it', withPolicy([3, 4]), AES128_CM_SHA1_32.name],
    ['a short tag, as the RFC says it', withPolicy([3, 20], [11, 4]), AES128_CM_SHA1_32.name],
    ['no parameters but the defaults', withPolicy([3, 20]), AES128_CM_SHA1_80.name],
    ['another length of key', withPolicy([1, 32]), /cipher that Sluice does not have/],
    ['AES-f8', withPolicy([0, 2]), /cipher that Sluice does not have/],
    ['no authentication', withPolicy([2, 0]), /cipher that Sluice does not have/],
    ['RTP that is not ciphered', withPolicy([7, 0]), /not fully protected/],
    ['RTCP that is not ciphered', withPolicy([8, 0]), /not fully protected/],
    ['RTP without tag', withPolicy([10, 0]), /not fully protected/],
    ['a key of another length', withPolicy([0, 6]), /not as long as AEAD_AES_128_GCM/],
    ['GCM with a short tag', withPolicy([0, 6], [20, 8]), /cipher that Sluice does not have/],
    ['nothing', '', /cannot be read/],
    ['too much', 'A'.repeat(9000), /too long/],
  ];
  for (const [name, data, expected] of cases) {
    test(`with ${name}`, () => {
      const result = readKeyField(`prot=mikey;data="${data}"`);
      if (typeof expected === 'string') assert.equal(told(result).keys.profile.name, expected);
      else assert.match(result as string, expected);
    });
  }

  test('of another protocol', () => {
    assert.match(readKeyField('prot=sdes;data="AAAA"') as string, /another protocol/);
    assert.match(readKeyAttribute('keyp1 727gsk7270') as string, /another protocol/);
    assert.match(readKeyAttribute('') as string, /another protocol/);
  });
});
