/** A UDP port as a publisher: what it keeps while somebody decides whether it may be published. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatagramPublisher } from '../../../../src/protocol/mpegts/datagram-publisher.ts';
import type { ModuleContext } from '../../../../src/runtime/module.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const PACKETS = Buffer.alloc(188 * 7);
for (let at = 0; at < PACKETS.length; at += 188) PACKETS[at] = 0x47;

/** A publisher whose admission is never decided. */
function undecided(): DatagramPublisher {
  const log = { child: () => log, counted: () => undefined };
  const context = {
    clock: new FakeClock(),
    hub: { isClosing: false },
    admission: { check: () => new Promise(() => undefined) },
    log,
  } as unknown as ModuleContext;
  return new DatagramPublisher(context, 'live/cam', 'udp://0.0.0.0:1');
}

/** Only memory shows it. */
function heldBy(publisher: DatagramPublisher): number {
  return (publisher as unknown as { source: { held: readonly Uint8Array[] } }).source.held.length;
}

for (const [what, bytes] of [
  ['of the usual size', PACKETS],
  ['of a byte', PACKETS.subarray(0, 1)],
  ['without any byte', PACKETS.subarray(0, 0)],
] as const) {
  test(`datagrams ${what} are kept until the decision, within a bound`, () => {
    const publisher = undecided();
    for (let i = 0; i < 100_000; i++) publisher.receive(i === 0 ? PACKETS : bytes, '192.0.2.1', 5000);
    const held = heldBy(publisher);
    assert.ok(
      held > 1000 && held * (bytes.length + 64) <= 4 * 1024 * 1024 + PACKETS.length,
      `${held} are kept`,
    );
  });
}
