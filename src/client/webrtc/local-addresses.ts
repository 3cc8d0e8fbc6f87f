/** Which of our addresses the other side of a call is told. */
import { isIP, isIPv4 } from 'node:net';
import { lanAddresses } from '../../runtime/endpoints.ts';

const LOOPBACK = ['127.0.0.1', '::1'];

/**
 * Those of the interfaces, where the sockets are bound to all (`hosts` empty, or with '' or an unspecified address in it);
 * loopback before them for a target on this machine, and where there is nothing else.
 */
export function callAddresses(
  hosts: readonly string[],
  target: string,
  interfaces: readonly string[] = lanAddresses(),
): string[] {
  const takes = (family: 4 | 6) =>
    hosts.length === 0 || hosts.includes('') || hosts.includes(family === 4 ? '0.0.0.0' : '::');
  const isTaken = (address: string) => takes(isIPv4(address) ? 4 : 6);
  const bound = hosts.filter((host) => isIP(host) !== 0 && host !== '0.0.0.0' && host !== '::');
  const outside = [...new Set([...bound, ...interfaces.filter(isTaken)])];
  const near = LOOPBACK.filter(isTaken);
  return isLoopback(target) || outside.length === 0 ? [...near, ...outside] : outside;
}

function isLoopback(target: string): boolean {
  const host = target.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
