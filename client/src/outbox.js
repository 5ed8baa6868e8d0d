import { Failure } from "./failure.js";

const PREFIX = "unsent/";
const RETRY_DELAY_MS = 1000;
/** Unsent posts that are older than this are dropped. */
const MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Unacknowledged posts, in order, one in flight at a time. They are kept in the store, and retried with their idempotency key
 * `key`, so that the server stores each once.
 */
export class Outbox {
  #store;
  #send;
  #changed;
  #posts;
  #sending = false;
  #waiters = new Map();

  /**
   * @param {object} store
   * @param {string} owner the account whose posts they are
   * @param {(post: object) => Promise<object>} send
   * @param {(posts: object[]) => void} changed
   */
  constructor(store, owner, send, changed) {
    this.#store = store;
    this.#send = send;
    this.#changed = changed;
    this.prefix = `${PREFIX}${owner}/`;
    const kept = store.keys().filter((key) => key.startsWith(this.prefix)).map((key) => store.get(key));
    this.#posts = kept.filter((post) => post && post.since > Date.now() - MAX_AGE_MS).sort((a, b) => a.since - b.since || a.n - b.n);
  }

  get posts() {
    return this.#posts;
  }

  /** Queues a post; resolves with the server's answer. */
  add(post) {
    // Keeps the order of posts of the same millisecond.
    const n = this.#posts.length;
    const kept = { ...post, since: Date.now(), n };
    this.#store.set(this.prefix + kept.key, kept);
    this.#set([...this.#posts, kept]);
    const settled = new Promise((resolve, reject) => this.#waiters.set(kept.key, { resolve, reject }));
    this.flush();
    return settled;
  }

  /** Sends queued posts until all are settled or the connection is lost. */
  async flush() {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let post; (post = this.#posts.find((one) => !one.refused)); ) {
        try {
          this.arrived(post.key, await this.#send(post));
        } catch (error) {
          if (error.code === "offline") return;
          if (error.passing) await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? RETRY_DELAY_MS));
          else this.#refuse(post.key, error);
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  /** Retries a refused post. */
  retry(key) {
    this.#replace(key, { refused: undefined });
    this.flush();
  }

  /** Removes an unsent post. */
  discard(key) {
    this.#settle(key, (waiter) => waiter.reject(new Failure("discarded", "taken back before it was sent")));
  }

  /** Settles a post whose event was received, even if its answer was lost. */
  arrived(key, posted) {
    this.#settle(key, (waiter) => waiter.resolve(posted));
  }

  #settle(key, answer) {
    if (!this.#posts.some((post) => post.key === key)) return;
    this.#store.delete(this.prefix + key);
    this.#set(this.#posts.filter((post) => post.key !== key));
    const waiter = this.#waiters.get(key);
    this.#waiters.delete(key);
    if (waiter) answer(waiter);
  }

  /** Marks a post as refused; it is kept, so that its author can see the reason. */
  #refuse(key, error) {
    this.#replace(key, { refused: { code: error.code, message: error.message } });
    this.#waiters.get(key)?.reject(error);
    this.#waiters.delete(key);
  }

  #replace(key, change) {
    const posts = this.#posts.map((post) => (post.key === key ? { ...post, ...change } : post));
    const changed = posts.find((post) => post.key === key);
    if (changed) this.#store.set(this.prefix + key, changed);
    this.#set(posts);
  }

  #set(posts) {
    this.#posts = posts;
    this.#changed(posts);
  }
}
