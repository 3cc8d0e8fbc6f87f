/**
 * Archives that do not depend on who made them and when: names sorted, one date, no owner. tar.gz keeps the x bit on
 * Linux and macOS; zip is what Windows opens by itself.
 */
import { createWriteStream, writeFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import yazl from 'yazl';

/** 1980-01-01, the first day that both formats can tell. */
const SECONDS = 315532800;
const ZIP_DATE = new Date(1980, 0, 1);
const BLOCK = 512;
const GZIP_OS_AT = 9;
const GZIP_OS_UNKNOWN = 255;

/** `files`: `{ name, bytes, executable }`; a name that ends with / is a folder. */
export async function writeArchive(path, files) {
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (path.endsWith('.zip')) await writeZip(path, sorted);
  else writeFileSync(path, gzip(tarOf(sorted)));
}

function gzip(bytes) {
  const packed = gzipSync(bytes, { level: 9 });
  packed[GZIP_OS_AT] = GZIP_OS_UNKNOWN;
  return packed;
}

/** POSIX ustar. */
function tarOf(files) {
  const parts = [];
  for (const { name, bytes, executable } of files) {
    const folder = name.endsWith('/');
    const size = folder ? 0 : bytes.length;
    parts.push(tarHeader(name, size, folder || executable ? 0o755 : 0o644, folder ? '5' : '0'));
    if (size > 0) parts.push(bytes, Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function tarHeader(name, size, mode, type) {
  if (Buffer.byteLength(name) > 100) throw new Error(`name too long for the archive: ${name}`);
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0);
  header.write(octal(mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(SECONDS, 11), 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\u000000', 257, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return header;
}

function octal(value, digits) {
  return value.toString(8).padStart(digits, '0');
}

async function writeZip(path, files) {
  const zip = new yazl.ZipFile();
  for (const { name, bytes, executable } of files) {
    const options = { mtime: ZIP_DATE, forceDosTimestamp: true };
    if (name.endsWith('/')) zip.addEmptyDirectory(name, { ...options, mode: 0o40755 });
    else {
      const mode = executable ? 0o100755 : 0o100644;
      zip.addBuffer(bytes, name, { ...options, mode, compressionLevel: 9 });
    }
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
}
