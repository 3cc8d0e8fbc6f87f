// Camera, screen and microphone of this computer or phone. What goes wrong becomes a key of the dictionary with a cause
// and a next step.

/** Heights that can be chosen, with a bitrate that suits them, kbit/s. */
export const SIZES = [
  { height: 1080, kbps: 4500 },
  { height: 720, kbps: 2500 },
  { height: 480, kbps: 1200 },
  { height: 360, kbps: 700 },
];
const FRAME_RATE = 30;

/** Why nothing can be captured on this page at all; '' when it can. */
export function captureHindrance(scope = globalThis) {
  if (scope.isSecureContext === false) return 'insecure';
  if (scope.navigator.mediaDevices?.getUserMedia === undefined) return 'unsupported';
  return typeof scope.RTCPeerConnection === 'function' ? '' : 'unsupported';
}

/** What to ask the browser for. `camera`, `microphone`: ids of devices, '' = the usual one; `microphone` 'none' = no sound. */
export function captureConstraints({ source, camera, microphone, height }) {
  const picture = { ...pictureSize(height), frameRate: { ideal: FRAME_RATE } };
  // A phone without a chosen camera shows what is behind it, as its camera program does.
  const which = camera === '' ? { facingMode: { ideal: 'environment' } } : { deviceId: { exact: camera } };
  return {
    video: source === 'camera' ? { ...picture, ...which } : false,
    audio: microphone === 'none' ? false : microphone === '' ? true : { deviceId: { exact: microphone } },
  };
}

/** For applyConstraints and getUserMedia. */
export function pictureSize(height) {
  return { width: { ideal: Math.round((height * 16) / 9) }, height: { ideal: height } };
}

/** The key of what a person should be told about an error of getUserMedia or getDisplayMedia. */
export function captureFault(error, source) {
  const isScreen = source === 'screen';
  switch (error?.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return isScreen ? 'screenDenied' : 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return source === 'sound' ? 'noMicrophone' : 'noCamera';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'captureFailed';
  }
}

/** Captures, swaps devices, and notices when one is gone. `devices` is navigator.mediaDevices. */
export class Capture {
  #devices;
  #onEnded;
  #tracks = { video: null, audio: null };

  /** `onEnded(kind)`: a device was pulled out, or the person ended sharing in the browser's own bar. */
  constructor(devices, onEnded) {
    this.#devices = devices;
    this.#onEnded = onEnded;
  }

  /** `{ video, audio }`, tracks or null. */
  get tracks() {
    return { ...this.#tracks };
  }

  get canShareScreen() {
    return this.#devices?.getDisplayMedia !== undefined;
  }

  /** Captures anew by `wish` (as captureConstraints). Throws what the browser throws; then the old tracks stay. */
  async open(wish) {
    const next = wish.source === 'screen' ? await this.#openScreen(wish) : await this.#openDevices(wish);
    this.close();
    this.#tracks = next;
    for (const [kind, track] of Object.entries(next)) {
      track?.addEventListener('ended', () => {
        if (this.#tracks[kind] === track) this.#onEnded(kind);
      });
    }
    return this.tracks;
  }

  close() {
    for (const track of Object.values(this.#tracks)) track?.stop();
    this.#tracks = { video: null, audio: null };
  }

  /** Names of devices; they have none before the person has allowed their use. */
  async list() {
    const all = (await this.#devices?.enumerateDevices?.()) ?? [];
    const of = (kind) => all.filter((device) => device.kind === kind && device.deviceId !== '');
    return { cameras: of('videoinput'), microphones: of('audioinput') };
  }

  // A camera without a microphone is worth publishing: sound is asked for again by itself only to be told why not.
  async #openDevices(wish) {
    const constraints = captureConstraints(wish);
    if (constraints.video === false && constraints.audio === false) constraints.audio = true;
    try {
      return tracksOf(await this.#devices.getUserMedia(constraints));
    } catch (error) {
      const mayBeSound =
        error.name === 'NotFoundError' && constraints.video !== false && constraints.audio === true;
      if (!mayBeSound) throw error;
      return tracksOf(await this.#devices.getUserMedia({ ...constraints, audio: false }));
    }
  }

  // The screen first: browsers open their dialog only soon after a click. Its own sound wins over the microphone.
  async #openScreen(wish) {
    const screen = tracksOf(
      await this.#devices.getDisplayMedia({
        video: { ...pictureSize(wish.height), frameRate: { ideal: FRAME_RATE } },
        audio: wish.microphone === 'none' ? false : { echoCancellation: false, noiseSuppression: false },
      }),
    );
    if (screen.video !== null) screen.video.contentHint = 'detail';
    if (screen.audio !== null || wish.microphone === 'none') return screen;
    const { audio } = captureConstraints(wish);
    const sound = await this.#devices.getUserMedia({ audio, video: false }).then(tracksOf, () => null);
    return { video: screen.video, audio: sound?.audio ?? null };
  }
}

function tracksOf(stream) {
  return { video: stream.getVideoTracks()[0] ?? null, audio: stream.getAudioTracks()[0] ?? null };
}
