/**
 * The onMetaData message for players: what the tracks tell, and what the publisher said as far as it still holds for a
 * live stream (Adobe FLV 10.1, annex E.5; per-track maps and FourCC ids: enhanced RTMP v2, "Enhancing onMetaData").
 */
import { defaultTrack, type Track } from '../media/track.ts';
import {
  type AmfObject,
  type AmfValue,
  isAmfObject,
  makeAmfEcmaArray,
  makeAmfObject,
} from '../wire/amf/amf-value.ts';

/** Fields of the publisher that are passed on; each encoder has its own two or three beside the usual twenty. */
const MAX_KEPT_FIELDS = 64;
const MAX_KEPT_TEXT = 1024;

/** True of a file only, or said by us. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'duration',
  'filesize',
  'fileSize',
  'datasize',
  'videosize',
  'audiosize',
  'lasttimestamp',
  'lastkeyframetimestamp',
  'lastkeyframelocation',
  'keyframes',
  'hasKeyframes',
  'hasMetadata',
  'hasCuePoints',
  'hasVideo',
  'hasAudio',
  'canSeekToEnd',
  'totalframes',
  'server',
  'videoTrackIdInfoMap',
  'audioTrackIdInfoMap',
]);
const ABOUT_VIDEO: ReadonlySet<string> = new Set([
  'width',
  'height',
  'displayWidth',
  'displayHeight',
  'framerate',
  'videoframerate',
  'fps',
  'videocodecid',
  'videodatarate',
  'profile',
  'level',
]);
const ABOUT_AUDIO: ReadonlySet<string> = new Set([
  'audiocodecid',
  'audiodatarate',
  'audiosamplerate',
  'audiosamplesize',
  'audiochannels',
  'audiodelay',
  'stereo',
]);

/**
 * Contents of onMetaData for `tracks` (those that the format carries). `publisher` is what the publisher's own
 * onMetaData held, whatever that was; `codecIdOf` gives videocodecid and audiocodecid.
 */
export function describeTracks(
  tracks: readonly Track[],
  publisher: unknown,
  server: string,
  codecIdOf: (track: Track) => number,
): AmfObject {
  const values = makeAmfEcmaArray();
  const video = defaultTrack(tracks, 'video');
  const audio = defaultTrack(tracks, 'audio');
  keepPublisherValues(values, publisher as AmfValue, video !== undefined, audio !== undefined);
  if (video !== undefined) describeVideo(values, video, codecIdOf(video));
  if (audio !== undefined) describeAudio(values, audio, codecIdOf(audio));
  const videoTrackIdInfoMap = describeOthers(tracks, 'video', codecIdOf);
  const audioTrackIdInfoMap = describeOthers(tracks, 'audio', codecIdOf);
  Object.assign(values, { server });
  if (videoTrackIdInfoMap !== null) Object.assign(values, { videoTrackIdInfoMap });
  if (audioTrackIdInfoMap !== null) Object.assign(values, { audioTrackIdInfoMap });
  return values;
}

/** Single values only: lists such as key frame indexes and cue points belong to files. */
function keepPublisherValues(
  values: AmfObject,
  publisher: AmfValue,
  hasVideo: boolean,
  hasAudio: boolean,
): void {
  if (!isAmfObject(publisher)) return;
  let kept = 0;
  for (const name of Object.keys(publisher)) {
    const value = publisher[name];
    const isSingle =
      typeof value === 'number' ||
      typeof value === 'boolean' ||
      (typeof value === 'string' && value.length <= MAX_KEPT_TEXT);
    if (!isSingle || name.length > MAX_KEPT_TEXT || NOT_KEPT.has(name)) continue;
    if ((!hasVideo && ABOUT_VIDEO.has(name)) || (!hasAudio && ABOUT_AUDIO.has(name))) continue;
    if (++kept > MAX_KEPT_FIELDS) return;
    values[name] = value;
  }
}

function describeVideo(values: AmfObject, track: Track, videocodecid: number): void {
  const { width, height, frameRate: framerate } = track.config;
  if (width > 0 && height > 0) Object.assign(values, { width, height });
  if (framerate > 0) Object.assign(values, { framerate });
  Object.assign(values, { videocodecid });
}

function describeAudio(values: AmfObject, track: Track, audiocodecid: number): void {
  const { sampleRate: audiosamplerate, channels: audiochannels } = track.config;
  if (audiosamplerate > 0) Object.assign(values, { audiosamplerate });
  if (audiochannels > 0) Object.assign(values, { audiochannels, stereo: audiochannels === 2 });
  Object.assign(values, { audiocodecid });
}

/** What differs in the tracks beside the default one, by their number on the wire; null when there are none. */
function describeOthers(
  tracks: readonly Track[],
  kind: 'video' | 'audio',
  codecIdOf: (track: Track) => number,
): AmfObject | null {
  let map: AmfObject | null = null;
  for (const track of tracks) {
    if (track.kind !== kind || track.wireIndex === 0) continue;
    const values = makeAmfObject();
    if (kind === 'video') describeVideo(values, track, codecIdOf(track));
    else describeAudio(values, track, codecIdOf(track));
    map ??= makeAmfObject();
    map[String(track.wireIndex)] = values;
  }
  return map;
}
