// HLS and Low-Latency HLS, live and recorded: by hls.js, or by the browser itself where it cannot do else (iPhone).
import { loadScript } from './load-script.js';

/** From here on a list is a window to seek in, not just what a player needs to begin. */
const DVR_FROM_S = 30;
/** The oldest segment may be gone by the time that it is asked for, and sound may begin a little after the picture. */
const MARGIN_S = 1;

export async function openHls(video, choice, events, signal) {
  const native = video.canPlayType('application/vnd.apple.mpegurl') !== '';
  if (!choice.mediaSource && native) return openNativeHls(video, choice, events, signal);
  await loadScript('/vendor/hls.min.js');
  signal.throwIfAborted();
  const { Hls } = window;
  const lowLatencyMode = choice.way === 'll-hls';
  const hls = new Hls({
    lowLatencyMode,
    // With its worker, hls.js 1.7.4 may leave a hole in the first low-latency segment.
    enableWorker: !lowLatencyMode,
    backBufferLength: 30,
    maxLiveSyncPlaybackRate: 1.1,
    ...(lowLatencyMode ? {} : { liveSyncDurationCount: 2 }),
  });
  let details = null;
  hls.on(Hls.Events.LEVEL_UPDATED, (_name, data) => {
    details = data.details;
  });
  hls.on(Hls.Events.ERROR, (_name, error) => {
    if (!error.fatal) return;
    const impossible = error.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    events.failed(impossible ? { impossible, reason: 'why.unplayable' } : { status: error.response?.code });
  });
  hls.loadSource(choice.url);
  hls.attachMedia(video);
  const isLive = () => details?.live === true;
  return {
    behindEdge: () => (isLive() && Number.isFinite(hls.latency) && hls.latency > 0 ? hls.latency : null),
    latency: (now) => (isLive() ? since(hls.playingDate, now) : null),
    timeline: () => timelineOf(details, video, hls.liveSyncPosition),
    seek: (seconds) => {
      video.currentTime = seconds;
    },
    goLive: () => {
      if (hls.liveSyncPosition !== null) video.currentTime = hls.liveSyncPosition;
    },
    close: () => hls.destroy(),
  };
}

function timelineOf(details, video, livePosition) {
  if (details === null) return null;
  const position = video.currentTime;
  const start = details.fragments[0]?.start ?? 0;
  if (!details.live) return { start, end: start + details.totalduration, position, live: false };
  const end = livePosition ?? details.edge;
  return details.totalduration < DVR_FROM_S ? null : { start: start + MARGIN_S, end, position, live: true };
}

function since(date, now) {
  const ms = date === null || date === undefined ? Number.NaN : Number(date);
  return Number.isFinite(ms) && now !== null ? Math.max(0, (now - ms) / 1000) : null;
}

function openNativeHls(video, choice, events, signal) {
  video.addEventListener('error', () => events.failed({}), { signal });
  video.src = choice.url;
  const seekable = () => (video.seekable.length === 0 ? null : video.seekable);
  const shown = () => {
    const started = Number(video.getStartDate?.());
    return Number.isFinite(started) ? new Date(started + video.currentTime * 1000) : null;
  };
  return {
    latency: (now) => (video.duration === Number.POSITIVE_INFINITY ? since(shown(), now) : null),
    timeline: () => {
      const range = seekable();
      if (range === null) return null;
      const start = range.start(0);
      const end = range.end(range.length - 1);
      const live = video.duration === Number.POSITIVE_INFINITY;
      return live && end - start < DVR_FROM_S ? null : { start, end, position: video.currentTime, live };
    },
    seek: (seconds) => {
      video.currentTime = seconds;
    },
    goLive: () => {
      const range = seekable();
      if (range !== null) video.currentTime = range.end(range.length - 1);
    },
    close: () => undefined,
  };
}
