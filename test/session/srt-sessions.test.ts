/** Publishers and players of SRT on connections that the test plays: beginnings, refusals, groups, slow links, ends. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Admission } from '../../src/access/admission.ts';
import { SessionRegistry } from '../../src/access/session-registry.ts';
import type { SrtLink, SrtLinkHandlers } from '../../src/client/srt/srt-link.ts';
import { TsPayloads } from '../../src/client/srt/ts-payloads.ts';
import { loadConfiguration } from '../../src/config/configuration.ts';
import type { SrtIncoming } from '../../src/protocol/srt/srt-incoming.ts';
import { SrtPlayer } from '../../src/protocol/srt/srt-player.ts';
import { SrtPublisher } from '../../src/protocol/srt/srt-publisher.ts';
import type { ModuleContext } from '../../src/runtime/module.ts';
import { RejectedError } from '../../src/util/errors.ts';
import { LogHub } from '../../src/util/log.ts';
import { bodyOf, demoRecording, StreamWitness } from '../support/publish-body.ts';
import { TestHub } from '../support/test-hub.ts';
import { until } from '../support/until.ts';

const PAYLOAD = 1316;
const recording = demoRecording(4);
const ts = Buffer.concat(bodyOf('ts', recording));

/** What the other side would get, and its word. */
class FakeLink {
  readonly agreement = { sendLatencyMs: 120, localSocketId: 1 };
  readonly sent: Uint8Array[] = [];
  isClosed = false;
  /** Packets that the network does not take. */
  waitingPackets = 0;
  readonly handlers: SrtLinkHandlers;

  constructor(handlers: SrtLinkHandlers) {
    this.handlers = handlers;
  }

  send(payload: Uint8Array): boolean {
    this.sent.push(payload);
    return true;
  }

  flush(): void {}

  statistics(): object {
    return { msRTT: 1 };
  }

  close(): void {
    this.leave('the connection was closed');
  }

  leave(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.handlers.onClosed(reason);
  }

  /** Packets numbered from `first` on; those that `isLost` names do not come. */
  receive(bytes: Buffer, first = 0, isLost: (index: number) => boolean = () => false): void {
    for (let at = 0, index = 0; at < bytes.length; at += PAYLOAD, index++)
      if (!isLost(index)) this.handlers.onPayload(bytes.subarray(at, at + PAYLOAD), first + index);
  }
}

class Rig {
  readonly test = new TestHub({
    gop: { cache: true, frames: 1000, bytes: 10_000_000, us: 30_000_000 },
  });
  readonly sessions = new SessionRegistry();
  readonly links: FakeLink[] = [];
  readonly payloads = new TsPayloads();
  readonly events: string[] = [];
  over = 0;
  readonly context: ModuleContext;

  constructor() {
    const { hub, clock, tick, faults } = this.test;
    // 0 would mean that nothing was blocked yet.
    clock.advanceMs(1000);
    const configuration = loadConfiguration({
      configText: '',
      configName: '',
      policyText: '',
      policyName: '',
    });
    this.context = {
      hub,
      clock,
      tick,
      sessions: this.sessions,
      admission: new Admission({ isAppAllowed: (_host, app) => app === 'live', allowHint: () => 'nowhere' }),
      configuration: () => configuration,
      log: new LogHub('debug', (line) => this.events.push(line.event)).logger(),
      onFault: (error: unknown) => faults.push(error),
    } as unknown as ModuleContext;
  }

  incoming(name: string, role: 'publish' | 'play', more: Partial<SrtIncoming> = {}): SrtIncoming {
    return {
      context: this.context,
      wanted: { app: 'live', stream: name, role, host: '', query: '' },
      remote: '192.0.2.1:5000',
      groupId: 0,
      via: [],
      url: 'srt://:9000',
      payloads: this.payloads,
      accept: (handlers) => {
        const link = new FakeLink(handlers);
        this.links.push(link);
        return link as unknown as SrtLink;
      },
      ...more,
    };
  }

