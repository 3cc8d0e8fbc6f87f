/** SRTP of RTSP sessions without sockets (RFC 3711, RFC 4567): players, publishers, who may have it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import { parseRtcp } from '../../src/wire/rtp/rtcp.ts';
import { RtpPacket } from '../../src/wire/rtp/rtp-packet.ts';
import {
  keyData,
  keyField,
  readKeyAttribute,
  readKeyField,
  type ToldKeys,
} from '../../src/wire/rtsp/key-management.ts';
import type { RtspResponse } from '../../src/wire/rtsp/rtsp-message.ts';
import { parseTransport } from '../../src/wire/rtsp/transport-header.ts';
import { attributeOf, parseSdp } from '../../src/wire/sdp/session-description.ts';
import {
  AEAD_AES_128_GCM,
  AES128_CM_SHA1_32,
  AES128_CM_SHA1_80,
  type SrtpKeys,
} from '../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../src/wire/srtp/srtp-sender.ts';
import { RtspConversation, RtspTestServices, URL } from '../support/rtsp-conversation.ts';
import { publishTestStream, type TestPublisher } from '../support/rtsp-streams.ts';
import { rtcpPacket, rtpPacket, srtpKeys } from '../support/srtp-vectors.ts';

const TLS = { secure: true };
const WALL_US = 1_700_000_000_000_000;
const udp = (port: number, profile = 'RTP/SAVP') =>
  `Transport: ${profile};unicast;client_port=${port}-${port + 1}`;
const tcp = (channel: number, profile = 'RTP/SAVP') =>
  `Transport: ${profile}/TCP;unicast;interleaved=${channel}-${channel + 1}`;

function live(services: RtspTestServices): TestPublisher {
  const publisher = publishTestStream(services.world);
  publisher.video(0, true, 3000);
  publisher.audio(0);
  publisher.video(40);
  return publisher;
}

function keysIn(response: RtspResponse): ToldKeys {
  const told = readKeyField(response.headers.get('KeyMgmt'));
  assert.notEqual(typeof told, 'string', String(told));
  return told as ToldKeys;
}

function opened(receiver: SrtpReceiver, packet: Buffer, isRtcp = false): Buffer {
  const out = Buffer.alloc(packet.length);
  const length = isRtcp ? receiver.unprotectRtcp(packet, out) : receiver.unprotectRtp(packet, out);
  assert.ok(length > 0, 'a packet that is not genuine');
  return out.subarray(0, length);
}

const withUse = (use: RtspTestServices['srtpUse']) => {
  const services = new RtspTestServices();
  services.srtpUse = use;
  return services;
};

describe('players', () => {
  test('over UDP: every track with its own keys, packets and reports of the feed inside', async () => {
    const services = new RtspTestServices();
    const publisher = live(services);
    const plain = new RtspConversation(services);
    const talk = new RtspConversation(services, TLS);
    const description = await talk.ask('DESCRIBE');
    assert.ok(!Buffer.from(description.body).includes('SAVP'), 'SRTP is offered to nobody unasked');
    const answers = [
      await talk.ask('SETUP', `${URL}/trackID=0`, [udp(5000)]),
      await talk.ask('SETUP', `${URL}/trackID=1`, [udp(5002, 'RTP/SAVPF')]),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    );
    const transports = answers.map(({ headers }) => parseTransport(headers.get('Transport'))[0]!);
    assert.deepEqual(
      transports.map(({ profile }) => profile),
      ['RTP/SAVP', 'RTP/SAVPF'],
    );
    assert.deepEqual(transports[1]!.clientPort, [5002, 5003]);
    const keys = answers.map((answer) => keysIn(answer).keys);
    assert.equal(keys[0]!.profile, AES128_CM_SHA1_80);
    assert.notDeepEqual(keys[0]!.masterKey, keys[1]!.masterKey);
    for (const [i, channel] of [0, 2].entries())
      await plain.ask('SETUP', `${URL}/trackID=${i}`, [tcp(channel, 'RTP/AVP')]);
    await plain.ask('PLAY');
    assert.equal((await talk.ask('PLAY')).status, 200);
    publisher.video(80, true, 5000);
    publisher.audio(80);
    await talk.settle();
    for (const track of [0, 1]) {
      const { rtp, rtcp } = services.ports.pairs[track]!;
      const receiver = new SrtpReceiver(keys[track]!);
      const expected = plain.on(track * 2);
      assert.ok(rtp.length > 1 && rtcp.length > 0);
      assert.deepEqual(
        rtp.map((packet) => opened(receiver, packet)),
        expected,
      );
      assert.deepEqual(
        rtcp.map((packet) => opened(receiver, packet, true)),
        plain.on(track * 2 + 1),
      );
    }
    assert.deepEqual(talk.session.details(), { transport: 'udp', srtp: 'AES_CM_128_HMAC_SHA1_80' });
    await talk.ask('TEARDOWN');
    talk.assertClosed();
  });

  test('inside the connection, one track sealed and one as it is', async () => {
    const services = new RtspTestServices();
    const publisher = live(services);
    const talk = new RtspConversation(services, TLS);
    const answer = await talk.ask('SETUP', `${URL}/trackID=0`, [tcp(4)]);
    assert.equal(
      (await talk.ask('SETUP', `${URL}/trackID=1`, [tcp(0, 'RTP/AVP')])).headers.get('KeyMgmt'),
      '',
    );
    await talk.ask('PLAY');
    publisher.video(80);
    publisher.audio(80);
    await talk.settle();
    const receiver = new SrtpReceiver(keysIn(answer).keys);
    const packet = new RtpPacket();
    const pictures = talk.on(4);
    assert.ok(pictures.length > 1);
    for (const one of pictures) assert.ok(packet.parse(opened(receiver, one)));
    assert.ok(parseRtcp(opened(receiver, talk.on(5)[0]!, true)).length > 0);
    assert.ok(talk.on(0).length > 0);
    for (const one of talk.on(0)) assert.ok(packet.parse(one));
  });

  test('are offered it by the description where the setting says so, with the keys that are used', async () => {
    const services = withUse('offer');
    live(services);
    const talk = new RtspConversation(services, TLS);
    const { media } = parseSdp((await talk.ask('DESCRIBE')).body);
    assert.deepEqual(
      media.map(({ protocol }) => protocol),
      ['RTP/SAVP', 'RTP/SAVP'],
    );
    const offered = media.map(
      ({ attributes }) => readKeyAttribute(attributeOf(attributes, 'key-mgmt')!) as ToldKeys,
    );
    const answer = await talk.ask('SETUP', `${URL}/trackID=1`, [udp(5002)]);
    assert.deepEqual(keysIn(answer).keys, offered[1]!.keys);
    // The same description serves those who do not know SRTP.
    const other = new RtspConversation(services, TLS);
    await other.ask('DESCRIBE');
    assert.equal((await other.ask('SETUP', `${URL}/trackID=1`, [tcp(0, 'RTP/AVP')])).status, 200);
    const open = new RtspConversation(services);
    assert.ok(!Buffer.from((await open.ask('DESCRIBE')).body).includes('SAVP'), 'over plain RTSP it is not');
  });

  test('may ask for another cipher by the keys that they tell', async () => {
    const services = new RtspTestServices();
    live(services);
    const talk = new RtspConversation(services, TLS);
    const field = keyField(URL, keyData(srtpKeys(AEAD_AES_128_GCM), 0, WALL_US));
    const answer = await talk.ask('SETUP', `${URL}/trackID=0`, [udp(5000), `KeyMgmt: ${field}`]);
    assert.equal(keysIn(answer).keys.profile, AEAD_AES_128_GCM);
    const wrong = await talk.ask('SETUP', `${URL}/trackID=1`, [udp(5002), 'KeyMgmt: prot=mikey;data="AAAA"']);
    assert.equal(wrong.status, 400);
    assert.match(wrong.reason, /MIKEY message that cannot be read/);
  });
});

describe('who may have SRTP', () => {
  const cases: readonly [
    use: RtspTestServices['srtpUse'],
    secure: boolean,
    transport: string,
    status: number,
    reason: RegExp,
  ][] = [
    ['tls', true, udp(5000), 200, /^OK$/],
    ['tls', true, tcp(0), 200, /^OK$/],
    ['tls', false, udp(5000), 461, /SRTP is for RTSPS/],
    ['tls', false, tcp(0), 461, /SRTP is for RTSPS/],
    ['offer', false, udp(5000), 461, /SRTP is for RTSPS/],
    ['any', false, udp(5000), 200, /^OK$/],
    ['any', true, udp(5000), 200, /^OK$/],
    ['off', true, udp(5000), 461, /switched off/],
    ['off', true, udp(5000, 'RTP/AVP'), 461, /by UDP as RTP\/SAVP/],
    ['tls', true, udp(5000, 'RTP/AVP'), 461, /by UDP as RTP\/SAVP/],
    ['tls', true, 'Transport: RTP/SAVP;multicast', 461, /Unsupported Transport/],
    ['tls', false, `${udp(5000)},RTP/AVP;unicast;client_port=5000-5001`, 200, /^OK$/],
    [
      'tls',
      true,
      `Transport: RTP/AVP;unicast;client_port=5000-5001,RTP/SAVP;unicast;client_port=5000-5001`,
      200,
      /^OK$/,
    ],
  ];
  for (const [use, secure, transport, status, reason] of cases) {
    test(`${use}, ${secure ? 'RTSPS' : 'RTSP'}, ${transport}: ${status}`, async () => {
      const services = withUse(use);
      live(services);
      const answer = await new RtspConversation(services, { secure }).ask('SETUP', `${URL}/trackID=0`, [
        transport,
      ]);
      assert.equal(answer.status, status);
      assert.match(answer.reason, reason);
    });
  }
});

const SSRC = 0x1234_5678;

function announcement(keys: SrtpKeys | null, isOfSession = false): string {
  const line = keys === null ? [] : [`a=key-mgmt:mikey ${keyData(keys, SSRC, WALL_US)}`];
  return [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=x',
    't=0 0',
    ...(isOfSession ? line : []),
    'm=audio 0 RTP/SAVP 8',
    'a=control:streamid=0',
    ...(isOfSession ? [] : line),
    '',
  ].join('\r\n');
}

async function heard(services: RtspTestServices): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  services.hub.consume(
    makeStreamKey('live', 'cam'),
    {
      onTracks: () => undefined,
      onFrame: (frame) => frames.push(Buffer.from(frame.payload)),
      onPause: () => undefined,
      onEnd: () => undefined,
    },
    60_000,
  );
  return frames;
}

describe('publishers', () => {
  const keys = srtpKeys(AES128_CM_SHA1_80, 5);
  const sealed = (sender: SrtpSender, packet: Buffer) => {
    const out = Buffer.alloc(packet.length + 40);
    return out.subarray(0, sender.protect(packet, out, 0));
  };

  for (const where of ['the media', 'the session', 'SETUP'] as const) {
    test(`with keys of ${where}, over UDP: packets are opened, forged ones counted, reports sealed`, async () => {
      const services = new RtspTestServices();
      const frames = await heard(services);
      const talk = new RtspConversation(services, TLS);
      const sdp = announcement(
        where === 'SETUP' ? srtpKeys(AES128_CM_SHA1_80, 77) : keys,
        where === 'the session',
      );
      const announced = await talk.ask('ANNOUNCE', URL, [], sdp);
      assert.equal(announced.status, 200);
      const fields = where === 'SETUP' ? [`KeyMgmt: ${keyField(URL, keyData(keys, SSRC, WALL_US))}`] : [];
      const answer = await talk.ask('SETUP', `${URL}/streamid=0`, [`${udp(6000)};mode=record`, ...fields]);
      assert.equal(answer.status, 200);
      const ours = keysIn(answer);
      assert.deepEqual(keysIn(announced).keys, ours.keys);
      assert.match(announced.headers.get('KeyMgmt'), /uri="rtsp:\/\/host\.test:8554\/live\/cam\/streamid=0"/);
      assert.equal((await talk.ask('RECORD')).status, 200);
      const pair = services.ports.pairs[0]!;
      const sender = new SrtpSender(keys);
      for (let i = 0; i < 20; i++) {
        pair.peer!.onDatagram(sealed(sender, rtpPacket(i, SSRC, Buffer.alloc(160, i))), false);
        pair.peer!.onDatagram(rtpPacket(i, SSRC, Buffer.alloc(160, 0xff)), false);
        const forged = sealed(sender, rtpPacket(1000 + i, SSRC, Buffer.alloc(160, i)));
        forged[20]! ^= 1;
        pair.peer!.onDatagram(forged, false);
      }
      const out = Buffer.alloc(100);
      pair.peer!.onDatagram(out.subarray(0, sender.protectRtcp(rtcpPacket(SSRC), out, 0)), true);
      services.world.advanceMs(6000);
      talk.session.tick(services.nowUs());
      assert.ok(frames.length > 10);
      assert.ok(!frames.some((frame) => frame.includes(0xff)), 'nothing forged came in');
      const details = talk.session.details();
      assert.equal(details['srtp'], 'AES_CM_128_HMAC_SHA1_80');
      assert.equal(details['srtp_refused'], 40);
      assert.equal(details['packets'], 20);
      const report = opened(new SrtpReceiver(ours.keys), pair.rtcp[0]!, true);
      assert.equal(parseRtcp(report)[0]!.type, 'rr');
    });
  }

  test('inside the connection, with a short tag', async () => {
    const services = new RtspTestServices();
    const frames = await heard(services);
    const talk = new RtspConversation(services, TLS);
    const short = srtpKeys(AES128_CM_SHA1_32, 5);
    await talk.ask('ANNOUNCE', URL, [], announcement(short));
    const answer = await talk.ask('SETUP', `${URL}/streamid=0`, [`${tcp(0)};mode=record`]);
    assert.match(answer.headers.get('Transport'), /^RTP\/SAVP\/TCP;unicast;interleaved=0-1/);
    assert.equal(keysIn(answer).keys.profile, AES128_CM_SHA1_32);
    await talk.ask('RECORD');
    const sender = new SrtpSender(short);
    for (let i = 0; i < 5; i++) talk.frame(0, sealed(sender, rtpPacket(i, SSRC, Buffer.alloc(160, i))));
    talk.session.tick(services.nowUs());
    assert.ok(frames.length > 0);
    assert.equal(talk.session.details()['srtp_refused'], 0);
  });

  test('without keys, or with keys that mean nothing, are refused with a reason', async () => {
    const talk = new RtspConversation(new RtspTestServices(), TLS);
    assert.equal((await talk.ask('ANNOUNCE', URL, [], announcement(null))).status, 200);
    const answer = await talk.ask('SETUP', `${URL}/streamid=0`, [`${udp(6000)};mode=record`]);
    assert.equal(answer.status, 400);
    assert.match(answer.reason, /wants keys/);
    const damaged = announcement(keys).replace(/mikey \S+/, 'mikey AQAFAA==');
    const refused = await talk.ask('ANNOUNCE', URL, [], damaged);
    assert.equal(refused.status, 400);
    assert.match(refused.reason, /cannot be read/);
  });

  test('over plain RTSP are refused, and may come as RTP/AVP', async () => {
    const talk = new RtspConversation(new RtspTestServices());
    const announced = await talk.ask('ANNOUNCE', URL, [], announcement(keys));
    assert.equal(announced.headers.get('KeyMgmt'), '', 'no keys are told in clear');
    const answer = await talk.ask('SETUP', `${URL}/streamid=0`, [`${udp(6000)};mode=record`]);
    assert.equal(answer.status, 461);
    assert.match(answer.reason, /SRTP is for RTSPS/);
    assert.equal((await talk.ask('SETUP', `${URL}/streamid=0`, [tcp(0, 'RTP/AVP')])).status, 200);
  });
});
