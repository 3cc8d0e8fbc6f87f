// Which ways to play work for a stream in this browser, and if not, why. Pure: the browser's abilities are arguments.

import { offeredWays } from './addresses.js';

/**
 * What each form carries and the players here take out of it; `feeds` is what the server calls it. AV1 is in FLV as well,
 * but mpegts.js misreads what common encoders put there.
 */
const FLV = {
  video: new Set(['h264', 'h265']),
  audio: new Set(['aac', 'mp3', 'opus', 'flac']),
  // The server sends them as they are, and no browser takes them.
  relayed: new Set(['g711a', 'g711u', 'speex']),
  feeds: ['flv'],
  bareMp3: true,
  codec: 'why.flv.codec',
  unsupported: 'why.mse.unsupported',
};
const TS = {
  video: new Set(['h264', 'h265']),
  audio: new Set(['aac', 'mp3', 'ac3', 'eac3', 'opus']),
  feeds: ['ts'],
  bareMp3: true,
  codec: 'why.ts.codec',
  unsupported: 'why.mse.unsupported',
};
const FMP4 = {
  video: new Set(['h264', 'h265', 'av1', 'vp8', 'vp9']),
  audio: new Set(['aac', 'mp3', 'ac3', 'eac3', 'opus', 'flac']),
  feeds: ['fmp4'],
  codec: 'why.mp4.codec',
  unsupported: 'why.mse.unsupported',
};
const HLS = {
  ...FMP4,
  bareMp3: true,
  feeds: ['hls'],
  codec: 'why.hls.codec',
  unsupported: 'why.hls.unsupported',
};
const LL_HLS = { ...HLS, bareMp3: false, feeds: ['cmaf'] };
const DASH = { ...FMP4, feeds: ['cmaf'], codec: 'why.dash.codec' };

const FORMS = {
  'http-flv': FLV,
  'ws-flv': FLV,
  'http-ts': TS,
  'ws-ts': TS,
  'http-fmp4': FMP4,
  'ws-fmp4': FMP4,
  hls: HLS,
  'll-hls': LL_HLS,
  dash: DASH,
  'll-dash': DASH,
};
/** Pictures that WebRTC has a place for; sound is converted by the server, which names what it cannot convert. */
const WEBRTC_VIDEO = new Set(['h264', 'h265', 'vp8', 'vp9', 'av1']);
/** One sound track alone, played by the browser itself. */
const SOUND = {
  aac: { codec: 'aac', type: 'audio/aac', reason: 'why.aac.codec' },
  mp3: { codec: 'mp3', type: 'audio/mpeg', reason: 'why.mp3.codec' },
};

/** What this browser can do. `canDecode(kind, mime)` asks for an ISO container with that codec. */
export function browserAbilities(scope = globalThis) {
  const Source = scope.MediaSource ?? scope.ManagedMediaSource;
  const probe = scope.document?.createElement('video');
  const canPlay = (type) => probe !== undefined && probe.canPlayType(type) !== '';
  return {
    mediaSource: Source !== undefined,
    webRtc: typeof scope.RTCPeerConnection === 'function',
    nativeHls: canPlay('application/vnd.apple.mpegurl'),
    canPlay,
    /** MP3 as it is, outside of MP4: what players make of it where the form is not MP4 already. */
    bareMp3: Source?.isTypeSupported('audio/mpeg') === true,
    canDecode(kind, mime) {
      // MP3 in MP4 has two names, of which browsers know one or the other.
      const names = mime === 'mp4a.40.34' ? [mime, 'mp4a.6B', 'mp3'] : [mime];
      const types = names.map((one) => `${kind}/mp4; codecs="${one}"`);
      return types.some((type) => (Source !== undefined ? Source.isTypeSupported(type) : canPlay(type)));
    },
  };
}

/**
 * One way for one stream: `{ works, reason, values, hasVideo, hasAudio }`. `reason` is a key of the dictionary: why it
 * does not work, or, when it works, what is missing (sound or picture); '' when all is well.
 */
