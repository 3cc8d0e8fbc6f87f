// Which ways to play work for a stream in this browser, and if not, why. Pure: the browser's abilities are arguments.

import { WAYS } from './addresses.js';

/** What mpegts.js can take out of FLV. */
const FLV_VIDEO = new Set(['h264', 'h265', 'av1']);
const FLV_AUDIO = new Set(['aac', 'mp3', 'opus', 'flac']);
const HLS_VIDEO = new Set(['h264', 'h265']);
const HLS_AUDIO = new Set(['aac', 'mp3', 'ac3', 'eac3']);

/** What this browser can do. `canDecode(kind, mime)` asks for an ISO container with that codec. */
export function browserAbilities(scope = globalThis) {
  const Source = scope.MediaSource ?? scope.ManagedMediaSource;
  const probe = scope.document?.createElement('video');
  return {
    mediaSource: Source !== undefined,
    nativeHls: probe !== undefined && probe.canPlayType('application/vnd.apple.mpegurl') !== '',
    canDecode(kind, mime) {
      const type = `${kind}/mp4; codecs="${mime}"`;
      if (Source !== undefined) return Source.isTypeSupported(type);
      return probe !== undefined && probe.canPlayType(type) !== '';
    },
  };
}

/**
 * One way for one stream: `{ works, reason, values, hasVideo, hasAudio }`. `reason` is a key of the dictionary: why it
 * does not work, or, when it works, what is missing (sound or picture); '' when all is well.
 */
export function checkWay(way, stream, abilities) {
  const isHls = way === 'hls';
  if (!abilities.mediaSource && !(isHls && abilities.nativeHls)) {
    return refuse(isHls ? 'why.hls.unsupported' : 'why.flv.unsupported');
  }
  const video = firstTrack(stream, 'video');
  const audio = firstTrack(stream, 'audio');
  if (video === null && audio === null) return accept('', {}, true, true);
  const videoFault =
    video === null ? null : trackFault(video, isHls, isHls ? HLS_VIDEO : FLV_VIDEO, abilities);
  const audioFault =
    audio === null ? null : trackFault(audio, isHls, isHls ? HLS_AUDIO : FLV_AUDIO, abilities);
  if (videoFault !== null) return refuse(videoFault, { codec: video.label });
  if (audioFault !== null && video === null) return refuse(audioFault, { codec: audio.label });
  if (audioFault !== null) return accept('why.silent', { codec: audio.label }, true, false);
  return accept('', {}, video !== null, audio !== null);
}

/** The way to begin with: the wished one when it works, else the first that works, else null. */
export function chooseWay(wished, stream, abilities) {
  const order = WAYS.includes(wished) ? [wished, ...WAYS.filter((way) => way !== wished)] : WAYS;
  return order.find((way) => checkWay(way, stream, abilities).works) ?? null;
}

function trackFault(track, isHls, carried, abilities) {
  if (!carried.has(track.codec) || (isHls && track.left_out?.hls !== undefined)) {
    return isHls ? 'why.hls.codec' : 'why.flv.codec';
  }
  if (track.mime !== '' && !abilities.canDecode(track.kind, track.mime)) return 'why.browser';
  return null;
}

function firstTrack(stream, kind) {
  return stream.tracks.find((track) => track.kind === kind) ?? null;
}

function refuse(reason, values = {}) {
  return { works: false, reason, values, hasVideo: false, hasAudio: false };
}

function accept(reason, values, hasVideo, hasAudio) {
  return { works: true, reason, values, hasVideo, hasAudio };
}
