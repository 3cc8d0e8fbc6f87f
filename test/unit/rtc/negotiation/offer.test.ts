import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { parseAnswer, parseOffer } from '../../../../src/rtc/negotiation/offer.ts';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { offerOf, recorded, TRANSPORT } from '../../../support/webrtc-sdp.ts';

const VECTORS = readdirSync(new URL('../../../vectors/webrtc-sdp/', import.meta.url))
  .filter((name) => name.endsWith('.sdp'))
  .map((name) => name.slice(0, -4));

const VIDEO = { line: 'video 9 UDP/TLS/RTP/SAVPF 96', attributes: ['rtpmap:96 VP8/90000'] };
const AUDIO = { line: 'audio 9 UDP/TLS/RTP/SAVPF 8', attributes: [] };

function refusal(code: string, pattern: RegExp) {
  return (error: unknown) =>
    error instanceof ProtocolError && error.code === code && pattern.test(error.message);
}

test('offer: every recorded description is read, as text and as bytes', () => {
  assert.equal(VECTORS.length, 21);
  for (const name of VECTORS) {
    const read = name.endsWith('.offer') ? parseOffer : parseAnswer;
    const text = recorded(name);
    const offer = read(text);
    assert.deepEqual(read(Buffer.from(text)), offer, name);
    assert.deepEqual(offer.medias.map(({ kind }) => kind).sort(), ['audio', 'video'], name);
    assert.equal(offer.bundled.length, 2, name);
    assert.equal(offer.isLite, name.includes('-srs.answer'), name);
  }
});

test('offer: Chromium publishes', () => {
  const offer = parseOffer(recorded('whip-chromium-h264-srs.offer'));
  assert.deepEqual(offer.ice, { ufrag: 'pSkX', password: 'yZdlFCX7TW1NNZ9U4o5UTXEf' });
  assert.equal(offer.setup, 'actpass');
  assert.equal(offer.isTrickle, true);
  assert.equal(offer.hasGroup, true);
  assert.deepEqual(offer.fingerprint, {
    algorithm: 'sha-256',
    value: 'EA:5F:31:0D:BB:05:F0:D0:17:A2:1F:F9:36:6B:D2:53:68:78:37:E9:26:86:14:8E:20:EE:07:F7:21:1D:63:D4',
  });
  assert.deepEqual(offer.candidates, [
    'candidate:3207451419 1 udp 2122260223 127.0.0.1 45586 typ host generation 0 network-id 1 network-cost 50',
    'candidate:3252826499 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active generation 0 network-id 1 network-cost 50',
  ]);
  const [sound, picture] = offer.medias;
  assert.deepEqual(
    sound!.codecs.map(({ payloadType, codec }) => [payloadType, codec]),
    [
      [111, 'opus'],
      [63, null],
      [9, 'g722'],
      [0, 'g711u'],
      [8, 'g711a'],
      [13, null],
      [110, null],
      [126, null],
    ],
  );
  assert.deepEqual(
    picture!.codecs.map(({ payloadType, rtxPayloadType }) => [payloadType, rtxPayloadType]),
    [
      [102, 103],
      [104, 107],
      [108, 109],
      [114, 115],
      [116, 117],
      [39, 40],
      [118, 119],
      [120, -1],
    ],
  );
  const first = picture!.codecs[0]!;
  assert.deepEqual(first.feedback, { nack: true, pli: true, fir: true, transportCc: true, remb: true });
  assert.equal(first.mapping.fmtp.get('profile-level-id'), '42001f');
  assert.deepEqual(picture!.ssrcs, [1024298765]);
  assert.deepEqual(picture!.repairs, [[1024298765, 1115793471]]);
  assert.equal(picture!.msid, '2237800a-a5a1-44b4-9772-5b2884793040 4e519975-004a-4a3f-b2c9-554a3ed65f14');
  assert.deepEqual(
    [picture!.direction, picture!.hasRtcpMux, picture!.hasRtcpRsize],
    ['sendonly', true, true],
  );
  assert.deepEqual(picture!.extensions[4], {
    id: 5,
    uri: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
    isSentByPeer: true,
    isReceivedByPeer: true,
  });
});

test('offer: sections with port 0 that are bundle-only are in use', () => {
  for (const name of ['whip-firefox-vp8-aiortc.offer', 'whip-gst-h264-srs.offer']) {
    const offer = parseOffer(recorded(name));
    assert.equal(offer.medias[1]!.isRejected, false, name);
    assert.equal(offer.bundled.length, 2, name);
  }
  const firefox = parseOffer(recorded('whep-firefox-vp8-aiortc.offer'));
  const delay = firefox.medias[0]!.extensions.find(({ id }) => id === 6)!;
  assert.deepEqual([delay.isSentByPeer, delay.isReceivedByPeer], [false, true]);
});

