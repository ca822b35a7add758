// Requests of one kind: a new one ends the one before, and an answer that comes too late is dropped.

import { isAborted } from './api.js';

export class Turns {
  #last = null;

  // Calls `work(signal)`, then `done(result)` or `failed(error)`, unless a newer turn has begun.
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
