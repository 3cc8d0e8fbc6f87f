// The facts beside the picture. Every number is measured here or told by the server; what is not known is not shown.

import { FactList } from './fact-list.js';
import { bitrate, duration, protocolName, resolution, trackFacts } from './format.js';
import { t } from './i18n.js';
import { bufferedAhead } from './live-edge.js';
import { percent } from './rtc-statistics.js';
import { leftOut } from './ways.js';

const rows = new FactList((key) => t(`facts.${key}`), new Set(['buffer', 'behind', 'latency', 'loss']));

/** Returns how many facts there are to show. `engine` is null while nothing plays; `now` as its `latency` wants it. */
export function showFacts(list, { stream, video, engine, state, way, now }) {
  const playing = engine !== null && (state === 'playing' || state === 'stalled' || state === 'lost');
  const link = playing ? engine.link() : null;
  const facts = {
    video: tracksOf(stream, 'video'),
    audio: tracksOf(stream, 'audio'),
    picture: stream === null ? resolution(video.videoWidth, video.videoHeight) : '',
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
    dropped: playing ? droppedText(engine.pictures()) : '',
  };
  rows.show(list, facts);
  // Without times of the server in the stream, the delay is put together from what the browser measures.
  rows.setNote('latency', t(link === null ? 'facts.latency.note' : 'facts.latency.measured'));
  return Object.values(facts).filter((text) => text !== '').length;
}

function tracksOf(stream, kind) {
  const tracks = stream?.tracks.filter((track) => track.kind === kind) ?? [];
  return tracks.map((track) => trackFacts(track, true)).join('\n');
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

function droppedText({ total, dropped }) {
  return total === 0 ? '' : t('facts.dropped.value', { dropped, total });
}
