/** WebRTC peers that come and go leave nothing; the long form is test/soak/webrtc.soak.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openFileCount } from '../soak/coming-and-going.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { TestServer } from '../support/test-server.ts';
import { comeAndGo, heldByServer, PEER_WAYS, ThreadChurn } from '../support/webrtc-churn.ts';
import { makeMedia } from '../unit/rtc/rtc-media.ts';

const AT_THREAD = 48;
const AT_SERVER = 63;
const AT_ONCE = 7;

test('churn: WebRTC peers at one thread leave nothing in it', () => {
  const churn = new ThreadChurn([makeMedia()]);
  churn.run(AT_THREAD);
  for (const [way, count] of Object.entries(churn.left)) assert.ok(count > 1, `${way}: ${count}`);
});

test('churn: WHEP players and WHIP publishers leave nothing in the server', async () => {
  const server = await TestServer.start({
    webrtc: ' ',
    policy:
      '<application name="live"><publish grace="0"/><play wait="0"/></application><application name="patient"><play wait="20s"/></application>',
  });
  const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
  // Sound is converted for the first, and what starts for that stays.
  for (let index = 0; index < 2; index++) await comeAndGo(server, index);
  const filesBefore = openFileCount();
  const ways = new Set<string>();
  for (let done = 0; done < AT_SERVER; done += AT_ONCE) {
    const taken = await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => comeAndGo(server, done + at)));
    for (const way of taken) ways.add(way);
  }
  assert.equal(ways.size, PEER_WAYS.length);
  // Whoever vanished is over with the stream, at the latest.
  const { sessions } = heldByServer(server);
  assert.ok(sessions > 1, 'those that vanished are still thought to be there');
  publisher.stop();
  const isCalm = () => {
    const { timers: _, ...held } = heldByServer(server);
    return Object.values(held).every((one) => one === 0);
  };
  await server.until('the end of all', isCalm, 15_000);
  // Connections of HTTP that are kept open have two ends here.
  const files = openFileCount();
  assert.ok(files <= filesBefore + 2 * AT_ONCE, `${files} open files, ${filesBefore} before`);
  await server.close();
});
