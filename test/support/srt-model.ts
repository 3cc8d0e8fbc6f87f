/**
 * Two SRT ends in virtual time with a link between them that loses, delays, reorders, repeats and throttles datagrams
 * by a seeded generator: the same numbers give the same run.
 */
import type { SrtAgreement } from '../../src/srt/agreement.ts';
import { SrtCaller } from '../../src/srt/caller.ts';
import { SrtConnection } from '../../src/srt/connection.ts';
import { SrtListener } from '../../src/srt/listener.ts';
import { DEFAULT_SRT_SETTINGS, type SrtSettings } from '../../src/srt/settings.ts';

export interface LinkSettings {
  /** One way, milliseconds. */
  readonly delayMs: number;
  readonly jitterMs?: number;
  /** Share of datagrams that is lost. */
  readonly loss?: number;
  /** Mean length of a loss in datagrams; 1 loses each by itself. */
  readonly burst?: number;
  readonly duplicate?: number;
  /** Share that is held back by another delay and overtaken. */
  readonly reorder?: number;
  /** Bits a second; the queue before it holds 200 ms. */
  readonly bandwidth?: number;
}

export function seededRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

interface Timed {
  readonly atUs: number;
  readonly run: () => void;
}

/** Virtual time: events in order, and the wake-ups of the ends between them. */
export class World {
  nowUs: number;
  readonly ends: { nextWakeUs: number; tick(nowUs: number): void }[] = [];
  private readonly queue: Timed[] = [];

  constructor(startUs: number) {
    this.nowUs = startUs;
  }

  at(atUs: number, run: () => void): void {
    let low = 0;
    let high = this.queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.queue[middle]!.atUs <= atUs) low = middle + 1;
      else high = middle;
    }
    this.queue.splice(low, 0, { atUs, run });
  }

  runUntil(endUs: number): void {
    for (;;) {
      let next = this.queue[0]?.atUs ?? Number.POSITIVE_INFINITY;
      // Timers of a server are coarse.
      for (const end of this.ends) next = Math.min(next, Math.max(end.nextWakeUs, this.nowUs + 1000));
      if (next > endUs) break;
      this.nowUs = Math.max(this.nowUs, next);
      while (this.queue.length > 0 && this.queue[0]!.atUs <= this.nowUs) this.queue.shift()!.run();
      for (const end of this.ends) if (end.nextWakeUs <= this.nowUs) end.tick(this.nowUs);
    }
    this.nowUs = endUs;
  }
}

export class Link {
  sent = 0;
  lost = 0;
  bytes = 0;
  private readonly world: World;
  private readonly settings: LinkSettings;
  private readonly random: () => number;
  private readonly receive: (datagram: Buffer) => void;
  private burstLeft = 0;
  private freeUs = 0;

  constructor(world: World, settings: LinkSettings, seed: number, receive: (datagram: Buffer) => void) {
    this.world = world;
    this.settings = settings;
    this.random = seededRandom(seed);
    this.receive = receive;
  }

  send(header: Uint8Array, payload: Uint8Array | null): void {
    const { settings, world } = this;
    const datagram = payload === null ? Buffer.from(header) : Buffer.concat([header, payload]);
    this.sent++;
    this.bytes += datagram.length;
    const burst = settings.burst ?? 1;
    if (this.burstLeft > 0) {
      this.burstLeft--;
      this.lost++;
      return;
    }
    if (this.random() < (settings.loss ?? 0) / burst) {
      if (burst > 1) this.burstLeft = Math.floor(this.random() * (2 * burst - 1));
      this.lost++;
      return;
    }
    let departUs = world.nowUs;
    if (settings.bandwidth !== undefined) {
      departUs = Math.max(departUs, this.freeUs) + ((datagram.length + 28) * 8e6) / settings.bandwidth;
      if (departUs - world.nowUs > 200_000) {
        this.lost++;
        return;
      }
      this.freeUs = departUs;
    }
    const copies = this.random() < (settings.duplicate ?? 0) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      let delayUs = settings.delayMs * 1000 + this.random() * (settings.jitterMs ?? 0) * 1000;
      if (this.random() < (settings.reorder ?? 0)) delayUs += this.random() * settings.delayMs * 1000;
      const copy = Buffer.from(datagram);
      world.at(departUs + delayUs, () => this.receive(copy));
    }
  }
}

export interface Delivery {
  readonly payload: Uint8Array;
  readonly sequence: number;
  readonly atUs: number;
  readonly timeUs: number;
}

export interface PairOptions {
  readonly link: LinkSettings;
  readonly seed?: number;
  readonly settings?: Partial<SrtSettings>;
  readonly callerSettings?: Partial<SrtSettings>;
  readonly listenerSettings?: Partial<SrtSettings>;
  readonly startUs?: number;
  /** Changes what the handshake agreed on: sequence numbers, times. */
  readonly adjust?: (agreement: SrtAgreement, isCaller: boolean) => SrtAgreement;
  /** Rate of the caller's clock: 1.0001 runs 100 ppm fast. */
  readonly callerClock?: number;
}

