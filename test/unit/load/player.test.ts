import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { CLOCK_MAGIC, MARK_START } from '../../load/clip.ts';
import { type MarkSearch, Player, type PlayerEvents } from '../../load/player.ts';

const quiet: PlayerEvents = { onJoined() {}, onStarted() {}, onClosed() {}, onPicture() {} };

/** Waits until the player has read so many bytes, turn by turn of the event loop. */
async function untilBytes(player: Player, count: number): Promise<void> {
  while (player.bytes < count) await new Promise((resolve) => setImmediate(resolve));
}

test('a counting player finds a mark wherever two reads cut it', async (t) => {
  const server = createServer();
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const mark = Buffer.concat([CLOCK_MAGIC, Buffer.of(MARK_START)]);
  const target = {
    protocol: 'raw',
    tls: false,
    host: '127.0.0.1',
    port: address.port,
    app: '',
    stream: '',
  } as const;
  const cuts = Array.from({ length: mark.length + 1 }, (_, cut) => [cut]);
  cuts.push([5, 9], [1, 2, 3, 15]);
  for (const positions of cuts) {
    const search: MarkSearch = { needle: mark };
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const player = new Player(target, false, search, quiet);
    const [peer] = await accepted;
    peer.on('error', () => undefined);
    peer.setNoDelay(true);
    const bytes = Buffer.concat([Buffer.alloc(20, 1), mark, Buffer.alloc(5, 2)]);
    let sent = 0;
    for (const end of [...positions.map((cut) => 20 + cut), bytes.length]) {
      peer.write(bytes.subarray(sent, end));
      await untilBytes(player, end);
      sent = end;
    }
    assert.equal(player.markAt, 20, `cut after ${positions} bytes`);
    player.stop();
    peer.destroy();
  }
});
