/**
 * One sender per stream for all players that asked for multicast (RFC 2326 section 12.39): a group address from the
 * range of the policy, a pair of ports per track, one subscription. It begins with the first player and ends with the
 * last; what players send back is not listened to.
 */
import type { FeedFormat } from '../../media/feed.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { Subscription } from '../../media/subscription.ts';
import { RejectedError } from '../../util/errors.ts';
import type { DatagramPair, DatagramPorts } from './rtsp-datagrams.ts';
import type { RtspMulticastPolicy } from './rtsp-services.ts';
import { DatagramSink, type DatagramTrack } from './rtsp-sinks.ts';

/** Addresses looked at in a crowded range. */
const MAX_TRIES = 4096;

export interface MulticastSender {
  readonly address: string;
  readonly ttl: number;
  /** Port of RTP of a track; RTCP has the next. */
  portOf(track: number): Promise<number>;
  /** Begins to send when nobody made it begin before. Throws RejectedError. */
  start(): void;
  /** What was sent, told to one of the members, so that it is counted once. */
  bytesSent(member: MulticastMember): number;
}

/** A player of a group. */
export interface MulticastMember {
  /** The sender is over. */
  onEnd(reason: string): void;
}

export class MulticastSenders {
  private readonly hub: StreamHub;
  private readonly format: FeedFormat;
  private readonly senders = new Map<string, GroupSender>();

  constructor(hub: StreamHub, format: FeedFormat) {
    this.hub = hub;
    this.format = format;
  }

  get count(): number {
    return this.senders.size;
  }

  /** The sender of a stream, for a member that leaves it by `leave`. Throws RejectedError. */
  join(
    key: StreamKey,
    policy: RtspMulticastPolicy,
    ports: DatagramPorts,
    member: MulticastMember,
  ): MulticastSender {
    let sender = this.senders.get(key.text);
    if (sender === undefined) {
      const address = this.freeAddress(policy.range);
      sender = new GroupSender(this.hub, this.format, key, address, policy, ports, () => this.forget(key));
      this.senders.set(key.text, sender);
    }
    sender.members.add(member);
    return sender;
  }

  /** Idempotent. */
  leave(key: StreamKey, member: MulticastMember): void {
    const sender = this.senders.get(key.text);
    if (sender === undefined || !sender.members.delete(member) || sender.members.size > 0) return;
    this.forget(key);
    sender.close();
  }

  private forget(key: StreamKey): void {
    this.senders.delete(key.text);
  }

  private freeAddress(range: string): string {
    const { first, count } = parseRange(range);
    const taken = new Set([...this.senders.values()].map(({ address }) => address));
    for (let i = 0; i < Math.min(count, MAX_TRIES); i++) {
      const address = formatAddress(first + i);
      if (!taken.has(address)) return address;
    }
    throw new RejectedError(
      'limit',
      `All multicast addresses of ${range} are in use (multicast in policy.xml).`,
    );
  }
}

class GroupSender implements MulticastSender {
  readonly address: string;
  readonly ttl: number;
  readonly members = new Set<MulticastMember>();
  private readonly hub: StreamHub;
  private readonly format: FeedFormat;
  private readonly key: StreamKey;
  private readonly policy: RtspMulticastPolicy;
  private readonly ports: DatagramPorts;
  private readonly onOver: () => void;
  private readonly opening = new Map<number, Promise<DatagramPair>>();
  /** By position of the track. */
  private readonly tracks: (DatagramTrack | null)[] = [];
  private subscription: Subscription | null = null;
  private closed = false;

  constructor(
    hub: StreamHub,
    format: FeedFormat,
    key: StreamKey,
    address: string,
    policy: RtspMulticastPolicy,
    ports: DatagramPorts,
    onOver: () => void,
  ) {
    this.hub = hub;
    this.format = format;
    this.key = key;
    this.address = address;
    this.ttl = policy.ttl;
    this.policy = policy;
    this.ports = ports;
    this.onOver = onOver;
  }

  async portOf(track: number): Promise<number> {
    let opening = this.opening.get(track);
    if (opening === undefined) {
      const { address, ttl, policy } = this;
      opening = this.ports.openGroup({ address, ttl, interface: policy.interface });
      this.opening.set(track, opening);
      opening.catch(() => this.opening.delete(track));
    }
    const pair = await opening;
    if (this.closed) {
      pair.close();
      throw new RejectedError('not-found', 'The multicast sender is over.');
    }
    while (this.tracks.length <= track) this.tracks.push(null);
    this.tracks[track] = { pair, srtp: null };
    return pair.port;
  }

  start(): void {
    if (this.subscription !== null) return;
    const sink = new DatagramSink(this.tracks, (reason) => this.end(reason));
    this.subscription = this.hub.subscribe(this.key, this.format, sink, 'gop', 0);
  }

  bytesSent(member: MulticastMember): number {
    const [first] = this.members;
    return first === member ? (this.subscription?.bytesSent ?? 0) : 0;
  }

  /** The stream is over. */
  private end(reason: string): void {
    this.onOver();
    const members = [...this.members];
    this.members.clear();
    this.close();
    for (const member of members) member.onEnd(reason);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.subscription?.close();
    for (const track of this.tracks) track?.pair.close();
  }
}

/** `239.255.42.0/24` -> its addresses without the first, which some take for the network itself. */
function parseRange(range: string): { first: number; count: number } {
  const [address = '', prefix = '32'] = range.split('/');
  const count = 2 ** (32 - Number(prefix));
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const network = value - (value % count);
  return count === 1 ? { first: network, count } : { first: network + 1, count: count - 1 };
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
