/** MPEG-TS or fragmented MP4, where the address and the policy leave it open. */
import type { Stream } from '../../media/stream.ts';
import type { Track } from '../../media/track.ts';
import { MP4_SOUND } from '../../packaging/sound-needs.ts';

/** What players of MPEG-TS segments can decode, whatever they are. */
const TS_VIDEO = new Set(['h264']);
const TS_AUDIO = new Set(['aac', 'mp3']);

/** `wanted`: what the address or the policy says; unknown words are as good as `auto`. */
export function chooseFormat(wanted: string, tracks: readonly Track[] = []): 'ts' | 'fmp4' {
  if (wanted === 'ts') return 'ts';
  if (wanted === 'fmp4' || wanted === 'll') return 'fmp4';
  const videos = tracks.filter((track) => track.kind === 'video');
  const audios = tracks.filter((track) => track.kind === 'audio');
  // Several tracks of a kind are renditions, which segments with everything in one file have no place for.
  if (videos.length > 1 || audios.length > 1) return 'fmp4';
  const fits =
    videos.every((track) => TS_VIDEO.has(track.config.codec)) &&
    audios.every((track) => TS_AUDIO.has(track.config.codec));
  return fits ? 'ts' : 'fmp4';
}

/** The tracks of a stream as fragments get them: sound that no fragment has a place for is AAC there. */
export function tracksAsSent(stream: Stream | undefined): readonly Track[] {
  if (stream === undefined) return [];
  return stream.tracks.map((track) =>
    stream.sound.isConverted(track, MP4_SOUND)
      ? { ...track, config: { ...track.config, codec: 'aac' } }
      : track,
  );
}
