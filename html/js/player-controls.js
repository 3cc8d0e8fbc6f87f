// The bar under the picture: play, sound, snapshot, picture in picture, full screen; and what browsers do about sound.
import { announce, byId, element, icon, setHidden, setIcon } from './dom.js';
import { t } from './i18n.js';

const IDLE_MS = 2500;

export class PlayerControls {
  #video;
  #stage;
  #name;
  #onPaused;
  #onWantPlay;
  #onOtherKey;
  #idleTimer = 0;
  #wantsSound = true;

  constructor(video, { stage, name, onPaused, onWantPlay, onOtherKey }) {
    this.#video = video;
    this.#stage = stage;
    this.#name = name;
    this.#onPaused = onPaused;
    this.#onWantPlay = onWantPlay;
    this.#onOtherKey = onOtherKey;
    byId('big-play').append(icon('play'));
    byId('tap-for-sound').prepend(icon('muted'));
    setIcon(byId('snapshot'), 'camera', t('player.snapshot'));
    setIcon(byId('pip'), 'pip', t('player.pip'));
    setIcon(byId('full'), 'full', t('player.full'));
    this.#connect();
    this.#showButtons();
  }

  /** `muted=1` in the address: nobody asked for sound, so no hint about it either before the first click. */
  setMuted(muted) {
    this.#video.muted = muted;
    this.#showButtons();
  }

  /** Starts with sound when the browser lets us, without it when that is what it lets us, else asks for a click. */
  async play() {
    const wasMuted = this.#video.muted;
    try {
      await this.#video.play();
    } catch (error) {
      if (error.name !== 'NotAllowedError') return;
      if (wasMuted) {
        setHidden(byId('big-play'), false);
        return;
      }
      this.#video.muted = true;
      await this.#video.play().catch(() => setHidden(byId('big-play'), false));
    }
    setHidden(byId('tap-for-sound'), !this.#video.muted || !this.#wantsSound);
  }

  setLive(live) {
    byId('snapshot').disabled = !live;
    byId('pip').disabled = !live;
    if (!live) setHidden(byId('tap-for-sound'), true);
    else if (this.#video.muted && this.#wantsSound) setHidden(byId('tap-for-sound'), false);
  }

  #connect() {
    const video = this.#video;
    byId('play').addEventListener('click', () => this.#togglePlay());
    byId('big-play').addEventListener('click', () => {
      setHidden(byId('big-play'), true);
      this.#onWantPlay();
    });
    byId('mute').addEventListener('click', () => this.#toggleSound());
    byId('tap-for-sound').addEventListener('click', () => this.#toggleSound());
    byId('volume').addEventListener('input', () => {
      video.volume = Number(byId('volume').value);
      video.muted = video.volume === 0;
    });
    byId('snapshot').addEventListener('click', () => this.#snapshot());
    byId('pip').addEventListener('click', () => this.#togglePip());
    byId('full').addEventListener('click', () => this.#toggleFull());
    setHidden(byId('pip'), document.pictureInPictureEnabled !== true);
    for (const event of ['play', 'pause', 'volumechange'])
      video.addEventListener(event, () => this.#showButtons());
    video.addEventListener('pause', () => this.#onPaused(true));
    video.addEventListener('play', () => this.#onPaused(false));
    video.addEventListener('click', () => this.#togglePlay());
    video.addEventListener('dblclick', () => this.#toggleFull());
    for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin']) {
      this.#stage.addEventListener(event, () => this.#wake());
    }
    document.addEventListener('keydown', (event) => this.#onKey(event));
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA|BUTTON|A|CODE)$/.test(event.target.tagName)) return;
    const actions = {
      ' ': () => this.#togglePlay(),
      k: () => this.#togglePlay(),
      m: () => this.#toggleSound(),
      f: () => this.#toggleFull(),
    };
    const key = event.key.toLowerCase();
    const isOurs = actions[key] === undefined ? this.#onOtherKey(key) : true;
    if (!isOurs) return;
    event.preventDefault();
    actions[key]?.();
  }

  #togglePlay() {
    if (!byId('big-play').hidden) {
      setHidden(byId('big-play'), true);
      this.#onWantPlay();
    } else if (this.#video.paused) this.#onWantPlay();
    else this.#video.pause();
  }

  #toggleSound() {
    const video = this.#video;
    video.muted = !video.muted;
    this.#wantsSound = !video.muted;
    if (!video.muted && video.volume === 0) video.volume = 1;
    setHidden(byId('tap-for-sound'), true);
  }

  #showButtons() {
    const { paused, muted, volume } = this.#video;
    setIcon(byId('play'), paused ? 'play' : 'pause', t(paused ? 'player.play' : 'player.pause'));
    setIcon(byId('mute'), muted ? 'muted' : 'sound', t(muted ? 'player.unmute' : 'player.mute'));
    byId('volume').value = String(muted ? 0 : volume);
    if (!muted) setHidden(byId('tap-for-sound'), true);
  }

  #wake() {
    this.#stage.classList.add('is-awake');
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#stage.classList.remove('is-awake'), IDLE_MS);
  }

  #snapshot() {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth === 0) return;
    const canvas = element('canvas', { width: videoWidth, height: videoHeight });
    canvas.getContext('2d').drawImage(this.#video, 0, 0);
    canvas.toBlob((blob) => {
      const time = new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-');
      const link = element('a', { href: URL.createObjectURL(blob), download: `${this.#name}-${time}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      announce(t('player.snapshotSaved'));
    }, 'image/png');
  }

  async #togglePip() {
    try {
      if (document.pictureInPictureElement) await document.exitPictureInPicture();
      else await this.#video.requestPictureInPicture();
    } catch {
      announce(t('player.pipRefused'));
    }
  }

  async #toggleFull() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else if (this.#stage.requestFullscreen) await this.#stage.requestFullscreen();
      // iPhones show only the video itself in full screen.
      else this.#video.webkitEnterFullscreen();
    } catch {
      announce(t('player.fullRefused'));
    }
  }
}
