// DASH and low-latency DASH, by dash.js. The list itself says how near to live a player may be.
import { loadScript } from './load-script.js';

const DVR_FROM_S = 30;
/** The oldest segment may be gone by the time that it is asked for. */
const MARGIN_S = 1;

export async function openDash(video, choice, events, signal) {
  await loadScript('/vendor/dash.mediaplayer.min.js');
  signal.throwIfAborted();
  const { dashjs } = window;
  const player = dashjs.MediaPlayer().create();
  player.updateSettings({
    debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE },
    streaming: { buffer: { bufferToKeep: 20 } },
  });
  const { MANIFEST_ERROR_ID_NOSTREAMS_CODE, CAPABILITY_MEDIASOURCE_ERROR_CODE } =
    dashjs.MediaPlayer.errors ?? {};
  player.on(dashjs.MediaPlayer.events.ERROR, ({ error }) => {
    const code = error?.code;
    const impossible =
      code !== undefined &&
      (code === MANIFEST_ERROR_ID_NOSTREAMS_CODE || code === CAPABILITY_MEDIASOURCE_ERROR_CODE);
    events.failed(impossible ? { impossible, reason: 'why.unplayable' } : {});
  });
  signal.addEventListener('abort', () => player.destroy());
  // It notices only those starts that come after its own; one that it misses leaves the list as it is for ever.
  const initialized = new Promise((resolve) =>
    player.on(dashjs.MediaPlayer.events.STREAM_INITIALIZED, resolve),
  );
  player.initialize(video, choice.url, false);
  await initialized;
  // Keeping near to live would take back whoever has gone back in the window.
  const follow = (enabled) => player.updateSettings({ streaming: { liveCatchup: { enabled } } });
  const latency = () => {
    const seconds = player.isReady() && player.isDynamic() ? player.getCurrentLiveLatency() : Number.NaN;
    return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
  };
  const dvr = () => (player.isReady() && player.isDynamic() ? player.getDvrWindow() : null);
  return {
    latency,
    timeline: () => {
      const range = dvr();
      if (!range || !(range.end - range.start >= DVR_FROM_S)) return null;
      const end = range.end - Math.max(0, player.getTargetLiveDelay() || 0);
      return { start: range.start + MARGIN_S, end, position: video.currentTime, live: true };
    },
    seek: (seconds) => {
      follow(false);
      video.currentTime = seconds;
    },
    goLive: () => {
      follow(true);
      player.seekToOriginalLive();
    },
    close: () => undefined,
  };
}
