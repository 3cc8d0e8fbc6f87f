/** The size of a JPEG picture: ITU-T T.81 sections B.1 and B.2.2. Nothing else of it is read. */
import type { FrameSize } from './vp8.ts';

const SOI = 0xd8;
const DHT = 0xc4;
const JPG = 0xc8;
const DAC = 0xcc;
const SOS = 0xda;
/** Tables and application data before the frame header of any real picture are fewer. */
const MAX_SEGMENTS = 64;

/** Size in pixels; null where no frame header stands before the scan, or where it leaves the height to what follows. */
export function parseJpegSize(picture: Uint8Array): FrameSize | null {
  if (picture[0] !== 0xff || picture[1] !== SOI) return null;
  let at = 2;
  for (let i = 0; i < MAX_SEGMENTS && at + 9 <= picture.length; i++) {
    if (picture[at] !== 0xff) return null;
    const marker = picture[at + 1]!;
    // Any number of these bytes may fill up before a marker.
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (isFrameHeader(marker)) {
      const height = (picture[at + 5]! << 8) | picture[at + 6]!;
      const width = (picture[at + 7]! << 8) | picture[at + 8]!;
      return width === 0 || height === 0 ? null : { width, height };
    }
    if (marker === SOS) return null;
    at += 2 + ((picture[at + 2]! << 8) | picture[at + 3]!);
  }
  return null;
}

/** SOF0 to SOF15, between which tables have three of the numbers. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== DHT && marker !== JPG && marker !== DAC;
}
