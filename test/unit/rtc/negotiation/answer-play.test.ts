import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerPlay } from '../../../../src/rtc/negotiation/answer.ts';
import { parseAnswer, parseOffer } from '../../../../src/rtc/negotiation/offer.ts';
import { RejectedError } from '../../../../src/util/errors.ts';
import { LOCAL, offerOf, recorded, tracksOf } from '../../../support/webrtc-sdp.ts';

function play(text: string, ...codecs: string[]) {
  return answerPlay(parseOffer(text), tracksOf(...codecs), LOCAL, { stream: 'live/cam' });
}

function video(types: string, ...attributes: string[]) {
  return { line: `video 9 UDP/TLS/RTP/SAVPF ${types}`, attributes: ['recvonly', ...attributes] };
}

function audio(types: string, ...attributes: string[]) {
  return { line: `audio 9 UDP/TLS/RTP/SAVPF ${types}`, attributes: ['recvonly', ...attributes] };
}

const OPUS = audio('111', 'rtpmap:111 opus/48000/2');
/** Payload types of H.264 by their text: `97 1 42e01f`. */
function h264(...types: string[]) {
  const attributes = types.flatMap((text) => {
    const [type, mode, id] = text.split(' ');
    const asymmetry = text.endsWith('strict') ? '' : 'level-asymmetry-allowed=1;';
    return [
      `rtpmap:${type} H264/90000`,
      `fmtp:${type} ${asymmetry}packetization-mode=${mode};profile-level-id=${id}`,
    ];
  });
  return video(types.map((text) => text.split(' ', 1)[0]).join(' '), ...attributes);
}

test('play: what Chromium is told', () => {
  const { sdp, description, notes } = play(recorded('whep-chromium-h264-srs.offer'), 'opus', 'h264 4d401e');
  assert.deepEqual(notes, []);
  const [picture, sound] = description.medias;
  assert.equal(description.dtlsRole, 'server');
  assert.deepEqual(
    [picture!.codec, picture!.payloadType, picture!.rtxPayloadType, picture!.feedTrack, picture!.direction],
    ['h264', 116, 117, 0, 'send'],
  );
  assert.deepEqual(
    [sound!.codec, sound!.payloadType, sound!.rtxPayloadType, sound!.feedTrack],
    ['opus', 111, -1, 0],
  );
  assert.deepEqual(picture!.extensions, {
    mid: 9,
    rid: 0,
    repairedRid: 0,
    absSendTime: 2,
    transportCc: 4,
    playoutDelay: 5,
  });
  assert.deepEqual(sound!.feedback, { nack: false, pli: false, fir: false, transportCc: true, remb: false });
  assert.equal(sound!.fmtp, 'minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1');
  assert.equal(sound!.rtxSsrc, 0);
  const ssrcs = [picture!.ssrc, picture!.rtxSsrc, sound!.ssrc];
  assert.equal(new Set([0, ...ssrcs]).size, 4);
  const text = sdp.split('\r\nm=')[1]!.split('\r\n').slice(1);
  assert.deepEqual(text, [
    'c=IN IP4 0.0.0.0',
    'a=mid:0',
    'a=ice-ufrag:abcdefgh',
    'a=ice-pwd:0123456789abcdefghijkl',
    `a=fingerprint:sha-256 ${LOCAL.fingerprint.value}`,
    'a=setup:passive',
    'a=candidate:1 1 udp 2130706431 127.0.0.1 8000 typ host',
    'a=candidate:2 1 tcp 1671430143 127.0.0.1 8000 typ host tcptype passive',
    'a=end-of-candidates',
    'a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid',
    'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
    'a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
    'a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
    'a=sendonly',
    'a=rtcp-mux',
    'a=rtcp-rsize',
    'a=rtpmap:116 H264/90000',
    'a=rtcp-fb:116 nack',
    'a=rtcp-fb:116 nack pli',
    'a=rtcp-fb:116 ccm fir',
    'a=rtcp-fb:116 transport-cc',
    'a=rtcp-fb:116 goog-remb',
    'a=fmtp:116 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001e',
    'a=rtpmap:117 rtx/90000',
    'a=fmtp:117 apt=116',
    'a=msid:sluice-1 video0',
    `a=ssrc-group:FID ${picture!.ssrc} ${picture!.rtxSsrc}`,
    `a=ssrc:${picture!.ssrc} cname:sluice-1`,
    `a=ssrc:${picture!.ssrc} msid:sluice-1 video0`,
    `a=ssrc:${picture!.rtxSsrc} cname:sluice-1`,
    `a=ssrc:${picture!.rtxSsrc} msid:sluice-1 video0`,
  ]);
  const answer = parseAnswer(sdp);
  assert.deepEqual(answer.medias[0]!.repairs, [[picture!.ssrc, picture!.rtxSsrc]]);
  assert.deepEqual(answer.medias[1]!.ssrcs, [sound!.ssrc]);
});

