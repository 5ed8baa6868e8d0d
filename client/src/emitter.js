/** A minimal event emitter. */
export class Emitter {
  #listeners = new Map();

  /**
   * @param {string} name
   * @param {(detail: any) => void} listener
   * @returns {() => void} removes the listener
   */
  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    return () => this.#listeners.get(name)?.delete(listener);
  }

  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        // A listener's error must not affect other listeners or the connection.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