  /** A publisher that has begun, with its connection. */
  async publisher(name: string, more: Partial<SrtIncoming> = {}): Promise<[SrtPublisher, FakeLink]> {
    const incoming = this.incoming(name, 'publish', more);
    const publisher = new SrtPublisher(incoming, () => this.over++);
    await publisher.begin(incoming);
    return [publisher, this.links.at(-1)!];
  }

  async player(name: string, more: Partial<SrtIncoming> = {}): Promise<[SrtPlayer, FakeLink]> {
    const incoming = this.incoming(name, 'play', more);
    const player = new SrtPlayer(incoming, () => this.over++);
    await player.begin(incoming);
    return [player, this.links.at(-1)!];
  }

  async settle(): Promise<void> {
    await this.test.settle();
  }

  assertEmpty(): void {
    this.test.advanceMs(20_000);
    assert.equal(this.sessions.size, 0);
    assert.equal(this.test.hub.streams().length, 0);
    assert.deepEqual(this.test.faults, []);
    assert.ok(this.links.every((link) => link.isClosed));
  }
}

let rig: Rig;

beforeEach(() => {
  rig = new Rig();
});

afterEach(() => {
  rig.test.pump.stop();
});

describe('publishers', () => {
  test('what comes is published, and the name is free when the connection ends', async () => {
    const witness = new StreamWitness(rig.test.hub, 'live', 'a');
    const [publisher, link] = await rig.publisher('a');
    assert.equal(rig.sessions.size, 1);
    link.receive(ts);
    assert.equal(publisher.session.details()['msRTT'], 1);
    link.leave('the peer closed');
    witness.assertWhole(recording);
    assert.equal(rig.over, 1);
    witness.detach();
    rig.assertEmpty();
  });

  const endings: readonly (readonly [what: string, end: (publisher: SrtPublisher) => void])[] = [
    ['a kick', (publisher) => publisher.session.kick('the test')],
    ['silence', () => rig.test.advanceMs(60_000)],
    ['the end of the server', () => rig.test.hub.close('the test')],
  ];
  for (const [what, end] of endings) {
    test(`${what} closes the connection`, async () => {
      const [publisher, link] = await rig.publisher('a');
      end(publisher);
      assert.ok(link.isClosed);
      assert.equal(rig.over, 1);
      rig.assertEmpty();
    });
  }

  test('a passphrase that does not fit leaves nothing behind', async () => {
    const accept = () => {
      throw new RejectedError('denied', 'no');
    };
    const incoming = rig.incoming('a', 'publish', { accept });
    const publisher = new SrtPublisher(incoming, () => rig.over++);
    await assert.rejects(publisher.begin(incoming), /no/);
    assert.equal(rig.test.hub.streams().length, 0);
    publisher.session.end({ kind: 'fault', reason: 'refused' });
    assert.equal(rig.over, 1);
    rig.assertEmpty();
  });

  test('a name that is held and an application that is not allowed are refused before the handshake', async () => {
    const [publisher] = await rig.publisher('a');
    await assert.rejects(rig.publisher('a'), /already being published/);
    const other = { app: 'other', stream: 'a', role: 'publish', host: '', query: '' } as const;
    await assert.rejects(rig.publisher('a', { wanted: other }), /not allowed/);
    assert.equal(rig.links.length, 1);
    publisher.session.kick('done');
    rig.assertEmpty();
  });

  test('a server that stops while admission thinks says no to the handshake', async () => {
    const begun = rig.publisher('a');
    rig.test.hub.close('the test');
    await assert.rejects(begun, /shutting down/);
    assert.equal(rig.links.length, 0);
  });

  test('what is no transport stream ends it', async () => {
    const [, link] = await rig.publisher('a');
    link.receive(Buffer.alloc(2 * PAYLOAD, 0x41));
    assert.ok(link.isClosed);
    assert.ok(rig.events.includes('srt.not-ts'));
    rig.assertEmpty();
  });

  test('a group: two connections that lose different packets make one whole stream', async () => {
    const witness = new StreamWitness(rig.test.hub, 'live', 'a');
    const [publisher, first] = await rig.publisher('a', { groupId: 77 });
    publisher.join(rig.incoming('a', 'publish', { groupId: 77 }));
    const second = rig.links[1]!;
    for (let from = 0, index = 0; from < ts.length; from += 10 * PAYLOAD, index += 10) {
      const part = ts.subarray(from, from + 10 * PAYLOAD);
      first.receive(part, index, (at) => at % 3 === 1);
      second.receive(part, index, (at) => at % 3 === 2);
    }
    first.leave('the peer closed');
    assert.ok(!publisher.session.ended);
    assert.equal(publisher.session.details()['group_links'], 1);
    assert.equal(publisher.session.details()['group_lost'], 0);
    second.leave('the peer closed');
    witness.assertWhole(recording);
    witness.detach();
    assert.equal(rig.over, 1);
    rig.assertEmpty();
  });
});

