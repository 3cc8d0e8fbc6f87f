// The server's clock, as seen from here.
import { getJson } from './api.js';

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
