// Uploads of files in a room's draft.

import { Rest } from "/web/client/index.js";
import { sizeOf } from "./text.js";

const rest = new Rest(location.origin);
let ids = 0;

export const uploads = {
  /** Adds files to a room's draft, and uploads them. */
  add(session, room, files) {
    for (const file of files) this.send(session, room, { id: ++ids, file, name: file.name || "picture.png" });
  },

  async send(session, room, item) {
    const most = session.limits.media_bytes;
    const picture = item.file.type.startsWith("image/") ? URL.createObjectURL(item.file) : null;
    const set = (change) => {
      const known = room.draft.files.some(({ id }) => id === item.id);
      if (!known && change.state !== "sending") return;
      const next = { ...item, picture, ...change };
      room.draft.files = known ? room.draft.files.map((other) => (other.id === item.id ? next : other)) : [...room.draft.files, next];
      session.changed();
    };
    set({ state: "sending" });
    if (item.file.size > most) return set({ state: "failed", why: `larger than ${sizeOf(most)}` });
    try {
      const { id } = await rest.upload(await session.client.token(), item.file, { name: item.name });
      set({ state: "ready", media: id });
    } catch (error) {
      set({ state: "failed", why: error.message });
    }
  },

  remove(session, room, id) {
    const file = room.draft.files.find((one) => one.id === id);
    if (file?.picture) URL.revokeObjectURL(file.picture);
    room.draft.files = room.draft.files.filter((one) => one.id !== id);
    session.changed();
  },
};
