// Recordings: streams, their days, and what was recorded on a day; playing, keeping and deleting it.

import { getJson } from './api.js';
import { downloadLink, empty, playLink, row, rows } from './archive-rows.js';
import { announce, element } from './dom.js';
import { rangeAddress, recordingPage } from './file-addresses.js';
import { clock, fileSize } from './file-format.js';
import { duration } from './format.js';
import { t } from './i18n.js';
import { dayWindow, isOfDay, rangeOfDay, shortStream } from './recording-days.js';
import { canControlRecordings, deleteRecording } from './recordings-api.js';

const PAGE = 1000;
const CODECS = { h264: 'H.264', h265: 'H.265', opus: 'Opus', g711a: 'G.711', g711u: 'G.711' };
const FORMATS = { hls: 'HLS', fmp4: 'fMP4', ts: 'TS', flv: 'FLV' };
/** Days with more files than this are shown up to here. */
const MAX_PAGES = 5;

/** Names below the tab: none, the stream as `app/name`, and the day. */
export function recordingsView([stream, day]) {
  if (stream === undefined) return streamsView();
  return day === undefined ? daysView(stream) : dayView(stream, day);
}

function streamsView() {
  return {
    read: async () => (await getJson(`/api/v1/recordings?count=${PAGE}`)).streams,
    rows: (streams) => {
      if (streams.length === 0) return [empty(t('rec.empty'), t('rec.empty.text'))];
      return [rows(streams.map(streamRow))];
    },
  };
}

function streamRow({ stream, days, files, bytes, end }) {
  return row({
    href: `#recordings/${encodeURIComponent(stream)}`,
    name: stream,
    facts: [
      t(days === 1 ? 'rec.days.one' : 'rec.days', { count: days }),
      t(files === 1 ? 'rec.files.one' : 'rec.files', { count: files }),
      fileSize(bytes),
      t('rec.newest', { time: dateTime(end) }),
    ],
    isFolder: true,
  });
}

function daysView(stream) {
  const address = `/api/rec/${shortStream(stream).split('/').map(encodeURIComponent).join('/')}`;
  return {
    read: async () => (await getJson(address)).dirs,
    rows: (days) => {
      if (days.length === 0) return [empty(t('rec.emptyStream'), '')];
      const folders = [...days].reverse().map((day) =>
        row({
          href: `#recordings/${encodeURIComponent(stream)}/${day}`,
          name: day,
          facts: [weekday(day)],
          isFolder: true,
        }),
      );
      return [rows(folders)];
    },
  };
}

function dayView(stream, day) {
  return {
    tools: rangeForm(stream, day),
    read: () => readDay(stream, day),
    rows: ({ recordings, gaps, canDelete }, refresh) => {
      if (recordings.length === 0) return [empty(t('rec.emptyDay'), '')];
      const nodes = recordings.map((one) => recordingRow(stream, one, canDelete, refresh));
      return [rows(nodes), ...gapNotes(gaps)];
    },
  };
}

async function readDay(stream, day) {
  const { start, end } = dayWindow(day);
  const found = { recordings: [], gaps: [], canDelete: await canControlRecordings() };
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = new URLSearchParams({ stream, start, end, count: PAGE, page });
    const { total, recordings, gaps } = await getJson(`/api/v1/recordings?${query}`);
    found.recordings.push(...recordings.filter((one) => isOfDay(one, day)));
    found.gaps = gaps.filter((gap) => isOfDay({ url: '', start: gap.start }, day));
    if ((page + 1) * PAGE >= total) break;
  }
  found.recordings.reverse();
  return found;
}

function recordingRow(stream, one, canDelete, refresh) {
  const name = `${time(one.start)} – ${one.open ? '…' : time(one.end)}`;
  // Half a second around it, because times in addresses and in files are rounded.
  const page = recordingPage(stream, one.start, one.end);
  const file = one.file.slice(one.file.lastIndexOf('/') + 1);
  const keep =
    one.format === 'hls'
      ? downloadLink(
          rangeAddress(stream, 'clip.mp4', one.start, one.end),
          name,
          file.replace(/\.m3u8$/, '.mp4'),
        )
      : downloadLink(one.url, name, file);
  const actions = [playLink(page, name), keep];
  if (canDelete && !one.open) actions.push(deleteButton(stream, one, name, refresh));
  return row({
    href: page,
    name,
    facts: [
      clock(one.duration),
      fileSize(one.bytes),
      FORMATS[one.format] ?? one.format,
      one.tracks.map(trackName).join(' + '),
    ],
    actions,
    mark: one.open ? t('rec.open') : '',
  });
}

function trackName({ kind, codec, height }) {
  const label = CODECS[codec] ?? codec.toUpperCase();
  return kind === 'video' && height > 0 ? `${label} ${height}p` : label;
}

function deleteButton(stream, one, name, refresh) {
  const button = element('button', { type: 'button', className: 'action', textContent: t('archive.delete') });
  button.setAttribute('aria-label', `${t('archive.delete')}: ${name}`);
  button.dataset.key = `delete ${name}`;
  button.addEventListener('click', async () => {
    if (!confirm(t('archive.confirm', { name }))) return;
    button.disabled = true;
    const reason = await deleteRecording(stream, one.file);
    announce(reason === '' ? t('archive.deleted', { name }) : reason);
    if (reason !== '') {
      button.disabled = false;
      button.title = reason;
    }
    await refresh();
  });
  return button;
}

function gapNotes(gaps) {
  return gaps.map(({ start, end, cause }) =>
    element('p', {
      className: 'notice quiet',
      textContent: t('rec.gap', { start: time(start), end: end === null ? '…' : time(end), cause }),
    }),
  );
}

// Any part of the day, across files: to watch, or as one file.
function rangeForm(stream, day) {
  const from = element('input', { type: 'time', step: 1, value: '00:00:00', required: true });
  const to = element('input', { type: 'time', step: 1, value: '23:59:59', required: true });
  const play = element('a', { className: 'action', textContent: t('rec.range.play') });
  const keep = element('a', { className: 'action', textContent: t('rec.range.download') });
  keep.setAttribute('download', `${shortStream(stream).replace(/\//g, '-')}-${day}.mp4`);
  const refresh = () => {
    const range = rangeOfDay(day, from.value, to.value);
    for (const link of [play, keep]) link.toggleAttribute('aria-disabled', range === null);
    if (range === null) {
      play.removeAttribute('href');
      keep.removeAttribute('href');
      return;
    }
    play.href = recordingPage(stream, range.start, range.end);
    keep.href = rangeAddress(stream, 'clip.mp4', range.start, range.end);
  };
  for (const input of [from, to]) input.addEventListener('input', refresh);
  refresh();
  const label = (key, input) => element('label', {}, element('span', { textContent: t(key) }), input);
  return element(
    'form',
    { className: 'range-form panel', 'aria-label': t('rec.range') },
    label('rec.range.from', from),
    label('rec.range.to', to),
    element('div', { className: 'row-actions' }, play, keep),
  );
}

function time(iso) {
  return new Date(iso).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
}

function dateTime(iso) {
  return new Date(iso).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}

function weekday(day) {
  const date = new Date(`${day}T12:00:00`);
  const today = new Date();
  const days = Math.round((new Date(today.toDateString()) - new Date(date.toDateString())) / 86_400_000);
  if (days === 0) return t('rec.today');
  if (days === 1) return t('rec.yesterday');
  return days > 0 && days < 7
    ? t('rec.ago', { time: duration(days * 86_400, t) })
    : date.toLocaleDateString([], { weekday: 'long' });
}
