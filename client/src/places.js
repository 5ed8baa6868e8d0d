import { Failure } from "./failure.js";

/**
 * The rooms that are followed: up to which entry each is known. Entries come in order, none twice and none left out; whoever
 * follows is told of a `gap` where that cannot be, and of a room that is `lost`.
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
    // A guest is asked for the password again after a reconnection.
    const first = ({ room: { uid }, last_seq: last }) => this.#places.set(uid, { uid, password, last, live: true });
    return connection.request("room.join", { room, password }, first);
  }

  /**
   * Comes back into all of them.
   * @param {Set<string> | null} mine the rooms that one is still a member of: to come back into another would be to join it
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

  /** Whether an event is news; `connection` is where it came from. */
  takes(frame, connection) {
    const place = this.#places.get(frame.room);
    if (!place || frame.seq === undefined) return true;
    // Before it has come back, a room's entries are those that will be sent again.
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
      // Also where the server has gone back in time, as when a backup was played back.
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
