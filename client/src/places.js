import { Failure } from "./failure.js";

/**
 * The followed rooms, with the last known entry of each. Entries are emitted in order and exactly once; `gap` is emitted where
 * that is impossible, and `lost` for a room that cannot be rejoined.
 */
export class Places {
  #places = new Map();
  #tell;

  /** @param {(name: string, detail: object) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  join(connection, room, password) {
    const known = this.#places.get(room);
    if (known) return this.#again(connection, known);
    // Kept because a guest needs the password again after a reconnection.
    const first = ({ room: { uid }, last_seq: last }) => this.#places.set(uid, { uid, password, last, live: true });
    return connection.request("room.join", { room, password }, first);
  }

  /**
   * Rejoins all rooms.
   * @param {Set<string> | null} mine the rooms that the account is still a member of: rejoining another one would make it a member again
   */
  async resume(connection, mine) {
    const resumed = [...this.#places.values()].map(async (place) => {
      if (mine && !mine.has(place.uid)) return this.#lose(place, new Failure("forbidden", "no member of this room any more"));
      try {
        await this.#again(connection, place);
      } catch (error) {
        if (error.passing) throw error;
        this.#lose(place, error);
      }
    });
    await Promise.all(resumed);
  }

  /** Whether an event of this connection is new. */
  takes(frame, connection) {
    const place = this.#places.get(frame.room);
    if (!place || frame.seq === undefined) return true;
    // Until a room is rejoined, its entries will be sent again.
    if (!place.live || frame.seq <= place.last) return false;
    if (frame.seq > place.last + 1) {
      this.#again(connection, place).catch(() => {});
      return false;
    }
    place.last = frame.seq;
    if (place.last >= place.goal) place.reached?.();
    return true;
  }

  forget(room) {
    this.#places.delete(room);
  }

  async #again(connection, place) {
    place.live = false;
    const reached = new Promise((resolve) => (place.reached = resolve));
    const args = { room: place.uid, since: place.last, password: place.password };
    const joined = await connection.request("room.join", args, ({ room, recovered, last_seq: last }) => {
      place.live = true;
      place.goal = last;
      this.#tell("room", room);
      // Also if the server's log is shorter than before, as after restoring a backup.
      if (!recovered || last < place.last) {
        place.last = last;
        this.#tell("gap", { room: place.uid, last_seq: last });
      }
    });
    if (place.last < place.goal) await Promise.race([reached, connection.ended.then(() => Promise.reject(Failure.offline()))]);
    return joined;
  }

  #lose(place, error) {
    this.forget(place.uid);
    this.#tell("lost", { room: place.uid, error });
  }
}
