// Where a login and unsent posts are kept. A store has `get`, `set` and `delete`, and `exclusively`, which runs one
// function at a time of all who share it.

/** Keeps things for as long as the program runs. */
export class MemoryStore {
  #values = new Map();
  #last = Promise.resolve();

  get(key) {
    return this.#values.get(key) ?? null;
  }

  set(key, value) {
    this.#values.set(key, value);
  }

  delete(key) {
    this.#values.delete(key);
  }

  keys() {
    return [...this.#values.keys()];
  }

  exclusively(work) {
    const run = this.#last.then(work);
    this.#last = run.catch(() => {});
    return run;
  }
}

/** Keeps things in a browser, for all tabs; a refresh token is good once, so no two of them may trade it. */
export class WebStore {
  #prefix;
  #alone = new MemoryStore();

  /** @param {string} name tells apart what belongs to different programs of one origin */
  constructor(name) {
    this.#prefix = `${name}/`;
  }

  get(key) {
    try {
      return JSON.parse(localStorage.getItem(this.#prefix + key));
    } catch {
      return null;
    }
  }

  set(key, value) {
    localStorage.setItem(this.#prefix + key, JSON.stringify(value));
  }

  delete(key) {
    localStorage.removeItem(this.#prefix + key);
  }

  keys() {
    const all = Object.keys(localStorage).filter((key) => key.startsWith(this.#prefix));
    return all.map((key) => key.slice(this.#prefix.length));
  }

  exclusively(work) {
    // Browsers offer locks to pages that came by HTTPS or from this machine; without them, tabs have to take their chance.
    const { locks } = navigator;
    return locks ? locks.request(`${this.#prefix}lock`, work) : this.#alone.exclusively(work);
  }

  /**
   * Calls `listener` when another tab changes something.
   * @param {(key: string) => void} listener
   * @returns {() => void} what ends it
   */
  watch(listener) {
    const told = (event) => {
      if (event.storageArea === localStorage && event.key?.startsWith(this.#prefix)) {
        listener(event.key.slice(this.#prefix.length));
      }
    };
    addEventListener("storage", told);
    return () => removeEventListener("storage", told);
  }
}
