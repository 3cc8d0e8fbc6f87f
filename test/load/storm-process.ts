/**
 * A crowd that waits for the next state of a low-latency playlist: connections that are kept, each with one blocked
 * request for the same part; when all are answered, all ask for the next one. A child process that prints one JSON
 * line per version. Arguments: host port, target of the playlist, connections, versions, warm-up versions.
 */
import { connect, type Socket } from 'node:net';
import { deferred } from './deferred.ts';

export interface StormVersion {
  /** Milliseconds from the first whole answer to the last. */
  readonly spreadMs: number;
  /** Different bodies among the answers: one is right. */
  readonly bodies: number;
  readonly refused: number;
  /** Milliseconds from all having asked to the first answer; 0 = nobody had to wait. */
  readonly blockedMs: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = '\r\n\r\n';
const CONNECT_AT_ONCE = 100;

class Follower {
  private readonly socket: Socket;
  private text = '';
  private onAnswer: (answer: Answer) => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (data: string) => this.read(data));
    socket.on('close', () => this.onAnswer({ status: 0, body: 'closed' }));
  }

  ask(target: string, onAnswer: (answer: Answer) => void): void {
    this.onAnswer = onAnswer;
    this.socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  }

  private read(data: string): void {
    this.text += data;
    const headEnd = this.text.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.text)?.[1] ?? Number.NaN);
    const chunkedEnd = Number.isNaN(length) ? this.text.indexOf('0\r\n\r\n', headEnd) : -1;
    const bodyAt = headEnd + HEAD_END.length;
    if (Number.isNaN(length) ? chunkedEnd < 0 : this.text.length < bodyAt + length) return;
    const answer = { status: Number(this.text.slice(9, 12)), body: this.text.slice(bodyAt) };
    this.text = '';
    this.onAnswer(answer);
  }

  end(): void {
    this.socket.destroy();
  }
}

async function open(port: number): Promise<Follower> {
  const { promise, resolve, reject } = deferred();
  const socket = connect({ host: '127.0.0.1', port });
  socket.once('connect', () => resolve());
  socket.once('error', reject);
  await promise;
  socket.on('error', () => undefined);
  return new Follower(socket);
}

/** The part after the last one that the list has: what a player asks for next. */
function nextOf(list: string): { sequence: number; part: number } {
  const first = Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(list)?.[1]);
  const hint = /#EXT-X-PRELOAD-HINT:.*?\/(\d+)\.(\d+)\.m4s/.exec(list);
  if (Number.isNaN(first) || hint === null) throw new Error(`no low-latency playlist: ${list.slice(0, 200)}`);
  return { sequence: Number(hint[1]), part: Number(hint[2]) };
}

async function askAll(
  followers: readonly Follower[],
  target: string,
): Promise<StormVersion & { list: string }> {
  const { promise, resolve } = deferred();
  const bodies = new Map<string, number>();
  let answered = 0;
  let refused = 0;
  let firstAt = 0;
  let lastAt = 0;
  const take = ({ status, body }: Answer): void => {
    lastAt = performance.now();
    if (answered === 0) firstAt = lastAt;
    answered += 1;
    if (status === 200) bodies.set(body, (bodies.get(body) ?? 0) + 1);
    else refused += 1;
    if (answered === followers.length) resolve();
  };
  for (const follower of followers) follower.ask(target, take);
  const askedAt = performance.now();
  await promise;
  const list = [...bodies.keys()].at(-1);
  if (list === undefined) throw new Error('the whole storm was refused');
  const blockedMs = Math.max(0, firstAt - askedAt);
  return { spreadMs: lastAt - firstAt, bodies: bodies.size, refused, blockedMs, list };
}

async function main(): Promise<void> {
  const [port = 0, connections = 0, versions = 0] = process.argv.slice(3).map(Number);
  const playlist = process.argv[2] ?? '';
  const followers: Follower[] = [];
  while (followers.length < connections) {
    const more = Math.min(CONNECT_AT_ONCE, connections - followers.length);
    followers.push(...(await Promise.all(Array.from({ length: more }, () => open(port)))));
  }
  let { list } = await askAll(followers.slice(0, 1), playlist);
  for (let i = 0; i < versions; i++) {
    const { sequence, part } = nextOf(list);
    const joint = playlist.includes('?') ? '&' : '?';
    const target = `${playlist}${joint}_HLS_msn=${sequence}&_HLS_part=${part}`;
    const { list: next, ...version } = await askAll(followers, target);
    list = next;
    console.log(JSON.stringify(version));
  }
  for (const follower of followers) follower.end();
}

await main();
