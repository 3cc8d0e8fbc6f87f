/**
 * Media playlists of HTTP Live Streaming: RFC 8216 4.3.2 and 4.3.3, protocol version 3 (durations with fractions,
 * MPEG-TS segments). Written only.
 * Leaves out: encryption, byte ranges, initialization sections, partial segments.
 */

const VERSION = 3;

interface MediaPlaylistEntry {
  readonly uri: string;
  readonly durationUs: number;
  /** Does not go on from the segment before. */
  readonly discontinuity: boolean;
  /** Wall clock of the first picture, microseconds since 1970; NaN = not known. */
  readonly wallClockUs: number;
}

export interface MediaPlaylist {
  /** No duration of an entry, rounded to whole seconds, may be above it. */
  readonly targetDurationSeconds: number;
  /** Number of the first entry. */
  readonly mediaSequence: number;
  /** Discontinuities that have gone from the list before its first entry. */
  readonly discontinuitySequence: number;
  /** Oldest first. */
  readonly entries: readonly MediaPlaylistEntry[];
  /** No more will come. */
  readonly ended: boolean;
}

/** The text of a playlist. `query`, when not empty, is appended to every URI behind a `?`. */
export function serializeMediaPlaylist(playlist: MediaPlaylist, query = ''): string {
  const suffix = query === '' ? '' : `?${query}`;
  let text = `#EXTM3U\n#EXT-X-VERSION:${VERSION}\n#EXT-X-TARGETDURATION:${playlist.targetDurationSeconds}\n`;
  text += `#EXT-X-MEDIA-SEQUENCE:${playlist.mediaSequence}\n`;
  if (playlist.discontinuitySequence > 0) {
    text += `#EXT-X-DISCONTINUITY-SEQUENCE:${playlist.discontinuitySequence}\n`;
  }
  for (const entry of playlist.entries) {
    if (entry.discontinuity) text += '#EXT-X-DISCONTINUITY\n';
    if (!Number.isNaN(entry.wallClockUs)) {
      text += `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(entry.wallClockUs / 1000)).toISOString()}\n`;
    }
    // Whole milliseconds, made from the integer so that the rounding is the same everywhere.
    text += `#EXTINF:${(Math.round(entry.durationUs / 1000) / 1000).toFixed(3)},\n${entry.uri}${suffix}\n`;
  }
  return playlist.ended ? `${text}#EXT-X-ENDLIST\n` : text;
}