test('play: all recorded players', () => {
  for (const [name, codec] of [
    ['whep-aiortc-h264-srs', 'h264 42c01e'],
    ['whep-chromium-h264-srs', 'h264 640028'],
    ['whep-chromium-vp8-srs', 'vp8'],
    ['whep-firefox-vp8-aiortc', 'vp8'],
    ['whep-gst-h264-srs', 'h264 42c01e'],
  ] as const) {
    const { description, sdp, notes } = play(recorded(`${name}.offer`), codec, 'opus');
    assert.deepEqual(description.medias.map(({ kind }) => kind).sort(), ['audio', 'video'], name);
    assert.deepEqual(notes, [], name);
    assert.deepEqual(
      parseAnswer(sdp).medias.map(({ direction }) => direction),
      ['sendonly', 'sendonly'],
      name,
    );
  }
  // An extension that Firefox only receives is answered with the other side of it.
  assert.match(
    play(recorded('whep-firefox-vp8-aiortc.offer'), 'vp8').sdp,
    /a=extmap:6\/sendonly .*playout-delay/,
  );
});

test('play: H.264 by profile and packetization mode', () => {
  const cases: readonly [stream: string, offered: string[], type: number, id: string, note: RegExp | null][] =
    [
      ['42c01e', ['96 1 42001f', '97 1 42e01f', '98 1 64001f'], 97, '42e01e', null],
      ['42c01e', ['96 0 42e01f', '97 1 4d001f'], 97, '4d001e', null],
      ['42c01e', ['96 0 42e01f'], 96, '42e01e', /mode 0 only; it gets mode 1/],
      ['42001e', ['96 1 42e01f', '97 1 42001f'], 97, '42001e', null],
      ['4d4029', ['96 1 42e01f', '97 1 64001f'], 97, '640029', null],
      ['64001f', ['96 1 42e01f', '97 1 640c1f', '98 1 f4001f'], 97, '640c1f', null],
      ['64001f', ['96 1 42e01f', '98 1 f4001f'], 98, 'f4001f', null],
      ['640028', ['96 1 42e01f strict', '97 0 640c1f'], 97, '640c28', /mode 0/],
      ['640c28', ['96 1 640c1f strict'], 96, '640c1f', null],
      [
        '640028',
        ['96 0 42e01f', '97 1 42e01f', '98 1 42001f'],
        97,
        '42e028',
        /^live\/cam is H.264 High, and this player offers Constrained Baseline and Baseline only, so it may fail/,
      ],
      [
        'f4001f',
        ['97 1 64001f'],
        97,
        '64001f',
        /H.264 High 4:4:4 Predictive, and this player offers High only/,
      ],
      ['2c001f', ['97 1 64001f'], 97, '64001f', /H.264 of profile 44, and/],
      ['6e001f', ['97 1 f4001f', '98 1 7a001f'], 98, '7a001f', null],
      ['42c01e', ['97 1 nonsense'], 97, '42001e', null],
    ];
  for (const [stream, offered, type, id, note] of cases) {
    const what = `${stream} to ${offered.join(', ')}`;
    const { description, notes } = play(offerOf([h264(...offered)]), `h264 ${stream}`);
    const [media] = description.medias;
    assert.equal(media!.payloadType, type, what);
    assert.match(media!.fmtp, new RegExp(`profile-level-id=${id}$`), what);
    assert.equal(notes.length, note === null ? 0 : 1, `${what}: ${notes.join()}`);
    if (note !== null) assert.match(notes[0]!, note, what);
  }
  // Nothing known of the stream, nothing told by the player.
  const bare = play(offerOf([video('96', 'rtpmap:96 H264/90000', 'fmtp:96 packetization-mode=1')]), 'h264');
  assert.deepEqual(bare.notes, []);
  assert.equal(bare.description.medias[0]!.fmtp, 'packetization-mode=1');
});

test('play: H.265 by profile, tier and level', () => {
  const h265 = (...forms: string[]) =>
    offerOf([
      video(
        forms.map((_, index) => 96 + index).join(' '),
        ...forms.flatMap((form, index) => [`rtpmap:${96 + index} H265/90000`, `fmtp:${96 + index} ${form}`]),
      ),
    ]);
  const main = 'profile-id=1;tier-flag=0;level-id=93;tx-mode=SRST';
  const main10 = 'profile-id=2;tier-flag=0;level-id=156';
  const of = (stream: string, ...forms: string[]) => {
    const { description, notes } = play(h265(...forms), `h265 ${stream}`);
    return [description.medias[0]!.payloadType, description.medias[0]!.fmtp, notes.length];
  };
  assert.deepEqual(of('profile-id=1; tier-flag=0; level-id=93', main10, main), [
    97,
    'level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST',
    0,
  ]);
  assert.deepEqual(of('profile-id=1; level-id=120', main, main10), [
    97,
    'level-id=156;profile-id=2;tier-flag=0',
    0,
  ]);
  assert.deepEqual(of('profile-id=2; level-id=186', main, main10), [
    97,
    'level-id=156;profile-id=2;tier-flag=0',
    1,
  ]);
  assert.equal(of('profile-id=1; tier-flag=1; level-id=93', main)[2], 1);
  assert.throws(
    () => play(h265(main), 'h265 profile-id=2; level-id=93'),
    /^RejectedError: live\/cam is H.265 Main 10, and this player offers other forms of H.265 only\.$/,
  );
});

