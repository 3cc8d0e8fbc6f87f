/** `npm start`: installs what is missing, builds when sources changed, runs the server. Arguments go to the server. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, root, runtime } from './install.mjs';

ensureInstalled();
const script = join(root, 'dist', 'sluice.cjs');
if (isStale()) {
  const { bundle } = await import('./bundle.mjs');
  await bundle();
}
const child = spawn(runtime(), [script, ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));

function isStale() {
  if (!existsSync(script)) return true;
  const built = statSync(script).mtimeMs;
  const inputs = ['src', 'html', 'conf', 'build/bundle.mjs', 'package-lock.json'].map((name) =>
    join(root, name),
  );
  return inputs.some((path) => newest(path) > built);
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  let latest = 0;
  for (const name of readdirSync(path)) {
    if (name !== 'vendor') latest = Math.max(latest, newest(join(path, name)));
  }
  return latest;
}
