/** Executables of Linux and macOS: strip, then inject. Never the other way round: strip would drop the program. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Copies the base to `to` without its symbols. Returns the tool that did it, or null when none for the target is
 * installed: then the file is a sixth larger.
 */
export function copyStripped(base, to, tools = []) {
  for (const tool of tools) {
    copyFileSync(base, to);
    chmodSync(to, 0o755);
    if (spawnSync(tool, ['--strip-all', to]).status === 0) return tool;
  }
  copyFileSync(base, to);
  chmodSync(to, 0o755);
  return null;
}

/** Puts the blob into the executable. */
export function inject(executable, blob) {
  const blobFile = `${executable}.blob`;
  writeFileSync(blobFile, blob);
  const script = fileURLToPath(new URL('./inject.mjs', import.meta.url));
  const run = spawnSync(process.execPath, [script, executable, blobFile], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`the program could not be put into ${executable}:\n${run.stderr}`);
  chmodSync(executable, 0o755);
}
