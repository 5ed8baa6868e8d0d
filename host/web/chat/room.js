// A room as somebody who is in it knows it.

import { RoomLog } from "./room_log.js";

const PAGE = 50;
/** Others are told of typing so often, and believe it for longer. */
const TYPING_EVERY_MS = 3000;
const TYPING_HOLDS_MS = 5000;
const READ_AFTER_MS = 300;
const PEOPLE_AFTER_MS = 300;
const LINES = 200;

let lineId = 0;

export class Room {
  about = {};
  /** The other one of a direct room. */
  with = null;
  unread = 0;
  lastSeq = 0;
  readSeq = 0;
  rank = 0;
  /** Null until it is looked at for the first time. */
  log = null;
  /** A page of older messages that is being read. */
  readingOlder = null;
  /** The message that is to be looked at, until it is. */
  wanted = null;
  /** Where what was new began when it was opened. */
  newFrom = null;
  /** What is between the messages: who came, who left, what commands answered. */
  lines = [];
  members = [];
  guests = [];
  role = null;
  /** Who is writing: names, and when they stop being believed. */
  typing = new Map();
  /** How far others have read, as far as it was told: by account. */
  readBy = new Map();
  draft = { body: "", files: [] };
  /** Messages that replies name and that are not in the log here. */
  quoted = new Map();
  #session;
  #opening = null;
  /** A log that is being read for the first time. */
  #coming = null;
  #typedAt = 0;
  /** Timers of what is told, or asked for, a little later. */
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

  /** Follows the room, and reads what was said last. */
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

  /** Reads a page of older messages; gives whether there was one. */
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

  /** Has the view go to a message, and reads the log up to there. */
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

  /** The latest is in sight: it is read. The server is told once of many that come together. */
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

  /** Whether the end of the log is in sight, as the view says. */
  inSight = true;

  type() {
    if (Date.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = Date.now();
    this.#session.client.call("typing", { room: this.uid }).catch(() => {});
  }

  /** Something to read in its place that is no message. */
  say(text, { at = new Date().toISOString(), own = false } = {}) {
    this.lines = [...this.lines.slice(-LINES), { id: `line-${++lineId}`, after: this.log?.messages.at(-1)?.seq ?? 0, text, at, own }];
    this.#session.changed();
  }

  /** The message that a reply is to; it is fetched if it is not at hand. */
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
      // Whatever is typed from here on is something new.
      this.#typedAt = 0;
    } else {
      // Whoever comes back to this tab sees where they were.
      if (document.hidden && this.unread === 0) this.newFrom = this.lastSeq - 1;
      this.unread += 1;
    }
    if (this.inSight) this.log?.trim();
    this.seen();
  }

  #read({ account, seq }) {
    if (account.id !== this.#session.me.id) return this.readBy.set(account.id, { name: account.name, seq });
    // By oneself, in another tab or on another device.
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

  /** Who is here is asked for once, however many come and go together; and of rooms that were looked at alone. */
  peopleChanged() {
    if (!this.log) return;
    this.#asking ??= setTimeout(() => {
      this.#asking = null;
      this.loadPeople().then(() => this.#session.changed(), () => {});
    }, PEOPLE_AFTER_MS);
  }
}
