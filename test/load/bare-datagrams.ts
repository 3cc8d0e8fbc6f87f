/**
 * What sending datagrams costs at least with Node: one connected socket per receiver and track, or one for all of them,
 * and the same datagrams to all of them in the rhythm in which they came. A child process; it is told what to send over
 * IPC and then sends until it is ended.
 */
import { createCipheriv, createSecretKey } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { deferred } from './deferred.ts';
import { answerCommands, HOST, type RecordedDatagram } from './receiver-group.ts';

export interface BareDatagramJob {
  /** By receiver and track. */
  readonly ports: readonly (readonly number[])[];
  /** One socket for all, which is not connected. */
  readonly isShared: boolean;
  /** The shared socket answers each fourth of what comes back, as a sender does that knows ACKs. */
  readonly answers?: boolean;
  /** The datagrams are SRTP with AES-128-GCM: each is ciphered anew for each receiver, under a key of its own. */
  readonly ciphers?: boolean;
  readonly datagrams: readonly RecordedDatagram[];
  /** Of one round of the datagrams. */
  readonly periodMs: number;
}

type Lookup = (
  host: string,
  options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
) => void;

/** Datagrams that came closer together than this left together. */
const TOGETHER_MS = 2;

/** Of what comes back, one in so many; the length is that of an ACKACK. */
const ANSWERED = 4;
const ANSWER = Buffer.alloc(20);

const KEY_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const RTP_HEADER_BYTES = 12;
const SLAB_BYTES = 256 * 1024;

interface Group {
  readonly atMs: number;
  readonly datagrams: { readonly track: number; readonly bytes: Buffer }[];
}

function groupsOf(datagrams: readonly RecordedDatagram[]): Group[] {
  const groups: Group[] = [];
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const { atMs, track, bytes } of datagrams) {
    if (atMs - lastMs > TOGETHER_MS) groups.push({ atMs, datagrams: [] });
    lastMs = atMs;
    groups.at(-1)!.datagrams.push({ track, bytes: Buffer.from(bytes, 'base64') });
  }
  return groups;
}

async function connected(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  const { promise, resolve } = deferred();
  socket.connect(port, HOST, () => resolve());
  await promise;
  socket.on('error', () => undefined);
  return socket;
}

/** What node:crypto needs for one packet of SRTP at least, into memory that is not written again. */
class Protector {
  private readonly key = createSecretKey(Buffer.alloc(KEY_BYTES, 7));
  private readonly iv = Buffer.alloc(IV_BYTES);
  private count = 0;

  protect(packet: Buffer): Buffer {
    const hasExtension = (packet[0]! & 0x10) !== 0;
    const headerLength = RTP_HEADER_BYTES + (hasExtension ? 4 + packet.readUInt16BE(14) * 4 : 0);
    this.iv.writeUInt32BE(this.count++, 8);
    const cipher = createCipheriv('aes-128-gcm', this.key, this.iv);
    cipher.setAAD(packet.subarray(0, headerLength));
    const body = cipher.update(packet.subarray(headerLength, packet.length - TAG_BYTES));
    cipher.final();
    if (slabUsed + packet.length > slab.length) {
      slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      slabUsed = 0;
    }
    const from = slabUsed;
    packet.copy(slab, from, 0, headerLength);
    body.copy(slab, from + headerLength);
    cipher.getAuthTag().copy(slab, from + headerLength + body.length);
    slabUsed += packet.length;
    return slab.subarray(from, slabUsed);
  }
}

let slab = Buffer.alloc(0);
let slabUsed = 0;

async function run({
  ports,
  isShared,
  answers = false,
  ciphers = false,
  datagrams,
  periodMs,
}: BareDatagramJob): Promise<null> {
  const groups = groupsOf(datagrams);
  const receivers: Socket[][] = [];
  if (!isShared) for (const one of ports) receivers.push(await Promise.all(one.map(connected)));
  const protectors = ports.map(() => new Protector());
  const lookup: Lookup = (host, _options, done) => done(null, host, 4);
  const shared = createSocket({ type: 'udp4', lookup });
  shared.on('error', () => undefined);
  let came = 0;
  if (answers)
    shared.on('message', (_bytes, from) => {
      came += 1;
      if (came % ANSWERED === 0) shared.send(ANSWER, from.port, from.address);
    });
  const startMs = performance.now();
  let next = 0;
  const send = (): void => {
    for (;;) {
      const group = groups[next % groups.length]!;
      const dueMs = startMs + Math.floor(next / groups.length) * periodMs + group.atMs;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0.5) {
        setTimeout(send, waitMs);
        return;
      }
      next += 1;
      for (const sockets of receivers)
        for (const { track, bytes } of group.datagrams) sockets[track]!.send(bytes);
      if (!isShared) continue;
      for (const [index, port] of ports.entries()) {
        const protector = protectors[index]!;
        for (const { track, bytes } of group.datagrams)
          shared.send(ciphers ? protector.protect(bytes) : bytes, port[track]!, HOST);
      }
    }
  };
  send();
  return null;
}

answerCommands(run);
