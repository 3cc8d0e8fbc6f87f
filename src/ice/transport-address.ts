/** Where a packet came from or goes to: UDP address and port, or a TCP connection. */
import { canonicalIpAddress } from '../util/ip-address.ts';

export interface TransportAddress {
  /** As the socket reports it. */
  readonly address: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  /** Of TCP: a number that no other connection of this process has; two connections may end at one port after a NAT. */
  readonly connection?: number;
  /** Of UDP where there are several sockets: which of ours it is. Not part of what is compared. */
  readonly local?: number;
}

/** Also the same connection. */
export function isSameAddress(a: TransportAddress, b: TransportAddress): boolean {
  return a.connection === b.connection && isSameEndpoint(a, b);
}

/** Whatever the connection. */
export function isSameEndpoint(a: TransportAddress, b: TransportAddress): boolean {
  if (a.port !== b.port || a.transport !== b.transport) return false;
  if (a.address === b.address) return true;
  // Equal texts are the usual case: sockets and candidates write addresses alike.
  return canonicalIpAddress(a.address) === canonicalIpAddress(b.address);
}
