/** Sync frames of AC-3 and E-AC-3: ETSI TS 102 366 4.3, 4.4.2 and E.1.2, E.1.3. Of E-AC-3 the first substream is read. */

export interface Ac3Frame {
  readonly isEac3: boolean;
  readonly sampleRate: number;
  /** With the low frequency channel. */
  readonly channels: number;
  readonly samples: number;
  /** Whole sync frame in bytes. */
  readonly size: number;
  /** fscod, bsid, bsmod, acmod and lfeon as `dac3` and `dec3` repeat them; bsmod is 0 for E-AC-3. */
  readonly rateCode: number;
  readonly bitstreamId: number;
  readonly bitstreamMode: number;
  readonly audioMode: number;
  readonly hasLowFrequency: boolean;
  /** AC-3: the bit rate code of `dac3`. E-AC-3: 0. */
  readonly bitrateCode: number;
  /** E-AC-3: 0 independent, 1 dependent, 2 AC-3 converted. */
  readonly streamType: number;
}

const RATES: readonly number[] = [48_000, 44_100, 32_000];
const CHANNELS: readonly number[] = [2, 1, 2, 3, 3, 4, 4, 5];
const BITRATES_KBPS: readonly number[] = [
  32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
];
const BLOCKS: readonly number[] = [1, 2, 3, 6];
const BLOCK_SAMPLES = 256;

/** Parses the sync frame at `at`; null when there is none. Needs 8 bytes. */
export function parseAc3Frame(bytes: Uint8Array, at = 0): Ac3Frame | null {
  if (at + 8 > bytes.length || bytes[at] !== 0x0b || bytes[at + 1] !== 0x77) return null;
  const bitstreamId = bytes[at + 5]! >> 3;
  if (bitstreamId <= 10) return parseAc3(bytes, at, bitstreamId);
  return bitstreamId <= 16 ? parseEac3(bytes, at, bitstreamId) : null;
}

function parseAc3(bytes: Uint8Array, at: number, bitstreamId: number): Ac3Frame | null {
  const rateCode = bytes[at + 4]! >> 6;
  const sizeCode = bytes[at + 4]! & 0x3f;
  const baseRate = RATES[rateCode];
  const bitrateKbps = BITRATES_KBPS[sizeCode >> 1];
  if (baseRate === undefined || bitrateKbps === undefined) return null;
  const audioMode = bytes[at + 6]! >> 5;
  // Levels of centre, surround and Dolby Surround mode stand before lfeon when the mode has them.
  let skipped = 0;
  if ((audioMode & 1) === 1 && audioMode !== 1) skipped += 2;
  if ((audioMode & 4) !== 0) skipped += 2;
  if (audioMode === 2) skipped += 2;
  const hasLowFrequency = ((bytes[at + 6]! >> (4 - skipped)) & 1) === 1;
  // bsid 9 and 10 halve and quarter the rate.
  const sampleRate = baseRate >> Math.max(0, bitstreamId - 8);
  const words = Math.floor((bitrateKbps * 96_000) / baseRate) + (rateCode === 1 ? sizeCode & 1 : 0);
  return {
    isEac3: false,
    sampleRate,
    channels: CHANNELS[audioMode]! + (hasLowFrequency ? 1 : 0),
    samples: 6 * BLOCK_SAMPLES,
    size: words * 2,
    rateCode,
    bitstreamId,
    bitstreamMode: bytes[at + 5]! & 7,
    audioMode,
    hasLowFrequency,
    bitrateCode: sizeCode >> 1,
    streamType: 0,
  };
}

function parseEac3(bytes: Uint8Array, at: number, bitstreamId: number): Ac3Frame | null {
  const streamType = bytes[at + 2]! >> 6;
  if (streamType === 3) return null;
  const size = ((((bytes[at + 2]! & 7) << 8) | bytes[at + 3]!) + 1) * 2;
  const fifth = bytes[at + 4]!;
  const rateCode = fifth >> 6;
  const second = (fifth >> 4) & 3;
  // Code 3: half of the rate in the next field, and always six blocks.
  const sampleRate = rateCode === 3 ? (RATES[second] ?? 0) >> 1 : RATES[rateCode]!;
  if (sampleRate === 0) return null;
  const blocks = rateCode === 3 ? 6 : BLOCKS[second]!;
  const audioMode = (fifth >> 1) & 7;
  const hasLowFrequency = (fifth & 1) === 1;
  return {
    isEac3: true,
    sampleRate,
    channels: CHANNELS[audioMode]! + (hasLowFrequency ? 1 : 0),
    samples: blocks * BLOCK_SAMPLES,
    size,
    rateCode,
    bitstreamId,
    bitstreamMode: 0,
    audioMode,
    hasLowFrequency,
    bitrateCode: 0,
    streamType,
  };
}

/** The bytes inside `dac3` or `dec3` of MP4 (ETSI TS 102 366 F.4, F.6), made from a sync frame. */
export function serializeAc3Config(frame: Ac3Frame): Uint8Array {
  const { rateCode, bitstreamId, bitstreamMode, audioMode, bitrateCode } = frame;
  const low = frame.hasLowFrequency ? 1 : 0;
  if (!frame.isEac3) {
    const bits =
      (rateCode << 22) |
      (bitstreamId << 17) |
      (bitstreamMode << 14) |
      (audioMode << 11) |
      (low << 10) |
      (bitrateCode << 5);
    return Uint8Array.of(bits >>> 16, bits >>> 8, bits);
  }
  // One independent substream, no dependent ones; the rate is that of this frame.
  const kbps = Math.min(0x1fff, Math.round((frame.size * 8 * frame.sampleRate) / frame.samples / 1000));
  return Uint8Array.of(
    kbps >>> 5,
    kbps << 3,
    (rateCode << 6) | (bitstreamId << 1),
    (bitstreamMode << 4) | (audioMode << 1) | low,
    0,
  );
}
