// The engines that play, behind one small face, and the four events of PlaySession. Engine and library are fetched
// when they are first needed. A face:
//   position()     seconds, in the time of the video element
//   behindEdge()   seconds to the end of the newest segment, or null where there is no such thing
//   latency(now)   seconds since the shown picture was received by the server, or null where the stream does not tell;
//                  `now` is the server's clock, milliseconds since 1970
//   pictures()     { total, dropped } of pictures that came and that were not shown, since there is something to count
//   link()         what a connection by WebRTC measures (LinkStatistics), or null
//   timeline()     { start, end, position, live } in seconds: what can be sought through, or null
//   seek(seconds)  in the time of the timeline; goLive() to its newest end
//   close()

import { picturesOf } from './picture-count.js';

const webrtc = async () => (await import('./engine-webrtc.js')).openWebrtc;
const mpegts = async () => (await import('./engine-mpegts.js')).openMpegts;
const fmp4 = async () => (await import('./engine-fmp4.js')).openFmp4;
const hls = async () => (await import('./engine-hls.js')).openHls;
const dash = async () => (await import('./engine-dash.js')).openDash;
const native = async () => (await import('./engine-native.js')).openNative;

const ENGINES = {
  webrtc,
  'http-flv': mpegts,
  'ws-flv': mpegts,
  'http-ts': mpegts,
  'ws-ts': mpegts,
  'http-fmp4': fmp4,
  'ws-fmp4': fmp4,
  hls,
  'll-hls': hls,
  dash,
  'll-dash': dash,
  aac: native,
  mp3: native,
  file: native,
};

/** What an engine answers that knows no more than the video element. */
const PLAIN = {
  position: null,
  pictures: null,
  behindEdge: () => null,
  latency: () => null,
  link: () => null,
  timeline: () => null,
  seek() {},
  goLive() {},
};

/** Starts the engine of a way on the video element; its library loads first, then `onReady` is called once. */
export function startEngine(video, choice, events, onReady) {
  const listeners = new AbortController();
  const { signal } = listeners;
  video.addEventListener('playing', () => events.playing(), { signal });
  video.addEventListener('waiting', () => events.waiting(), { signal });
  video.addEventListener('ended', () => events.ended(), { signal });
  let inner = null;
  let closed = false;
  // What is still loading when the next engine begins must not touch the element any more.
  const load = async () => {
    const open = await ENGINES[choice.way]();
    signal.throwIfAborted();
    return open(video, choice, events, signal);
  };
  load()
    .then((opened) => {
      inner = { ...PLAIN, ...opened };
      if (closed) opened.close();
      else onReady();
    })
    .catch(() => {
      if (!closed) events.failed({});
    });
  return {
    position: () => inner?.position?.() ?? video.currentTime,
    behindEdge: () => inner?.behindEdge() ?? null,
    latency: (now) => inner?.latency(now) ?? null,
    pictures: () => inner?.pictures?.() ?? picturesOf(video),
    link: () => inner?.link() ?? null,
    timeline: () => inner?.timeline() ?? null,
    seek: (seconds) => inner?.seek(seconds),
    goLive: () => inner?.goLive(),
    close() {
      closed = true;
      keepLastPicture(video);
      listeners.abort();
      inner?.close();
      video.playbackRate = 1;
      video.removeAttribute('src');
      video.load();
    },
  };
}

// Between two connections the last picture stays, in place of a black one.
function keepLastPicture(video) {
  if (video.videoWidth === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  video.poster = canvas.toDataURL('image/jpeg', 0.8);
}
