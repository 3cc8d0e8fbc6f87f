import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CodecId } from '../../../../src/codec/codec-id.ts';
import { answerPublish } from '../../../../src/rtc/negotiation/answer.ts';
import { parseAnswer, parseOffer } from '../../../../src/rtc/negotiation/offer.ts';
import { ProtocolError, RejectedError } from '../../../../src/util/errors.ts';
import { LOCAL, offerOf, recorded } from '../../../support/webrtc-sdp.ts';

const PUBLISHERS = [
  'whip-aiortc-h264-srs',
  'whip-chromium-h264-srs',
  'whip-chromium-vp8-aiortc',
  'whip-ffmpeg81-h264-srs',
  'whip-firefox-vp8-aiortc',
  'whip-gst-h264-srs',
];
const RID = 'extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';

function publish(text: string, ...preferred: CodecId[]) {
  return answerPublish(parseOffer(text), LOCAL, { stream: 'live/cam', preferred });
}

function video(types: string, ...attributes: string[]) {
  return { line: `video 9 UDP/TLS/RTP/SAVPF ${types}`, attributes: ['sendonly', ...attributes] };
}

test('publish: the whole answer to FFmpeg, which is passive', () => {
  const { sdp, notes, description } = publish(recorded('whip-ffmpeg81-h264-srs.offer'));
  const transport = [
    'a=ice-ufrag:abcdefgh',
    'a=ice-pwd:0123456789abcdefghijkl',
    `a=fingerprint:sha-256 ${LOCAL.fingerprint.value}`,
    'a=setup:active',
  ];
  assert.deepEqual(sdp.split('\r\n'), [
    'v=0',
    'o=- 4242424242 0 IN IP4 0.0.0.0',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    'a=msid-semantic:WMS *',
    'a=ice-lite',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'c=IN IP4 0.0.0.0',
    'a=mid:0',
    ...transport,
    'a=candidate:1 1 udp 2130706431 127.0.0.1 8000 typ host',
    'a=candidate:2 1 tcp 1671430143 127.0.0.1 8000 typ host tcptype passive',
    'a=end-of-candidates',
    'a=recvonly',
    'a=rtcp-mux',
    'a=rtpmap:111 opus/48000/2',
    'a=fmtp:111 minptime=10;stereo=1',
    'm=video 9 UDP/TLS/RTP/SAVPF 106 105',
    'c=IN IP4 0.0.0.0',
    'a=mid:1',
    ...transport,
    'a=recvonly',
    'a=rtcp-mux',
    'a=rtcp-rsize',
    'a=rtpmap:106 H264/90000',
    'a=rtcp-fb:106 nack',
    'a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42400c',
    'a=rtpmap:105 rtx/90000',
    'a=fmtp:105 apt=106',
    '',
  ]);
  assert.deepEqual(notes, []);
  assert.deepEqual(description, {
    medias: [
      {
        index: 0,
        mid: '0',
        kind: 'audio',
        direction: 'receive',
        codec: 'opus',
        encodingName: 'opus',
        clockRate: 48000,
        channels: 2,
        payloadType: 111,
        rtxPayloadType: -1,
        extensions: { mid: 0, rid: 0, repairedRid: 0, absSendTime: 0, transportCc: 0, playoutDelay: 0 },
        feedback: { nack: false, pli: false, fir: false, transportCc: false, remb: false },
        fmtp: '',
        ssrc: 1156616562,
        rtxSsrc: 0,
        rids: [],
        feedTrack: -1,
      },
      {
        index: 1,
        mid: '1',
        kind: 'video',
        direction: 'receive',
        codec: 'h264',
        encodingName: 'H264',
        clockRate: 90000,
        channels: 0,
        payloadType: 106,
        rtxPayloadType: 105,
        extensions: { mid: 0, rid: 0, repairedRid: 0, absSendTime: 0, transportCc: 0, playoutDelay: 0 },
        feedback: { nack: true, pli: false, fir: false, transportCc: false, remb: false },
        fmtp: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42400c',
        ssrc: 1156616563,
        rtxSsrc: 1156616564,
        rids: [],
        feedTrack: -1,
      },
    ],
    localIce: LOCAL.ice,
    remoteIce: { ufrag: 'cd7c3abe', password: '8a2f922b832f83578d392a43684f6456' },
    remoteCandidates: [],
    remoteIsLite: false,
    isCaller: false,
    dtlsRole: 'client',
    remoteFingerprint: {
      algorithm: 'sha-256',
      value:
        '71:69:56:93:C9:AC:D4:5C:02:34:68:1B:4C:7B:70:A2:4A:B2:1D:01:B7:B8:26:4F:55:F5:A7:08:09:95:5F:08',
    },
    cname: 'sluice-1',
  });
});

