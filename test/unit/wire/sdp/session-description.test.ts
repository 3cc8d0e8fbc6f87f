import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../../../src/util/errors.ts';
import {
  connectionOf,
  controlOf,
  directionOf,
  formatAttributes,
  parseFmtp,
  rtpMappingsOf,
} from '../../../../src/wire/sdp/media-format.ts';
import { attributeOf, parseSdp, serializeSdp } from '../../../../src/wire/sdp/session-description.ts';

const WHOLE = [
  'v=0',
  'o=- 6817265121695509625 1 IN IP4 127.0.0.1',
  's=Session streamed with GStreamer',
  'i=rtsp-server',
  'c=IN IP4 224.2.0.1/16',
  'b=AS:500',
  't=0 0',
  'a=tool:GStreamer',
  'a=control:*',
  'a=range:npt=now-',
  'm=video 5000/2 RTP/AVP 96',
  'i=left eye',
  'c=IN IP6 ff15::101',
  'b=AS:101',
  'b=TIAS:99000',
  'a=recvonly',
  'a=rtpmap:96 H264/90000',
  'a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z2QADKzZ,aO+8sA==',
  'a=control:stream=0',
  'm=audio 0 RTP/AVP 97 8',
  'a=rtpmap:97 MPEG4-GENERIC/44100/2',
  '',
].join('\r\n');

test('sdp: reads and writes the same text', () => {
  const description = parseSdp(Buffer.from(WHOLE));
  assert.equal(serializeSdp(description), WHOLE);
  const [video, audio] = description.media;
  assert.ok(video && audio);
  assert.deepEqual([video.port, video.portCount, video.information], [5000, 2, 'left eye']);
  assert.deepEqual([controlOf(description), controlOf(video), controlOf(audio)], ['*', 'stream=0', '']);
  assert.deepEqual(
    [directionOf(video, description), directionOf(audio, description)],
    ['recvonly', 'sendrecv'],
  );
  assert.deepEqual(connectionOf(video, description), { address: 'ff15::101', ttl: 0 });
  assert.deepEqual(connectionOf(audio, description), { address: '224.2.0.1', ttl: 16 });
  assert.equal(attributeOf(description.attributes, 'tool'), 'GStreamer');
  assert.equal(attributeOf(video.attributes, 'recvonly'), '');
  assert.equal(attributeOf(video.attributes, 'missing'), null);
});

test('sdp: payload types', () => {
  const [video, audio] = parseSdp(WHOLE).media;
  assert.deepEqual(rtpMappingsOf(video!), [
    {
      payloadType: 96,
      encodingName: 'H264',
      clockRate: 90_000,
      channels: 0,
      fmtp: new Map([
        ['packetization-mode', '1'],
        ['sprop-parameter-sets', 'Z2QADKzZ,aO+8sA=='],
      ]),
    },
  ]);
  assert.deepEqual(
    rtpMappingsOf(audio!).map(({ payloadType, encodingName, clockRate, channels }) => [
      payloadType,
      encodingName,
      clockRate,
      channels,
    ]),
    [
      [97, 'MPEG4-GENERIC', 44_100, 2],
      [8, 'PCMA', 8000, 1],
    ],
  );
});

