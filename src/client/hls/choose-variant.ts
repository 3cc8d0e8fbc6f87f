/** Which of the variants of a master playlist is pulled, and which sound belongs to it (RFC 8216bis section 4.4.6). */
import type { ReadMasterPlaylist, ReadRendition, ReadVariant } from '../../wire/hls/playlist-reader.ts';

/** First parts of the RFC 6381 names of what Sluice can pass on. */
const VIDEO_CODECS: ReadonlySet<string> = new Set([
  'avc1',
  'avc3',
  'hvc1',
  'hev1',
  'dvh1',
  'dvhe',
  'av01',
  'vp08',
  'vp8',
  'vp09',
  'vp9',
]);
const AUDIO_CODECS: ReadonlySet<string> = new Set(['mp4a', 'ac-3', 'ec-3', 'opus', 'flac', 'mp3']);
/** Texts beside the media, which are left out. */
const TEXT_CODECS: ReadonlySet<string> = new Set(['stpp', 'wvtt', 'tx3g']);

const first = (codec: string) => codec.split('.', 1)[0]!.toLowerCase();

/** Those that can be passed on, the best first: with pictures, then by bandwidth. Those that name no codecs count. */
export function usableVariants({ variants }: ReadMasterPlaylist): ReadVariant[] {
  return variants
    .filter(({ codecs }) =>
      codecs.every((codec) => {
        const name = first(codec);
        return VIDEO_CODECS.has(name) || AUDIO_CODECS.has(name) || TEXT_CODECS.has(name);
      }),
    )
    .sort((a, b) => Number(hasPictures(b)) - Number(hasPictures(a)) || b.bandwidthBps - a.bandwidthBps);
}

function hasPictures({ codecs, width }: ReadVariant): boolean {
  return codecs.length === 0 || width > 0 || codecs.some((codec) => VIDEO_CODECS.has(first(codec)));
}

/** The sound that is in a list of its own; null = it is in the variant itself, or the variant is that very list. */
export function soundOf({ renditions }: ReadMasterPlaylist, variant: ReadVariant): ReadRendition | null {
  // A variant of sound alone is that sound.
  if (variant.audio === '' || !hasPictures(variant)) return null;
  const group = renditions.filter(({ type, group }) => type === 'AUDIO' && group === variant.audio);
  const chosen =
    group.find(({ isDefault }) => isDefault) ?? group.find(({ isAutoselect }) => isAutoselect) ?? group[0];
  return chosen === undefined || chosen.uri === '' || chosen.uri === variant.uri ? null : chosen;
}
