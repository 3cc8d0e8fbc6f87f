// The server's answers, and asking again and again for as long as somebody looks.

const TIMEOUT_MS = 5000;

/** The JSON of an address. Throws when the server cannot be reached; `missing` is set when it answers 404. */
export async function getJson(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store' });
  if (!response.ok) {
    const error = new Error(`${path}: ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return response.json();
}

/** Sends `body`; the server's reason why it did not do it, '' when it did. */
export async function postJson(path, body) {
  return await change(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** As postJson; `file` as the list of recordings names it. */
export async function deleteRecording(stream, file) {
  return await change(`/api/v1/recordings?${new URLSearchParams({ stream, file })}`, { method: 'DELETE' });
}

async function change(path, options) {
  try {
    const response = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) {
      const { kept = [] } = await response.json();
      return kept[0]?.reason ?? '';
    }
    const { message, error, data } = await response.json().catch(() => ({}));
    return String(message ?? error ?? data ?? response.status);
  } catch (error) {
    return error.message;
  }
}

let control = null;

/**
 * Whether the server lets this browser start, stop and delete recordings. It says so in its answer to a request that
 * names no stream: it refuses that either way, but only who may not is told "denied".
 */
export function canControlRecordings() {
  control ??= fetch('/api/v1/recordings/stop', { method: 'POST' }).then(
    (response) => response.status === 400,
    () => false,
  );
  return control;
}

export async function fetchServer() {
  return (await getJson('/api/v1/server')).data;
}

export async function fetchStreams() {
  return (await getJson('/api/v1/streams?count=1000')).streams;
}

/**
 * Finds one stream: by its id once that is known, so that a page of one stream does not fetch all of them.
 * Answers `{ kind: 'found', stream }`, `{ kind: 'missing' }`, `{ kind: 'unknown' }` (the API is closed to this
 * page: playing may still work) or `{ kind: 'unreachable' }`.
 */
export class StreamFinder {
  #app;
  #name;
  #id = '';

  constructor(app, name) {
    this.#app = app;
    this.#name = name;
  }

  async find() {
    try {
      const stream = this.#id === '' ? await this.#search() : (await getJson(this.#address())).stream;
      if (stream === undefined) return { kind: 'missing' };
      this.#id = stream.id;
      return { kind: 'found', stream };
    } catch (error) {
      if (error.status === 404 && this.#id !== '') return { kind: 'missing' };
      return { kind: error.status === undefined || error.status >= 500 ? 'unreachable' : 'unknown' };
    }
  }

  #address() {
    return `/api/v1/streams/${encodeURIComponent(this.#id)}`;
  }

  async #search() {
    const streams = await fetchStreams();
    return streams.find((stream) => stream.app === this.#app && stream.name === this.#name);
  }
}

/**
 * What time it is on the server: delays are measured by its clock, which may differ from that of the browser by more
 * than the delay.
 */
export class ServerClock {
  #offsetMs = null;
  #asked = false;

  /** Asks once. */
  async measure() {
    if (this.#asked) return;
    this.#asked = true;
    try {
      const before = Date.now();
      const { data } = await getJson('/api/v1/summaries');
      const middle = (before + Date.now()) / 2;
      if (Number.isFinite(data.now_ms)) this.#offsetMs = data.now_ms - middle;
    } catch {
      // The API is closed to this page: then nothing is said about delays.
    }
  }

  /** Milliseconds since 1970; null while it is not known. */
  now() {
    return this.#offsetMs === null ? null : Date.now() + this.#offsetMs;
  }
}

/**
 * Runs `work` now and then every `intervalMs`, never twice at once, and not while the page is hidden. Returns a function
 * that ends it.
 */
export function repeatWhileVisible(work, intervalMs) {
  let timer = 0;
  let running = false;
  let ended = false;
  const run = async () => {
    clearTimeout(timer);
    if (running || ended || document.hidden) return;
    running = true;
    try {
      await work();
    } finally {
      running = false;
      timer = setTimeout(run, intervalMs);
    }
  };
  document.addEventListener('visibilitychange', run);
  void run();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', run);
  };
}
