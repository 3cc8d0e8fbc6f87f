// Which tracks the beginning of an MP4 stream describes (ISO 14496-12: moov, stsd), as codecs for a SourceBuffer. Pure.

/** Sample entry to the codec's name in the API. An mp4a entry is AAC, or MP3 where the stream has no AAC. */
const ENTRIES = {
  avc1: 'h264',
  avc3: 'h264',
  hvc1: 'h265',
  hev1: 'h265',
  av01: 'av1',
  vp08: 'vp8',
  vp09: 'vp9',
  mp4a: 'aac',
  '.mp3': 'mp3',
  Opus: 'opus',
  fLaC: 'flac',
  'ac-3': 'ac3',
  'ec-3': 'eac3',
};
/** Before the first entry of an stsd: version, flags, count, and the entry's size. */
const STSD_HEAD_BYTES = 12;

/**
 * `{ mimes, hasVideo }` once the whole description is there, else null. `tracks` are those of the API, which say the
 * exact profile; a track that they do not have is named by its entry alone.
 */
export function movieCodecs(bytes, tracks) {
  const movie = findBox(bytes, 'moov');
  if (movie === null) return null;
  const mimes = [];
  let hasVideo = false;
  for (let at = 4; at + STSD_HEAD_BYTES + 8 <= movie.length; at++) {
    if (name(movie, at) !== 'stsd') continue;
    const entry = name(movie, at + 4 + STSD_HEAD_BYTES);
    const codec = ENTRIES[entry];
    const track =
      tracks.find((one) => one.codec === codec) ?? (entry === 'mp4a' ? findMp3(tracks) : undefined);
    hasVideo ||= /^(avc|hvc|hev|av0|vp0)/.test(entry);
    mimes.push(codec === 'mp3' || track?.codec === 'mp3' ? 'mp3' : track?.mime || entry.toLowerCase());
  }
  return mimes.length === 0 ? null : { mimes: [...new Set(mimes)], hasVideo };
}

function findMp3(tracks) {
  return tracks.find((one) => one.codec === 'mp3');
}

/** A box of the top level with all its bytes, or null while some are missing. */
function findBox(bytes, wanted) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > bytes.length) return null;
    if (name(bytes, at + 4) === wanted) return bytes.subarray(at, at + size);
    at += size;
  }
  return null;
}

function name(bytes, at) {
  return String.fromCharCode(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}
