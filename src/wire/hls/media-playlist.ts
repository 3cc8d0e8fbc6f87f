/**
 * Media playlists of HTTP Live Streaming: RFC 8216 4.3.2 and 4.3.3, with the low-latency and delta tags of RFC 8216bis
 * (partial segments, preload hints, rendition reports, skipped segments). Written only.
 * Leaves out: byte ranges, date ranges, EVENT and VOD types.
 */

/** Fractions of seconds in EXTINF. */
const VERSION_TS = 3;
/** EXT-X-MAP in a list that is not of I-frames only. */
const VERSION_MAP = 6;
/** EXT-X-GAP. */
const VERSION_GAP = 8;
/** EXT-X-SKIP. */
const VERSION_SKIP = 9;

interface PlaylistPart {
  readonly uri: string;
  readonly durationUs: number;
  readonly independent: boolean;
}

export interface MediaPlaylistEntry {
  readonly uri: string;
  readonly durationUs: number;
  /** Does not go on from the segment before. */
  readonly discontinuity: boolean;
  /** Wall clock of the first picture, microseconds since 1970; NaN = not known. */
  readonly wallClockUs: number;
  /** The initialization section that it needs; absent for MPEG-TS. */
  readonly mapUri?: string | undefined;
  /** Address of the AES-128 key, with the media sequence number as IV; absent = not encrypted. */
  readonly keyUri?: string | undefined;
  /** There is nothing to fetch for this time. */
  readonly isGap?: boolean;
  /** Listed before the segment itself. */
  readonly parts?: readonly PlaylistPart[];
}

export interface RenditionReport {
  readonly uri: string;
  readonly lastSequence: number;
  readonly lastPart: number;
}

export interface LowLatency {
  /** No part is longer. */
  readonly partTargetUs: number;
  /** Parts of the segment that is being made. */
  readonly openParts: readonly PlaylistPart[];
  /** What the open segment begins with: written before its first part. */
  readonly open: Omit<MediaPlaylistEntry, 'uri' | 'durationUs'> | null;
  /** The part that comes next; '' = none is promised. */
  readonly hintUri: string;
  readonly reports: readonly RenditionReport[];
}

export interface MediaPlaylist {
  /** No duration of an entry, rounded to whole seconds, may be above it. */
  readonly targetDurationSeconds: number;
  /** Number of the first entry. */
  readonly mediaSequence: number;
  /** Discontinuities that have gone from the list before its first entry. */
  readonly discontinuitySequence: number;
  /** Oldest first; with those that are skipped. */
  readonly entries: readonly MediaPlaylistEntry[];
  /** No more will come. */
  readonly ended: boolean;
  /** How many of the oldest entries a delta update leaves out; 0 = the whole list. */
  readonly skipped?: number;
  /** Every segment can be decoded alone. */
  readonly independent?: boolean;
  readonly lowLatency?: LowLatency | undefined;
}

/** Segments older than this many target durations may be skipped in a delta update (RFC 8216bis 4.4.3.8). */
export const SKIP_TARGETS = 6;
/** How far from the end a player begins, in longest parts. */
const PART_HOLD_BACK = 3;

