/**
 * Where things lie: beside the executable when packaged, in the repository otherwise; never the current folder.
 * A packaged executable repeats its own name in argv, a child of it may once more.
 */
import { dirname, isAbsolute, join, resolve } from 'node:path';

declare const __filename: string | undefined;

/** True inside a single executable: there the script has no file of its own. */
function isPackaged(): boolean {
  return (
    typeof SLUICE_PACKAGED !== 'undefined' &&
    (typeof require === 'undefined' || require.main === undefined || __filename === process.execPath)
  );
}

declare const SLUICE_PACKAGED: boolean | undefined;

/** Folder that conf/, html/, vod/, rec/ and log/ are beside. */
function homeFolder(): string {
  if (isPackaged()) return dirname(process.execPath);
  return resolve(dirname(process.argv[1] ?? '.'), '..');
}

/** Configuration folder: as given, else conf beside the executable. */
export function configFolder(given: string): string {
  if (given !== '') return isAbsolute(given) ? given : resolve(process.cwd(), given);
  return join(homeFolder(), 'conf');
}

/**
 * What the person wrote after the program's name. The first two items are the runtime and the script; inside a single
 * executable the second is its own name as it was typed, which need not be its path.
 */
export function argumentsOfUser(): string[] {
  const args = process.argv.slice(2);
  if (isPackaged()) while (args[0] === process.execPath) args.shift();
  return args;
}

/** What to start process.execPath with, before the user's arguments, to run this program once more. */
export function argumentsOfRuntime(): string[] {
  if (isPackaged() || process.argv[1] === undefined) return [];
  return [...process.execArgv, process.argv[1]];
}

/** A name of the configuration as a path: relative ones start beside the executable. */
export function besideHome(name: string): string {
  return isAbsolute(name) ? name : join(homeFolder(), name);
}
