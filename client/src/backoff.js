const INITIAL_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** Exponential back-off with jitter, so that clients do not all reconnect at once. */
export class Backoff {
  #failures = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  next() {
    const most = Math.min(MAX_DELAY_MS, INITIAL_DELAY_MS * 2 ** this.#failures);
    this.#failures += 1;
    return most / 2 + (this.#random() * most) / 2;
  }

  reset() {
    this.#failures = 0;
  }
}