export function checkWay(way, stream, abilities) {
  const sound = SOUND[way];
  if (sound !== undefined) return checkSound(sound, stream, abilities);
  if (way === 'webrtc') return checkWebrtc(stream, abilities);
  const form = FORMS[way];
  const isHls = way === 'hls' || way === 'll-hls';
  if (!abilities.mediaSource && !(isHls && abilities.nativeHls)) return refuse(form.unsupported);
  const video = firstTrack(stream, 'video');
  const audio = firstTrack(stream, 'audio');
  if (video === null && audio === null) return accept('', {}, true, true);
  const videoFault = video === null ? null : trackFault(video, form, abilities);
  const audioFault = audio === null ? null : trackFault(asSent(audio, form), form, abilities);
  if (videoFault !== null) return refuse(videoFault, { codec: video.label });
  if (audioFault === null) return accept('', {}, video !== null, audio !== null);
  const values = { codec: audio.label };
  // In one file of picture and sound, a sound that cannot be decoded stops both.
  const isBoth = form === FMP4 && audioFault === 'why.browser.audio';
  if (video === null || isBoth) return refuse(audioFault, values);
  return accept('why.silent', values, true, false);
}

function checkSound({ codec, type, reason }, stream, abilities) {
  const tracks = stream.tracks.filter((track) => track.kind === 'audio');
  if (!tracks.some((track) => track.codec === codec || track.converts_to?.includes(codec)))
    return refuse(reason);
  if (!abilities.canPlay(type)) return refuse('why.browser.audio', { codec: codec.toUpperCase() });
  return accept(firstTrack(stream, 'video') === null ? '' : 'why.soundOnly', {}, false, true);
}

// What this browser cannot decode the server may convert; when it cannot, it says so.
function checkWebrtc(stream, abilities) {
  if (!abilities.webRtc) return refuse('why.webrtc.unsupported');
  const video = firstTrack(stream, 'video');
  const audio = firstTrack(stream, 'audio');
  const isMissing = (track) => track?.left_out?.webrtc !== undefined;
  if (video !== null && (!WEBRTC_VIDEO.has(video.codec) || isMissing(video)))
    return refuse('why.webrtc.codec', { codec: video.label });
  if (!isMissing(audio))
    return accept('', {}, video !== null || audio === null, audio !== null || video === null);
  const values = { codec: audio.label };
  return video === null ? refuse('why.webrtc.codec', values) : accept('why.silent', values, true, false);
}

/**
 * The way to begin with: the wished one when it works, else the first that works, else null. `refused` are ways that
 * have failed. WebRTC needs more of the network and of the server than the others, so it comes first only for what was
 * published by WebRTC and passes as it is, and after FLV otherwise.
 */
export function chooseWay(wished, stream, abilities, refused = new Set()) {
  const all = offeredWays(stream).filter((way) => !refused.has(way));
  const isRtc = (way) => way === 'webrtc';
  const isFlv = (way) => /-flv$/.test(way);
  const offered =
    stream.source?.protocol === 'webrtc'
      ? all
      : [...all.filter(isFlv), ...all.filter(isRtc), ...all.filter((way) => !isFlv(way) && !isRtc(way))];
  const works = (way) => checkWay(way, stream, abilities).works;
  if (offered.includes(wished) && works(wished)) return wished;
  // Sound in place of a picture is nothing that anybody wants without having asked for it.
  const hasVideo = firstTrack(stream, 'video') !== null;
  const able = offered.filter((way) => !(hasVideo && way in SOUND) && works(way));
  return able.find((way) => checkWay(way, stream, abilities).reason === '') ?? able[0] ?? null;
}

/** What the server leaves out of a way: `{ label, reason }` of each track. */
export function leftOut(way, stream) {
  const feeds = way === 'webrtc' ? ['webrtc'] : (FORMS[way]?.feeds ?? []);
  return stream.tracks.flatMap((track) =>
    feeds.flatMap((feed) =>
      track.left_out?.[feed] === undefined ? [] : [{ label: track.label, reason: track.left_out[feed] }],
    ),
  );
}

/** Sound that the form has no place for comes as AAC where the server converts it. */
function asSent(track, form) {
  const isCarried = form.audio.has(track.codec) || form.relayed?.has(track.codec) === true;
  if (isCarried || !track.converts_to?.includes('aac')) return track;
  return { ...track, codec: 'aac', mime: 'mp4a.40.2' };
}

function trackFault(track, form, abilities) {
  const carried = form[track.kind];
  if (!carried.has(track.codec) || form.feeds.some((feed) => track.left_out?.[feed] !== undefined)) {
    return form.codec;
  }
  if (track.mime === '' || abilities.canDecode(track.kind, track.mime)) return null;
  if (track.codec === 'mp3' && form.bareMp3 && abilities.bareMp3) return null;
  return track.kind === 'video' ? 'why.browser' : 'why.browser.audio';
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