/** SDP of one media, and what its payload types must be: type, name, rate, channels, fmtp. */
const QUIRKS: readonly (readonly [
  name: string,
  lines: readonly string[],
  found: readonly (readonly (string | number)[])[],
])[] = [
  [
    'bare line feeds come as one text',
    ['m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\n\n'],
    [[96, 'H265', 90_000, 0, '']],
  ],
  ['carriage returns alone', ['m=audio 0 RTP/AVP 0\rv=0\r'], [[0, 'PCMU', 8000, 1, '']]],
  [
    'no lines before m=, blanks everywhere',
    ['  m=video  0   RTP/AVP   96  ', ' a= rtpmap : 96  h264/90000 '],
    [[96, 'H264', 90_000, 0, '']],
  ],
  [
    'lower case names',
    ['m=audio 0 rtp/avp 97', 'a=rtpmap:97 mpeg4-generic/16000/1'],
    [[97, 'MPEG4-GENERIC', 16_000, 1, '']],
  ],
  ['static payload type without rtpmap', ['m=video 0 RTP/AVP 26'], [[26, 'JPEG', 90_000, 0, '']]],
  [
    'static payload type with an rtpmap of its own',
    ['m=audio 0 RTP/AVP 0', 'a=rtpmap:0 PCMU/16000'],
    [[0, 'PCMU', 16_000, 1, '']],
  ],
  ['transport stream', ['m=video 0 RTP/AVP 33'], [[33, 'MP2T', 90_000, 0, '']]],
  [
    'fmtp without payload type, semicolon at the end',
    ['m=video 0 RTP/AVP 96', 'a=rtpmap:96 H264/90000', 'a=fmtp:packetization-mode=1; profile-level-id=42;'],
    [[96, 'H264', 90_000, 0, 'packetization-mode=1 profile-level-id=42']],
  ],
  [
    'fmtp before rtpmap',
    ['m=video 0 RTP/AVP 96', 'a=fmtp:96 a=1', 'a=rtpmap:96 H264/90000'],
    [[96, 'H264', 90_000, 0, 'a=1']],
  ],
  [
    'fmtp of another payload type',
    ['m=video 0 RTP/AVP 96', 'a=rtpmap:96 H264/90000', 'a=fmtp:97 a=1'],
    [[96, 'H264', 90_000, 0, '']],
  ],
  [
    'no payload type in the m= line',
    ['m=video 0 RTP/AVP', 'a=rtpmap:98 H264/90000'],
    [[98, 'H264', 90_000, 0, '']],
  ],
  ['rtpmap without clock rate', ['m=video 0 RTP/AVP 96', 'a=rtpmap:96 H264'], [[96, 'H264', 90_000, 0, '']]],
  [
    'payload type twice',
    ['m=video 0 RTP/AVP 96 96', 'a=rtpmap:96 H264/90000'],
    [[96, 'H264', 90_000, 0, '']],
  ],
  ['dynamic payload type of which nothing is said', ['m=application 0 RTP/AVP 107'], []],
  ['no payload type but a word', ['m=application 9 UDP/DTLS/SCTP webrtc-datachannel'], []],
  [
    'metadata of ONVIF',
    ['m=application 0 RTP/AVP 107', 'a=rtpmap:107 vnd.onvif.metadata/90000'],
    [[107, 'VND.ONVIF.METADATA', 90_000, 0, '']],
  ],
  [
    'unknown lines and lines without equals sign',
    ['foo', 'y=1', 'm=audio 0 RTP/AVP 8', '=', 'a=', 'q='],
    [[8, 'PCMA', 8000, 1, '']],
  ],
];

for (const [name, lines, found] of QUIRKS) {
  test(`sdp: ${name}`, () => {
    const description = parseSdp(lines.join('\r\n'));
    const mappings = rtpMappingsOf(description.media[0]!);
    assert.deepEqual(
      mappings.map(({ payloadType, encodingName, clockRate, channels, fmtp }) => [
        payloadType,
        encodingName,
        clockRate,
        channels,
        [...fmtp].map((pair) => pair.join('=')).join(' '),
      ]),
      found,
    );
    assert.deepEqual(rtpMappingsOf(parseSdp(serializeSdp(description)).media[0]!), mappings);
  });
}

test('sdp: o= and s= of every form, the first of doubled lines counts', () => {
  const description = parseSdp('v=0\no=my camera 1 2 IN\no=second\ns= \ns=-\ns=Cam\nt=1 2\nt=3 4\nm=x\n');
  assert.deepEqual(
    [description.origin, description.name, description.timing],
    ['my camera 1 2 IN', 'Cam', '1 2'],
  );
  assert.deepEqual(description.media[0]?.formats, []);
});

test('sdp: fmtp', () => {
  assert.deepEqual(
    [...parseFmtp(' Mode = AAC-hbr ;config=1210;;CONFIG=2;0-15')],
    [
      ['mode', 'AAC-hbr'],
      ['config', '1210'],
      ['0-15', ''],
    ],
  );
});

test('sdp: attributes of a track of ours', () => {
  const opus = {
    payloadType: -1,
    encodingName: 'opus',
    clockRate: 48_000,
    channels: 2,
    fmtp: 'sprop-stereo=1',
  };
  assert.deepEqual(formatAttributes(98, opus), [
    { name: 'rtpmap', value: '98 opus/48000/2' },
    { name: 'fmtp', value: '98 sprop-stereo=1' },
  ]);
  assert.deepEqual(
    formatAttributes(26, { ...opus, encodingName: 'JPEG', clockRate: 90_000, channels: 0, fmtp: '' }),
    [{ name: 'rtpmap', value: '26 JPEG/90000' }],
  );
});

test('sdp: a value cannot begin another line', () => {
  const description = { ...parseSdp('v=0'), name: 'a\r\nm=video 1 RTP/AVP 0' };
  assert.equal(parseSdp(serializeSdp(description)).media.length, 0);
});

test('sdp: limits', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'sdp.empty'],
    ['\0\0 hello', 'sdp.empty'],
    ['a'.repeat(65 * 1024), 'sdp.too-big'],
    ['m=video 0 RTP/AVP 0\n'.repeat(65), 'sdp.too-many-media'],
    [`v=0\n${'a=b\n'.repeat(4097)}`, 'sdp.too-many-attributes'],
    [`m=video 0 RTP/AVP${' 0'.repeat(129)}`, 'sdp.too-many-formats'],
  ];
  for (const [text, code] of cases)
    assert.throws(
      () => parseSdp(text),
      (error) => error instanceof ProtocolError && error.code === code,
      code,
    );
});
