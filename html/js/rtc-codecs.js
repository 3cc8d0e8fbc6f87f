// Which codecs a browser can send, and how a person's choice becomes an order of preference. Pure.

/** In the order in which they are offered to a person. */
const NAMES = {
  'video/h264': 'H.264',
  'video/h265': 'H.265',
  'video/vp8': 'VP8',
  'video/vp9': 'VP9',
  'video/av1': 'AV1',
};
const SOUNDS = {
  'audio/opus': 'Opus',
  'audio/pcma': 'G.711 A-law',
  'audio/pcmu': 'G.711 µ-law',
  'audio/g722': 'G.722',
};
/** What goes along with any codec. */
const HELPERS = /^video\/(rtx|red|ulpfec|flexfec-03)$/i;

/** What a person calls a codec; '' for ''. */
export function codecLabel(mime) {
  return NAMES[mime] ?? SOUNDS[mime] ?? mime.split('/').at(-1).toUpperCase();
}

/** `[{ mime, label }]` of what can be chosen. `codecs` are those of RTCRtpSender.getCapabilities('video'). */
export function codecChoices(codecs) {
  const known = new Set(codecs.map(({ mimeType }) => mimeType.toLowerCase()));
  return Object.entries(NAMES)
    .filter(([mime]) => known.has(mime))
    .map(([mime, label]) => ({ mime, label }));
}

/**
 * The codecs in order: with '' all of them, H.264 first, because most players know it; else the wished one alone, so
 * that a person who chose gets that or is told why not. Null when the browser does not have it.
 */
export function preferredCodecs(codecs, wished) {
  const main = codecs.filter(({ mimeType }) => !HELPERS.test(mimeType));
  const helpers = codecs.filter(({ mimeType }) => HELPERS.test(mimeType));
  const wanted = wished || 'video/h264';
  const isWanted = ({ mimeType }) => mimeType.toLowerCase() === wanted;
  const first = main.filter(isWanted).sort((a, b) => rank(a) - rank(b));
  if (wished === '') return [...first, ...main.filter((codec) => !isWanted(codec)), ...helpers];
  return first.length === 0 ? null : [...first, ...helpers];
}

// Packets of single pieces only (mode 0) are what nobody else sends.
function rank({ sdpFmtpLine = '' }) {
  return /packetization-mode=0|^$/.test(sdpFmtpLine) ? 1 : 0;
}
