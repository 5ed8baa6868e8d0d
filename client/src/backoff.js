const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** How long to wait before the next attempt: longer each time, and by chance, so that not all come back at once. */
export class Backoff {
  #failures = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  next() {
    const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    return most / 2 + (this.#random() * most) / 2;
  }

  reset() {
    this.#failures = 0;
  }
}
