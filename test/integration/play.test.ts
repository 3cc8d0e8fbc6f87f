/** One publisher, every way to watch it: what arrives is what was sent, in order, with its configuration first. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import {
  type FlvTag,
  indexOfRun,
  mediaBytes,
  orderFault,
  TAG_AUDIO,
  TAG_SCRIPT,
  TAG_VIDEO,
} from '../support/flv-tags.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { refusal, until } from '../support/until.ts';

const FRAMES = 60;

let server: TestServer;
let publishers: Record<'both' | 'audio' | 'video', ClipPublisher>;

before(async () => {
  server = await TestServer.start({ config: '<limits><handshake>2s</handshake></limits>' });
  const port = server.rtmpPort;
  publishers = {
    both: await ClipPublisher.start({ port, name: 'both' }),
    audio: await ClipPublisher.start({
      port: server.rtmpsPort,
      tls: true,
      name: 'audio',
      types: [TAG_AUDIO],
    }),
    video: await ClipPublisher.start({ port, name: 'video', types: [TAG_VIDEO] }),
  };
});

after(async () => {
  for (const publisher of Object.values(publishers)) publisher.stop();
  await server.close();
});

interface Watched {
  readonly tags: readonly FlvTag[];
  close(): void;
}

async function watchRtmp(port: number, tls: boolean, name: string): Promise<Watched> {
  const peer = await RtmpPeer.open({ port, tls });
  await peer.play(name);
  return peer;
}

const WAYS: Readonly<Record<string, (name: string) => Promise<Watched>>> = {
  rtmp: (name) => watchRtmp(server.rtmpPort, false, name),
  rtmps: (name) => watchRtmp(server.rtmpsPort, true, name),
  http: (name) => openFlv(server.http(`/live/${name}.flv`)),
  https: (name) => openFlv(`https://127.0.0.1:${server.httpsPort}/live/${name}.flv`),
  ws: (name) => openFlv(`ws://127.0.0.1:${server.httpPort}/live/${name}.flv`),
  wss: (name) => openFlv(`wss://127.0.0.1:${server.httpsPort}/live/${name}.flv`),
};

const TYPES = { both: [TAG_AUDIO, TAG_VIDEO], audio: [TAG_AUDIO], video: [TAG_VIDEO] } as const;

describe('every way', { concurrency: 18 }, () => {
  for (const [way, watch] of Object.entries(WAYS)) {
    for (const name of ['both', 'audio', 'video'] as const) {
      test(`${way}: ${name} arrives unchanged`, async () => {
        const watched = await watch(name);
        const types: readonly number[] = TYPES[name];
        try {
          await until('enough media', () =>
            types.every((type) => mediaBytes(watched.tags, type).length >= FRAMES),
          );
          assert.equal(orderFault(watched.tags), '');
          for (const type of [TAG_AUDIO, TAG_VIDEO]) {
            const got = mediaBytes(watched.tags, type);
            if (!types.includes(type)) assert.equal(got.length, 0, `media of type ${type} that nobody sent`);
            else
              assert.ok(
                indexOfRun(mediaBytes(publishers[name].sent, type), got) >= 0,
                `type ${type} is changed`,
              );
          }
          if (name === 'both')
            assert.ok(
              watched.tags.some((tag) => tag.type === TAG_SCRIPT),
              'no metadata',
            );
        } finally {
          watched.close();
        }
      });
    }
  }
});

test('FLV header says which tracks there are', async () => {
  for (const [name, flags] of [
    ['both', 5],
    ['audio', 4],
    ['video', 1],
  ] as const) {
    const body = await openFlv(server.http(`/live/${name}.flv`));
    assert.equal(body.parser.flags, flags, name);
    assert.equal(body.parser.fault, '');
    assert.equal(body.headers['content-type'], 'video/x-flv');
    assert.equal(body.headers['access-control-allow-origin'], '*');
    body.close();
  }
});

test('the built-in channel begins with its first viewer', async () => {
  const [flv, rtmp] = await Promise.all([
    openFlv(server.http('/live/demo.flv')),
    watchRtmp(server.rtmpPort, false, 'demo'),
  ]);
  await until('pictures and sound', () =>
    [flv, rtmp].every((one) =>
      [TAG_AUDIO, TAG_VIDEO].every((type) => mediaBytes(one.tags, type).length > 20),
    ),
  );
  assert.equal(orderFault(flv.tags), '');
  assert.equal(orderFault(rtmp.tags), '');
  flv.close();
  rtmp.close();
});

test('a name that nobody publishes is refused in the way of each protocol', async () => {
  assert.match(
    await refusal(openFlv(server.http('/live/nobody.flv'))),
    /^404 Nobody publishes live\/nobody now/,
  );
  const socket = await openFlv(`ws://127.0.0.1:${server.httpPort}/live/nobody.flv`);
  assert.equal(socket.closeCode, 4404);
  assert.match(socket.closeReason, /Nobody publishes live\/nobody now/);
  assert.match(
    await refusal(RtmpPeer.open({ port: server.rtmpPort, app: 'nothere' })),
    /Rejected: .*nothere/,
  );
});

test('many requests for a name that nobody publishes on one connection leave nothing behind', async (t) => {
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(warning.message);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  // The global fetch keeps its connection alive.
  for (let i = 0; i < 30; i++) {
    const response = await fetch(server.http('/live/nobody.flv'));
    assert.equal(response.status, 404);
    await response.text();
  }
  assert.deepEqual(warnings, []);
});
