// The state of a logged-in session: rooms, people and unsent posts. Views read it and call it; it notifies them of changes.

import { Client } from "/web/client/index.js";
import { go } from "./address.js";
import { People } from "./people.js";
import { Room } from "./room.js";

/** How long the list of commands is cached: plugins may change it. */
const COMMANDS_HOLD_MS = 15_000;

export class Session {
  rooms = new Map();
  /** Open invitations, by room. */
  invited = new Map();
  /** The open room. */
  current = null;
  /** Why the requested room could not be opened. */
  notice = null;
  commands = [];
  /** Whether the account's rooms are loaded. */
  ready = false;
  people = new People(this);
  #commandsAt = 0;
  #rank = 0;
  #changed;

  /**
   * @param {{url: string, server: object, login?: object, guest?: string, store: object}} options
   * @param {() => void} changed
   */
  constructor({ server, ...options }, changed) {
    this.account = options.login?.user.id ?? null;
    this.server = server;
    this.isGuest = !options.login;
    this.#changed = changed;
    this.client = new Client(options);
    const { client } = this;
    client.on("state", (state) => this.#on(state));
    client.on("unread", (rows) => this.#list(rows));
    client.on("room", (room) => this.#know(room));
    client.on("gap", ({ room }) => this.rooms.get(room)?.reload());
    client.on("lost", ({ room, error }) => this.#lose(room, error));
    client.on("unsent", () => this.changed());
    client.on("event", (frame) => this.#event(frame));
    client.on("presence", ({ data }) => this.people.came(data.account, data.online));
    client.start();
  }

  get state() {
    return this.client.state;
  }

  get me() {
    return this.client.account;
  }

  get room() {
    return this.rooms.get(this.current) ?? null;
  }

  get limits() {
    return this.server.limits;
  }

  /** The number of unread messages in all rooms. */
  get unread() {
    return [...this.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  }

  isMe(author) {
    return author.id !== undefined ? author.id === this.me?.id : Boolean(author.guest) && this.isGuest && author.name === this.me?.name;
  }

  changed() {
    this.#changed();
  }

  /** Opens a room, and joins it first if necessary. */
  async open(uid) {
    this.current = uid;
    this.notice = null;
    this.changed();
    try {
      let room = this.rooms.get(uid);
      if (!room) {
        const joined = await this.client.join(uid);
        room = this.#know(joined.room);
        // The address may have named the room by its name.
        if (this.current === uid) this.current = room.uid;
      }
      await room.open();
    } catch (error) {
      // The room is opened after the reconnection.
      if (error.code === "offline") return;
      if (this.current === uid && !this.rooms.get(uid)?.log) this.look(null, error.message);
    }
    this.changed();
  }

  /** Opens a room at a message. */
  async show(uid, seq) {
    await this.open(uid);
    await this.rooms.get(uid)?.show(seq);
  }

  /** Closes the open room. */
  look(uid, notice = null) {
    this.current = uid;
    this.notice = notice;
    this.changed();
  }

  /** Joins a room and opens it; shows the error if that fails. */
  async enter(uid) {
    try {
      go(await this.join(uid));
    } catch (error) {
      this.look(null, error.message);
    }
  }

  /** Joins a room by its name or uid, with its password if it has one; returns its uid. */
  async join(name, password) {
    const { room } = await this.client.join(name, { password: password || undefined });
    this.invited.delete(room.uid);
    this.#know(room);
    this.changed();
    return room.uid;
  }

  async create(args) {
    const { room } = await this.client.call("room.create", args);
    return this.join(room.uid, args.password);
  }

  /** Opens the direct room with the account of this name. */
  async talkTo(account) {
    const { room } = await this.client.call("direct.open", { account });
    if (!this.rooms.has(room.uid)) await this.refresh();
    return room.uid;
  }

  async leave(uid) {
    await this.client.leave(uid);
    this.rooms.delete(uid);
    if (this.current === uid) this.current = null;
    this.changed();
  }

  async refresh() {
    if (!this.isGuest) this.#list((await this.client.call("unread")).rooms);
  }

  /** The slash commands of the open room. */
  async loadCommands() {
    if (Date.now() - this.#commandsAt < COMMANDS_HOLD_MS) return;
    this.#commandsAt = Date.now();
    const { commands } = await this.client.call("commands");
    this.commands = commands.filter(({ slash }) => slash).sort((one, other) => one.slash.localeCompare(other.slash));
    this.changed();
  }

  /** Most recently active first. */
  sorted(direct) {
    const rooms = [...this.rooms.values()].filter((room) => room.isDirect === direct);
    return rooms.sort((one, other) => other.rank - one.rank);
  }

  #on(state) {
    if (state.kind === "online") {
      this.ready = true;
      if (this.current) this.open(this.current);
      // Events of guests that joined or left while offline were missed.
      this.room?.peopleChanged();
      this.people.watch();
    }
    this.changed();
  }

  #list(rows) {
    const uids = new Set(rows.map(({ room }) => room.uid));
    for (const uid of this.rooms.keys()) if (!uids.has(uid)) this.rooms.delete(uid);
    for (const row of [...rows].reverse()) {
      // Hides echo sessions, which are for programs.
      if (row.room.kind === "session") continue;
      this.#know(row.room).count(row);
      this.invited.delete(row.room.uid);
    }
    this.people.watch();
    this.changed();
  }

  #know(about) {
    const room = this.rooms.get(about.uid) ?? new Room(this, about.uid);
    room.about = { ...room.about, ...about };
    if (!this.rooms.has(about.uid)) {
      this.rooms.set(about.uid, room);
      this.raise(room);
    }
    return room;
  }

  /** Moves a room with new activity to the top. */
  raise(room) {
    room.rank = ++this.#rank;
  }

  #lose(uid, error) {
    const name = this.rooms.get(uid)?.name ?? "the room";
    this.rooms.delete(uid);
    if (this.current === uid) this.look(null, `You are no longer in ${name}: ${error.message}.`);
    this.changed();
  }

  #event(frame) {
    const { event, data } = frame;
    const room = this.rooms.get(frame.room);
    if (event === "room.invited" && data.account.id === this.me?.id) this.#invite(frame);
    else if (event === "member.added" && data.account.id === this.me?.id && !room) this.refresh().catch(() => {});
    room?.event(frame);
    this.changed();
  }

  async #invite({ room: uid, data }) {
    const { room } = await this.client.call("room.get", { room: uid }).catch(() => ({}));
    this.invited.set(uid, { name: room?.name ?? "a room", by: data.by.name });
    this.changed();
  }
}
