/**
 * Cuts what a power cut left half written from the end of a fragmented MP4 file: some programs refuse a file that ends
 * in the middle of a `moof`. Only box headers are read (ISO/IEC 14496-12 4.2). FLV and MPEG-TS need no repair: their
 * readers stop at, or skip, what is incomplete.
 */
import { open } from 'node:fs/promises';

const HEADER_BYTES = 16;
/** More boxes than a day of fragments has; a longer file is left as it is. */
const MAX_BOXES = 2_000_000;

/** The size of the file afterwards. */
export async function repairTail(path: string, sizeBytes: number): Promise<number> {
  const file = await open(path, 'r+');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    let at = 0;
    // The end of the last fragment, or of the boxes before the first.
    let whole = 0;
    for (let boxes = 0; at < sizeBytes && boxes < MAX_BOXES; boxes++) {
      const { bytesRead } = await file.read(header, 0, HEADER_BYTES, at);
      if (bytesRead < 8) break;
      const bytes = boxSize(header, bytesRead);
      const type = header.toString('latin1', 4, 8);
      if (bytes < 8 || at + bytes > sizeBytes) break;
      at += bytes;
      // A fragment is whole with its media only, and `prft` belongs to the fragment behind it.
      if (type !== 'moof' && type !== 'prft') whole = at;
    }
    // Without a header this is no file of ours.
    if (whole === 0 || whole === sizeBytes) return sizeBytes;
    await file.truncate(whole);
    return whole;
  } finally {
    await file.close();
  }
}

/** 0 when it is not known. */
function boxSize(header: Buffer, bytesRead: number): number {
  const size = header.readUInt32BE(0);
  if (size !== 1) return size;
  return bytesRead < HEADER_BYTES ? 0 : Number(header.readBigUInt64BE(8));
}
