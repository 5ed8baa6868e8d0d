// Presence of relevant accounts.

const MOST_WATCHED = 1000;

export class People {
  #session;
  #online = new Map();
  #names = new Map();
  #watched = "";

  constructor(session) {
    this.#session = session;
  }

  isOnline(id) {
    return this.#online.get(id) ?? false;
  }

  nameOf(id) {
    return id === this.#session.me?.id ? "you" : (this.#names.get(id) ?? "somebody");
  }

  know({ id, name, online }) {
    this.#names.set(id, name);
    this.#online.set(id, online);
  }

  came(id, online) {
    this.#online.set(id, online);
    this.#session.changed();
  }

  /** Subscribes to the presence of the open room's members and of direct partners. */
  async watch() {
    const { rooms, room, client } = this.#session;
    const ids = new Set(room?.members.map(({ account }) => account.id));
    for (const { with: other } of rooms.values()) if (other) ids.add(other.id);
    const accounts = [...ids].slice(0, MOST_WATCHED);
    if (accounts.join() === this.#watched) return;
    this.#watched = accounts.join();
    // Without a connection, this is repeated after the next one.
    await client.watch(accounts).catch(() => {});
  }
}
