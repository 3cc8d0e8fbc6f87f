/**
 * The blob of Node's single executable applications, written here instead of by the target's own Node: so no foreign
 * program has to run, and 32-bit targets get the 32-bit lengths that they read. Layout as in Node's
 * src/node_sea.cc, SeaSerializer; snapshot, code cache, assets and arguments are left out.
 */

const MAGIC = 0x143da20;
const FLAG_NO_WARNING = 1;
/** Node takes more arguments from NODE_OPTIONS only; the value Node itself writes when nothing is asked for. */
const EXEC_ARGV_FROM_ENV = 1;
/** First major whose header has the byte about arguments (22 since 22.20; older 22 are not built on). */
const MAJOR_WITH_EXEC_ARGV = 22;

/**
 * `code`: the program as bytes. `codePath`: the name in stack traces. `pointerBytes`: 4 or 8, size_t of the target.
 * `nodeMajor`: of the base.
 */
export function seaBlob({ code, codePath, pointerBytes, nodeMajor }) {
  const head = Buffer.alloc(nodeMajor >= MAJOR_WITH_EXEC_ARGV ? 9 : 8);
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt32LE(FLAG_NO_WARNING, 4);
  if (head.length > 8) head[8] = EXEC_ARGV_FROM_ENV;
  return Buffer.concat([head, ...text(Buffer.from(codePath), pointerBytes), ...text(code, pointerBytes)]);
}

function text(bytes, pointerBytes) {
  const size = Buffer.alloc(pointerBytes);
  size.writeUInt32LE(bytes.length, 0);
  return [size, bytes];
}
