import { Backoff } from "./backoff.js";

/** Close code for an expired token: a new token is accepted at once. */
const TOKEN_ENDED = 4401;
const GOING_AWAY = 1012;
/** Close codes from this value on: the client must not reconnect. */
const FIRST_PERMANENT_CODE = 4500;
const MAX_RECONNECT_DELAY_MS = 60_000;

/** Keeps a connection open: reconnects with back-off, until the server forbids it. */
export class Link {
  #open;
  #on;
  #backoff;
  #connection = null;
  #running = false;
  #wake = () => {};
  #stop = () => {};
  #check = () => {};

  /**
   * @param {() => import("./connection.js").Connection} open
   * @param {{
   *   prepare: () => Promise<object>,
   *   connected: (connection: Connection, prepared: object) => Promise<number>,
   *   alive: (connection: Connection) => Promise<unknown>,
   *   state: (state: object) => void,
   *   tokenEnded: () => void,
   * }} on `connected` sets up a new connection with the result of `prepare`, and returns the ping interval in milliseconds
   * @param {() => number} [random]
   */
  constructor(open, on, random) {
    this.#open = open;
    this.#on = on;
    this.#backoff = new Backoff(random);
  }

  /** The current connection, if it is usable. */
  get connection() {
    return this.#connection;
  }

  async run() {
    if (this.#running) return;
    this.#running = true;
    while (this.#running) {
      this.#on.state({ kind: "connecting" });
      const end = await this.#live();
      const wasOnline = this.#connection !== null;
      this.#connection = null;
      if (!this.#running) break;
      const pause = this.#pauseAfter(end, wasOnline);
      if (pause === null) {
        this.#running = false;
        this.#on.state({ kind: "ended", code: end.code, why: end.reason });
        return;
      }
      this.#on.state({ kind: "offline", retryAt: Date.now() + pause, why: end.reason });
      await this.#sleep(pause);
    }
    this.#on.state({ kind: "stopped" });
  }

  stop() {
    this.#running = false;
    this.#stop();
    this.#wake();
  }

  /** Reconnects without further delay, or checks whether the connection is alive. */
  nudge() {
    this.#wake();
    this.#check();
  }

  /** Runs one connection to its end; returns how it ended. */
  async #live() {
    let prepared;
    try {
      prepared = await this.#on.prepare();
    } catch (error) {
      return endedBy(error);
    }
    const connection = this.#open();
    this.#stop = () => connection.close();
    if (!this.#running) connection.close();
    let beat;
    let refusal;
    try {
      await connection.opened;
      const every = await this.#on.connected(connection, prepared);
      this.#connection = connection;
      this.#backoff.reset();
      const ask = () => this.#on.alive(connection).catch(() => {});
      this.#check = ask;
      beat = setInterval(() => Date.now() - connection.heardAt > every && ask(), every);
      this.#on.state({ kind: "online" });
    } catch (error) {
      // If the connection broke, its end has the reason.
      if (error.code !== "offline") refusal = endedBy(error);
      connection.close();
    }
    const close = await connection.ended;
    clearInterval(beat);
    this.#check = () => {};
    return refusal ?? close;
  }

  /** The delay before the next attempt; null for no further attempt. */
  #pauseAfter({ code, reason, retryAfterMs }, wasOnline) {
    // A permanent refusal would be repeated.
    if (["unauthenticated", "forbidden", "invalid", "bad_request", "conflict"].includes(code)) return null;
    if (code >= FIRST_PERMANENT_CODE && code < 5000) return null;
    const pause = this.#backoff.next();
    if (retryAfterMs !== undefined) return Math.min(Math.max(pause, retryAfterMs), MAX_RECONNECT_DELAY_MS);
    if (code === TOKEN_ENDED) {
      this.#on.tokenEnded();
      return wasOnline ? 0 : pause;
    }
    return code === GOING_AWAY ? (asked(reason) ?? pause) : pause;
  }

  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function endedBy(error) {
  return { code: error.code ?? "internal", reason: error.message, retryAfterMs: error.retryAfterMs };
}

/** The reconnect delay in the close reason of a stopping server. */
function asked(reason) {
  try {
    const ms = JSON.parse(reason).reconnect_after_ms;
    return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RECONNECT_DELAY_MS) : null;
  } catch {
    return null;
  }
}
