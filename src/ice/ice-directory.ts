/**
 * Whose packet is it? All peers share one port, so checks are given to their agent by the user name fragment, data by
 * where they come from. Nothing is kept for an address before a check from it had the right integrity, and a check for
 * an unknown fragment gets no answer: a flood with forged addresses finds nothing to fill and nothing to reflect.
 */
import { parseStun, STUN_BINDING, STUN_REQUEST } from '../wire/stun/stun-message.ts';
import type { IceCredentials } from './credentials.ts';
import type { IceLiteAgent } from './ice-lite.ts';
import { isSameAddress, type TransportAddress } from './transport-address.ts';

const MAX_AGENTS = 65_536;
/** A peer checks one address for each of its networks and NATs; more than so many are forgotten, the oldest first. */
const MAX_ADDRESSES_PER_AGENT = 16;

/** An address that proved to be an agent's. Those whose `slotOf` is equal are a chain. */
class Binding {
  readonly agent: IceLiteAgent;
  readonly address: string;
  readonly port: number;
  checkedUs: number;
  next: Binding | null;

  constructor(agent: IceLiteAgent, address: string, port: number, nowUs: number) {
    this.agent = agent;
    this.address = address;
    this.port = port;
    this.checkedUs = nowUs;
    this.next = null;
  }
}

class Entry {
  /** Fragments under which the agent is registered. */
  ufrags: readonly string[];
  readonly bindings: Binding[];

  constructor() {
    this.ufrags = [];
    this.bindings = [];
  }
}

/** Packets that came to nothing, since the start. */
export interface IceDirectoryCounters {
  /** Not a STUN message, or not a binding request. */
  notChecks: number;
  /** For nobody here. */
  unknownUfrag: number;
}

export class IceDirectory {
  readonly counters: IceDirectoryCounters;
  private readonly maxAgents: number;
  private readonly entries: Map<IceLiteAgent, Entry>;
  private readonly byUfrag: Map<string, IceLiteAgent>;
  private readonly bySlot: Map<number, Binding>;
  private bindingCount: number;

  constructor(maxAgents = MAX_AGENTS) {
    this.counters = { notChecks: 0, unknownUfrag: 0 };
    this.maxAgents = maxAgents;
    this.entries = new Map();
    this.byUfrag = new Map();
    this.bySlot = new Map();
    this.bindingCount = 0;
  }

  get agents(): number {
    return this.entries.size;
  }

  /** Addresses that are known to be somebody's. */
  get addresses(): number {
    return this.bindingCount;
  }

  /** False: there are too many agents. */
  add(agent: IceLiteAgent): boolean {
    if (this.entries.has(agent)) return true;
    if (this.entries.size >= this.maxAgents) return false;
    const entry = new Entry();
    this.entries.set(agent, entry);
    this.register(agent, entry);
    return true;
  }

  /** With everything that leads to it. May be called twice. */
  remove(agent: IceLiteAgent): void {
    const entry = this.entries.get(agent);
    if (entry === undefined) return;
    this.entries.delete(agent);
    for (const ufrag of entry.ufrags) this.byUfrag.delete(ufrag);
    for (const binding of entry.bindings) this.unlink(binding);
  }

  /** ICE restart of an agent of this directory: see `IceLiteAgent.restart`. */
  restart(agent: IceLiteAgent, remoteUfrag: string | null, local?: IceCredentials): IceCredentials {
    const credentials = agent.restart(remoteUfrag, local);
    const entry = this.entries.get(agent);
    if (entry !== undefined) this.register(agent, entry);
    return credentials;
  }

