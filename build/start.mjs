/** `npm start`: installs what is missing, builds when sources changed, runs the server. Arguments go to the server. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { bundle, isFresh } from './bundle.mjs';
import { ensureInstalled, root, runtime } from './install.mjs';

const PARENT_POLL_MS = 300;

ensureInstalled();
if (!isFresh()) await bundle();
const child = spawn(runtime(), [join(root, 'dist', 'sluice.cjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
child.on('error', (error) => {
  console.error(`The server could not be started: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => forward(signal));

/**
 * What a terminal sends (Ctrl+C), it sends to the server as well; a second one would tell it to end at once instead of
 * cleanly. So does Windows, where "sending a signal" would be killing.
 */
function forward(signal) {
  const fromTerminal = signal !== 'SIGTERM' && [0, 1, 2].some(isatty);
  if (!fromTerminal && process.platform !== 'win32') child.kill(signal);
}

// npm runs scripts by a shell and tells only that shell to end, so the end of the parent is the end of the server.
if (process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32') {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, PARENT_POLL_MS);
}
