/**
 * The bytes of a packet in one form, whatever container FFmpeg has read it from, so that digests of packets can be
 * compared: pictures without start codes, lengths, parameter sets and delimiters, AAC without its ADTS header.
 * Plain JavaScript, as it runs in the same child process as node-av.
 */
const ADTS_HEADER = 7;
/** Parameter sets, delimiters, ends and filler: a container adds, moves and drops them as it needs. */
const H264_EXTRA = new Set([7, 8, 9, 10, 11, 12, 13]);
const H265_EXTRA = new Set([32, 33, 34, 35, 36, 37, 38]);
const AV1_TEMPORAL_DELIMITER = 2;

/** A function from the data of a packet to its bytes in one form. `extradata` as FFmpeg has it, or null. */
export function packetForm(codec, extradata) {
  const lengthSize = prefixSize(codec, extradata);
  if (codec === 'h264') return (data) => pictureForm(data, lengthSize, (nal) => !H264_EXTRA.has(nal[0] & 31));
  if (codec === 'h265')
    return (data) => pictureForm(data, lengthSize, (nal) => !H265_EXTRA.has((nal[0] >> 1) & 63));
  if (codec === 'aac') return withoutAdts;
  if (codec === 'av1') return withoutDelimiters;
  return (data) => data;
}

/** Bytes of a length in front of a NAL unit (ISO/IEC 14496-15), 0 = start codes. */
function prefixSize(codec, extradata) {
  if (extradata === null || extradata[0] !== 1) return 0;
  return ((codec === 'h264' ? extradata[4] : extradata[21]) & 3) + 1;
}

function pictureForm(data, lengthSize, isKept) {
  const units = lengthSize === 0 ? splitAtStartCodes(data) : splitByLengths(data, lengthSize);
  return joined(units.filter((unit) => unit.length > 0 && isKept(unit)));
}

function joined(units) {
  const parts = [];
  for (const unit of units) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(unit.length);
    parts.push(length, unit);
  }
  return Buffer.concat(parts);
}

function splitByLengths(data, size) {
  const units = [];
  for (let at = 0; at + size <= data.length; ) {
    const length = data.readUIntBE(at, size);
    units.push(data.subarray(at + size, at + size + length));
    at += size + length;
  }
  return units;
}

/** ITU-T H.264 annex B: zeros in front of a start code and at the end belong to no unit. */
function splitAtStartCodes(data) {
  const units = [];
  const code = Buffer.of(0, 0, 1);
  for (let at = data.indexOf(code); at >= 0; ) {
    const next = data.indexOf(code, at + 3);
    let end = next < 0 ? data.length : next;
    while (end > at + 3 && data[end - 1] === 0) end--;
    units.push(data.subarray(at + 3, end));
    at = next;
  }
  return units;
}

function withoutAdts(data) {
  const isAdts = data.length > ADTS_HEADER && data[0] === 0xff && (data[1] & 0xf6) === 0xf0;
  if (!isAdts) return data;
  const length = ((data[3] & 3) << 11) | (data[4] << 3) | (data[5] >> 5);
  return length === data.length ? data.subarray((data[1] & 1) === 1 ? ADTS_HEADER : ADTS_HEADER + 2) : data;
}

/** AV1 section 5.3: the units without their sizes, none of them a temporal delimiter. */
function withoutDelimiters(data) {
  const units = [];
  for (let at = 0; at < data.length; ) {
    const header = data[at];
    const headerSize = (header & 4) === 0 ? 1 : 2;
    let body = at + headerSize;
    let size = data.length - body;
    if ((header & 2) !== 0) {
      size = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = data[body++];
        size |= (byte & 127) << shift;
        if ((byte & 128) === 0) break;
      }
    }
    if (((header >> 3) & 15) !== AV1_TEMPORAL_DELIMITER)
      units.push(Buffer.concat([Buffer.of(header & ~2), data.subarray(body, body + size)]));
    at = body + size;
  }
  return joined(units);
}
