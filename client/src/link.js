import { Backoff } from "./backoff.js";

/** The last connection was ended for its token alone: a fresh one is let in at once. */
const TOKEN_ENDED = 4401;
const GOING_AWAY = 1012;
/** From here on the server does not want the client back. */
const DO_NOT_COME_BACK = 4500;
const MOST_PAUSE_MS = 60_000;

/** Keeps a connection: opens one after the other, with pauses between them, until the server says not to come back. */
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
   * }} on `connected` makes a new connection usable, with what was prepared, and gives how often to ask whether it is alive
   * @param {() => number} [random]
   */
  constructor(open, on, random) {
    this.#open = open;
    this.#on = on;
    this.#backoff = new Backoff(random);
  }

  /** The connection, if there is one that can be used. */
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

  /** Now is a good time: does not wait any longer, or sees whether the connection lives. */
  nudge() {
    this.#wake();
    this.#check();
  }

  /** One connection from its beginning to its end; gives how it ended. */
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
      // If it was broken off, its end says how.
      if (error.code !== "offline") refusal = endedBy(error);
      connection.close();
    }
    const close = await connection.ended;
    clearInterval(beat);
    this.#check = () => {};
    return refusal ?? close;
  }

  /** How long to wait before the next attempt; null for ever. */
  #pauseAfter({ code, reason, retryAfterMs }, wasOnline) {
    // What was refused for good would be refused again.
    if (["unauthenticated", "forbidden", "invalid", "bad_request", "conflict"].includes(code)) return null;
    if (code >= DO_NOT_COME_BACK && code < 5000) return null;
    const pause = this.#backoff.next();
    if (retryAfterMs !== undefined) return Math.min(Math.max(pause, retryAfterMs), MOST_PAUSE_MS);
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

/** When a server that goes away wants its clients back. */
function asked(reason) {
  try {
    const ms = JSON.parse(reason).reconnect_after_ms;
    return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MOST_PAUSE_MS) : null;
  } catch {
    return null;
  }
}
