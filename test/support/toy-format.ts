/** A format that can be read in an assertion: `H` header, then `[dts in ms]` per frame, `K[..]` for key frames. */
import type { FeedFormat } from '../../src/media/feed.ts';
import { FRAME_KEY } from '../../src/media/frame.ts';

export const toyFormat: FeedFormat = {
  name: 'toy',
  open: (source) => ({
    prologue: () => Buffer.from(`H${source.tracks.map((track) => track.config.codec).join('+')};`),
    tracksChanged: () => Buffer.from(`C${source.tracks.map((track) => track.config.codec).join('+')};`),
    epilogue: () => Buffer.from('E;'),
    leftOut: () => [],
    encode: (frame, slab) => {
      const text = `${(frame.flags & FRAME_KEY) === 0 ? '' : 'K'}${frame.trackId}:${Math.round(frame.dts / 1000)};`;
      const bytes = Buffer.from(text);
      const at = slab.reserve(bytes.length, frame.arrival);
      slab.slab.set(bytes, at);
      return true;
    },
  }),
};
