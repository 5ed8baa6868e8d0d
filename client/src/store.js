// Stores for a login and unsent posts. A store has `get`, `set`, `delete` and `keys`, and `update`, which is atomic for all users
// of the store.

/** An in-memory store. */
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

  /**
   * Replaces a value by the result of `change`; null removes it.
   * @param {string} key
   * @param {(value: any) => any} change
   */
  update(key, change) {
    const run = this.#last.then(async () => {
      const value = await change(this.get(key));
      if (value === null) this.delete(key);
      else this.set(key, value);
      return value;
    });
    this.#last = run.catch(() => {});
    return run;
  }
}

/**
 * A store in the browser, shared by all tabs. Updated values are also in IndexedDB: a tab may read a stale value from
 * localStorage, and using a refresh token twice ends the login.
 */
export class WebStore {
  #prefix;
  #database;
  #alone = new MemoryStore();

  /** @param {string} name distinguishes the programs of one origin */
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

  update(key, change) {
    const work = async () => {
      const value = await change(await this.#latest(key));
      await this.#write(key, value);
      if (value === null) this.delete(key);
      else this.set(key, value);
      return value;
    };
    // Browsers offer locks only in secure contexts (HTTPS or localhost); without them, updates of tabs may race.
    const { locks } = navigator;
    return locks ? locks.request(this.#prefix + key, work) : this.#alone.update(key, work);
  }

  /**
   * Calls `listener` when another tab changes something.
   * @param {(key: string) => void} listener
   * @returns {() => void} removes the listener
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

  async #latest(key) {
    const values = await this.#values("readonly").catch(() => null);
    // Without IndexedDB, localStorage has the only copy.
    return values ? ((await done(values.get(key))) ?? null) : this.get(key);
  }

  async #write(key, value) {
    const values = await this.#values("readwrite").catch(() => null);
    if (values) await done(value === null ? values.delete(key) : values.put(value, key));
  }

  async #values(mode) {
    this.#database ??= new Promise((resolve, reject) => {
      const opening = indexedDB.open(this.#prefix, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("values");
      done(opening).then(resolve, reject);
    });
    return (await this.#database).transaction("values", mode).objectStore("values");
  }
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