test('publish: our answers are read by our parser and tell the same', () => {
  for (const name of PUBLISHERS) {
    const offer = parseOffer(recorded(`${name}.offer`));
    const { sdp, description } = answerPublish(offer, LOCAL, { stream: 'live/cam', preferred: [] });
    const answer = parseAnswer(sdp);
    assert.equal(answer.isLite, true, name);
    assert.deepEqual(answer.ice, LOCAL.ice, name);
    assert.deepEqual(answer.fingerprint, LOCAL.fingerprint, name);
    assert.deepEqual(answer.candidates, LOCAL.candidates, name);
    assert.deepEqual(
      answer.bundled.map(({ mid }) => mid),
      offer.bundled.map(({ mid }) => mid),
      name,
    );
    for (const [index, media] of answer.medias.entries()) {
      const agreed = description.medias[index]!;
      const [codec] = media.codecs;
      assert.equal(media.codecs.length, 1, name);
      assert.equal(media.direction, 'recvonly', name);
      assert.equal(codec!.payloadType, agreed.payloadType, name);
      assert.equal(codec!.codec, agreed.codec, name);
      assert.equal(codec!.rtxPayloadType, agreed.rtxPayloadType, name);
      assert.deepEqual(codec!.feedback, agreed.feedback, name);
      const ids = Object.values(agreed.extensions).filter((id) => id > 0);
      assert.deepEqual(media.extensions.map(({ id }) => id).sort(), ids.sort(), name);
    }
  }
});

test('publish: parts of DTLS (RFC 8842)', () => {
  for (const [offered, answered, role] of [
    ['actpass', 'passive', 'server'],
    ['active', 'passive', 'server'],
    ['passive', 'active', 'client'],
  ] as const) {
    const text = offerOf([video('96', 'rtpmap:96 VP8/90000')]).replace('setup:actpass', `setup:${offered}`);
    const { sdp, description } = publish(text);
    assert.equal(description.dtlsRole, role);
    assert.match(sdp, new RegExp(`a=setup:${answered}\r\n`));
  }
});

test('publish: which payload type', () => {
  const types = [
    'rtpmap:95 H263/90000',
    'rtpmap:96 VP8/90000',
    'rtpmap:97 H264/90000',
    'fmtp:97 packetization-mode=0;profile-level-id=42e01f',
    'rtpmap:98 H264/90000',
    'fmtp:98 packetization-mode=1;profile-level-id=640c1f',
    'rtpmap:99 VP9/90000',
    'rtpmap:100 rtx/90000',
    'fmtp:100 apt=99',
  ];
  const chosen = (order: string, ...preferred: CodecId[]) =>
    publish(offerOf([video(order, ...types)]), ...preferred).description.medias[0]!.payloadType;
  assert.equal(chosen('95 96 97 98 99 100'), 96);
  assert.equal(chosen('97 98 96'), 98);
  assert.equal(chosen('97 96'), 97);
  assert.equal(chosen('96 97 98', 'h264'), 98);
  assert.equal(chosen('96 97 98 99', 'av1', 'vp9', 'h264'), 99);
  assert.equal(chosen('96', 'h265'), 96);
});

test('publish: packets are sent again only where they can be asked for', () => {
  const types = ['rtpmap:96 VP8/90000', 'rtpmap:97 rtx/90000', 'fmtp:97 apt=96'];
  const plain = publish(offerOf([video('96 97', ...types)]));
  assert.equal(plain.description.medias[0]!.rtxPayloadType, -1);
  assert.doesNotMatch(plain.sdp, /rtx/);
  const asked = publish(offerOf([video('96 97', ...types, 'rtcp-fb:* nack', 'rtcp-fb:96 ccm fir')]));
  assert.equal(asked.description.medias[0]!.rtxPayloadType, 97);
  assert.match(asked.sdp, /a=rtcp-fb:96 nack\r\na=rtcp-fb:96 ccm fir\r\n/);
});

