// The two player libraries behind one small face: `{ position(), behindEdge(), close() }` and the four events of
// PlaySession. A library is fetched when it is first needed.

/** How far behind the newest received picture live playback may fall before it hurries, and before it jumps. */
const SYNC_MAX_S = 1.5;
const SYNC_TARGET_S = 0.8;
const JUMP_S = 4;

const scripts = new Map();

function loadScript(path) {
  let loading = scripts.get(path);
  if (loading === undefined) {
    loading = new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = path;
      script.onload = resolve;
      script.onerror = () => {
        scripts.delete(path);
        reject(new Error(`${path} cannot be loaded`));
      };
      document.head.append(script);
    });
    scripts.set(path, loading);
  }
  return loading;
}

/** Starts the engine of a way on the video element; its library loads first, then `onReady` is called once. */
export function startEngine(video, choice, events, onReady) {
  const listeners = new AbortController();
  const { signal } = listeners;
  video.addEventListener('playing', () => events.playing(), { signal });
  video.addEventListener('waiting', () => events.waiting(), { signal });
  video.addEventListener('ended', () => events.ended(), { signal });
  let inner = null;
  let closed = false;
  const open = choice.way === 'hls' ? openHls : openFlv;
  open(video, choice, events, signal)
    .then((opened) => {
      inner = opened;
      if (closed) opened.close();
      else onReady();
    })
    .catch(() => {
      if (!closed) events.failed({});
    });
  return {
    position: () => video.currentTime,
    behindEdge: () => inner?.behindEdge() ?? null,
    close() {
      closed = true;
      keepLastPicture(video);
      listeners.abort();
      inner?.close();
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

async function openFlv(video, choice, events, signal) {
  await loadScript('/vendor/mpegts.js');
  const { mpegts } = window;
  mpegts.LoggingControl.enableAll = false;
  const source = { type: 'flv', isLive: true, url: choice.url };
  if (choice.known) Object.assign(source, { hasVideo: choice.hasVideo, hasAudio: choice.hasAudio });
  const player = mpegts.createPlayer(source, {
    enableStashBuffer: false,
    lazyLoad: false,
    liveSync: true,
    liveSyncMaxLatency: SYNC_MAX_S,
    liveSyncTargetLatency: SYNC_TARGET_S,
    liveSyncPlaybackRate: 1.1,
    autoCleanupSourceBuffer: true,
    autoCleanupMaxBackwardDuration: 30,
    autoCleanupMinBackwardDuration: 15,
  });
  player.on(mpegts.Events.LOADING_COMPLETE, () => events.ended());
  player.on(mpegts.Events.ERROR, (_kind, detail) => {
    const impossible = detail === mpegts.ErrorDetails.MEDIA_CODEC_UNSUPPORTED;
    events.failed(impossible ? { impossible, reason: 'why.unplayable' } : {});
  });
  // After a pause or in a tab that slept, catching up at 1.1 times the speed would take minutes.
  video.addEventListener('timeupdate', () => jumpToLive(video), { signal });
  player.attachMediaElement(video);
  player.load();
  return { behindEdge: () => null, close: () => player.destroy() };
}

function jumpToLive(video) {
  const ahead = bufferedAhead(video);
  if (!video.paused && ahead !== null && ahead > JUMP_S) video.currentTime += ahead - SYNC_TARGET_S;
}

async function openHls(video, choice, events, signal) {
  const native = video.canPlayType('application/vnd.apple.mpegurl') !== '';
  if (!choice.mediaSource && native) return openNativeHls(video, choice, events, signal);
  await loadScript('/vendor/hls.min.js');
  const { Hls } = window;
  const hls = new Hls({ backBufferLength: 30, liveSyncDurationCount: 2, maxLiveSyncPlaybackRate: 1.1 });
  hls.on(Hls.Events.ERROR, (_name, error) => {
    if (!error.fatal) return;
    const impossible = error.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    events.failed(impossible ? { impossible, reason: 'why.unplayable' } : {});
  });
  hls.loadSource(choice.url);
  hls.attachMedia(video);
  return {
    behindEdge: () => (Number.isFinite(hls.latency) && hls.latency > 0 ? hls.latency : null),
    close: () => hls.destroy(),
  };
}

function openNativeHls(video, choice, events, signal) {
  video.addEventListener('error', () => events.failed({}), { signal });
  video.src = choice.url;
  return { behindEdge: () => null, close: () => undefined };
}

/** Seconds that are received and not shown yet; null when nothing is. */
export function bufferedAhead(video) {
  const { buffered, currentTime } = video;
  for (let i = buffered.length - 1; i >= 0; i--) {
    if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) >= currentTime)
      return buffered.end(i) - currentTime;
  }
  return null;
}
