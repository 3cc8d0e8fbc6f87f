/**
 * What conversations with sessions have in common, whatever the protocol: the server around the sessions with time that
 * moves by hand and admission that is what the test says, and what must be true when a session is over.
 */
import assert from 'node:assert/strict';
import type { AccessRequest } from '../../src/access/admission.ts';
import type { StreamHub, StreamRules } from '../../src/media/stream-hub.ts';
import { makeStreamKey, type StreamKey } from '../../src/media/stream-key.ts';
import { RejectedError } from '../../src/util/errors.ts';
import { type Logger, LogHub, type LogLine } from '../../src/util/log.ts';
import { TestHub } from './test-hub.ts';

/** The server; the services of a protocol add what it has of its own. */
export class SessionWorld<S> {
  readonly world: TestHub;
  readonly hub: StreamHub;
  readonly log: Logger;
  readonly lines: LogLine[] = [];
  readonly faults: unknown[] = [];
  readonly requests: AccessRequest[] = [];
  readonly closings: S[] = [];
  readonly serverId = 'me';
  admitAs: (request: AccessRequest) => Promise<StreamKey> = async ({ app, stream }) =>
    makeStreamKey(app, stream);

  constructor(rules: Partial<StreamRules> = {}) {
    this.world = new TestHub(rules);
    this.hub = this.world.hub;
    this.log = new LogHub('debug', (line) => this.lines.push(line)).logger();
  }

  checkLoop = (via: readonly string[]) => {
    if (via.includes(this.serverId)) throw new RejectedError('loop', 'It came through here already.');
  };
  answerAsker = (): readonly string[] => [];
  admit = (request: AccessRequest) => {
    this.requests.push(request);
    return this.admitAs(request);
  };
  nowUs = () => this.world.clock.nowUs();
  onClosed = (session: S) => {
    this.closings.push(session);
  };
  onFault = (error: unknown) => {
    this.faults.push(error);
  };

  logged(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Nobody holds the name: another can publish it at once. */
  assertFree(app: string, name: string): void {
    const publication = this.hub.publish(makeStreamKey(app, name), this.world.owner('probe'));
    publication.end('the probe is over');
  }
}

/** What sessions of all protocols can do. */
interface Session {
  readonly closed: boolean;
  readonly heldMessages: number;
  receive(bytes: Uint8Array, nowUs: number): void;
  tick(nowUs: number): void;
  close(reason: string): void;
  finish(reason: string): void;
  kick(reason: string): void;
}

/** The peer's side of one connection; the conversation of a protocol reads what comes and writes what it says. */
export abstract class SessionPeer<S extends Session, W extends SessionWorld<S>> {
  readonly services: W;
  abstract readonly session: S;
  taking = true;
  closes = 0;
  writesAfterClose = 0;
  bytesOut = 0;

  constructor(services: W) {
    this.services = services;
  }

  /** Bytes of the session. */
  protected abstract read(bytes: Uint8Array): void;

  // Output of the session

  write(bytes: Uint8Array): void {
    if (this.closes > 0) this.writesAfterClose++;
    this.bytesOut += bytes.length;
    this.read(bytes);
  }

  writable(): boolean {
    return this.taking;
  }

  close(): void {
    this.closes++;
  }

  // What the peer does

  raw(bytes: Uint8Array | string): this {
    this.session.receive(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, this.services.nowUs());
    return this;
  }

  async settle(): Promise<void> {
    await this.services.world.settle();
  }

  /** Moves time in steps of a second, as the server's tick does. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.services.world.advanceMs(1000);
      this.session.tick(this.services.nowUs());
      await this.settle();
    }
  }

  /** The session is over, told so once, and holds nothing. */
  assertClosed(): void {
    const { session, services } = this;
    assert.equal(session.closed, true, 'the session is open');
    assert.equal(services.closings.filter((one) => one === session).length, 1, 'onClosed');
    assert.equal(session.heldMessages, 0, 'a backlog is left');
    const before = this.bytesOut;
    this.raw(Buffer.alloc(500, 3));
    session.tick(services.nowUs());
    session.close('again');
    session.finish('and again');
    session.kick('and again');
    assert.equal(this.bytesOut, before, 'it answered after its end');
    assert.equal(this.writesAfterClose, 0, 'it wrote after its end');
    assert.ok(this.closes <= 1, 'the connection was closed more than once');
    assert.equal(services.closings.filter((one) => one === session).length, 1, 'onClosed again');
    this.assertNoFaults();
  }

  assertNoFaults(): void {
    assert.deepEqual(this.services.faults, []);
    assert.deepEqual(this.services.world.faults, []);
  }
}
