// FLV and MPEG-TS over HTTP and WebSocket, by mpegts.js.

import { jumpToLive, SYNC_MAX_S, SYNC_RATE, SYNC_TARGET_S } from './live-edge.js';
import { loadScript } from './load-script.js';

export async function openMpegts(video, choice, events, signal) {
  await loadScript('/vendor/mpegts.js');
  signal.throwIfAborted();
  const { mpegts } = window;
  mpegts.LoggingControl.enableAll = false;
  const type = choice.way.endsWith('-ts') ? 'mpegts' : 'flv';
  const source = { type, isLive: true, url: choice.url };
  if (choice.known) Object.assign(source, { hasVideo: choice.hasVideo, hasAudio: choice.hasAudio });
  const player = mpegts.createPlayer(source, {
    enableStashBuffer: false,
    lazyLoad: false,
    liveSync: true,
    liveSyncMaxLatency: SYNC_MAX_S,
    liveSyncTargetLatency: SYNC_TARGET_S,
    liveSyncPlaybackRate: SYNC_RATE,
    autoCleanupSourceBuffer: true,
    autoCleanupMaxBackwardDuration: 30,
    autoCleanupMinBackwardDuration: 15,
  });
  player.on(mpegts.Events.LOADING_COMPLETE, () => events.ended());
  player.on(mpegts.Events.ERROR, (_kind, detail) => {
    const impossible = detail === mpegts.ErrorDetails.MEDIA_CODEC_UNSUPPORTED;
    events.failed(impossible ? { impossible, reason: 'why.unplayable' } : {});
  });
  video.addEventListener('timeupdate', () => jumpToLive(video), { signal });
  player.attachMediaElement(video);
  player.load();
  return { close: () => player.destroy() };
}
