/** Where a program of the machine is. */
import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

const ENDINGS = process.platform === 'win32' ? ['.exe', ''] : [''];

/** Path of a program that can be run, '' when there is none. A name without folder is looked for in PATH. */
export async function findProgram(name: string, pathBeside: (name: string) => string): Promise<string> {
  const isPath = name.includes('/') || name.includes('\\') || isAbsolute(name);
  // An empty entry of PATH means the current folder, from which nothing is to be run.
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const places = isPath ? [pathBeside(name)] : folders.map((folder) => join(folder, name));
  for (const place of places) {
    for (const ending of ENDINGS) {
      if (await canRun(place + ending)) return place + ending;
    }
  }
  return '';
}

async function canRun(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
