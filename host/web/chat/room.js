// The state of a joined room.

import { RoomLog } from "./room_log.js";

const PAGE = 50;
/** Interval of typing notifications; receivers show them for longer. */
const TYPING_EVERY_MS = 3000;
const TYPING_HOLDS_MS = 5000;
const READ_AFTER_MS = 300;
const PEOPLE_AFTER_MS = 300;
const LINES = 200;

let lineId = 0;

export class Room {
  about = {};
  /** The other account of a direct room. */
  with = null;
  unread = 0;
  lastSeq = 0;
  readSeq = 0;
  rank = 0;
  /** Null until the room is opened for the first time. */
  log = null;
  /** The pending request for older messages. */
  readingOlder = null;
  /** The message to scroll to, until that is done. */
  wanted = null;
  /** The position of the mark before new messages; null without one. */
  newFrom = null;
  /** Notices between messages: joins, leaves, results of commands. */
  lines = [];
  members = [];
  guests = [];
  role = null;
  /** Names of people who are typing, with their expiry. */
  typing = new Map();
  /** Read positions of others, by account. */
  readBy = new Map();
  draft = { body: "", files: [] };
  /** Replied-to messages that are not in the loaded part of the log. */
  quoted = new Map();
  #session;
  #opening = null;
  /** The pending first read of the log. */
  #coming = null;
  #typedAt = 0;
  /** Timers of delayed requests. */
  #reading = null;
  #asking = null;

  constructor(session, uid) {
    this.#session = session;
    this.uid = uid;
  }

  get isDirect() {
    return this.about.kind === "direct";
  }

  get name() {
    return this.isDirect ? (this.with?.name ?? "somebody") : this.about.name;
  }

  get loading() {
    return this.#opening !== null;
  }

  get mayModerate() {
    return this.role === "owner" || this.role === "moderator";
  }

  count({ with: other, unread, last_seq: lastSeq, read_seq: readSeq }) {
    Object.assign(this, { with: other ?? null, unread, lastSeq, readSeq: Math.max(readSeq, this.readSeq) });
  }

  /** Opens the room: joins it and reads its latest messages. */
  open() {
    if (this.log) {
      this.newFrom = this.unread > 0 ? this.readSeq : null;
      return this.seen();
    }
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #open() {
    const { client } = this.#session;
    const log = new RoomLog();
    this.#coming = log;
    const joined = await client.join(this.uid);
    this.lastSeq = Math.max(this.lastSeq, joined.last_seq);
    await log.read(() => client.call("room.history", { room: this.uid, limit: PAGE }));
    this.newFrom = this.unread > 0 ? this.readSeq : null;
    this.log = log;
    await this.loadPeople();
    this.seen();
  }

