/**
 * Runs the benchmark in a network namespace of its own, where the loopback device hands every packet to the
 * server's core. On plain loopback an acknowledgement is worked on by the core of the player that sends it,
 * and with it whatever the server's socket may then send: a server with many small writes would look several
 * times cheaper than it is. On a real network that work is the server's, and so it is here. Nothing outside
 * the namespace changes. Needs unshare, mount and ip or ifconfig, and root or unprivileged user namespaces.
 */
import { spawnSync } from 'node:child_process';
import { SERVER_CORE } from './system.ts';

const INSIDE = 'SLUICE_BENCH_NAMESPACE';
/** Exit code of the preparation, different from those of the benchmark. */
const NOT_PREPARED = 97;

const PREPARE = `mount -t sysfs sysfs /sys &&
(ip link set lo up || ifconfig lo up) &&
echo ${(1 << SERVER_CORE).toString(16)} > /sys/class/net/lo/queues/rx-0/rps_cpus || exit ${NOT_PREPARED}
exec "$@"`;

export function isInNamespace(): boolean {
  return process.env[INSIDE] === '1';
}

/** Runs this program again inside a namespace; its exit code, or undefined when there can be none. */
export function runInNamespace(): number | undefined {
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const flags = [...asRoot, '--net', '--mount'];
  // Tried on its own first, so that the reason of a failure is not mixed with the benchmark's output.
  const trial = spawnSync('unshare', [...flags, 'sh', '-c', PREPARE, 'sh', 'true'], { stdio: 'ignore' });
  if (trial.status !== 0) return undefined;
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const run = spawnSync('unshare', [...flags, 'sh', '-c', PREPARE, 'sh', ...again], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  return run.status ?? 1;
}
