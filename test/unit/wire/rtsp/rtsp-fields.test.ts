import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseMethods,
  parseRange,
  parseRtpInfo,
  parseSession,
  serializeRange,
  serializeRtpInfo,
  serializeSession,
} from '../../../../src/wire/rtsp/rtsp-fields.ts';
import {
  parseTransport,
  type RtspTransport,
  serializeTransport,
  TRANSPORT,
} from '../../../../src/wire/rtsp/transport-header.ts';

const TRANSPORTS: readonly (readonly [
  text: string,
  found: readonly Partial<RtspTransport>[],
  written?: string,
])[] = [
  ['RTP/AVP/TCP;unicast;interleaved=0-1', [{ lower: 'tcp', interleaved: [0, 1] }]],
  ['RTP/AVP;unicast;client_port=5000-5001', [{ clientPort: [5000, 5001] }]],
  [
    'RTP/AVP;unicast;destination=10.0.0.2;source=10.0.0.1;client_port=5000-5001;server_port=6000-6001;ssrc=000ABCDE;mode="PLAY"',
    [
      {
        destination: '10.0.0.2',
        source: '10.0.0.1',
        clientPort: [5000, 5001],
        serverPort: [6000, 6001],
        ssrc: 0xabcde,
        mode: 'play',
      },
    ],
  ],
  [
    'RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=16',
    [{ isMulticast: true, destination: '239.1.2.3', port: [5000, 5001], ttl: 16 }],
  ],
  [
    'RTP/AVP/TCP;unicast;interleaved=4-5,RTP/AVP;unicast;client_port=1-2',
    [{ lower: 'tcp', interleaved: [4, 5] }, { clientPort: [1, 2] }],
  ],
  // ffmpeg records without quotes, Wowza's client says receive.
  [
    'RTP/AVP/UDP;unicast;client_port=7-8;mode=record',
    [{ clientPort: [7, 8], mode: 'record' }],
    'RTP/AVP;unicast;client_port=7-8;mode=record',
  ],
  [
    'rtp/avp/tcp; Interleaved=0 ;MODE=receive',
    [{ lower: 'tcp', interleaved: [0, 1], mode: 'record' }],
    'RTP/AVP/TCP;unicast;interleaved=0-1;mode=record',
  ],
  [
    'RTP/SAVP;unicast;client_port=70000-70001;ssrc=0x12;foo;bar=1',
    [{ profile: 'RTP/SAVP', ssrc: 0x12 }],
    'RTP/SAVP;unicast;ssrc=00000012',
  ],
  ['RTP/AVP;unicast;ssrc=xyz;interleaved=0-256;ttl=300', [{}], 'RTP/AVP;unicast'],
  [
    'MP2T/H2221/UDP;unicast;client_port=3-4',
    [{ profile: 'MP2T/H2221', clientPort: [3, 4] }],
    'MP2T/H2221;unicast;client_port=3-4',
  ],
  ['nonsense, ,RTP/AVP', [{}], 'RTP/AVP;unicast'],
  ['', [], ''],
];

for (const [text, found, written = text] of TRANSPORTS) {
  test(`transport: ${text || 'empty'}`, () => {
    const parsed = parseTransport(text);
    assert.deepEqual(
      parsed,
      found.map((one) => ({ ...TRANSPORT, ...one })),
    );
    assert.equal(serializeTransport(parsed), written);
    assert.deepEqual(parseTransport(written), parsed);
  });
}

test('transport: at most 16 alternatives', () => {
  assert.equal(parseTransport('RTP/AVP,'.repeat(100)).length, 16);
});

test('session', () => {
  const cases: readonly (readonly [string, ReturnType<typeof parseSession>, string])[] = [
    ['12345678', { id: '12345678', timeoutS: 60 }, '12345678'],
    ['a.b_c;timeout=30', { id: 'a.b_c', timeoutS: 30 }, 'a.b_c;timeout=30'],
    [' x ; Timeout = 10 ; foo', { id: 'x', timeoutS: 10 }, 'x;timeout=10'],
    ['x;timeout=0', { id: 'x', timeoutS: 60 }, 'x'],
    ['x;timeout=999999999', { id: 'x', timeoutS: 86_400 }, 'x;timeout=86400'],
  ];
  for (const [text, session, written] of cases) {
    assert.deepEqual(parseSession(text), session);
    assert.equal(serializeSession(session!), written);
  }
  assert.equal(parseSession(''), null);
  assert.equal(parseSession('x'.repeat(257)), null);
});

test('range', () => {
  const cases: readonly (readonly [string, ReturnType<typeof parseRange>, string])[] = [
    ['npt=0.000-', { unit: 'npt', startS: 0, endS: null }, 'npt=0.000-'],
    ['npt=now-', { unit: 'npt', startS: 'now', endS: null }, 'npt=now-'],
    ['npt=1:02:03.5-3800', { unit: 'npt', startS: 3723.5, endS: 3800 }, 'npt=3723.500-3800.000'],
    ['npt=-20', { unit: 'npt', startS: null, endS: 20 }, 'npt=-20.000'],
    ['NPT:10-20;time=19970123T143720Z', { unit: 'npt', startS: 10, endS: 20 }, 'npt=10.000-20.000'],
    [
      'clock=19961108T142300Z-19961108T143520.25Z',
      {
        unit: 'clock',
        startMs: Date.UTC(1996, 10, 8, 14, 23),
        endMs: Date.UTC(1996, 10, 8, 14, 35, 20, 250),
      },
      'clock=19961108T142300Z-19961108T143520.250Z',
    ],
  ];
  for (const [text, range, written] of cases) {
    assert.deepEqual(parseRange(text), range, text);
    assert.equal(serializeRange(range!), written);
    assert.deepEqual(parseRange(written), range);
  }
  for (const text of ['smpte=10:12:33:20-', 'npt=x-', 'clock=1996-', '', 'npt'])
    assert.equal(parseRange(text), null, text);
});

test('RTP-Info', () => {
  const text = 'url=rtsp://h/a/streamid=0;seq=3165;rtptime=3506444280,url=rtsp://h/a?x=1;y=2,3;seq=65535';
  assert.deepEqual(parseRtpInfo(text), [
    { url: 'rtsp://h/a/streamid=0', sequence: 3165, rtpTime: 3506444280 },
    { url: 'rtsp://h/a?x=1;y=2,3', sequence: 65535, rtpTime: -1 },
  ]);
  assert.equal(serializeRtpInfo(parseRtpInfo(text)), text);
  assert.deepEqual(parseRtpInfo(' url="trackID=1" ; seq=70000 ; rtptime=99'), [
    { url: 'trackID=1', sequence: -1, rtpTime: 99 },
  ]);
  assert.deepEqual(parseRtpInfo('seq=1'), []);
  assert.equal(parseRtpInfo('url=a,'.repeat(100)).length, 64);
});

test('methods', () => {
  assert.deepEqual([...parseMethods('OPTIONS, describe,PLAY')], ['OPTIONS', 'DESCRIBE', 'PLAY']);
  assert.deepEqual([...parseMethods('')], []);
});
