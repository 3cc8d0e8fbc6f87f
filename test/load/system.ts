/** What the operating system tells about processes and cores, from /proc; Linux only. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** The product or peer runs on the one core, the load on the other. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/** CPU seconds of all live threads of a process, with the scheduler's resolution of nanoseconds. */
export function cpuSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
  }
  return nanoseconds / 1e9;
}

/** The same for each thread by its id; that of the main thread is the process's. */
export function cpuByThread(pid: number): ReadonlyMap<number, number> {
  const threads = new Map<number, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ');
    threads.set(Number(task), Number(nanoseconds) / 1e9);
  }
  return threads;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1] ?? 0) * 1024;
}

/** Seconds that a core has been busy since boot, by whatever. */
export function coreBusySeconds(core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'));
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (line?.[1] ?? '').split(' ').map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

/** Bytes that lie in the receive queues of the connections accepted on a local IPv4 port. */
export function unreadBytes(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let total = 0;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(suffix) === true && fields[3] === '01') {
      total += Number.parseInt(fields[4]?.split(':')[1] ?? '0', 16);
    }
  }
  return total;
}

/** Soft limit of open files of this process. */
export function openFileLimit(): number {
  const match = /Max open files\s+(\d+|unlimited)/.exec(readFileSync('/proc/self/limits', 'latin1'));
  return match?.[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(match?.[1] ?? 0);
}

const canPin = cpus().length >= 2 && spawnSync('taskset', ['-V']).status === 0;

/** Why processes are not pinned to cores, or '' when they are. */
export function pinningProblem(): string {
  if (canPin) return '';
  return cpus().length < 2
    ? 'one core only: server and load share it, figures mean little'
    : 'no taskset (util-linux): not pinned';
}

/** A command line that runs `command` on one core. */
export function pinned(core: number, command: string, args: readonly string[]): [string, string[]] {
  return canPin ? ['taskset', ['-c', String(core), command, ...args]] : [command, [...args]];
}

/** Whether a program can be found in the search path. */
export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}
