/** The tracks of a stream. A track's id is never reused within the stream; its config may be replaced. */
import type { CodecConfig } from '../codec/codec-config.ts';
import { CODECS, type TrackKind } from '../codec/codec-id.ts';

export interface Track {
  readonly id: number;
  readonly kind: TrackKind;
  readonly config: CodecConfig;
  /** The wire's own number of the track among its kind (enhanced RTMP trackId); 0 is the default track. */
  readonly wireIndex: number;
  /** BCP 47 tag or ''. */
  readonly language: string;
}

export function makeTrack(id: number, config: CodecConfig, wireIndex = 0, language = ''): Track {
  return { id, kind: CODECS[config.codec].kind, config, wireIndex, language };
}

/** The default track of a kind: lowest wire index, then lowest id. */
export function defaultTrack(tracks: readonly Track[], kind: TrackKind): Track | undefined {
  let found: Track | undefined;
  for (const track of tracks) {
    if (track.kind !== kind) continue;
    if (found === undefined || track.wireIndex < found.wireIndex) found = track;
  }
  return found;
}
