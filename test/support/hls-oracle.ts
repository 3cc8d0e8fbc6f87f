/** A foreign opinion on HLS playlists: the strict mode of the hls-parser package. */
import hlsParser from 'hls-parser';

/** What hls-parser has against this playlist; '' = nothing. */
export function hlsOpinion(text: string): string {
  hlsParser.setOptions({ strictMode: true, silent: true });
  try {
    hlsParser.parse(withoutOldParts(text));
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * hls-parser allows parts in the last three segments only, the one that is not complete among them, where RFC 8216bis
 * 6.2.2 speaks of three target durations. So it is given no others.
 */
function withoutOldParts(text: string): string {
  const lines = text.split('\n');
  const ends = lines.flatMap((line, at) => (line !== '' && !line.startsWith('#') ? [at] : []));
  const from = ends.at(-3) ?? -1;
  return lines.filter((line, at) => at > from || !line.startsWith('#EXT-X-PART:')).join('\n');
}
