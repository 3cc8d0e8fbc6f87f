// Starting, stopping and deleting recordings, where the server lets this browser.

const TIMEOUT_MS = 5000;

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

/** Whether the server lets this browser start, stop and delete recordings. */
export function canControlRecordings() {
  control ??= fetch('/api/v1/recordings/active')
    .then((response) => response.json())
    .then(
      (answer) => answer.control === true,
      () => false,
    );
  return control;
}