test('offer: FFmpeg tells a repairing source in the group only', () => {
  const [, picture] = parseOffer(recorded('whip-ffmpeg81-h264-srs.offer')).medias;
  assert.deepEqual(picture!.ssrcs, [1156616563]);
  assert.deepEqual(picture!.repairs, [[1156616563, 1156616564]]);
});

test('offer: candidates of another transport are left out', () => {
  const { candidates, ice } = parseOffer(recorded('whip-aiortc-h264-srs.offer'));
  assert.equal(ice.ufrag, 'JOt5');
  assert.deepEqual(candidates, [
    'candidate:16572de626da4e5384a0ce2d0d93678a 1 udp 2130706431 127.0.0.1 35833 typ host',
  ]);
});

test('offer: transport attributes at session level', () => {
  const lines = ['v=0', 'a=group:BUNDLE a b', ...TRANSPORT, 'a=ice-lite', 'a=sendonly'];
  for (const [mid, { line, attributes }] of [
    ['a', VIDEO],
    ['b', AUDIO],
  ] as const)
    lines.push(`m=${line}`, `a=mid:${mid}`, 'a=rtcp-mux', ...attributes.map((text) => `a=${text}`));
  const offer = parseOffer(lines.join('\n'));
  assert.deepEqual(offer.ice, { ufrag: 'peer', password: 'peerpasswordpeerpassword' });
  assert.equal(offer.isLite, true);
  assert.deepEqual(
    offer.medias.map(({ direction, mid }) => [mid, direction]),
    [
      ['a', 'sendonly'],
      ['b', 'sendonly'],
    ],
  );
});

test('offer: one section needs no group; sections outside of the group stay outside', () => {
  const single = parseOffer(offerOf([VIDEO], []));
  assert.equal(single.hasGroup, false);
  assert.equal(single.bundled[0], single.medias[0]);
  const partly = parseOffer(offerOf([VIDEO, AUDIO], ['a=group:LS 0 1', 'a=group:BUNDLE 1 7']));
  assert.deepEqual(
    partly.bundled.map(({ mid }) => mid),
    ['1'],
  );
});

test('offer: an answer without a group passes when its sections share the transport', () => {
  const text = offerOf([VIDEO, AUDIO], []);
  assert.throws(() => parseOffer(text), refusal('webrtc.sdp-not-bundled', /share one transport/));
  assert.equal(parseAnswer(text).bundled.length, 2);
  const apart = text.replace(/(m=audio.*)ice-ufrag:peer/s, '$1ice-ufrag:other');
  assert.throws(() => parseAnswer(apart), refusal('webrtc.sdp-not-bundled', /share one transport/));
});

test('offer: the best hash of several, whatever its case', () => {
  const sha1 = `a=fingerprint:sha-1 ${Array(20).fill('ab').join(':')}`;
  const sha512 = `a=fingerprint:SHA-512 ${Array(64).fill('ef').join(':')}`;
  const base = offerOf([VIDEO]);
  const own = TRANSPORT[2]!;
  const of = (...lines: string[]) => parseOffer(base.replace(own, lines.join('\r\n'))).fingerprint;
  assert.equal(of(sha1, sha512).algorithm, 'sha-512');
  assert.equal(of(sha1, sha512, own).algorithm, 'sha-256');
  assert.deepEqual(of(sha1), { algorithm: 'sha-1', value: Array(20).fill('AB').join(':') });
  assert.equal(of('a=fingerprint:sha-256 AB:CD', sha1).algorithm, 'sha-1');
});

