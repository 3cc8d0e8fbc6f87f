/** Stream ids in all their spellings. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  readStreamId,
  StreamIdError,
  type StreamRequest,
  shownStreamId,
} from '../../../../src/protocol/srt/stream-request.ts';
import { SRT_REJECT } from '../../../../src/wire/srt/reject.ts';

type Want = Partial<StreamRequest>;

function want(part: Want): StreamRequest {
  return { app: 'live', stream: 'x', role: 'play', host: '', query: '', ...part };
}

const CASES: readonly (readonly [id: string, want: Want])[] = [
  // Access control: SRS, ZLMediaKit, MediaMTX.
  ['#!::r=live/x,m=publish', { role: 'publish' }],
  ['#!::r=live/x,m=request', {}],
  ['#!::r=live/x', {}],
  ['#!::m=publish,r=/live/x/', { role: 'publish' }],
  ['#!::r=live/x,m=publish,h=cdn.example', { role: 'publish', host: 'cdn.example' }],
  ['#!::r=live/x,m=publish,h=cdn.example:9000', { role: 'publish', host: 'cdn.example' }],
  ['#!::r=live/x,m=publish,token=a=b,k=v', { role: 'publish', query: 'token=a%3Db&k=v' }],
  ['#!::r=live/x?token=abc,m=publish', { role: 'publish', query: 'token=abc' }],
  ['#!::r=live/x?token=abc&m=publish', { role: 'publish', query: 'token=abc' }],
  ['#!::u=me,s=s%2Cecret,r=live/x', { query: 'user=me&pass=s%2Cecret' }],
  ['#!::r=live/x,t=stream,m=read', {}],
  ['#!::r=cam%2Fyard/x', { app: 'cam/yard' }],
  // Old SRS.
  ['#!::h=live/x,m=publish', { role: 'publish' }],
  ['#!::h=cdn.example/live/x,m=publish', { role: 'publish', host: 'cdn.example' }],
  ['#!::h=live/x', {}],
  // MediaMTX.
  ['publish:live/x', { role: 'publish' }],
  ['publish:x', { role: 'publish' }],
  ['read:live/x', {}],
  ['read:/live/x', {}],
  ['publish:live/x:me:secret', { role: 'publish', query: 'user=me&pass=secret' }],
  [
    'publish:live/x:me:secret:token=1&k=a:b',
    { role: 'publish', query: 'token=1&k=a%3Ab&user=me&pass=secret' },
  ],
  ['read:live/x?token=1', { query: 'token=1' }],
  // smart_rtmpd.
  ['192.0.2.1:9000/live/x,role=publisher', { role: 'publish', host: '192.0.2.1' }],
  ['media.example:9000/live/x,role=player', { host: 'media.example' }],
  ['[2001:db8::1]:9000/live/x,role=player', { host: '2001:db8::1' }],
  [
    'media.example/live/x,role=publisher,token=7',
    { role: 'publish', host: 'media.example', query: 'token=7' },
  ],
  // Whole addresses.
  ['srt://media.example:9000/live/x', { host: 'media.example' }],
  [
    'srt://media.example:9000/live/x?mode=publish&token=1',
    { role: 'publish', host: 'media.example', query: 'token=1' },
  ],
  ['srt%3A%2F%2Fmedia.example%3A9999%2Flive%2Fx', { host: 'media.example' }],
  ['srt://media.example:9000?streamid=publish:live/x', { role: 'publish' }],
  ['srt://media.example:9000?latency=1&streamid=%23!::r=live/x%2Cm=publish', { role: 'publish' }],
  // Nothing but the stream.
  ['live/x', {}],
  ['/live/x', {}],
  ['x', {}],
  ['live/x?token=1&sign=2', { query: 'token=1&sign=2' }],
  ['live/x?m=publish', { role: 'publish' }],
  ['room/cam/x', { app: 'room/cam' }],
  ['live/%E6%91%84', { stream: '摄' }],
  ['live/100%', { stream: '100%' }],
];

describe('stream ids', () => {
  for (const [id, part] of CASES) {
    test(id, () => {
      assert.deepEqual(readStreamId(id, 'play'), want(part));
    });
  }

  test('an id that tells no mode has the default', () => {
    assert.equal(readStreamId('live/x', 'publish').role, 'publish');
    assert.equal(readStreamId('#!::r=live/x', 'publish').role, 'publish');
    assert.equal(readStreamId('read:live/x', 'publish').role, 'play');
  });

  const refused: readonly (readonly [id: string, code: number])[] = [
    ['#!::r=live/x,m=bidirectional', SRT_REJECT.badMode],
    ['#!::r=live/x,m=steal', SRT_REJECT.badMode],
    ['live/x,role=admin', SRT_REJECT.badMode],
    ['#!::r=live/x,t=file,m=publish', SRT_REJECT.unsupportedMedia],
    ['#!::t=auth', SRT_REJECT.unsupportedMedia],
    ['#!::m=publish', SRT_REJECT.badRequest],
    ['#!:{r=live/x}', SRT_REJECT.badRequest],
    ['publish:', SRT_REJECT.badRequest],
    ['/', SRT_REJECT.badRequest],
  ];
  for (const [id, code] of refused) {
    test(`${id} is refused with ${code}`, () => {
      assert.throws(
        () => readStreamId(id, 'play'),
        (error) => error instanceof StreamIdError && error.code === code,
      );
    });
  }
});

test('logs show no secret of a stream id', () => {
  const cases: readonly (readonly [id: string, shown: string])[] = [
    ['live/x', 'live/x'],
    ['publish:live/x:me:secret:k=v', 'publish:live/x:…'],
    ['#!::r=live/x,m=publish,s=secret,token=1', '#!::r=live/x,m=publish,s=…,token=…'],
    ['#!::s=secret,r=live/x', '#!::s=…,r=live/x'],
    ['live/x?token=1&m=publish', 'live/x?token=…&m=publish'],
    [' publish:live/x:me:secret', 'publish:live/x:…'],
    [
      'srt%3A%2F%2Fhost%2Flive%2Fx%3Ftoken%3Dsecret%26mode%3Dpublish',
      'srt://host/live/x?token=…&mode=publish',
    ],
    ['srt://host:9000?streamid=publish:live/x:me:secret', 'srt://host:9000?streamid=…'],
  ];
  for (const [id, shown] of cases) assert.equal(shownStreamId(id), shown);
});
