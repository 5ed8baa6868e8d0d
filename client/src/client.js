import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Failure } from "./failure.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { Places } from "./places.js";
import { MemoryStore } from "./store.js";
import { uuid } from "./uuid.js";

/**
 * A chat client that stays connected. Emits every event of the protocol by its name and as `event`, and its own events `state`,
 * `greeted`, `unread`, `room`, `gap`, `lost` and `unsent` (see README.md).
 */
export class Client extends Emitter {
  #link;
  #places;
  #outbox;
  #login;
  #guest;
  #url;
  #watched = [];
  #token = null;
  /** A token that the server refused, or whose login it ended. */
  #refused;
  #renewal;
  /** How far the server's clock is ahead of ours. */
  #ahead = 0;
  /** @type {{kind: "stopped" | "connecting" | "online" | "offline" | "ended", retryAt?: number, code?: number | string, why?: string}} */
  state = { kind: "stopped" };
  /** The client's account or guest name, from the answer to `connect`. */
  account = null;
  /** The server's answer to `connect`. */
  greeting = null;

  /**
   * @param {{
   *   url: string,
   *   login?: import("./login.js").Login,
   *   guest?: string | true,
   *   store?: object,
   *   WebSocket?: typeof WebSocket,
   *   random?: () => number,
   * }} options
   */
  constructor({ url, login, guest = true, store = new MemoryStore(), WebSocket = globalThis.WebSocket, random }) {
    super();
    this.#url = `${url.replace(/^http/, "ws").replace(/\/+$/, "")}/ws/native`;
    this.#login = login;
    this.#guest = guest;
    const owner = login?.user?.id;
    // A guest gets another identity at the next start, so nothing is stored for it.
    this.#outbox = new Outbox(owner ? store : new MemoryStore(), owner ?? "guest", (post) => this.#send(post), (posts) => {
      this.emit("unsent", posts);
    });
    this.#places = new Places((name, detail) => this.emit(name, detail));
    this.#link = new Link(() => new Connection(WebSocket, this.#url, (frame, from) => this.#event(frame, from)), {
      prepare: () => this.#proof(),
      connected: (connection, proof) => this.#connected(connection, proof),
      alive: (connection) => this.#watchAll(connection),
      state: (state) => this.#changed(state),
      tokenEnded: () => (this.#refused = this.#token),
    }, random);
  }

  start() {
    this.#link.run();
  }

  /** Closes the connection for good. Unsent posts are kept. */
  stop() {
    clearTimeout(this.#renewal);
    this.#link.stop();
  }

  /** Retries at once, or checks whether the connection still works. Call it when the network may have changed. */
  nudge() {
    this.#link.nudge();
  }

  /** Calls an op of the protocol or of a plugin now; fails with `offline` without a connection. */
  call(op, args = {}) {
    const { connection } = this.#link;
    return connection ? connection.request(op, args) : Promise.reject(Failure.offline());
  }

  /** Joins a room, and follows it from then on, over every reconnection. */
  join(room, { password } = {}) {
    const { connection } = this.#link;
    return connection ? this.#places.join(connection, room, password) : Promise.reject(Failure.offline());
  }

  async leave(room) {
    await this.call("room.leave", { room });
    this.#places.forget(room);
  }

  /**
   * Posts a message, now or after the next reconnection. It is stored once, however often it is sent.
   * @returns {Promise<{seq: number, at: string, duplicate: boolean}>} once the server has accepted it
   */
  post(room, body, { replyTo, attachments, key = uuid() } = {}) {
    if (/^\/(?!\/)/.test(body)) {
      return Promise.reject(new Failure("bad_request", "text after a slash is a command, which cannot wait: `command`"));
    }
    return this.#outbox.add({ key, room, body, replyTo, attachments });
  }

  /** Calls a slash command, such as `/roll 2d6`. */
  async command(room, text) {
    return (await this.call("message.post", { room, body: text })).result;
  }

  /** Posts that are in flight, queued or `refused`. */
  get unsent() {
    return this.#outbox.posts;
  }

  retry(key) {
    this.#outbox.retry(key);
  }

  discard(key) {
    this.#outbox.discard(key);
  }

  /** Subscribes to the presence of these accounts, instead of those of the previous call. */
  async watch(accounts) {
    this.#watched = accounts;
    const { connection } = this.#link;
    if (connection) await this.#watchAll(connection);
  }

  /** An access token for REST. */
  token() {
    return this.#login ? this.#login.token() : Promise.reject(new Failure("forbidden", "this is for accounts"));
  }

  async #proof() {
    if (!this.#login) return { guest: this.#guest };
    this.#token = await this.#login.token({ instead: this.#refused });
    return { token: this.#token, listen: "all" };
  }

  async #connected(connection, proof) {
    try {
      this.#greeted(await connection.request("connect", proof));
    } catch (error) {
      if (error.code !== "unauthenticated" || !this.#login) throw error;
      // The token seemed valid: it was replaced meanwhile, or the clocks differ.
      this.#refused = proof.token;
      this.#greeted(await connection.request("connect", await this.#proof()));
    }
    let mine = null;
    if (this.#login) {
      const { rooms } = await connection.request("unread", {});
      mine = new Set(rooms.map(({ room }) => room.uid));
      this.emit("unread", rooms);
    }
    await this.#places.resume(connection, mine);
    await this.#watchAll(connection);
    return this.greeting.ping_ms;
  }

  #greeted(greeting) {
    this.greeting = greeting;
    this.#ahead = Date.parse(greeting.now) - Date.now();
    this.account = greeting.account;
    // Reconnects under the generated name, by which the guest is known.
    if (!this.#login && this.#guest === true) this.#guest = greeting.account.name;
    this.emit("greeted", greeting);
  }

  async #watchAll(connection) {
    const { accounts } = await connection.request("presence.watch", { accounts: this.#watched });
    for (const data of accounts) this.emit("presence", { event: "presence", data: { account: data.id, online: data.online } });
  }

  #send({ key, room, body, replyTo, attachments }) {
    return this.call("message.post", { key, room, body, reply_to: replyTo, attachments });
  }

  #changed(state) {
    this.state = state;
    if (state.kind !== "online") clearTimeout(this.#renewal);
    // The server has ended the login.
    if (state.kind === "ended" && [4504, 4505].includes(state.code)) this.#login?.forget().catch(() => {});
    this.emit("state", state);
    if (state.kind === "online") this.#outbox.flush();
  }

  #event(frame, connection) {
    if (!this.#places.takes(frame, connection)) return;
    const { event, room, seq, data } = frame;
    if (event === "message.posted" && data.key) this.#outbox.arrived(data.key, { seq, at: data.at, duplicate: true });
    if (event === "token.expiring") this.#renew(connection, Date.parse(data.expires_at));
    this.emit(event, frame);
    this.emit("event", frame);
    const out = event === "member.removed" && this.account.id !== undefined && data.account.id === this.account.id;
    if (out || event === "room.deleted") {
      this.#places.forget(room);
      this.emit("lost", { room, error: new Failure("forbidden", out ? `you were removed: ${data.why}` : "the room was deleted") });
    }
  }

  /** Renews the connection's token when half of its remaining time has passed. */
  #renew(connection, endsAt) {
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(async () => {
      try {
        this.#token = await this.#login.token({ instead: this.#token });
        this.#greeted(await connection.request("connect", { token: this.#token }));
      } catch {
        // The connection then closes when the token expires, and the next one reports the error.
      }
    }, Math.max(0, (endsAt - Date.now() - this.#ahead) / 2));
  }
}
