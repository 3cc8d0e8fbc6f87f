/**
 * The playlist of a recording (RFC 8216, protocol version 3), written by appending: it can be played while it grows,
 * and what a power cut leaves is a list of whole segments. Reads lists of its own making.
 */

/** No segment may be longer, in whole seconds; it has to stand at the start. */
export function listHeader(targetDurationS: number): string {
  return (
    `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:${targetDurationS}\n` +
    '#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n'
  );
}

export interface ListSegment {
  /** Beside the list. */
  readonly uri: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly discontinuity: boolean;
}

export function listSegment({ uri, startMs, durationMs, discontinuity }: ListSegment): string {
  const jump = discontinuity ? '#EXT-X-DISCONTINUITY\n' : '';
  const date = new Date(Math.round(startMs)).toISOString();
  return `${jump}#EXT-X-PROGRAM-DATE-TIME:${date}\n#EXTINF:${(durationMs / 1000).toFixed(3)},\n${encodeURI(uri)}\n`;
}

export const LIST_END = '#EXT-X-ENDLIST\n';

export interface ReadList {
  readonly segments: readonly ListSegment[];
  readonly ended: boolean;
}

export function parseList(text: string): ReadList {
  const segments: ListSegment[] = [];
  let durationMs = Number.NaN;
  let startMs = Number.NaN;
  let discontinuity = false;
  let ended = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('#EXTINF:')) durationMs = Math.round(Number.parseFloat(line.slice(8)) * 1000);
    else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) startMs = Date.parse(line.slice(25));
    else if (line === '#EXT-X-DISCONTINUITY') discontinuity = true;
    else if (line === LIST_END.trim()) ended = true;
    else if (line !== '' && !line.startsWith('#') && durationMs > 0) {
      const before = segments.at(-1);
      if (Number.isNaN(startMs))
        startMs = before === undefined ? Number.NaN : before.startMs + before.durationMs;
      segments.push({ uri: decodeUri(line), startMs, durationMs, discontinuity });
      durationMs = Number.NaN;
      startMs = Number.NaN;
      discontinuity = false;
    }
  }
  return { segments, ended };
}

function decodeUri(uri: string): string {
  try {
    return decodeURI(uri);
  } catch {
    return uri;
  }
}