export interface Pair {
  readonly world: World;
  readonly caller: SrtConnection;
  readonly listener: SrtConnection;
  readonly toCaller: Link;
  readonly toListener: Link;
  readonly atCaller: Delivery[];
  readonly atListener: Delivery[];
  readonly closed: string[];
  /** The caller's own clock at the world's present. */
  readonly callerNow: () => number;
}

const CALLER_ID = 0x1111_1111;
const LISTENER_ID = 0x2222_2222;

export function settingsWith(changes: Partial<SrtSettings> | undefined): SrtSettings {
  return { ...DEFAULT_SRT_SETTINGS, ...changes };
}

/** Connects over the link; throws when that fails within 20 s. */
export function connectPair(options: PairOptions): Pair {
  const world = new World(options.startUs ?? 5_000_000);
  const callerSettings = settingsWith({ ...options.settings, ...options.callerSettings });
  const listenerSettings = settingsWith({ ...options.settings, ...options.listenerSettings });
  const rate = options.callerClock ?? 1;
  const zero = world.nowUs;
  const callerNow = (): number => zero + (world.nowUs - zero) * rate;
  const adjust = options.adjust ?? ((agreement: SrtAgreement) => agreement);
  const atCaller: Delivery[] = [];
  const atListener: Delivery[] = [];
  const closed: string[] = [];
  let caller: SrtConnection | null = null;
  let accepted: SrtConnection | null = null;
  let failure = '';

  const toCaller = new Link(world, options.link, (options.seed ?? 1) + 1000, (datagram) => {
    if (caller === null) calling.receive(datagram, callerNow());
    else caller.receive(datagram, callerNow());
  });
  const toListener = new Link(world, options.link, options.seed ?? 1, (datagram) => {
    if (datagram.readUInt32BE(12) === 0) listener.receive(datagram, '192.0.2.1', 4000, world.nowUs);
    else accepted?.receive(datagram, world.nowUs);
  });
  const listener = new SrtListener(Buffer.alloc(32, 7), 0, {
    send: (datagram) => toCaller.send(datagram, null),
    refused: (_address, _port, code) => {
      failure = `refused ${code}`;
    },
    request: (request) => {
      const agreement = listener.accept(request, listenerSettings, LISTENER_ID, world.nowUs);
      if (agreement === null) return;
      accepted = new SrtConnection(
        adjust(agreement, false),
        listenerSettings,
        {
          send: (header, payload) => toCaller.send(header, payload),
          deliver: (payload, sequence, timeUs) =>
            atListener.push({ payload, sequence, timeUs, atUs: world.nowUs }),
          closed: (reason) => closed.push(`listener: ${reason}`),
        },
        world.nowUs,
      );
      world.ends.push(accepted);
    },
  });
  const calling = new SrtCaller(
    {
      settings: callerSettings,
      streamId: 'live/cam',
      localSocketId: CALLER_ID,
      peerAddress: '192.0.2.2',
      connectTimeoutMs: 20_000,
    },
    {
      send: (datagram) => toListener.send(datagram, null),
      failed: (code, reason) => {
        failure = `${code} ${reason}`;
      },
      connected: (agreement) => {
        caller = new SrtConnection(
          adjust(agreement, true),
          callerSettings,
          {
            send: (header, payload) => toListener.send(header, payload),
            deliver: (payload, sequence, timeUs) =>
              atCaller.push({ payload, sequence, timeUs, atUs: world.nowUs }),
            closed: (reason) => closed.push(`caller: ${reason}`),
          },
          callerNow(),
        );
      },
    },
    callerNow(),
  );
  // The world wakes an end by its own clock.
  world.ends.push({
    get nextWakeUs() {
      return zero + ((caller ?? calling).nextWakeUs - zero) / rate;
    },
    tick: () => (caller ?? calling).tick(callerNow()),
  });
  for (let i = 0; i < 2000 && caller === null && failure === ''; i++) world.runUntil(world.nowUs + 10_000);
  if (caller === null || accepted === null) throw new Error(`no connection: ${failure}`);
  return { world, caller, listener: accepted, toCaller, toListener, atCaller, atListener, closed, callerNow };
}

/** Message number `index` in 1316 bytes that tell it. */
export function message(index: number): Buffer {
  const bytes = Buffer.alloc(1316, index & 0xff);
  bytes.writeUInt32BE(index, 0);
  return bytes;
}

/** The caller sends `count` messages, one each `everyUs`; afterwards `settleUs` pass. */
export function streamUp(pair: Pair, count: number, everyUs: number, settleUs: number): void {
  const { world } = pair;
  const start = world.nowUs;
  let refused = 0;
  for (let i = 0; i < count; i++) {
    world.runUntil(start + i * everyUs);
    if (!pair.caller.sendMessage(message(i), pair.callerNow())) refused++;
  }
  if (refused > 0) throw new Error(`${refused} messages had no room`);
  world.runUntil(world.nowUs + settleUs);
}

/** Indexes of the messages that came whole, in their order. */
export function indexes(deliveries: readonly Delivery[]): number[] {
  return deliveries.map(({ payload }) => {
    const index = Buffer.from(payload.buffer, payload.byteOffset, payload.length).readUInt32BE(0);
    return message(index).equals(payload) ? index : -1;
  });
}
