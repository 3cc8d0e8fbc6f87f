/** Master playlists: the qualities and languages of a stream, and of the streams that policy puts beside it. */

import type { Track } from '../../media/track.ts';
import type { CmafStream, TsStream } from '../../origin/segment-origin.ts';
import type { CmafTrack } from '../../packaging/cmaf-track.ts';
import {
  type AudioRendition,
  serializeMasterPlaylist,
  type Variant,
} from '../../wire/hls/master-playlist.ts';

/** What segments to come may be larger than those so far: BANDWIDTH is a promise. */
const HEADROOM = 1.1;

/** The master playlist with this stream as its only variant. */
export function tsMaster(stream: TsStream, query: string): string {
  const { store, leftOut } = stream.packager;
  const carried = stream.tracks.filter((track) => !leftOut.some((missing) => missing.track === track));
  const variant = {
    ...variantOf(
      carried.find((track) => track.kind === 'video'),
      carried,
    ),
    uri: `${encodeURIComponent(stream.key.name)}.ts.m3u8`,
    peakBitrateBps: store.peakBitrateBps * HEADROOM,
    averageBitrateBps: store.averageBitrateBps,
  };
  return serializeMasterPlaylist([variant], query);
}

/** Every video track of every stream is a variant; the sound of each stream is a group of renditions. */
export function cmafMaster(streams: readonly CmafStream[], query: string): string {
  const variants: Variant[] = [];
  const renditions: AudioRendition[] = [];
  for (const stream of streams) {
    const tracks = stream.packager.live();
    const videos = tracks.filter((one) => one.track.kind === 'video');
    const audios = tracks.filter((one) => one.track.kind === 'audio');
    const folder = `${encodeURIComponent(stream.key.name)}.cmaf`;
    if (videos.length === 0) {
      // Sound alone: the first track is the variant, and more of them are its renditions.
      const first = audios[0];
      if (first === undefined) continue;
      const group = audios.length > 1 ? addRenditions(stream, audios, folder, renditions) : '';
      variants.push(cmafVariant(folder, first, group === '' ? [] : audios, group));
      continue;
    }
    const group = audios.length > 0 ? addRenditions(stream, audios, folder, renditions) : '';
    for (const video of videos) variants.push(cmafVariant(folder, video, audios, group));
  }
  return serializeMasterPlaylist(variants, query, renditions);
}

function addRenditions(
  stream: CmafStream,
  audios: readonly CmafTrack[],
  folder: string,
  renditions: AudioRendition[],
): string {
  // Quotation marks cannot be written in an attribute.
  const group = `audio-${encodeURIComponent(stream.key.name)}`;
  audios.forEach(({ name, track }, index) => {
    renditions.push({
      group,
      uri: `${folder}/${name}.m3u8`,
      name: track.language === '' ? `Audio ${index + 1}` : `${track.language} ${index + 1}`,
      language: track.language,
      channels: track.config.channels,
      isDefault: index === 0,
    });
  });
  return group;
}

function cmafVariant(folder: string, main: CmafTrack, audios: readonly CmafTrack[], group: string): Variant {
  const others = audios.filter((audio) => audio !== main);
  const sound = others.reduce((most, audio) => Math.max(most, audio.store.peakBitrateBps), 0);
  const soundAverage = others.reduce((most, audio) => Math.max(most, audio.store.averageBitrateBps), 0);
  const codecs = [main, ...others].map((one) => one.track);
  return {
    ...variantOf(main.track.kind === 'video' ? main.track : undefined, codecs),
    uri: `${folder}/${main.name}.m3u8`,
    peakBitrateBps: (main.store.peakBitrateBps + sound) * HEADROOM,
    averageBitrateBps: main.store.averageBitrateBps + soundAverage,
    audioGroup: group,
  };
}

function variantOf(video: Track | undefined, carried: readonly Track[]) {
  return {
    codecs: [...new Set(carried.map((track) => track.config.mime))],
    width: video?.config.width ?? 0,
    height: video?.config.height ?? 0,
    frameRate: video?.config.frameRate ?? 0,
  };
}
