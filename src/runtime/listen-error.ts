/** Why a port cannot be had, in words, with the process that holds it when the system tells. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { ConfigError } from '../util/errors.ts';

export function explainListenError(
  error: NodeJS.ErrnoException,
  name: string,
  address: string,
  port: number,
): ConfigError {
  const where = `${address === '' ? '' : `${address}:`}${port}`;
  if (error.code === 'EADDRINUSE') {
    const holder = findPortHolder(port);
    const who = holder === '' ? 'another program' : holder;
    return new ConfigError(
      '',
      `Port ${where} (${name}) is in use by ${who}. End that program, or give ${name} another port in conf/config.xml: <${element(name)}><port>…</port></${element(name)}>.`,
    );
  }
  if (error.code === 'EACCES') {
    return new ConfigError(
      '',
      `Port ${where} (${name}) may not be opened by this user: ports below 1024 need more rights (root, or setcap cap_net_bind_service=+ep sluice). Choose a port above 1023 in conf/config.xml.`,
    );
  }
  if (error.code === 'EADDRNOTAVAIL') {
    return new ConfigError(
      '',
      `The address ${address} (${name}) is not one of this machine's. Correct <ip> in conf/config.xml.`,
    );
  }
  return new ConfigError('', `Port ${where} (${name}) cannot be opened: ${error.code ?? error.message}.`);
}

function element(name: string): string {
  if (name === 'https') return 'http';
  return name === 'rtmps' ? 'rtmp' : name;
}

/** `nginx (process 123)` on Linux when it can be read, else ''. */
function findPortHolder(port: number): string {
  try {
    const inode = findListeningInode(port);
    return inode === '' ? '' : findProcessOfSocket(inode);
  } catch {
    return '';
  }
}

const LISTENING = '0A';

function findListeningInode(port: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(table, 'latin1').split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(`:${hex}`) && columns[3] === LISTENING) return columns[9] ?? '';
    }
  }
  return '';
}

function findProcessOfSocket(inode: string): string {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    let descriptors: string[];
    try {
      descriptors = readdirSync(`/proc/${pid}/fd`);
    } catch {
      continue;
    }
    for (const descriptor of descriptors) {
      try {
        if (readlinkSync(`/proc/${pid}/fd/${descriptor}`) !== `socket:[${inode}]`) continue;
        return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (process ${pid})`;
      } catch {
        // Closed in the meantime.
      }
    }
  }
  return '';
}
