/**
 * Master playlists of HTTP Live Streaming: RFC 8216 4.3.4.1 and 4.3.4.2, variant streams and renditions of sound.
 * Written only. Leaves out: subtitles, I-frame playlists, session data.
 */

export interface Variant {
  readonly uri: string;
  /** Bits per second of the largest segment, container included, with the sound that goes with it. */
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
  /** Group of renditions that belongs to it; '' = the sound is in the variant itself. */
  readonly audioGroup?: string;
}

export interface AudioRendition {
  readonly group: string;
  readonly uri: string;
  /** For people; unique in its group. */
  readonly name: string;
  /** BCP 47 tag or ''. */
  readonly language: string;
  readonly channels: number;
  readonly isDefault: boolean;
}

const VERSION_PLAIN = 3;
const VERSION_RENDITIONS = 6;

/** The text of a master playlist. `query`, when not empty, is appended to every URI behind a `?`. */
export function serializeMasterPlaylist(
  variants: readonly Variant[],
  query = '',
  renditions: readonly AudioRendition[] = [],
): string {
  const suffix = query === '' ? '' : `?${query}`;
  let text = `#EXTM3U\n#EXT-X-VERSION:${renditions.length > 0 ? VERSION_RENDITIONS : VERSION_PLAIN}\n`;
  for (const { group, uri, name, language, channels, isDefault } of renditions) {
    const list = ['TYPE=AUDIO', `GROUP-ID="${group}"`, `NAME="${name.replaceAll(/["\r\n]/g, "'")}"`];
    if (language !== '') list.push(`LANGUAGE="${language}"`);
    // Players choose by language; what has none is chosen by a person.
    const isChosen = isDefault || language !== '';
    list.push(`DEFAULT=${isDefault ? 'YES' : 'NO'}`, `AUTOSELECT=${isChosen ? 'YES' : 'NO'}`);
    if (channels > 0) list.push(`CHANNELS="${channels}"`);
    text += `#EXT-X-MEDIA:${list.join(',')},URI="${uri}${suffix}"\n`;
  }
  for (const variant of variants)
    text += `#EXT-X-STREAM-INF:${attributes(variant).join(',')}\n${variant.uri}${suffix}\n`;
  return text;
}

function attributes(variant: Variant): string[] {
  const { codecs, width, height, frameRate, averageBitrateBps, audioGroup = '' } = variant;
  // The attribute is required, and 0 would mean that the stream costs nothing.
  const list = [`BANDWIDTH=${Math.max(1, Math.ceil(variant.peakBitrateBps))}`];
  if (averageBitrateBps > 0) list.push(`AVERAGE-BANDWIDTH=${Math.ceil(averageBitrateBps)}`);
  if (codecs.length > 0 && !codecs.includes('')) list.push(`CODECS="${codecs.join(',')}"`);
  if (width > 0 && height > 0) list.push(`RESOLUTION=${width}x${height}`);
  if (frameRate > 0) list.push(`FRAME-RATE=${frameRate.toFixed(3)}`);
  if (audioGroup !== '') list.push(`AUDIO="${audioGroup}"`);
  return list;
}
