/** The tracks of a stream that a feed's format carries, by id, and why it leaves out the others. */
import type { FeedSource, LeftOut } from '../media/feed.ts';
import type { Track } from '../media/track.ts';
import { leftOutOf } from './file-fragment.ts';

/** Ids that differ by a multiple of it are not in a stream at once. */
const MAX_TRACKS = 64;

export class CarriedTracks {
  private readonly source: FeedSource;
  private readonly reasonAgainst: (track: Track, tracks: readonly Track[]) => string;
  private readonly byId: (Track | undefined)[] = new Array<Track | undefined>(MAX_TRACKS).fill(undefined);
  private carried: readonly Track[] = [];
  private known: readonly Track[] | null = null;

  /** `reasonAgainst`: '' for a track that is carried, else a sentence for a person. `tracks` are all of the stream. */
  constructor(source: FeedSource, reasonAgainst: (track: Track, tracks: readonly Track[]) => string) {
    this.source = source;
    this.reasonAgainst = reasonAgainst;
  }

  /** Hot path. The track of a frame, undefined when it is left out. */
  find(trackId: number): Track | undefined {
    if (this.known !== this.source.tracks) this.refresh();
    return this.byId[trackId % MAX_TRACKS];
  }

  /** In the order of the stream. The same list until the tracks of the stream change. */
  all(): readonly Track[] {
    if (this.known !== this.source.tracks) this.refresh();
    return this.carried;
  }

  leftOut(): readonly LeftOut[] {
    const { tracks } = this.source;
    return leftOutOf(tracks, (track) => this.reasonAgainst(track, tracks));
  }

  private refresh(): void {
    const { tracks } = this.source;
    this.known = tracks;
    this.carried = tracks.filter((track) => this.reasonAgainst(track, tracks) === '');
    this.byId.fill(undefined);
    for (const track of this.carried) this.byId[track.id % MAX_TRACKS] = track;
  }
}
