/**
 * The order of tracks in the feed `webrtc`: pictures before sound, then by id, however they appeared. A publisher that comes
 * back may show its sound first, and players know tracks by their channels.
 */
import type { FeedSource } from '../media/feed.ts';
import type { Track } from '../media/track.ts';

export function inWebrtcOrder(tracks: readonly Track[]): readonly Track[] {
  return [...tracks].sort((a, b) => Number(b.kind === 'video') - Number(a.kind === 'video') || a.id - b.id);
}

/** A source whose tracks are in that order; another list exactly when the source has another one. */
export class OrderedSource implements FeedSource {
  private readonly source: FeedSource;
  private known: readonly Track[];
  private ordered: readonly Track[];

  constructor(source: FeedSource) {
    this.source = source;
    this.known = source.tracks;
    this.ordered = inWebrtcOrder(this.known);
  }

  /** Hot path. */
  get tracks(): readonly Track[] {
    const { tracks } = this.source;
    if (tracks !== this.known) {
      this.known = tracks;
      this.ordered = inWebrtcOrder(tracks);
    }
    return this.ordered;
  }

  get metadata(): unknown {
    return this.source.metadata;
  }

  get label(): string {
    return this.source.label;
  }
}
