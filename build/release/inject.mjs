/**
 * `node inject.mjs EXECUTABLE BLOB`: puts the blob into an ELF or Mach-O file. A process of its own, because the
 * library prints warnings about note sections that do no harm; the caller shows them only when it fails.
 */
import { readFileSync } from 'node:fs';
import postject from 'postject';
import { FUSE } from './targets.mjs';

const [executable, blob] = process.argv.slice(2);
await postject.inject(executable, 'NODE_SEA_BLOB', readFileSync(blob), {
  sentinelFuse: FUSE,
  machoSegmentName: 'NODE_SEA',
});