test('publish: header extensions by direction', () => {
  const uri = 'urn:ietf:params:rtp-hdrext:sdes:mid';
  const cc = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
  const time = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
  const of = (...lines: string[]) => publish(offerOf([video('96', 'rtpmap:96 VP8/90000', ...lines)]));
  const both = of(`extmap:3 ${uri}`, `extmap:4/sendonly ${time}`, 'extmap:5 urn:3gpp:video-orientation');
  assert.deepEqual(both.description.medias[0]!.extensions, {
    mid: 3,
    rid: 0,
    repairedRid: 0,
    absSendTime: 4,
    transportCc: 0,
    playoutDelay: 0,
  });
  assert.match(both.sdp, /a=extmap:3 urn.*\r\na=extmap:4\/recvonly http.*abs-send-time\r\na=recvonly/);
  assert.equal(of(`extmap:4/recvonly ${time}`).description.medias[0]!.extensions.absSendTime, 0);
  // Of no use alone: the extension without the feedback, the feedback without the extension, an id of two bytes.
  assert.doesNotMatch(of(`extmap:5 ${cc}`).sdp, /extmap/);
  assert.doesNotMatch(of('rtcp-fb:96 transport-cc').sdp, /transport-cc/);
  assert.doesNotMatch(of(`extmap:15 ${uri}`, `extmap:0 ${uri}`, `extmap:200 ${uri}`).sdp, /extmap/);
  const used = of(`extmap:5 ${cc}`, 'rtcp-fb:96 transport-cc');
  assert.equal(used.description.medias[0]!.extensions.transportCc, 5);
  assert.match(used.sdp, /a=rtcp-fb:96 transport-cc/);
});

test('publish: simulcast', () => {
  const lines = [
    'rtpmap:96 VP8/90000',
    'rid:l send',
    'rid:m send',
    'rid:h send pt=96',
    'simulcast:send l;m;h',
  ];
  const { sdp, description, notes } = publish(offerOf([video('96', ...lines, RID)]));
  assert.deepEqual(description.medias[0]!.rids, ['h', 'm', 'l']);
  assert.equal(description.medias[0]!.ssrc, 0);
  assert.match(sdp, /a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m;h\r\n/);
  assert.deepEqual(notes, []);
  const without = publish(offerOf([video('96', ...lines)]));
  assert.deepEqual(without.description.medias[0]!.rids, []);
  assert.match(without.notes.join(), /rtp-stream-id is not offered/);
  assert.doesNotMatch(without.sdp, /simulcast/);
  const many = ['1', '2', '3', '4', '5'].map((id) => `rid:${id} send`);
  const cut = publish(offerOf([video('96', 'rtpmap:96 VP8/90000', ...many, RID)]));
  assert.deepEqual(cut.description.medias[0]!.rids, ['1', '2', '3', '4']);
  assert.match(cut.notes.join(), /Only 4 layers/);
  const other = publish(
    offerOf([video('96', 'rtpmap:96 VP8/90000', 'rid:a send pt=97', 'rid:b send pt=96', RID)]),
  );
  assert.deepEqual(other.description.medias[0]!.rids, []);
});

test('publish: stereo is asked for unless the publisher says that it has none', () => {
  const of = (fmtp: string) =>
    /a=fmtp:111 (.*)\r/.exec(
      publish(
        offerOf([
          {
            line: 'audio 9 UDP/TLS/RTP/SAVPF 111',
            attributes: ['rtpmap:111 opus/48000/2', `fmtp:111 ${fmtp}`],
          },
        ]),
      ).sdp,
    )?.[1];
  assert.equal(of('minptime=10;useinbandfec=1'), 'minptime=10;useinbandfec=1;stereo=1');
  assert.equal(of('sprop-stereo=1'), 'minptime=10;stereo=1');
  assert.equal(of('stereo=0'), 'minptime=10');
  assert.equal(of('sprop-stereo=0;useinbandfec=1'), 'minptime=10;useinbandfec=1');
});

