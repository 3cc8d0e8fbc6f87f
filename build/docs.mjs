/** Writes the configuration samples and their reference page from the schemas (needs the runtime's type stripping). */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root, runtime } from './install.mjs';

ensureInstalled();
const run = spawnSync(runtime(), [join(root, 'build', 'policy-docs.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(run.status ?? 1);
