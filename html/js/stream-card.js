// One stream of the list, kept up to date in place.
import { offeredWays, playerPage, wayLabel } from './addresses.js';
import { element, icon, setHidden, setText } from './dom.js';
import { bitrate, duration, protocolName, streamFacts } from './format.js';
import { t } from './i18n.js';
import { posterOf } from './posters.js';

/** The others are on the player page. */
const ON_CARD = new Set(['webrtc', 'http-flv', 'hls', 'll-hls', 'dash']);

export class StreamCard {
  /** `isTest`: the built-in channel, which has a picture of its own and no publisher to name. */
  constructor(stream, { isTest = false } = {}) {
    this.isTest = isTest;
    this.badge = element('span', { className: 'badge' });
    this.picture = element('img', { className: 'poster', alt: '', decoding: 'async', hidden: true });
    this.placeholder = element('span', { className: 'poster-empty', 'aria-hidden': 'true' });
    const play = element('span', { className: 'play-mark' }, icon('play'));
    const page = playerPage(stream.app, stream.name);
    const label = t('card.play', { name: stream.name });
    this.stage = element('a', { className: 'card-stage', href: page, 'aria-label': label });
    this.stage.append(this.placeholder, this.picture, play, this.badge);
    this.title = element('a', { href: page, className: 'card-title', title: stream.url });
    this.app = element('span', { className: 'card-app' });
    this.codecs = element('p', { className: 'card-codecs' });
    this.numbers = element('p', { className: 'card-numbers' });
    this.publisher = element('p', { className: 'card-publisher' });
    const ways = element('p', { className: 'card-ways' });
    for (const way of offeredWays(stream).filter((one) => ON_CARD.has(one))) {
      const href = playerPage(stream.app, stream.name, way);
      const textContent = wayLabel(way).replace('HTTP-', '');
      ways.append(element('a', { href, textContent, className: 'chip' }));
    }
    /** For the switch of recordings. */
    this.record = element('span', { className: 'card-record' });
    ways.append(this.record);
    const heading = element('h3', { className: 'card-heading' }, this.title, this.app);
    const body = element(
      'div',
      { className: 'card-body' },
      heading,
      this.codecs,
      this.numbers,
      this.publisher,
    );
    this.node = element('li', { className: 'card' }, this.stage, body, ways);
  }

  update(stream) {
    const { state } = stream;
    if (this.node.dataset.state !== state) this.node.dataset.state = state;
    setText(this.badge, t(`state.${state}`));
    setText(this.title, this.isTest ? t('test.title') : stream.name);
    setText(this.app, this.isTest ? stream.url.slice(1) : stream.app);
    setText(this.codecs, this.describe(stream));
    setText(this.numbers, numbersOf(stream));
    setText(this.publisher, this.isTest ? '' : publisherOf(stream));
    this.showPicture(stream);
  }

  describe(stream) {
    if (stream.state === 'idle') return t(this.isTest ? 'test.idle' : 'demand.idle');
    return streamFacts(stream) || t('card.noTracks');
  }

  showPicture(stream) {
    const source = this.isTest ? '/test-channel.svg' : posterOf(stream);
    if (source !== '' && this.picture.getAttribute('src') !== source) this.picture.src = source;
    setHidden(this.picture, source === '');
    const video = stream.tracks.find((track) => track.kind === 'video');
    const onlySound = video === undefined && stream.tracks.some((track) => track.kind === 'audio');
    setText(this.placeholder, onlySound ? t('card.audioOnly') : initials(stream.name));
  }
}

function numbersOf(stream) {
  const facts = [];
  if (stream.state === 'lingering') return t('card.lingering');
  const rate = bitrate(stream.kbps.recv_30s);
  if (rate !== '') facts.push(rate);
  if (stream.state === 'live' || stream.clients > 0) {
    facts.push(
      t(stream.clients === 1 ? 'summary.viewers.one' : 'summary.viewers', { count: stream.clients }),
    );
  }
  if (stream.live_ms > 0)
    facts.push(t('card.since', { time: duration((Date.now() - stream.live_ms) / 1000, t) }));
  return facts.join(' · ');
}

function publisherOf(stream) {
  if (stream.source === null) return '';
  return t('card.from', { protocol: protocolName(stream.source.protocol), remote: stream.source.remote });
}

function initials(name) {
  return [...name].slice(0, 2).join('').toUpperCase();
}
