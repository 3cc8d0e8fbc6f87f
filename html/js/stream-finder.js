// One stream of the server, looked up again and again while it is played.
import { fetchStreams, getJson } from './api.js';

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
