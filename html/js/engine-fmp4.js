// Fragmented MP4 over HTTP and WebSocket, by Media Source Extensions alone: bytes go into one SourceBuffer as they come.
import { bufferedAhead, catchUpRate, jumpToLive, SYNC_TARGET_S } from './live-edge.js';
import { movieCodecs } from './movie-codecs.js';

/** What is behind the shown picture by more than this is removed, down to KEEP_S. */
const TRIM_FROM_S = 30;
const KEEP_S = 10;
/** So much that was received and is not buffered yet means that the browser cannot keep up. */
const MAX_QUEUE_BYTES = 24 * 1024 * 1024;
/** The description of the tracks comes first and is small. */
const MAX_MOVIE_BYTES = 1024 * 1024;

export async function openFmp4(video, choice, events, signal) {
  const Source = window.MediaSource ?? window.ManagedMediaSource;
  const source = new Source();
  const address = URL.createObjectURL(source);
  const opened = new Promise((resolve) =>
    source.addEventListener('sourceopen', resolve, { once: true, signal }),
  );
  video.src = address;
  await opened;
  URL.revokeObjectURL(address);
  const buffer = new LiveBuffer(video, source, choice.tracks, (details) => events.failed(details));
  video.addEventListener('timeupdate', () => jumpToLive(video), { signal });
  video.addEventListener('error', () => events.failed({}), { signal });
  const receive = /^ws/.test(choice.url) ? receiveSocket : receiveHttp;
  const stop = receive(choice.url, (bytes) => buffer.take(bytes), events);
  return {
    close: () => {
      stop();
      buffer.close();
    },
  };
}

function receiveHttp(url, take, events) {
  const abort = new AbortController();
  const read = async () => {
    const response = await fetch(url, { signal: abort.signal, cache: 'no-store' });
    if (!response.ok) throw new Error(`${response.status}`);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      take(value);
    }
    events.ended();
  };
  read().catch(() => {
    if (!abort.signal.aborted) events.failed({});
  });
  return () => abort.abort();
}

function receiveSocket(url, take, events) {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('message', ({ data }) => {
    if (typeof data !== 'string') take(new Uint8Array(data));
  });
  socket.addEventListener('close', () => events.ended());
  return () => socket.close();
}

class LiveBuffer {
  #video;
  #source;
  #tracks;
  #onFailed;
  #buffer = null;
  #queue = [];
  #queuedBytes = 0;
  #closed = false;

  constructor(video, source, tracks, onFailed) {
    this.#video = video;
    this.#source = source;
    this.#tracks = tracks;
    this.#onFailed = onFailed;
  }

  take(bytes) {
    if (this.#closed) return;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > MAX_QUEUE_BYTES) this.#fail({});
    else if (this.#buffer === null) this.#begin();
    else this.#pump();
  }

  close() {
    this.#closed = true;
    this.#queue = [];
  }

  #fail(details) {
    this.close();
    this.#onFailed(details);
  }

  // A SourceBuffer wants to know the codecs of exactly the tracks that come: the beginning of the stream names them.
  #begin() {
    const head = joined(this.#queue, this.#queuedBytes);
    this.#queue = [head];
    const codecs = movieCodecs(head, this.#tracks);
    if (codecs === null) {
      if (head.length > MAX_MOVIE_BYTES) this.#fail({});
      return;
    }
    const kind = codecs.hasVideo ? 'video' : 'audio';
    const type = `${kind}/mp4; codecs="${codecs.mimes.join(', ')}"`;
    try {
      this.#buffer = this.#source.addSourceBuffer(type);
    } catch {
      this.#fail({ impossible: true, reason: 'why.unplayable' });
      return;
    }
    this.#buffer.addEventListener('updateend', () => this.#afterUpdate());
    this.#buffer.addEventListener('error', () => this.#fail({}));
    this.#pump();
  }

  #afterUpdate() {
    if (this.#closed) return;
    this.#follow();
    this.#pump();
  }

  #pump() {
    const buffer = this.#buffer;
    if (this.#closed || buffer.updating || this.#source.readyState !== 'open') return;
    if (this.#trim(TRIM_FROM_S, KEEP_S) || this.#queuedBytes === 0) return;
    const bytes = joined(this.#queue, this.#queuedBytes);
    try {
      buffer.appendBuffer(bytes);
      this.#queue = [];
      this.#queuedBytes = 0;
    } catch (error) {
      this.#queue = [bytes];
      // No room: what was shown goes first; when that is not enough, a new connection begins at the newest picture.
      if (error.name !== 'QuotaExceededError' || !this.#trim(2, 1)) this.#fail({});
    }
  }

  /** Removes what lies more than `fromS` behind, up to `keepS`; true when it has begun to. */
  #trim(fromS, keepS) {
    const { buffered, currentTime } = this.#video;
    if (buffered.length === 0 || currentTime - buffered.start(0) <= fromS) return false;
    this.#buffer.remove(0, currentTime - keepS);
    return true;
  }

  /** The first picture of a live stream is not at 0, and after a gap playing goes on behind it. */
  #follow() {
    const video = this.#video;
    const { buffered, currentTime } = video;
    if (buffered.length === 0) return;
    const last = buffered.length - 1;
    const ahead = bufferedAhead(video);
    if (ahead === null && buffered.end(last) > currentTime) {
      video.currentTime = Math.max(buffered.start(last), buffered.end(last) - SYNC_TARGET_S);
    }
    const rate = catchUpRate(ahead, video.playbackRate);
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }
}

function joined(pieces, length) {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
