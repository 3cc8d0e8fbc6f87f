/**
 * Master playlists of HTTP Live Streaming: RFC 8216 4.3.4.2, variant streams only. Written only.
 * Leaves out: alternative renditions, I-frame playlists, session data.
 */

export interface Variant {
  readonly uri: string;
  /** Bits per second of the largest segment, container included. */
  readonly peakBitrateBps: number;
  /** Bits per second over all segments; 0 = not known. */
  readonly averageBitrateBps: number;
  /** RFC 6381 names; the attribute is left out when one of them is empty, since it must name all. */
  readonly codecs: readonly string[];
  /** Pixels; 0 = not known. */
  readonly width: number;
  readonly height: number;
  /** 0 = not known. */
  readonly frameRate: number;
}

/** The text of a master playlist. `query`, when not empty, is appended to every URI behind a `?`. */
export function serializeMasterPlaylist(variants: readonly Variant[], query = ''): string {
  let text = '#EXTM3U\n#EXT-X-VERSION:3\n';
  for (const variant of variants) {
    text += `#EXT-X-STREAM-INF:${attributes(variant).join(',')}\n`;
    text += query === '' ? `${variant.uri}\n` : `${variant.uri}?${query}\n`;
  }
  return text;
}

function attributes(variant: Variant): string[] {
  const { codecs, width, height, frameRate, averageBitrateBps } = variant;
  // The attribute is required, and 0 would mean that the stream costs nothing.
  const list = [`BANDWIDTH=${Math.max(1, Math.ceil(variant.peakBitrateBps))}`];
  if (averageBitrateBps > 0) list.push(`AVERAGE-BANDWIDTH=${Math.ceil(averageBitrateBps)}`);
  if (codecs.length > 0 && !codecs.includes('')) list.push(`CODECS="${codecs.join(',')}"`);
  if (width > 0 && height > 0) list.push(`RESOLUTION=${width}x${height}`);
  if (frameRate > 0) list.push(`FRAME-RATE=${frameRate.toFixed(3)}`);
  return list;
}