test('offer: what is wrong is said', () => {
  const good = offerOf([VIDEO, AUDIO]);
  const without = (pattern: RegExp) => good.replaceAll(pattern, 'a=x');
  const cases: readonly [string, string, RegExp][] = [
    ['', 'webrtc.sdp-unreadable', /sdp\.empty/],
    ['{"sdp":"v=0"}', 'webrtc.sdp-unreadable', /sdp\.empty/],
    ['a'.repeat(70_000), 'webrtc.sdp-unreadable', /sdp\.too-big/],
    ['v=0\r\n', 'webrtc.sdp-no-media', /no section/],
    [offerOf([{ line: 'application 9 UDP/DTLS/SCTP x', attributes: [] }]), 'webrtc.sdp-no-media', /in use/],
    [good.replaceAll(/(video|audio) 9/g, '$1 0'), 'webrtc.sdp-no-media', /in use/],
    [without(/a=ice-ufrag.*/g), 'webrtc.sdp-no-ice', /ice-ufrag and a=ice-pwd/],
    [without(/a=ice-pwd.*/g), 'webrtc.sdp-no-ice', /ice-ufrag and a=ice-pwd/],
    [good.replaceAll('ice-ufrag:peer', 'ice-ufrag:p\u00e9'), 'webrtc.sdp-bad-ice', /4 to 256/],
    [good.replaceAll(/ice-pwd:\S+/g, 'ice-pwd:short'), 'webrtc.sdp-bad-ice', /22 to 256/],
    [without(/a=fingerprint.*/g), 'webrtc.sdp-no-fingerprint', /DTLS certificate/],
    [good.replaceAll('sha-256 CD', 'sha-256 XX'), 'webrtc.sdp-bad-fingerprint', /hexadecimal/],
    [good.replaceAll('sha-256 ', 'md5 '), 'webrtc.sdp-bad-fingerprint', /hexadecimal/],
    [without(/a=rtcp-mux/g), 'webrtc.sdp-no-rtcp-mux', /"0" lacks a=rtcp-mux/],
    [good.replaceAll('setup:actpass', 'setup:holdconn'), 'webrtc.sdp-bad-setup', /actpass/],
    [good.replace('a=mid:1', 'a=mid:0'), 'webrtc.sdp-bad-mid', /two sections/],
    [good.replace('a=mid:1', 'a=mid:a b'), 'webrtc.sdp-bad-mid', /token/],
    [good.replace('BUNDLE 0 1', 'BUNDLE'), 'webrtc.sdp-not-bundled', /names no section/],
    [good.replace('a=group:BUNDLE 0 1', 'a=x'), 'webrtc.sdp-not-bundled', /several sections/],
    [
      without(/a=fingerprint.*/g).replaceAll('UDP/TLS/RTP/SAVPF', 'RTP/AVP'),
      'webrtc.sdp-plain-rtp',
      /plain RTP/,
    ],
    [
      good
        .replaceAll(/a=fingerprint.*/g, 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x')
        .replaceAll('UDP/TLS/', ''),
      'webrtc.sdp-sdes',
      /SDES/,
    ],
    [good.replaceAll('UDP/TLS/RTP/SAVPF', 'UDP/TLS/UDPTL'), 'webrtc.sdp-bad-profile', /SAVPF/],
    [good + 'a=x\r\n'.repeat(1100), 'webrtc.sdp-too-big', /1024 are the limit/],
  ];
  for (const [text, code, pattern] of cases)
    assert.throws(() => parseOffer(text), refusal(code, pattern), `${code}\n${text.slice(0, 300)}`);
});

test('offer: what WebRTC cannot carry is no codec of ours', () => {
  const video = (...attributes: string[]) =>
    parseOffer(offerOf([{ line: 'video 9 UDP/TLS/RTP/SAVPF 96', attributes }])).medias[0]!.codecs[0]!.codec;
  assert.equal(video('rtpmap:96 H264/90000', 'fmtp:96 packetization-mode=1'), 'h264');
  assert.equal(video('rtpmap:96 h264/90000'), 'h264');
  assert.equal(video('rtpmap:96 H264/90000', 'fmtp:96 packetization-mode=2'), null);
  assert.equal(video('rtpmap:96 H264/48000'), null);
  assert.equal(video('rtpmap:96 H265/90000', 'fmtp:96 tx-mode=SRST'), 'h265');
  assert.equal(video('rtpmap:96 H265/90000', 'fmtp:96 tx-mode=MRST'), null);
  assert.equal(video('rtpmap:96 MPEG4-GENERIC/90000'), null);
  assert.equal(video('rtpmap:96 opus/48000/2'), null);
  const audio = (map: string) =>
    parseOffer(offerOf([{ line: 'audio 9 UDP/TLS/RTP/SAVPF 96', attributes: [`rtpmap:96 ${map}`] }]))
      .medias[0]!.codecs[0]!.codec;
  assert.equal(audio('PCMA/8000'), 'g711a');
  assert.equal(audio('PCMA/16000'), null);
  assert.equal(audio('PCMU/8000/2'), null);
  assert.equal(audio('opus/8000/2'), null);
  assert.equal(audio('G722/8000/1'), 'g722');
});

test('offer: counts of sources, candidates and layers are bounded', () => {
  const attributes = ['rtpmap:96 VP8/90000'];
  for (let i = 1; i <= 100; i++)
    attributes.push(`ssrc:${i} cname:x`, `rid:r${i} send`, `candidate:${i} 1 udp 1 127.0.0.1 ${i} typ host`);
  attributes.push(
    'ssrc:0 cname:x',
    'ssrc:4294967296 cname:x',
    'ssrc:y cname:x',
    'candidate:1 2 udp 1 1.1.1.1 1 typ host',
  );
  const offer = parseOffer(offerOf([{ line: 'video 9 UDP/TLS/RTP/SAVPF 96', attributes }]));
  assert.equal(offer.medias[0]!.ssrcs.length, 32);
  assert.equal(offer.medias[0]!.rids.length, 16);
  assert.equal(offer.candidates.length, 64);
});
