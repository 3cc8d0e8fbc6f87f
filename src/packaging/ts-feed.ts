/**
 * Frames to a live MPEG transport stream (ISO/IEC 13818-1), every frame at once: HTTP-TS and WS-TS. Program tables
 * stand before every key frame; where there is no video, a joiner gets them in the prologue.
 */
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import { FRAME_DISCONTINUITY, type Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { ByteTarget } from '../util/slab.ts';
import { reasonNotInTs } from '../wire/mpegts/elementary-stream.ts';
import { TsWriter } from '../wire/mpegts/ts-writer.ts';
import { CarriedTracks } from './carried-tracks.ts';
import { TS_SOUND } from './sound-needs.ts';
import { webSocketFormat } from './websocket-feed.ts';

const NOTHING = new Uint8Array(0);

export const tsFormat: FeedFormat = {
  name: 'ts',
  sound: TS_SOUND,
  open: (source) => new TsFeedEncoder(source),
};
export const wsTsFormat: FeedFormat = webSocketFormat(tsFormat);

class TsFeedEncoder implements FeedEncoder {
  private readonly writer = new TsWriter({ groupAudio: false });
  private readonly tracks: CarriedTracks;
  private written: readonly Track[] | null = null;

  constructor(source: FeedSource) {
    this.tracks = new CarriedTracks(source, reasonNotInTs);
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    const { writer, tracks } = this;
    if (tracks.find(frame.trackId) === undefined) return false;
    const carried = tracks.all();
    if (carried !== this.written) {
      // Changed tables go out with this frame.
      this.written = carried;
      writer.setTracks(carried);
    }
    if ((frame.flags & FRAME_DISCONTINUITY) !== 0) writer.markDiscontinuity();
    return writer.write(frame, target) > 0;
  }

  prologue(): Uint8Array {
    return this.writer.hasWrittenTables ? NOTHING : this.writer.tables();
  }

  tracksChanged(): Uint8Array {
    return NOTHING;
  }

  epilogue(): Uint8Array {
    return NOTHING;
  }

  leftOut(): readonly LeftOut[] {
    return this.tracks.leftOut();
  }
}
