/** The embedded clip as a file in memory, unpacked when somebody begins to watch: for the test channel and for slates. */
import { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { FlvIngest } from '../packaging/flv-ingest.ts';
import { InvariantError } from '../util/errors.ts';
import { FlvTagReader } from '../wire/flv/tag-reader.ts';
import type { SupplyFile } from './file-supply.ts';

/** `bytes` is an FLV file that we made ourselves. */
export function openClip(bytes: Uint8Array): SupplyFile {
  const tracks: Track[] = [];
  const frames: Frame[] = [];
  const ingest = new FlvIngest({
    setTrack: (track) => tracks.push(track),
    metadata: () => undefined,
    write: (trackId, flags, dtsMs, ptsMs, durationUs, payload, config) => {
      const dts = Math.round(dtsMs * 1000);
      const pts = Math.round(ptsMs * 1000);
      frames.push(
        new Frame(trackId, flags, dts, pts, durationUs, Uint8Array.from(payload), config, 0, Number.NaN),
      );
    },
  });
  new FlvTagReader((type, timestampMs, body) => ingest.tag(type, timestampMs, body)).receive(bytes);
  if (frames.length === 0) throw new InvariantError('the embedded test clip holds no frames');
  return {
    tracks,
    open: () => {
      let rest: readonly Frame[] = frames;
      return {
        read: async () => {
          const batch = rest;
          rest = [];
          return batch;
        },
        close: () => undefined,
      };
    },
    close: async () => undefined,
  };
}
