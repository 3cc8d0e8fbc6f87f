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

export async function fetchServer() {
  return (await getJson('/api/v1/server')).data;
}

export async function fetchStreams() {
  return (await getJson('/api/v1/streams?count=1000')).streams;
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
