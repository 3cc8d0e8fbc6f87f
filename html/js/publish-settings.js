// The settings of the publish page: filling in the form, reading it, remembering it in this browser.
import { SIZES } from './capture.js';
import { byId, element, setHidden } from './dom.js';
import { bitrate } from './format.js';
import { t } from './i18n.js';
import { codecChoices } from './rtc-codecs.js';

const STORAGE_KEY = 'sluice.publish';
const BITRATES = [500, 1000, 1500, 2500, 4000, 6000, 8000];
const FIELDS = ['name', 'app', 'source', 'camera', 'microphone', 'size', 'bitrate', 'codec'];
const DEFAULTS = { name: 'stream', source: 'camera', size: '720', bitrate: '0', codec: '' };
const TO_CHOOSE_BEFORE = ['name', 'app', 'codec'];

export class PublishSettings {
  #stored = readStored();

  /** `asked`: what the address of the page says, in place of what is remembered. */
  constructor(asked, { canShareScreen, codecs }) {
    this.#fill(
      'size',
      SIZES.map(({ height }) => [String(height), `${height}p`]),
    );
    const kilobits = BITRATES.map((kbps) => [String(kbps), bitrate(kbps)]);
    this.#fill('bitrate', [['0', t('send.auto')], ...kilobits]);
    const choices = codecChoices(codecs).map(({ mime, label }) => [mime, label]);
    const hasH264 = choices.some(([mime]) => mime === 'video/h264');
    this.#fill('codec', [['', t(hasH264 ? 'send.codec.auto' : 'send.auto')], ...choices]);
    for (const [name, value] of Object.entries({ ...DEFAULTS, ...this.#stored, ...asked }))
      this.#set(name, value);
    if (!canShareScreen) {
      byId('source').querySelector('[value=screen]').disabled = true;
      if (this.source === 'screen') this.source = 'camera';
    }
    byId('settings').addEventListener('change', () => this.#changed());
    this.#changed();
  }

  get app() {
    return byId('app').value || this.#stored.app || 'live';
  }

  get name() {
    return byId('name').value.trim() || DEFAULTS.name;
  }

  get source() {
    return byId('source').value;
  }

  set source(source) {
    byId('source').value = source;
    this.#changed();
  }

  get codec() {
    return byId('codec').value;
  }

  /** Kilobits per second of the picture at most. */
  get kbps() {
    const { height } = this.wish;
    return Number(byId('bitrate').value) || SIZES.find((size) => size.height === height).kbps;
  }

  /** As captureConstraints wants it. */
  get wish() {
    const { source } = this;
    const [camera, microphone] = [byId('camera').value, byId('microphone').value];
    return { source, camera, microphone, height: Number(byId('size').value) };
  }

  /** More than one application to choose from. */
  setApps(apps) {
    this.#fill(
      'app',
      apps.map((app) => [app, app]),
    );
    this.#set('app', this.#stored.app ?? apps[0]);
    setHidden(byId('app-row'), apps.length < 2);
  }

  setDevices({ cameras, microphones }) {
    const named = (devices, usual) => [
      ['', usual],
      ...devices
        .filter(({ deviceId }) => deviceId !== 'default')
        .map(({ deviceId, label }) => [deviceId, label || deviceId.slice(0, 8)]),
    ];
    this.#fill('camera', named(cameras, t('send.usualCamera')));
    this.#fill('microphone', [...named(microphones, t('send.usualMicrophone')), ['none', t('send.noSound')]]);
    for (const name of ['camera', 'microphone']) this.#set(name, this.#stored[name] ?? '');
  }

  /** While something is sent, what only a new connection could change stays as it is. */
  lock(isLocked) {
    for (const name of TO_CHOOSE_BEFORE) byId(name).disabled = isLocked;
  }

  #changed() {
    setHidden(byId('camera-row'), this.source !== 'camera');
    for (const id of ['picture-rows', 'codec-row']) setHidden(byId(id), this.source === 'sound');
    for (const name of FIELDS) this.#stored[name] = byId(name).value || undefined;
    // '' is a choice of its own for a device: the usual one.
    for (const name of ['camera', 'microphone']) this.#stored[name] = byId(name).value;
    try {
      localStorage.setItem(STORAGE_KEY, JSON.stringify(this.#stored));
    } catch {
      // Then the choice lasts as long as the page.
    }
  }

  #fill(name, entries) {
    const select = byId(name);
    const { value } = select;
    select.replaceChildren(
      ...entries.map(([key, text]) => element('option', { value: key, textContent: text })),
    );
    this.#set(name, value);
  }

  #set(name, value) {
    const field = byId(name);
    const isThere = field.tagName !== 'SELECT' || [...field.options].some((option) => option.value === value);
    if (value !== undefined && isThere) field.value = value;
    else if (field.tagName === 'SELECT' && field.selectedIndex === -1) field.selectedIndex = 0;
  }
}

function readStored() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}');
    return Object.fromEntries(
      FIELDS.filter((name) => typeof stored[name] === 'string').map((name) => [name, stored[name]]),
    );
  } catch {
    return {};
  }
}
