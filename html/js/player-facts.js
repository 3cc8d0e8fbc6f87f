// The facts beside the picture. Every number is measured here or told by the server; what is not known is not shown.

import { element, setHidden, setText } from './dom.js';
import { bitrate, duration, protocolName, trackFacts } from './format.js';
import { t } from './i18n.js';
import { bufferedAhead } from './live-edge.js';
import { percent } from './rtc-statistics.js';
import { leftOut } from './ways.js';

/** Facts that need a word about how they are measured. */
const NOTED = new Set(['buffer', 'behind', 'latency', 'loss']);

const rows = new Map();

/** Returns how many facts there are to show. `engine` is null while nothing plays; `now` as its `latency` wants it. */
export function showFacts(list, { stream, video, engine, state, way, now }) {
  const playing = engine !== null && (state === 'playing' || state === 'stalled' || state === 'lost');
  const link = playing ? engine.link() : null;
  const tracks = stream?.tracks.filter((track) => track.kind !== 'data') ?? [];
  const facts = {
    video: tracks
      .filter((track) => track.kind === 'video')
      .map(describeTrack)
      .join('\n'),
    audio: tracks
      .filter((track) => track.kind === 'audio')
      .map(describeTrack)
      .join('\n'),
    picture: stream === null && video.videoWidth > 0 ? `${video.videoWidth}×${video.videoHeight}` : '',
    leftOut: stream === null ? '' : leftOut(way, stream).map(describeLeftOut).join('\n'),
    bitrate: bitrate(stream?.kbps.recv_30s ?? 0),
    viewers: stream === null ? '' : String(stream.clients),
    since: stream !== null && stream.live_ms > 0 ? duration((Date.now() - stream.live_ms) / 1000, t) : '',
    publisher: publisherOf(stream),
    latency: playing ? seconds(engine.latency(now), link === null ? 1 : 2) : '',
    rtt: link === null || link.rttMs === null ? '' : `${Math.round(link.rttMs)} ms`,
    loss: link === null || link.lossPercent === null ? '' : lossText(link),
    buffer: playing && link === null ? seconds(bufferedAhead(video)) : '',
    behind: playing ? seconds(engine.behindEdge()) : '',
    dropped: playing ? droppedFrames(video) : '',
  };
  for (const [key, text] of Object.entries(facts)) showRow(list, key, text);
  // Without times of the server in the stream, the delay is put together from what the browser measures.
  rows.get('latency').group.title = t(link === null ? 'facts.latency.note' : 'facts.latency.measured');
  return Object.values(facts).filter((text) => text !== '').length;
}

function showRow(list, key, text) {
  let row = rows.get(key);
  if (row === undefined) {
    const name = element('dt', { textContent: t(`facts.${key}`) });
    const value = element('dd');
    row = { group: element('div', { className: 'fact' }, name, value), value };
    if (NOTED.has(key)) row.group.title = t(`facts.${key}.note`);
    rows.set(key, row);
    list.append(row.group);
  }
  setHidden(row.group, text === '');
  setText(row.value, text);
}

function describeTrack(track) {
  return trackFacts(track, true);
}

function describeLeftOut({ label, reason }) {
  return `${label}: ${reason}`;
}

function publisherOf(stream) {
  const source = stream?.source ?? null;
  if (source === null) return '';
  return source.protocol === 'demo' ? t('test.title') : `${protocolName(source.protocol)} ${source.remote}`;
}

function seconds(value, digits = 1) {
  return value === null ? '' : `${value.toFixed(digits)} s`;
}

function lossText({ lossPercent, lost }) {
  return lost === 0 ? '0 %' : t('facts.loss.value', { percent: percent(lossPercent), lost });
}

function droppedFrames(video) {
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality?.() ?? {
    totalVideoFrames: 0,
  };
  if (totalVideoFrames === 0) return '';
  return t('facts.dropped.value', { dropped: droppedVideoFrames, total: totalVideoFrames });
}