test('publish: what is not used is answered in its place', () => {
  const text = offerOf([
    { line: 'application 9 UDP/DTLS/SCTP webrtc-datachannel', attributes: ['sctp-port:5000'] },
    video('96', 'rtpmap:96 VP8/90000'),
    video('34 97', 'rtpmap:97 H263-1998/90000'),
    { line: 'audio 9 UDP/TLS/RTP/SAVPF 8', attributes: ['recvonly'] },
    { line: 'audio 0 UDP/TLS/RTP/SAVPF 8', attributes: ['sendonly'] },
  ]);
  const { sdp, notes, description } = publish(text);
  assert.deepEqual(sdp.match(/^m=.*(?=\r)/gm), [
    'm=application 0 UDP/DTLS/SCTP webrtc-datachannel',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'm=video 0 UDP/TLS/RTP/SAVPF 34 97',
    'm=audio 9 UDP/TLS/RTP/SAVPF 8',
    'm=audio 0 UDP/TLS/RTP/SAVPF 8',
  ]);
  assert.match(sdp, /a=group:BUNDLE 1 3\r\n/);
  const sections = sdp.split('\r\nm=').slice(1);
  assert.deepEqual(
    sections.map((section) => /a=(recvonly|inactive)/.exec(section)?.[1]),
    ['inactive', 'recvonly', 'inactive', 'inactive', 'inactive'],
  );
  assert.deepEqual(
    sections.map((section) => section.includes('candidate:')),
    [false, true, false, false, false],
  );
  assert.deepEqual(
    description.medias.map(({ index, mid }) => [index, mid]),
    [[1, '1']],
  );
  assert.deepEqual(notes, [
    'Section "0" (application) is refused: only pictures and sound are carried.',
    'The publisher offers H263 and H263-1998 for the picture, and this server takes H.264, H.265, AV1, VP8 and VP9.',
  ]);
});

test('publish: four sections of a kind', () => {
  const { description, notes, sdp } = publish(offerOf(Array(6).fill(video('96', 'rtpmap:96 VP8/90000'))));
  assert.deepEqual(
    description.medias.map(({ mid }) => mid),
    ['0', '1', '2', '3'],
  );
  assert.match(notes.join(), /More than 4 sections of video/);
  assert.match(sdp, /a=group:BUNDLE 0 1 2 3 4 5\r\n/);
});

test('publish: a section outside of the bundle is refused', () => {
  const { sdp, notes } = publish(
    offerOf(
      [video('96', 'rtpmap:96 VP8/90000'), { line: 'audio 9 UDP/TLS/RTP/SAVPF 8', attributes: [] }],
      ['a=group:BUNDLE 0'],
    ),
  );
  assert.match(sdp, /m=audio 0 /);
  assert.deepEqual(notes, ['Section "1" (audio) is refused: it is not in the bundle.']);
});

test('publish: an offer without a group gets an answer without one', () => {
  assert.doesNotMatch(publish(offerOf([video('96', 'rtpmap:96 VP8/90000')], [])).sdp, /BUNDLE/);
});

test('publish: refusals', () => {
  const rejection = (reason: string, message: RegExp) => (error: unknown) =>
    error instanceof RejectedError && error.reason === reason && message.test(error.message);
  assert.throws(
    () => publish(offerOf([video('34')])),
    rejection('unsupported', /^The publisher offers H263 for the picture, and this server takes H\.264,/),
  );
  assert.throws(
    () => publish(offerOf([{ line: 'audio 9 UDP/TLS/RTP/SAVPF 121', attributes: [] }])),
    rejection('unsupported', /offers no codec for the sound, .* takes Opus, G\.711/),
  );
  assert.throws(
    () => publish(recorded('whep-chromium-h264-srs.offer')),
    rejection('bad-request', /sends nothing/),
  );
  assert.throws(
    () => publish(offerOf([video('96', 'rtpmap:96 VP8/90000')], ['a=ice-lite'])),
    (error) => error instanceof ProtocolError && error.code === 'webrtc.sdp-both-lite',
  );
});