  async reload() {
    this.log = null;
    if (this.#session.current === this.uid) await this.open().catch(() => {});
    this.#session.changed();
  }

  /** Reads a page of older messages; returns whether there was one. */
  older() {
    if (!this.log?.more) return Promise.resolve(false);
    this.readingOlder ??= this.#older(this.log).finally(() => {
      this.readingOlder = null;
      this.#session.changed();
    });
    this.#session.changed();
    return this.readingOlder;
  }

  #older(log) {
    const before = log.messages[0]?.seq;
    const read = log.read(() => this.#session.client.call("room.history", { room: this.uid, limit: PAGE, before }));
    return read.then(() => true, () => false);
  }

  /** Reads the log back to a message, and has the view scroll to it. */
  async show(seq) {
    this.wanted = seq;
    while (this.log?.messages[0]?.seq > seq && await this.older());
    this.#session.changed();
  }

  async loadPeople() {
    const members = [];
    let cursor;
    let guests;
    do {
      const page = await this.#session.client.call("room.members", { room: this.uid, cursor });
      members.push(...page.members);
      guests = page.guests;
      cursor = page.next;
    } while (cursor && members.length < 1000);
    Object.assign(this, { members, guests });
    const { me, people } = this.#session;
    this.role = members.find(({ account }) => account.id === me.id)?.role ?? null;
    for (const { account } of members) people.know(account);
    await people.watch();
  }

  /** Marks the latest message as read; batches the requests. */
  seen() {
    const { client, isGuest, current } = this.#session;
    if (!this.log || current !== this.uid || document.hidden || !this.inSight) return;
    this.unread = 0;
    if (isGuest || this.lastSeq <= this.readSeq) return;
    this.#reading ??= setTimeout(() => {
      this.#reading = null;
      const seq = this.lastSeq;
      client.call("message.read", { room: this.uid, seq }).then(() => (this.readSeq = Math.max(seq, this.readSeq)), () => {});
    }, READ_AFTER_MS);
  }

  /** Set by the view: whether the end of the log is visible. */
  inSight = true;

  type() {
    if (Date.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = Date.now();
    this.#session.client.call("typing", { room: this.uid }).catch(() => {});
  }

  /** Adds a notice at the end. */
  say(text, { at = new Date().toISOString(), own = false } = {}) {
    this.lines = [...this.lines.slice(-LINES), { id: `line-${++lineId}`, after: this.log?.messages.at(-1)?.seq ?? 0, text, at, own }];
    this.#session.changed();
  }

  /** The message that a reply refers to; fetched if it is not loaded. */
  quote(seq) {
    const here = this.log?.get(seq) ?? this.quoted.get(seq);
    if (here === undefined) {
      this.quoted.set(seq, null);
      const asked = this.#session.client.call("room.history", { room: this.uid, after: seq - 1, limit: 1 });
      asked.then(({ messages: [message] }) => {
        if (message?.seq === seq) this.quoted.set(seq, message);
        this.#session.changed();
      }).catch(() => {});
    }
    return here ?? null;
  }

  event(frame) {
    const { event, seq, data } = frame;
    if (seq !== undefined) this.lastSeq = Math.max(seq, this.lastSeq);
    (this.log ?? this.#coming)?.apply(frame);
    switch (event) {
      case "message.posted":
        return this.#posted(data);
      case "room.updated":
        for (const key of ["name", "topic", "visibility", "member_limit"]) this.about = { ...this.about, [key]: data[key] };
        return this.say(`${data.by.name} changed the room`);
      case "member.added":
        this.say(`${data.account.name} joined`);
        return this.peopleChanged();
      case "member.removed":
        this.say(`${data.account.name} ${{ left: "left", kicked: "was removed", banned: "was banned" }[data.why] ?? "left"}${data.reason ? `: ${data.reason}` : ""}`);
        return this.peopleChanged();
      case "member.role":
        this.say(`${data.account.name} is ${data.role === "member" ? "a member" : data.role === "owner" ? "the owner" : "a moderator"} now`);
        return this.peopleChanged();
      case "guest.joined":
      case "guest.left":
        return this.peopleChanged();
      case "typing":
        return this.#types(data.by.name);
      case "read":
        return this.#read(data);
    }
  }

  #posted({ from, deleted }) {
    this.#session.raise(this);
    this.typing.delete(from.name);
    if (deleted) return;
    if (this.#session.isMe(from)) {
      this.newFrom = null;
      // The next key press sends a new typing notification.
      this.#typedAt = 0;
    } else {
      // Marks where the messages begin that arrived while the tab was hidden.
      if (document.hidden && this.unread === 0) this.newFrom = this.lastSeq - 1;
      this.unread += 1;
    }
    if (this.inSight) this.log?.trim();
    this.seen();
  }

  #read({ account, seq }) {
    if (account.id !== this.#session.me.id) return this.readBy.set(account.id, { name: account.name, seq });
    // By this user, in another tab or on another device.
    this.readSeq = Math.max(this.readSeq, seq);
    if (seq >= this.lastSeq) this.unread = 0;
  }

  #types(name) {
    clearTimeout(this.typing.get(name));
    const over = setTimeout(() => {
      this.typing.delete(name);
      this.#session.changed();
    }, TYPING_HOLDS_MS);
    this.typing.set(name, over);
  }

  /** Reloads the members, batched, and only of rooms that were opened. */
  peopleChanged() {
    if (!this.log) return;
    this.#asking ??= setTimeout(() => {
      this.#asking = null;
      this.loadPeople().then(() => this.#session.changed(), () => {});
    }, PEOPLE_AFTER_MS);
  }
}