/** The text of a playlist. `query`, when not empty, is appended to every URI behind a `?`. */
export function serializeMediaPlaylist(playlist: MediaPlaylist, query = ''): string {
  const { entries, lowLatency, skipped = 0 } = playlist;
  const suffix = query === '' ? '' : `?${query}`;
  let text = `#EXTM3U\n#EXT-X-VERSION:${version(playlist)}\n`;
  text += `#EXT-X-TARGETDURATION:${playlist.targetDurationSeconds}\n`;
  if (lowLatency !== undefined) text += serverControl(playlist.targetDurationSeconds, lowLatency);
  if (playlist.independent === true) text += '#EXT-X-INDEPENDENT-SEGMENTS\n';
  text += `#EXT-X-MEDIA-SEQUENCE:${playlist.mediaSequence}\n`;
  if (playlist.discontinuitySequence > 0) {
    text += `#EXT-X-DISCONTINUITY-SEQUENCE:${playlist.discontinuitySequence}\n`;
  }
  if (skipped > 0) text += `#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}\n`;
  // What holds until it is changed: a player that skipped entries remembers it.
  let map: string | undefined = entries[skipped - 1]?.mapUri;
  let key: string | undefined = entries[skipped - 1]?.keyUri;
  const head = (entry: Omit<MediaPlaylistEntry, 'uri' | 'durationUs'>): void => {
    if (entry.discontinuity) text += '#EXT-X-DISCONTINUITY\n';
    if (entry.mapUri !== undefined && entry.mapUri !== map) {
      map = entry.mapUri;
      // A section behind a key would be encrypted with it.
      if (key !== undefined) text += '#EXT-X-KEY:METHOD=NONE\n';
      key = undefined;
      text += `#EXT-X-MAP:URI="${map}${suffix}"\n`;
    }
    if (entry.keyUri !== undefined && entry.keyUri !== key) {
      key = entry.keyUri;
      text += `#EXT-X-KEY:METHOD=AES-128,URI="${key}${suffix}"\n`;
    }
    if (!Number.isNaN(entry.wallClockUs)) {
      text += `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(entry.wallClockUs / 1000)).toISOString()}\n`;
    }
  };
  for (let i = skipped; i < entries.length; i++) {
    const entry = entries[i]!; // i is below the length
    head(entry);
    for (const part of entry.parts ?? []) text += partTag(part, suffix);
    if (entry.isGap === true) text += '#EXT-X-GAP\n';
    text += `#EXTINF:${seconds(entry.durationUs, 3)},\n${entry.uri}${suffix}\n`;
  }
  if (playlist.ended) return `${text}#EXT-X-ENDLIST\n`;
  if (lowLatency === undefined) return text;
  if (lowLatency.open !== null) head(lowLatency.open);
  for (const part of lowLatency.openParts) text += partTag(part, suffix);
  if (lowLatency.hintUri !== '')
    text += `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${lowLatency.hintUri}${suffix}"\n`;
  for (const { uri, lastSequence, lastPart } of lowLatency.reports) {
    text += `#EXT-X-RENDITION-REPORT:URI="${uri}",LAST-MSN=${lastSequence}`;
    text += lastPart >= 0 ? `,LAST-PART=${lastPart}\n` : '\n';
  }
  return text;
}

function version({ entries, skipped = 0, lowLatency }: MediaPlaylist): number {
  if (skipped > 0 || lowLatency !== undefined) return VERSION_SKIP;
  if (entries.some((entry) => entry.isGap === true)) return VERSION_GAP;
  return entries.some((entry) => entry.mapUri !== undefined) ? VERSION_MAP : VERSION_TS;
}

function serverControl(targetSeconds: number, { partTargetUs }: LowLatency): string {
  const holdBack = seconds(partTargetUs * PART_HOLD_BACK + 1000, 3);
  const skip = `CAN-SKIP-UNTIL=${(targetSeconds * SKIP_TARGETS).toFixed(1)}`;
  return (
    `#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=${holdBack},${skip}\n` +
    `#EXT-X-PART-INF:PART-TARGET=${seconds(partTargetUs, 3)}\n`
  );
}

function partTag({ uri, durationUs, independent }: PlaylistPart, suffix: string): string {
  const tag = `#EXT-X-PART:DURATION=${seconds(durationUs, 5)},URI="${uri}${suffix}"`;
  return independent ? `${tag},INDEPENDENT=YES\n` : `${tag}\n`;
}

/** Made from the integer so that the rounding is the same everywhere. */
function seconds(us: number, digits: number): string {
  const unit = 10 ** (6 - digits);
  return (Math.round(us / unit) / 10 ** digits).toFixed(digits);
}