test('play: VP9 and AV1 by profile', () => {
  const offer = offerOf([
    video(
      '96 97 98 99',
      'rtpmap:96 VP9/90000',
      'fmtp:96 profile-id=0',
      'rtpmap:97 VP9/90000',
      'fmtp:97 profile-id=2',
      'rtpmap:98 AV1/90000',
      'fmtp:98 level-idx=5;profile=1;tier=0',
      'rtpmap:99 AV1/90000',
    ),
  ]);
  const type = (codec: string) => play(offer, codec).description.medias[0]!.payloadType;
  assert.equal(type('vp9'), 96);
  assert.equal(type('vp9 profile-id=2'), 97);
  assert.equal(type('av1'), 99);
  assert.equal(type('av1 profile=0'), 99);
  assert.equal(type('av1 profile=1'), 98);
  assert.throws(
    () => type('vp9 profile-id=1'),
    /is VP9, and this player offers other forms of VP9 and AV1 only/,
  );
  assert.throws(() => type('av1 profile=2'), RejectedError);
});

test('play: sound under its own numbers, and what has no number told', () => {
  const offer = offerOf([audio('111 0 8 9', 'rtpmap:111 opus/48000/2')]);
  for (const [codec, type, name] of [
    ['opus', 111, 'opus/48000/2'],
    ['g711u', 0, 'PCMU/8000'],
    ['g711a', 8, 'PCMA/8000'],
    ['g722', 9, 'G722/8000'],
  ] as const) {
    const { description, sdp } = play(offer, codec);
    assert.equal(description.medias[0]!.payloadType, type);
    assert.match(sdp, new RegExp(`a=rtpmap:${type} ${name}\r\n`));
  }
});

test('play: tracks go to sections in order', () => {
  const vp8 = video('96', 'rtpmap:96 VP8/90000');
  const { description, notes } = play(offerOf([OPUS, vp8, OPUS, vp8]), 'vp8', 'opus', 'vp8', 'opus', 'opus');
  assert.deepEqual(
    description.medias.map(({ index, feedTrack }) => [index, feedTrack]),
    [
      [0, 0],
      [1, 0],
      [2, 1],
      [3, 1],
    ],
  );
  assert.equal(new Set(description.medias.map(({ ssrc }) => ssrc)).size, 4);
  assert.deepEqual(notes, []);
  // The first track that the section can show.
  const either = play(offerOf([vp8]), 'h265', 'vp8');
  assert.equal(either.description.medias[0]!.feedTrack, 1);
});

test('play: what the stream lacks is inactive, what the player lacks is told', () => {
  const offer = offerOf([video('96 97', 'rtpmap:96 VP8/90000', 'rtpmap:97 rtx/90000'), OPUS]);
  const soundOnly = play(offer, 'opus');
  assert.match(
    soundOnly.sdp,
    /m=video 9 UDP\/TLS\/RTP\/SAVPF 96\r\n[\s\S]*a=inactive\r\n[\s\S]*a=rtpmap:96 VP8/,
  );
  assert.match(soundOnly.sdp, /BUNDLE 0 1\r\n/);
  assert.deepEqual(soundOnly.notes, []);
  const other = play(offer, 'h265', 'opus');
  assert.deepEqual(
    other.description.medias.map(({ kind }) => kind),
    ['audio'],
  );
  assert.deepEqual(other.notes, ['live/cam is H.265, and this player offers VP8 only.']);
  const pictureOnly = play(offerOf([video('96', 'rtpmap:96 VP8/90000')]), 'vp8', 'opus');
  assert.deepEqual(pictureOnly.notes, ['This player asks for no sound, which live/cam has.']);
  const strange = play(offerOf([OPUS, video('34')]), 'opus', 'vp8');
  assert.match(strange.sdp, /m=video 0 .* 34\r\n[\s\S]*a=rtpmap:34 H263/);
  assert.match(strange.notes.join(), /offers no codec that this server sends/);
});

test('play: refusals', () => {
  const refused = (message: string, text: string, ...codecs: string[]) =>
    assert.throws(
      () => play(text, ...codecs),
      (error) => {
        assert.ok(error instanceof RejectedError);
        assert.equal(error.reason, 'unsupported');
        assert.equal(error.message, message);
        return true;
      },
    );
  const three = video('96 97 98', 'rtpmap:96 VP8/90000', 'rtpmap:97 VP9/90000', 'rtpmap:98 H264/90000');
  refused('live/cam is H.265, and this player offers VP8, VP9 and H.264 only.', offerOf([three]), 'h265');
  refused('The sound of live/cam is G.722, and this player offers Opus only.', offerOf([OPUS]), 'g722');
  refused('live/cam has nothing that WebRTC carries.', offerOf([OPUS]));
  refused('This player asks for no picture, which live/cam has.', offerOf([OPUS]), 'vp8');
  const sending = offerOf([{ ...OPUS, attributes: ['sendonly', 'rtpmap:111 opus/48000/2'] }]);
  refused('This player asks for no sound, which live/cam has.', sending, 'opus');
});
