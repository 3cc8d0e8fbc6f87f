/**
 * One load process: a child of the benchmark that holds publishers, players or both and is steered over
 * IPC. The benchmark runs two: the probe (publisher and measuring players, which must never wait) and the
 * crowd (players that only count, which reads in bursts to save CPU).
 */
import { setPriority } from 'node:os';
import { CLOCK_MAGIC, readClip } from './clip.ts';
import { deferred } from './deferred.ts';
import { type MarkSearch, Player, type PlayerEvents } from './player.ts';
import type {
  Operation,
  Operations,
  PlayReply,
  PlayRequest,
  PublishRequest,
  ReplyMessage,
  RequestMessage,
  WindowReply,
} from './protocol.ts';
import { PublisherGroup } from './publisher.ts';

const MAX_DELAYS = 1_000_000;
const PUBLISH_CONCURRENCY = 50;
const PUBLISH_TIMEOUT_MS = 60_000;

const players: Player[] = [];
const search: MarkSearch = { needle: undefined };
let publishers: PublisherGroup | undefined;
let isRecording = false;
let delaysUs: number[] = [];
let gaps = 0;
let closed = 0;
let failure: string | undefined;
let joinedOrLost = 0;
let startedOrLost = 0;
let onPlayerChange: (() => void) | undefined;
let windowBytes: number[] = [];
let windowStart = 0;
let windowCpu = process.cpuUsage();

const events: PlayerEvents = {
  onJoined: () => {
    joinedOrLost += 1;
    onPlayerChange?.();
  },
  onStarted: () => {
    startedOrLost += 1;
    onPlayerChange?.();
  },
  onClosed: (player, reason) => {
    closed += 1;
    failure ??= reason;
    if (!player.joined) joinedOrLost += 1;
    if (player.startedAtUs === 0) startedOrLost += 1;
    onPlayerChange?.();
  },
  onPicture: (delay, gap) => {
    if (!isRecording || delaysUs.length >= MAX_DELAYS) return;
    delaysUs.push(delay);
    gaps += gap;
  },
};

async function publish(request: PublishRequest): Promise<null> {
  publishers = new PublisherGroup(readClip(request.clipFile), request.hasClock);
  await publishers.start(request.target, request.count, PUBLISH_CONCURRENCY, PUBLISH_TIMEOUT_MS);
  return null;
}

async function play(request: PlayRequest): Promise<PlayReply> {
  const { promise, resolve } = deferred();
  const first = players.length;
  const last = first + request.count;
  // A player that waits for a key frame has joined and holds up nobody.
  onPlayerChange = () => {
    if (startedOrLost >= last) resolve();
    while (players.length < last && players.length - joinedOrLost < request.concurrency) {
      players.push(new Player(request.target, request.measuring, search, events));
    }
  };
  const deadline = setTimeout(resolve, request.timeoutMs);
  onPlayerChange();
  await promise;
  clearTimeout(deadline);
  onPlayerChange = undefined;
  const started = players.slice(first, last).filter((player) => player.startedAtUs > 0);
  return {
    started: started.length,
    firstMediaMs: started.map((player) => (player.startedAtUs - player.openedAtUs) / 1000),
    failure,
  };
}

/**
 * Makes the event loop sleep for most of each interval, so that one turn of it reads what several packets
 * brought. Cheaper than one wake-up per packet, and the players that do so only count bytes.
 */
function coalesce(everyMs: number): null {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const sleep = (): void => {
    Atomics.wait(cell, 0, 0, everyMs);
    setTimeout(sleep, 1);
  };
  setPriority(10);
  setTimeout(sleep, 1);
  return null;
}

function startWindow(): null {
  windowBytes = players.map((player) => player.bytes);
  delaysUs = [];
  gaps = 0;
  publishers?.takeCounts();
  windowCpu = process.cpuUsage();
  windowStart = performance.now();
  isRecording = true;
  return null;
}

function endWindow(): WindowReply {
  isRecording = false;
  const cpu = process.cpuUsage(windowCpu);
  return {
    seconds: (performance.now() - windowStart) / 1000,
    bytes: players.map((player, index) => player.bytes - (windowBytes[index] ?? 0)),
    delaysUs,
    gaps,
    closed,
    failure,
    sent: publishers?.takeCounts(),
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  };
}

function seek(mark: number | undefined): null {
  if (mark === undefined) {
    search.needle = undefined;
    return null;
  }
  for (const player of players) player.markAt = -1;
  search.needle = Buffer.concat([CLOCK_MAGIC, Buffer.of(mark)]);
  return null;
}

function found(): number[] {
  return players.map((player) => player.markAt);
}

async function mark(value: number): Promise<number> {
  if (publishers === undefined) throw new Error('this process does not publish');
  return await publishers.markNext(value);
}

type Handlers = {
  readonly [O in Operation]: (
    request: Operations[O]['request'],
  ) => Operations[O]['reply'] | Promise<Operations[O]['reply']>;
};

const handlers: Handlers = {
  publish,
  play,
  coalesce: (request) => coalesce(request.everyMs),
  windowStart: startWindow,
  windowEnd: endWindow,
  seek: (request) => seek(request.mark),
  found,
  mark: (request) => mark(request.mark),
};

async function answer(message: RequestMessage): Promise<void> {
  let reply: ReplyMessage;
  try {
    // The sender's types guarantee that request and operation belong together.
    const handler = handlers[message.operation] as (request: unknown) => unknown;
    reply = { id: message.id, reply: await handler(message.request) };
  } catch (error) {
    reply = { id: message.id, error: error instanceof Error ? error.message : String(error) };
  }
  process.send?.(reply);
}

process.on('message', (message: RequestMessage) => void answer(message));
process.on('disconnect', () => {
  for (const player of players) player.stop();
  publishers?.stop();
  process.exit(0);
});
