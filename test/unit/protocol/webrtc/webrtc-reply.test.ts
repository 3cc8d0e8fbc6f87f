import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { WebrtcShape } from '../../../../src/protocol/webrtc/webrtc-address.ts';
import {
  sendAnswer,
  sendRefusal,
  type WebrtcAnswer,
  WebrtcRefusal,
} from '../../../../src/protocol/webrtc/webrtc-reply.ts';
import { ProtocolError, RejectedError } from '../../../../src/util/errors.ts';

class Reply {
  status = 0;
  headers: Readonly<Record<string, string | string[]>> = {};
  text = '';
  headersSent = false;
  destroyed = false;
  writableEnded = false;

  writeHead(status: number, headers: Readonly<Record<string, string | string[]>>): void {
    this.status = status;
    this.headers = headers;
    this.headersSent = true;
  }

  end(text = ''): void {
    this.text = text;
    this.writableEnded = true;
  }

  get response(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}

const ANSWER: WebrtcAnswer = {
  shape: 'plain',
  isJson: false,
  sdp: 'v=0\r\n',
  sessionId: 'abcd',
  location: '/there',
  etag: '"x"',
  links: ['<stun:a>; rel="ice-server"'],
  notes: [],
  via: ['a', 'b'],
  serverId: 'me',
};

test('answers in every shape', () => {
  const cases: readonly (readonly [Partial<WebrtcAnswer>, number, string, RegExp])[] = [
    [{}, 201, 'application/sdp', /^v=0\r\n$/],
    [{ shape: 'mediamtx' }, 201, 'application/sdp', /^v=0\r\n$/],
    [{ shape: 'srs' }, 201, 'application/sdp', /^v=0\r\n$/],
    [{ shape: 'zlm' }, 201, 'application/sdp', /^v=0\r\n$/],
    [{ shape: 'go2rtc' }, 201, 'application/sdp', /^v=0\r\n$/],
    [{ shape: 'go2rtc', isJson: true }, 200, 'application/json; charset=utf-8', /"type":"answer"/],
    [{ shape: 'zlm-json' }, 200, 'application/json; charset=utf-8', /^\{"code":0,"id":"abcd","sdp":"v=0/],
    [{ shape: 'srs-json' }, 200, 'application/json; charset=utf-8', /"code":0.*"sessionid":"abcd"/],
  ];
  for (const [more, status, type, body] of cases) {
    const reply = new Reply();
    sendAnswer(reply.response, { ...ANSWER, ...more });
    assert.deepEqual([reply.status, reply.headers['Content-Type']], [status, type], more.shape);
    assert.match(reply.text, body);
    assert.equal(reply.headers['Location'], '/there');
    assert.equal(reply.headers['ETag'], '"x"');
    assert.deepEqual(reply.headers['Link'], ANSWER.links);
    assert.equal(reply.headers['X-Sluice-Via'], 'a,b');
    assert.equal(reply.headers['ID'], more.shape === 'mediamtx' ? 'abcd' : undefined);
  }
});

test('notes are a header that cannot break the answer', () => {
  const reply = new Reply();
  sendAnswer(reply.response, { ...ANSWER, notes: ['one\r\nX: y', '电影', 'z'.repeat(3000)] });
  const text = String(reply.headers['X-Sluice-Notes']);
  assert.match(text, /^one\?X: y \? z+$/);
  assert.ok(text.length <= 1024);
});

test('refusals: the status, the sentence, and when to come again', () => {
  const cases: readonly (readonly [unknown, WebrtcShape, number, string])[] = [
    [new WebrtcRefusal(415, 'No.'), 'plain', 415, 'No.\n'],
    [new RejectedError('unsupported', 'No codec.'), 'plain', 406, 'No codec.\n'],
    [new RejectedError('busy', 'Taken.'), 'plain', 409, 'Taken.\n'],
    [new RejectedError('not-found', 'Nobody.'), 'srs', 404, 'Nobody.\n'],
    [
      new ProtocolError('webrtc.sdp-x', 'a=mid is no token'),
      'plain',
      400,
      'The description cannot be used: a=mid is no token.\n',
    ],
    [new Error('secret'), 'plain', 500, 'The server had an internal fault; its log says more.\n'],
    [new RejectedError('denied', 'No.'), 'srs-json', 403, '{"code":403,"server":"vid-me","msg":"No."}'],
    [new RejectedError('denied', 'No.'), 'zlm-json', 403, '{"code":-100,"msg":"No."}'],
    [new RejectedError('busy', 'No.'), 'zlm-json', 409, '{"code":-1,"msg":"No."}'],
  ];
  for (const [error, shape, status, text] of cases) {
    const reply = new Reply();
    sendRefusal(reply.response, error, shape, 'me');
    assert.deepEqual([reply.status, reply.text], [status, text]);
    assert.equal(reply.headers['Retry-After'], undefined);
  }
  const full = new Reply();
  sendRefusal(full.response, new RejectedError('limit', 'Full.'), 'plain', 'me');
  assert.deepEqual([full.status, full.headers['Retry-After']], [503, '5']);
  const gone = new Reply();
  gone.destroyed = true;
  sendRefusal(gone.response, new Error(), 'plain', 'me');
  assert.equal(gone.status, 0);
});