  /**
   * A packet that `isStun`, over UDP or TCP. The agent that took it for right, null for anything else. The owner of a
   * TCP connection remembers the agent: data on it need no look-up.
   */
  receiveStun(bytes: Uint8Array, from: TransportAddress, nowUs: number): IceLiteAgent | null {
    const message = parseStun(bytes);
    if (message === null || message.messageClass !== STUN_REQUEST || message.method !== STUN_BINDING) {
      this.counters.notChecks++;
      return null;
    }
    const colon = message.username.indexOf(':');
    const agent = colon < 0 ? undefined : this.byUfrag.get(message.username.slice(0, colon));
    const entry = agent === undefined ? undefined : this.entries.get(agent);
    if (agent === undefined || entry === undefined) {
      this.counters.unknownUfrag++;
      return null;
    }
    if (!agent.receiveCheck(message, from, nowUs)) return null;
    // The agent's owner may have removed it within the call.
    if (this.entries.get(agent) !== entry) return null;
    if (agent.ufrags.length !== entry.ufrags.length) this.register(agent, entry);
    if (from.transport === 'udp') this.bind(agent, entry, from, nowUs);
    return agent;
  }

  /**
   * Hot path. Whose data come from this UDP address: `address` as the socket reports it. Makes no string: the map has small
   * integers of port and address as keys, and the few addresses that share one are compared.
   */
  find(address: string, port: number): IceLiteAgent | null {
    return this.bindingAt(address, port)?.agent ?? null;
  }

  private register(agent: IceLiteAgent, entry: Entry): void {
    const { ufrags } = agent;
    for (const ufrag of entry.ufrags) if (!ufrags.includes(ufrag)) this.byUfrag.delete(ufrag);
    for (const ufrag of ufrags) this.byUfrag.set(ufrag, agent);
    entry.ufrags = ufrags;
  }

  private bind(agent: IceLiteAgent, entry: Entry, from: TransportAddress, nowUs: number): void {
    const { address, port } = from;
    const known = this.bindingAt(address, port);
    if (known !== null && known.agent === agent) {
      known.checkedUs = nowUs;
      return;
    }
    // A NAT gave the address to another peer: who checked last has it.
    if (known !== null) this.forget(known);
    if (entry.bindings.length >= MAX_ADDRESSES_PER_AGENT) this.forgetOldest(agent, entry);
    const binding = new Binding(agent, address, port, nowUs);
    const slot = slotOf(address, port);
    binding.next = this.bySlot.get(slot) ?? null;
    this.bySlot.set(slot, binding);
    this.bindingCount++;
    entry.bindings.push(binding);
  }

  private bindingAt(address: string, port: number): Binding | null {
    let binding = this.bySlot.get(slotOf(address, port)) ?? null;
    while (binding !== null && (binding.port !== port || binding.address !== address)) binding = binding.next;
    return binding;
  }

  private forgetOldest(agent: IceLiteAgent, entry: Entry): void {
    const { selected } = agent;
    let oldest: Binding | null = null;
    for (const binding of entry.bindings) {
      const { address, port, checkedUs } = binding;
      if (selected !== null && isSameAddress(selected, { address, port, transport: 'udp' })) continue;
      if (oldest === null || checkedUs < oldest.checkedUs) oldest = binding;
    }
    if (oldest !== null) this.forget(oldest);
  }

  private forget(binding: Binding): void {
    const entry = this.entries.get(binding.agent);
    const at = entry?.bindings.indexOf(binding) ?? -1;
    if (entry !== undefined && at >= 0) entry.bindings.splice(at, 1);
    this.unlink(binding);
  }

  private unlink(binding: Binding): void {
    const slot = slotOf(binding.address, binding.port);
    const first = this.bySlot.get(slot);
    if (first === undefined) return;
    if (first === binding) {
      if (binding.next === null) this.bySlot.delete(slot);
      else this.bySlot.set(slot, binding.next);
    } else {
      let before = first;
      while (before.next !== null && before.next !== binding) before = before.next;
      if (before.next !== binding) return;
      before.next = binding.next;
    }
    binding.next = null;
    this.bindingCount--;
  }
}

/**
 * 30 bits of the port and the last characters of the address, where the addresses of a network differ. Chains stay
 * short, since only addresses with a right check get into them.
 */
function slotOf(address: string, port: number): number {
  const { length } = address;
  const tail =
    (address.charCodeAt(length - 1) & 31) ^
    ((address.charCodeAt(length - 2) & 31) << 4) ^
    ((address.charCodeAt(length - 3) & 31) << 8);
  return (port << 13) | tail;
}
