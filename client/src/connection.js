import { Failure } from "./failure.js";

const ANSWER_TIMEOUT_MS = 20_000;
const OPEN_TIMEOUT_MS = 15_000;

/** One WebSocket, with requests, answers and events. It is not reused after it ends. */
export class Connection {
  #socket;
  #waiting = new Map();
  #id = 0;
  #ended = false;
  #onEvent;
  #close;
  /** When the last frame was received. */
  heardAt = Date.now();

  /**
   * @param {typeof WebSocket} WebSocket
   * @param {string} url
   * @param {(frame: object, connection: Connection) => void} onEvent
   */
  constructor(WebSocket, url, onEvent) {
    this.#onEvent = onEvent;
    /** How it ended: `{code, reason}`. */
    this.ended = new Promise((resolve) => (this.#close = resolve));
    this.#socket = new WebSocket(url);
    this.opened = new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#end({ code: 1006, reason: "no answer" }), OPEN_TIMEOUT_MS);
      this.#socket.addEventListener("open", () => {
        clearTimeout(late);
        this.#waiting.delete("open");
        resolve();
      });
      this.#waiting.set("open", { reject, timer: late });
    });
    // Avoids an unhandled rejection; the end of the connection is reported anyway.
    this.opened.catch(() => {});
    this.#socket.addEventListener("message", ({ data }) => this.#frame(data));
    this.#socket.addEventListener("close", ({ code, reason }) => this.#end({ code, reason }));
    this.#socket.addEventListener("error", () => {});
  }

  /**
   * Sends a request, and waits for the answer.
   * @param {string} op
   * @param {object} args
   * @param {(ok: any) => void} [first] is called before any event after the answer
   */
  request(op, args, first) {
    if (this.#ended) return Promise.reject(Failure.offline());
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      // A server that is silent for so long counts as gone, even if the socket is open.
      const timer = setTimeout(() => this.#end({ code: 1006, reason: "no answer" }), ANSWER_TIMEOUT_MS);
      this.#waiting.set(id, { resolve, reject, first, timer });
      this.#socket.send(JSON.stringify({ id, op, args }));
    });
  }

  close() {
    this.#end({ code: 1000, reason: "" });
  }

  #frame(data) {
    this.heardAt = Date.now();
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame.event !== undefined) return this.#onEvent(frame, this);
    const waiting = this.#waiting.get(frame.id);
    if (!waiting) return;
    this.#waiting.delete(frame.id);
    clearTimeout(waiting.timer);
    if (frame.error) {
      const { code, message, retry_after_ms: retryAfterMs, reason } = frame.error;
      return waiting.reject(new Failure(code, message, { retryAfterMs, reason }));
    }
    waiting.first?.(frame.ok);
    waiting.resolve(frame.ok);
  }

  #end(close) {
    if (this.#ended) return;
    this.#ended = true;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(Failure.offline("the connection was lost"));
    }
    this.#waiting.clear();
    this.#socket.close();
    this.#close(close);
  }
}
