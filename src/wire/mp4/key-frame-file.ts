/** The file that a single key frame makes: a still picture that every player of video shows. */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { CODECS } from '../../codec/codec-id.ts';
import { serializeInitSegment } from './init-segment.ts';
import { type FragmentRun, fragmentBytes, writeFragment } from './movie-fragment.ts';
import { mp4Timescale, reasonNotInMp4 } from './sample-entry.ts';

const TRACK_ID = 1;

/**
 * A whole MP4 file with this one random access point, or null when its codec cannot be put into one (VP8, unknown
 * codecs, no record). It lasts a second: some players show nothing of a shorter file. `payload` is canonical
 * (src/codec/README.md).
 */
export function keyFrameMp4(config: CodecConfig, payload: Uint8Array): Buffer | null {
  if (CODECS[config.codec].kind !== 'video' || reasonNotInMp4(config) !== '') return null;
  const timescale = mp4Timescale(config);
  const init = serializeInitSegment([{ id: TRACK_ID, timescale, config, language: '' }]);
  const sample = { duration: timescale, compositionOffset: 0, isSync: true, payload };
  const runs: FragmentRun[] = [{ trackId: TRACK_ID, baseTime: 0, samples: [sample] }];
  const file = Buffer.allocUnsafe(init.length + fragmentBytes(runs));
  file.set(init, 0);
  writeFragment(file, init.length, 1, runs);
  return file;
}
