export const hashOf = (uid) => (uid ? `#/room/${encodeURIComponent(uid)}` : "#/");

/** Goes to a room, by the address, so that one can go back. */
export function go(uid) {
  location.hash = hashOf(uid);
}
