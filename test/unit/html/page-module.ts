/** Loads a module of html/js for a test. The pages are plain JavaScript, so each test says what it expects of them. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const HTML_FOLDER = join(process.cwd(), 'html');

/** `name` is relative to html/, for example `js/qr.js`. */
export async function loadPageModule<T>(name: string): Promise<T> {
  return (await import(pathToFileURL(join(HTML_FOLDER, name)).href)) as T;
}
