// Requests of one kind: a new request aborts the one before it, and an answer that comes too late is ignored.

import { isAborted } from './api.js';

export class Turns {
  #last = null;

  // Calls `work(signal)`, then `done(result)` or `failed(error)`, unless a newer request has begun.
  async take(work, done, failed) {
    this.end();
    const mine = new AbortController();
    this.#last = mine;
    try {
      const result = await work(mine.signal);
      if (this.#last === mine) done(result);
    } catch (error) {
      if (this.#last === mine && !isAborted(error)) failed(error);
    }
  }

  end() {
    this.#last?.abort();
    this.#last = null;
  }
}
