/** Agents on a network in virtual time: packets are lost, delayed, blocked and translated as a test says. */
import { candidatesFor, type IceCandidate } from '../../../src/ice/candidate.ts';
import type { LocalCandidate } from '../../../src/ice/check-list.ts';
import { IceAgent, type IceAgentOptions, type IcePair } from '../../../src/ice/ice-agent.ts';
import { IceDirectory } from '../../../src/ice/ice-directory.ts';
import { IceLiteAgent } from '../../../src/ice/ice-lite.ts';
import type { TransportAddress } from '../../../src/ice/transport-address.ts';
import { seededRandom, World } from '../../support/srt-model.ts';
import { udp } from './ice-checks.ts';

type Receiver = (bytes: Uint8Array, from: TransportAddress) => void;
const keyOf = ({ address, port, transport }: TransportAddress) => `${transport} ${address} ${port}`;

export class Network {
  readonly world = new World(1_000_000);
  delayUs = 10_000;
  loss = 0;
  sent = 0;
  /** What a packet looks like behind NATs and firewalls; null loses it. */
  route: (from: TransportAddress, to: TransportAddress) => TransportAddress | null = (from) => from;
  private readonly receivers = new Map<string, Receiver>();
  private readonly random: () => number;

  constructor(seed = 1) {
    this.random = seededRandom(seed * 7919);
  }

  listen(at: TransportAddress, receive: Receiver): void {
    this.receivers.set(keyOf(at), receive);
  }

  send(bytes: Uint8Array, from: TransportAddress, to: TransportAddress): void {
    this.sent++;
    const seen = this.route(from, to);
    if (seen === null || this.random() < this.loss) return;
    const copy = Buffer.from(bytes);
    this.world.at(this.world.nowUs + this.delayUs, () => this.receivers.get(keyOf(to))?.(copy, seen));
  }
}

/** A full agent with one socket for each address. */
export class FullEnd {
  readonly agent: IceAgent;
  readonly candidates: IceCandidate[];
  readonly selected: IcePair[] = [];
  readonly failed: string[] = [];
  readonly sockets: TransportAddress[];

  constructor(network: Network, sockets: TransportAddress[], options: Partial<IceAgentOptions> = {}) {
    const { world } = network;
    this.sockets = sockets;
    this.candidates = sockets.map((socket, rank) => hostOf(socket, rank));
    const locals: LocalCandidate[] = this.candidates.map((candidate, localIndex) => ({
      candidate,
      localIndex,
    }));
    this.agent = new IceAgent(
      { locals, ...options },
      {
        send: (bytes, to, localIndex) => network.send(bytes, sockets[localIndex]!, to),
        selected: (pair) => this.selected.push(pair),
        failed: (reason) => this.failed.push(reason),
      },
    );
    for (const [localIndex, socket] of sockets.entries())
      network.listen(socket, (bytes, from) => this.agent.receive(bytes, from, localIndex, world.nowUs));
    world.ends.push(this.agent);
  }
}

/** A server with one lite agent. */
export class LiteEnd {
  readonly directory = new IceDirectory();
  readonly agent: IceLiteAgent;
  readonly candidates: IceCandidate[];
  readonly selected: TransportAddress[] = [];

  constructor(network: Network, sockets: TransportAddress[], remoteUfrag: string) {
    let receivedAt = sockets[0]!;
    this.candidates = sockets.map((socket, rank) => hostOf(socket, rank));
    this.agent = new IceLiteAgent(
      { remoteUfrag },
      {
        send: (bytes, to) => network.send(bytes, receivedAt, to),
        selected: (to) => this.selected.push(to),
      },
      network.world.nowUs,
    );
    this.directory.add(this.agent);
    for (const socket of sockets)
      network.listen(socket, (bytes, from) => {
        receivedAt = socket;
        this.directory.receiveStun(bytes, from, network.world.nowUs);
      });
  }
}

/** A passive TCP candidate where the port is that of a listener, 8000. */
function hostOf({ address, port, transport }: TransportAddress, rank: number): IceCandidate {
  const tcp = transport === 'udp' ? false : port === 8000 ? 'passive' : 'active';
  const made = candidatesFor([address], port, { udp: transport === 'udp', tcp })[0];
  if (made === undefined) throw new Error(`no candidate for ${address}`);
  return { ...made, priority: made.priority - rank * 256 };
}

export function tcp(address: string, port: number): TransportAddress {
  return { address, port, transport: 'tcp' };
}

/** Both descriptions are exchanged now. */
export function introduce(network: Network, caller: FullEnd, callee: FullEnd | LiteEnd): void {
  const { nowUs } = network.world;
  if (callee instanceof FullEnd) callee.agent.start(caller.agent.local, caller.candidates, nowUs);
  caller.agent.start(callee.agent.local, callee.candidates, nowUs);
}

export function callServer(
  network: Network,
  callerSockets: TransportAddress[] = [udp('192.0.2.1', 4000)],
  serverSockets: TransportAddress[] = [udp('203.0.113.1', 8000)],
  options: Partial<IceAgentOptions> = {},
): { caller: FullEnd; server: LiteEnd } {
  const caller = new FullEnd(network, callerSockets, options);
  const server = new LiteEnd(network, serverSockets, caller.agent.local.ufrag);
  introduce(network, caller, server);
  return { caller, server };
}
