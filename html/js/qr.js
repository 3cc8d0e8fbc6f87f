// QR code encoder (ISO/IEC 18004): byte mode, versions 1 to 10, error correction level M.
// That is 213 bytes of UTF-8 text, enough for the address of a page. Left out: other modes, levels and versions,
// structured append, ECI.

// Level M per version: code words of error correction per block, then pairs of (blocks, data code words per block).
const BLOCKS = [
  null,
  [10, [[1, 16]]],
  [16, [[1, 28]]],
  [26, [[1, 44]]],
  [18, [[2, 32]]],
  [24, [[2, 43]]],
  [16, [[4, 27]]],
  [18, [[4, 31]]],
  [
    22,
    [
      [2, 38],
      [2, 39],
    ],
  ],
  [
    22,
    [
      [3, 36],
      [2, 37],
    ],
  ],
  [
    26,
    [
      [4, 43],
      [1, 44],
    ],
  ],
];
const ALIGNMENT = [
  null,
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
];
const LAST_VERSION = 10;
const LEVEL_M = 0;

const MASKS = [
  (y, x) => (y + x) % 2 === 0,
  (y) => y % 2 === 0,
  (_y, x) => x % 3 === 0,
  (y, x) => (y + x) % 3 === 0,
  (y, x) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (y, x) => ((y * x) % 2) + ((y * x) % 3) === 0,
  (y, x) => (((y * x) % 2) + ((y * x) % 3)) % 2 === 0,
  (y, x) => (((y + x) % 2) + ((y * x) % 3)) % 2 === 0,
];

/** The modules of the code for `text` as rows of booleans (true = dark), or null when the text is too long. */
export function encodeQr(text) {
  const bytes = new TextEncoder().encode(text);
  const version = smallestVersion(bytes.length);
  if (version === 0) return null;
  const bits = codeWordBits(interleave(dataCodeWords(bytes, version), version));
  let best = null;
  let bestPenalty = Number.POSITIVE_INFINITY;
  for (let mask = 0; mask < MASKS.length; mask++) {
    const candidate = drawSymbol(version, bits, mask);
    const penalty = penaltyOf(candidate);
    if (penalty < bestPenalty) {
      best = candidate;
      bestPenalty = penalty;
    }
  }
  return best;
}

function dataCapacity(version) {
  return BLOCKS[version][1].reduce((sum, [count, size]) => sum + count * size, 0);
}

function lengthBits(version) {
  return version < 10 ? 8 : 16;
}

function smallestVersion(byteCount) {
  for (let version = 1; version <= LAST_VERSION; version++) {
    if (4 + lengthBits(version) + byteCount * 8 <= dataCapacity(version) * 8) return version;
  }
  return 0;
}

function dataCodeWords(bytes, version) {
  const bits = [];
  const push = (value, count) => {
    for (let bit = count - 1; bit >= 0; bit--) bits.push((value >> bit) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, lengthBits(version));
  for (const byte of bytes) push(byte, 8);
  const capacity = dataCapacity(version);
  push(0, Math.min(4, capacity * 8 - bits.length));
  while (bits.length % 8 !== 0) bits.push(0);
  for (let pad = 0xec; bits.length < capacity * 8; pad ^= 0xec ^ 0x11) push(pad, 8);
  const words = new Uint8Array(capacity);
  bits.forEach((bit, index) => {
    words[index >> 3] |= bit << (7 - (index & 7));
  });
  return words;
}

// Arithmetic in GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1.
function multiply(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> bit) & 1) * a;
  }
  return product;
}

function generatorPolynomial(degree) {
  const polynomial = new Uint8Array(degree);
  polynomial[degree - 1] = 1;
  let root = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < degree; j++) {
      polynomial[j] = multiply(polynomial[j], root);
      if (j + 1 < degree) polynomial[j] ^= polynomial[j + 1];
    }
    root = multiply(root, 2);
  }
  return polynomial;
}

function errorCorrection(data, generator) {
  const remainder = new Uint8Array(generator.length);
  for (const byte of data) {
    const factor = byte ^ remainder[0];
    remainder.copyWithin(0, 1);
    remainder[remainder.length - 1] = 0;
    for (let i = 0; i < generator.length; i++) remainder[i] ^= multiply(generator[i], factor);
  }
  return remainder;
}

function interleave(data, version) {
  const [correctionSize, groups] = BLOCKS[version];
  const generator = generatorPolynomial(correctionSize);
  const blocks = [];
  let offset = 0;
  for (const [count, size] of groups) {
    for (let i = 0; i < count; i++) {
      blocks.push(data.subarray(offset, offset + size));
      offset += size;
    }
  }
  const corrections = blocks.map((block) => errorCorrection(block, generator));
  const longest = Math.max(...blocks.map((block) => block.length));
  const words = [];
  for (let i = 0; i < longest; i++) for (const block of blocks) if (i < block.length) words.push(block[i]);
  for (let i = 0; i < correctionSize; i++) for (const block of corrections) words.push(block[i]);
  return words;
}

