/** SRTP between two whole servers over RTSPS: a pull by UDP and by TCP, a forward; what the API shows of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { TestServer } from '../support/test-server.ts';

const PROFILE = 'AES_CM_128_HMAC_SHA1_80';

interface PullJson {
  readonly stream: string;
  readonly state: string;
  readonly details: Readonly<Record<string, string | number>>;
}

let source: TestServer;
let target: TestServer;
let cam: ClipPublisher;

before(async () => {
  source = await TestServer.start({
    rtsp: '<srtp>offer</srtp>',
    policy: '<application name="live"/><application name="copy"/>',
  });
  const from = `rtsps://127.0.0.1:${source.rtspsPort}`;
  target = await TestServer.start({
    policy: `<application name="live">
        <stream name="udp"><source url="${from}/live/cam" verify="off"/></stream>
        <stream name="tcp"><source url="${from}/live/cam#tcp" verify="off"/></stream>
        <stream name="back"><forward>${from}/copy/back#srtp</forward></stream>
        <stream name="open"><forward>rtsp://127.0.0.1:${source.rtspPort}/copy/open#srtp</forward></stream>
      </application>`,
  });
  cam = await ClipPublisher.start({ port: source.rtmpPort, name: 'cam' });
});

after(async () => {
  cam.stop();
  await target.close();
  await source.close();
});

const isLive = (server: TestServer, name: string) => {
  const stream = server.application.context.hub.find(name);
  return stream?.state === 'live' && stream.tracks.length === 2 && stream.cachedBytes > 0;
};

for (const way of ['udp', 'tcp']) {
  test(`a pull by ${way}`, async () => {
    await target.until('the pull', () => isLive(target, `live/${way}`));
    const packets = () =>
      source.application.context.sessions
        .all()
        .some((session) => session.role === 'player' && session.details?.()['transport'] === way);
    assert.ok(packets(), `a player by ${way} is there`);
    const answer = await (await fetch(target.http('/api/v1/pulls'))).json();
    const { state, details } = (answer as { pulls: PullJson[] }).pulls.find(
      ({ stream }) => stream === `live/${way}`,
    )!;
    assert.equal(state, 'live');
    const { packets: came, packets_lost: lost, transport, srtp, srtp_refused: refused } = details;
    assert.ok(Number(came) > 10);
    assert.deepEqual(
      { lost, transport, srtp, refused },
      { lost: 0, transport: way, srtp: PROFILE, refused: 0 },
    );
  });
}

test('a forward goes as SRTP where its address says so, and not over plain RTSP', async () => {
  const back = await ClipPublisher.start({ port: target.rtmpPort, name: 'back' });
  const open = await ClipPublisher.start({ port: target.rtmpPort, name: 'open' });
  try {
    await source.until('the forward', () => isLive(source, 'copy/back'));
    const session = source.application.context.sessions
      .all()
      .find(({ streamText }) => streamText === 'copy/back');
    const { srtp, srtp_refused: refused, transport } = session?.details?.() ?? {};
    assert.deepEqual({ srtp, refused, transport }, { srtp: PROFILE, refused: 0, transport: 'tcp' });
    await target.until('the refusal', () =>
      target.lines.some(({ fields }) =>
        Object.values(fields).some((one) => /SRTP is for rtsps:/.test(String(one))),
      ),
    );
    assert.equal(isLive(source, 'copy/open'), false);
  } finally {
    back.stop();
    open.stop();
  }
});
