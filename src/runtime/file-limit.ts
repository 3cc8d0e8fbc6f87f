/** How many files and sockets the system lets this process open; null where it does not tell. */
import { readFileSync } from 'node:fs';

/** Kept free for logs, certificates, listeners and what the runtime itself opens. */
const RESERVED_FILES = 128;
/** Below this a small crowd of players is refused by the system rather than by us. */
const SMALL_LIMIT = 4096;

export function openFileLimit(): number | null {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}

/** Connections that can really be had, and a sentence for the log when that is few. */
export function connectionRoom(
  wanted: number,
  limit: number | null,
): { connections: number; warning: string } {
  if (limit === null || limit - RESERVED_FILES >= wanted) return { connections: wanted, warning: '' };
  const connections = Math.max(16, limit - RESERVED_FILES);
  const warning =
    limit < SMALL_LIMIT
      ? `The system allows this process ${limit} open files, so at most ${connections} connections. Raise it: "ulimit -n 65535" before the start, or LimitNOFILE=65535 in the service unit.`
      : '';
  return { connections, warning };
}