function codeWordBits(words) {
  const bits = [];
  for (const word of words) for (let bit = 7; bit >= 0; bit--) bits.push((word >> bit) & 1);
  return bits;
}

function drawSymbol(version, bits, mask) {
  const size = version * 4 + 17;
  const dark = Array.from({ length: size }, () => new Array(size).fill(false));
  const fixed = Array.from({ length: size }, () => new Array(size).fill(false));
  const set = (y, x, value) => {
    if (y < 0 || x < 0 || y >= size || x >= size) return;
    dark[y][x] = value;
    fixed[y][x] = true;
  };
  for (let i = 0; i < size; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  for (const [top, left] of [
    [0, 0],
    [0, size - 7],
    [size - 7, 0],
  ])
    drawFinder(set, top + 3, left + 3);
  drawAlignment(set, ALIGNMENT[version], size);
  drawFormat(set, size, mask);
  if (version >= 7) drawVersion(set, size, version);
  drawData(dark, fixed, bits, MASKS[mask]);
  return dark;
}

function drawFinder(set, centreY, centreX) {
  for (let y = -4; y <= 4; y++) {
    for (let x = -4; x <= 4; x++) {
      const ring = Math.max(Math.abs(y), Math.abs(x));
      set(centreY + y, centreX + x, ring !== 2 && ring !== 4);
    }
  }
}

function drawAlignment(set, positions, size) {
  for (const centreY of positions) {
    for (const centreX of positions) {
      const inFinder =
        (centreY === 6 && (centreX === 6 || centreX === size - 7)) || (centreY === size - 7 && centreX === 6);
      if (inFinder) continue;
      for (let y = -2; y <= 2; y++) {
        for (let x = -2; x <= 2; x++) set(centreY + y, centreX + x, Math.max(Math.abs(y), Math.abs(x)) !== 1);
      }
    }
  }
}

// BCH code: the remainder of value * 2^degree by the generator, appended to the value.
function withRemainder(value, generator, degree) {
  let remainder = value;
  for (let i = 0; i < degree; i++) remainder = (remainder << 1) ^ ((remainder >> (degree - 1)) * generator);
  return (value << degree) | remainder;
}

function drawFormat(set, size, mask) {
  const format = withRemainder((LEVEL_M << 3) | mask, 0x537, 10) ^ 0x5412;
  const bit = (index) => ((format >> index) & 1) === 1;
  for (let i = 0; i <= 5; i++) set(i, 8, bit(i));
  set(7, 8, bit(6));
  set(8, 8, bit(7));
  set(8, 7, bit(8));
  for (let i = 9; i < 15; i++) set(8, 14 - i, bit(i));
  for (let i = 0; i < 8; i++) set(8, size - 1 - i, bit(i));
  for (let i = 8; i < 15; i++) set(size - 15 + i, 8, bit(i));
  set(size - 8, 8, true);
}

function drawVersion(set, size, version) {
  const code = withRemainder(version, 0x1f25, 12);
  for (let i = 0; i < 18; i++) {
    const value = ((code >> i) & 1) === 1;
    set(Math.floor(i / 3), size - 11 + (i % 3), value);
    set(size - 11 + (i % 3), Math.floor(i / 3), value);
  }
}

// Two columns at a time from the right, upwards and downwards in turn; column 6 belongs to the timing pattern.
function drawData(dark, fixed, bits, isMasked) {
  const size = dark.length;
  let next = 0;
  let upwards = true;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const y = upwards ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (fixed[y][x]) continue;
        const bit = next < bits.length && bits[next] === 1;
        next++;
        dark[y][x] = bit !== isMasked(y, x);
      }
    }
    upwards = !upwards;
  }
}

const FINDER_LIKE = [
  [true, false, true, true, true, false, true, false, false, false, false],
  [false, false, false, false, true, false, true, true, true, false, true],
];

function penaltyOf(dark) {
  const size = dark.length;
  let penalty = 0;
  for (let i = 0; i < size; i++) {
    penalty += linePenalty((k) => dark[i][k], size);
    penalty += linePenalty((k) => dark[k][i], size);
  }
  let darkCount = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if (dark[y][x]) darkCount++;
      if (y + 1 === size || x + 1 === size) continue;
      const colour = dark[y][x];
      if (dark[y][x + 1] === colour && dark[y + 1][x] === colour && dark[y + 1][x + 1] === colour)
        penalty += 3;
    }
  }
  const percent = (darkCount * 100) / (size * size);
  return penalty + Math.floor(Math.abs(percent - 50) / 5) * 10;
}

function linePenalty(at, size) {
  let penalty = 0;
  let run = 1;
  for (let k = 1; k <= size; k++) {
    if (k < size && at(k) === at(k - 1)) {
      run++;
      continue;
    }
    if (run >= 5) penalty += run - 2;
    run = 1;
  }
  for (let k = 0; k + 11 <= size; k++) {
    for (const pattern of FINDER_LIKE) if (pattern.every((value, i) => at(k + i) === value)) penalty += 40;
  }
  return penalty;
}
