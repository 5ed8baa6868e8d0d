import { Failure } from "./failure.js";

const PREFIX = "unsent/";
const TRY_AGAIN_MS = 1000;
/** What posts that were kept for longer than this were about is over; they are dropped. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Posts that the server has not acknowledged yet, in their order, one on its way at a time. They are kept in the store, and
 * sent again with their `key`, which makes it the same post however often it arrives.
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
   * @param {string} owner whose posts they are
   * @param {(post: object) => Promise<object>} send
   * @param {(posts: object[]) => void} changed
   */
  constructor(store, owner, send, changed) {
    this.#store = store;
    this.#send = send;
    this.#changed = changed;
    this.prefix = `${PREFIX}${owner}/`;
    const kept = store.keys().filter((key) => key.startsWith(this.prefix)).map((key) => store.get(key));
    this.#posts = kept.filter((post) => post && post.since > Date.now() - KEPT_MS).sort((a, b) => a.since - b.since || a.n - b.n);
  }

  get posts() {
    return this.#posts;
  }

  /** Takes a post, and gives what the server says to it, whenever that is. */
  add(post) {
    // Two of one millisecond keep their order.
    const n = this.#posts.length;
    const kept = { ...post, since: Date.now(), n };
    this.#store.set(this.prefix + kept.key, kept);
    this.#set([...this.#posts, kept]);
    const settled = new Promise((resolve, reject) => this.#waiters.set(kept.key, { resolve, reject }));
    this.flush();
    return settled;
  }

  /** Sends what waits, until it is all settled or the connection is lost. */
  async flush() {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let post; (post = this.#posts.find((one) => !one.refused)); ) {
        try {
          this.arrived(post.key, await this.#send(post));
        } catch (error) {
          if (error.code === "offline") return;
          if (error.passing) await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? TRY_AGAIN_MS));
          else this.#refuse(post.key, error);
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  /** Sends a refused post once more. */
  retry(key) {
    this.#replace(key, { refused: undefined });
    this.flush();
  }

  /** Takes a post back that was not sent. */
  discard(key) {
    this.#settle(key, (waiter) => waiter.reject(new Failure("discarded", "taken back before it was sent")));
  }

  /** A post has arrived, as its room shows, whether or not its answer did. */
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

  /** It stays, for whoever wrote it to see why it was refused. */
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
