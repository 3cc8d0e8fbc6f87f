/** Media playlists of a finished recording (RFC 8216 4.3.3): all segments, type VOD, end mark. Written only. */

export interface VodPlaylistEntry {
  readonly uri: string;
  readonly durationUs: number;
  /** Does not go on from the segment before. */
  readonly discontinuity: boolean;
  /** Of the initialization section that holds from here on; '' = none (MPEG-TS). */
  readonly mapUri: string;
  /** Milliseconds since 1970 of the first picture; NaN = not known. */
  readonly wallClockMs: number;
}

/** Movie fragments need version 6 (EXT-X-MAP without I-frames only), fractions of seconds 3. */
const VERSION_TS = 3;
const VERSION_MP4 = 6;

export function serializeVodPlaylist(entries: readonly VodPlaylistEntry[]): string {
  const isMp4 = entries.some((entry) => entry.mapUri !== '');
  const longestMs = entries.reduce((longest, entry) => Math.max(longest, milliseconds(entry.durationUs)), 0);
  let text = `#EXTM3U\n#EXT-X-VERSION:${isMp4 ? VERSION_MP4 : VERSION_TS}\n#EXT-X-PLAYLIST-TYPE:VOD\n`;
  text += `#EXT-X-TARGETDURATION:${Math.max(1, Math.round(longestMs / 1000))}\n#EXT-X-MEDIA-SEQUENCE:0\n`;
  text += '#EXT-X-INDEPENDENT-SEGMENTS\n';
  let mapUri = '';
  let clockMs = Number.NaN;
  for (const entry of entries) {
    if (entry.discontinuity) text += '#EXT-X-DISCONTINUITY\n';
    if (entry.mapUri !== mapUri) text += `#EXT-X-MAP:URI="${entry.mapUri}"\n`;
    mapUri = entry.mapUri;
    // Once per file is enough: the durations say the rest.
    if (!Number.isNaN(entry.wallClockMs) && !(Math.abs(entry.wallClockMs - clockMs) < 1))
      text += `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(entry.wallClockMs)).toISOString()}\n`;
    clockMs = entry.wallClockMs + entry.durationUs / 1000;
    text += `#EXTINF:${(milliseconds(entry.durationUs) / 1000).toFixed(3)},\n${entry.uri}\n`;
  }
  return `${text}#EXT-X-ENDLIST\n`;
}

function milliseconds(us: number): number {
  return Math.max(1, Math.round(us / 1000));
}
