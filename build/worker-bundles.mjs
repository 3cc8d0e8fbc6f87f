/** Worker threads -> one text each, which the program starts by `new Worker(text, { eval: true })`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './install.mjs';

/** Name -> entry; src/runtime/worker-thread.ts has the same list. */
export const WORKERS = {
  transcode: 'src/transcode/transcode-worker.ts',
  rtc: 'src/rtc/rtc-worker.ts',
};

/** What each may weigh: mostly WebAssembly inside of strings. */
const BUDGET_BYTES = {
  transcode: 1600 * 1024,
  rtc: 600 * 1024,
};

/**
 * A text has no address. It has to look like that of a file on every system, because packages make a path of it that
 * they never use.
 */
const NO_ADDRESS = 'file:///C:/sluice/worker.js';

/** Returns `{ texts: name -> text, inputs }`, the latter as esbuild's account of a bundle has them. */
export async function bundleWorkers({ minify, version }) {
  const { build } = await import('esbuild');
  const texts = {};
  const inputs = {};
  for (const [name, entry] of Object.entries(WORKERS)) {
    const result = await build({
      entryPoints: [join(root, entry)],
      bundle: true,
      write: false,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      minify,
      charset: 'utf8',
      legalComments: 'none',
      metafile: true,
      absWorkingDir: root,
      plugins: [aacEncoderModule],
      // A text cannot import in every kind of executable; `require` of what Node brings it always can.
      supported: { 'dynamic-import': false },
      define: {
        SLUICE_PACKAGED: 'true',
        SLUICE_VERSION: JSON.stringify(version),
        'import.meta.dirname': '""',
        'import.meta.url': JSON.stringify(NO_ADDRESS),
      },
      logLevel: 'warning',
    });
    const [{ contents }] = result.outputFiles;
    if (minify && contents.length > BUDGET_BYTES[name]) {
      throw new Error(`worker ${name} is ${contents.length} bytes, over its budget of ${BUDGET_BYTES[name]}`);
    }
    texts[name] = contents;
    Object.assign(inputs, result.metafile.inputs);
  }
  return { texts, inputs };
}

/** The file is an ES module (`import.meta`) that exports as if it were none. */
const aacEncoderModule = {
  name: 'aac-encoder-module',
  setup(build) {
    build.onLoad({ filter: /[\\/]aac-encoder[\\/]dist[\\/]modules[\\/]build[\\/]aac\.js$/ }, ({ path }) => {
      const lines = readFileSync(path, 'utf8').split('\n');
      const kept = lines.filter((line) => !/^(Object\.defineProperty\(exports|exports\.default)/.test(line));
      if (lines.length - kept.length !== 2) throw new Error(`${path} is not the file that is known`);
      return { contents: `${kept.join('\n')}\nexport default Module;\n`, loader: 'js' };
    });
  },
};
