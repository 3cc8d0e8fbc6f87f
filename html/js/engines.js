// The engines that play, behind one small face, and the four events of PlaySession. Engine and library are fetched
// when they are first needed. A face:
//   position()     seconds, in the time of the video element
//   behindEdge()   seconds to the end of the newest segment, or null where there is no such thing
//   latency(now)   seconds since the shown picture was received by the server, or null where the stream does not tell;
//                  `now` is the server's clock, milliseconds since 1970
//   link()         what a connection by WebRTC measures (LinkStatistics), or null
//   timeline()     { start, end, position, live } in seconds: what can be sought through, or null
//   seek(seconds)  in the time of the timeline; goLive() to its newest end
//   close()

const ENGINES = {
  webrtc: async (...given) => (await import('./engine-webrtc.js')).openWebrtc(...given),
  'http-flv': async (...given) => (await import('./engine-mpegts.js')).openMpegts('flv', ...given),
  'ws-flv': async (...given) => (await import('./engine-mpegts.js')).openMpegts('flv', ...given),
  'http-ts': async (...given) => (await import('./engine-mpegts.js')).openMpegts('mpegts', ...given),
  'ws-ts': async (...given) => (await import('./engine-mpegts.js')).openMpegts('mpegts', ...given),
  'http-fmp4': async (...given) => (await import('./engine-fmp4.js')).openFmp4(...given),
  'ws-fmp4': async (...given) => (await import('./engine-fmp4.js')).openFmp4(...given),
  hls: async (...given) => (await import('./engine-hls.js')).openHls(...given),
  'll-hls': async (...given) => (await import('./engine-hls.js')).openHls(...given),
  dash: async (...given) => (await import('./engine-dash.js')).openDash(...given),
  'll-dash': async (...given) => (await import('./engine-dash.js')).openDash(...given),
  aac: async (...given) => (await import('./engine-native.js')).openNative(...given),
  mp3: async (...given) => (await import('./engine-native.js')).openNative(...given),
  file: async (...given) => (await import('./engine-native.js')).openNative(...given),
};

/** What an engine answers that knows no more than the video element. */
const PLAIN = {
  position: null,
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
  ENGINES[choice.way](video, choice, events, signal)
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
