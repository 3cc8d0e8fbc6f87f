import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { beforeEach, describe, test } from 'node:test';
import type { PeerSession } from '../../../../src/protocol/webrtc/peer-session.ts';
import { SessionResources } from '../../../../src/protocol/webrtc/session-resources.ts';
import { WebrtcRefusal } from '../../../../src/protocol/webrtc/webrtc-reply.ts';
import { WhepPlayer } from '../../../../src/protocol/webrtc/whep-player.ts';
import type { HttpRequest } from '../../../../src/runtime/http-listener.ts';
import { RejectedError } from '../../../../src/util/errors.ts';
import { TickWheel } from '../../../../src/util/tick-wheel.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

interface Answer {
  status: number;
  headers: Readonly<Record<string, unknown>>;
  body: string;
}

interface Asked {
  readonly method: string;
  readonly body?: string;
  readonly type?: string;
  readonly path?: string;
}

function makeSession(secret: string): PeerSession & { readonly said: string[] } {
  const said: string[] = [];
  const session = {
    secret,
    said,
    etag: '"abcd"',
    finish: (reason: string) => said.push(reason),
    takeFragment: () => '',
  };
  return session as unknown as PeerSession & { readonly said: string[] };
}

/** Its layers are `f` and `h`. */
function makePlayer(secret: string): PeerSession {
  const layers = {
    wish: 'auto',
    names: ['f', 'h'],
    want(name: string) {
      if (!['', 'f', 'h', 'low'].includes(name)) throw new RejectedError('bad-request', `no ${name}`);
      this.wish = name === '' ? 'auto' : name;
    },
  };
  return Object.create(WhepPlayer.prototype, {
    secret: { value: secret },
    layers: { value: layers },
  }) as PeerSession;
}

describe('WebRTC sessions as resources', () => {
  let clock: FakeClock;
  let resources: SessionResources;

  beforeEach(() => {
    clock = new FakeClock();
    const tick = new TickWheel(clock, (error) => assert.fail(String(error)));
    resources = new SessionResources(clock, tick);
  });

  async function ask(
    secret: string,
    { method, body = '', type = '', path = '/webrtc/session/x' }: Asked,
    kind: 'session' | 'layer' = 'session',
  ): Promise<Answer> {
    const answer: Answer = { status: 0, headers: {}, body: '' };
    const message = Object.assign(Readable.from(body === '' ? [] : [Buffer.from(body)]), {
      headers: type === '' ? {} : { 'content-type': type },
    });
    const response = {
      headersSent: false,
      writeHead(status: number, headers: Answer['headers']) {
        answer.status = status;
        answer.headers = headers;
      },
      end(text = '') {
        answer.body = text;
      },
    };
    const request = { method, path, message, response, remote: '192.0.2.1:1' } as unknown as HttpRequest;
    await resources.handle(request, { kind, secret });
    return answer;
  }

  const refused = (status: number) => (error: unknown) => {
    assert.ok(error instanceof WebrtcRefusal, String(error));
    assert.equal(error.status, status);
    return true;
  };

  test('DELETE ends it', async () => {
    const session = makeSession('a');
    resources.add(session);
    assert.equal((await ask('a', { method: 'DELETE' })).status, 200);
    assert.deepEqual(session.said, ['the peer ended it']);
  });

  test('one that has just ended by itself is ended once more without a word; candidates for it are refused quietly', async () => {
    const session = makeSession('a');
    resources.add(session);
    resources.remove(session);
    assert.deepEqual(resources.all(), []);
    assert.equal((await ask('a', { method: 'DELETE' })).status, 200);
    // Nothing is thrown, so nothing is logged.
    assert.equal((await ask('a', { method: 'PATCH' })).status, 404);
    const path = '/index/api/delete_webrtc';
    assert.equal((await ask('a', { method: 'POST', path })).status, 200);
    assert.deepEqual(session.said, []);
    clock.advanceMs(61_000);
    await assert.rejects(ask('a', { method: 'DELETE' }), refused(404));
    await assert.rejects(ask('b', { method: 'DELETE' }), refused(404));
  });

  test('of those that ended the latest thousand are remembered', async () => {
    for (let i = 0; i <= 1000; i++) {
      const session = makeSession(`s${i}`);
      resources.add(session);
      resources.remove(session);
      // Twice is once.
      resources.remove(session);
    }
    await assert.rejects(ask('s0', { method: 'DELETE' }), refused(404));
    assert.equal((await ask('s1', { method: 'DELETE' })).status, 200);
    assert.equal((await ask('s1000', { method: 'DELETE' })).status, 200);
  });

  test('what a resource takes is told', async () => {
    resources.add(makeSession('a'));
    await assert.rejects(ask('a', { method: 'GET' }), (error: unknown) => {
      refused(405)(error);
      assert.equal((error as WebrtcRefusal).headers['Allow'], 'OPTIONS, PATCH, DELETE');
      return true;
    });
    const options = await ask('a', { method: 'OPTIONS' });
    assert.equal(options.headers['Accept-Patch'], 'application/trickle-ice-sdpfrag');
    const ofLayer = await ask('a', { method: 'OPTIONS' }, 'layer');
    assert.equal(ofLayer.headers['Accept-Post'], 'application/json');
  });

  describe('the layer of a player', () => {
    beforeEach(() => resources.add(makePlayer('p')));

    for (const [body, wanted] of [
      ['{"encodingId":"h"}', 'h'],
      ['{"mediaId":"0","encodingId":"f","maxSpatialLayerId":2}', 'f'],
      ['{"layer":"low"}', 'low'],
      ['{}', 'auto'],
    ] as const)
      test(`POST ${body} is ${wanted}`, async () => {
        const answer = await ask('p', { method: 'POST', body, type: 'application/json' }, 'layer');
        assert.equal(answer.status, 200);
        assert.deepEqual(JSON.parse(answer.body), { wanted, layers: ['f', 'h'] });
        const looked = await ask('p', { method: 'GET' }, 'layer');
        assert.deepEqual(JSON.parse(looked.body), { wanted, layers: ['f', 'h'] });
      });

    test('what is no layer, no JSON, no method, and no player with layers', async () => {
      const post = (body: string) => ask('p', { method: 'POST', body }, 'layer');
      await assert.rejects(post('{"encodingId":"z"}'), RejectedError);
      await assert.rejects(post('low'), refused(400));
      await assert.rejects(ask('p', { method: 'DELETE' }, 'layer'), refused(405));
      resources.add(makeSession('a'));
      await assert.rejects(ask('a', { method: 'GET' }, 'layer'), refused(404));
      await assert.rejects(ask('q', { method: 'GET' }, 'layer'), refused(404));
    });
  });
});