describe('players', () => {
  test('where nobody publishes there is no handshake', async () => {
    await assert.rejects(rig.player('a'), /Nobody publishes/);
    assert.equal(rig.links.length, 0);
    assert.equal(rig.over, 1);
    rig.assertEmpty();
  });

  test('a passphrase that does not fit leaves nothing behind', async () => {
    const [publisher] = await rig.publisher('a');
    const accept = () => {
      throw new RejectedError('denied', 'no');
    };
    await assert.rejects(rig.player('a', { accept }), /no/);
    assert.equal(rig.test.hub.find('live/a')?.playerCount, 0);
    publisher.session.kick('done');
    rig.assertEmpty();
  });

  test('players share their payloads and end with the stream', async () => {
    const [publisher, source] = await rig.publisher('a');
    source.receive(ts.subarray(0, 200 * 188));
    const players = [await rig.player('a'), await rig.player('a')];
    await until('the beginning', () => players.every(([, link]) => link.sent.length > 0));
    source.receive(ts.subarray(200 * 188), 29);
    await rig.settle();
    const [one, two] = players.map(([, link]) => link.sent);
    assert.ok(one!.length > 50);
    for (const payload of one!) assert.ok(payload.length <= PAYLOAD && payload.length % 188 === 0);
    assert.equal(Buffer.compare(Buffer.concat(one!), Buffer.concat(two!)), 0);
    assert.equal(one!.at(-1), two!.at(-1), 'the very same bytes');
    publisher.session.kick('done');
    rig.test.advanceMs(20_000);
    for (const [, link] of players) assert.ok(link.isClosed);
    rig.assertEmpty();
  });

  test('a link that takes nothing is not written to, and goes on at the newest key frame', async () => {
    const [publisher, source] = await rig.publisher('a');
    const cut = Math.floor(ts.length / 2 / PAYLOAD) * PAYLOAD;
    source.receive(ts.subarray(0, PAYLOAD * 40));
    const [player, link] = await rig.player('a');
    await until('the beginning', () => link.sent.length > 0);
    const before = link.sent.length;
    link.waitingPackets = 10_000;
    source.receive(ts.subarray(PAYLOAD * 40, cut), 40);
    source.receive(ts.subarray(cut), cut / PAYLOAD);
    await rig.settle();
    assert.equal(link.sent.length, before);
    link.waitingPackets = 0;
    await until('what follows the jump', () => link.sent.length > before);
    assert.ok(player.dropped() > 0);
    const [next] = link.sent.slice(before);
    // A key frame begins with the program association table.
    assert.equal(((next![1]! & 0x1f) << 8) | next![2]!, 0);
    player.kick('done');
    assert.ok(link.isClosed);
    publisher.session.kick('done');
    rig.assertEmpty();
  });
});
