export const hashOf = (uid) => (uid ? `#/room/${encodeURIComponent(uid)}` : "#/");

/** Opens a room by changing the address, so that the back button works. */
export function go(uid) {
  location.hash = hashOf(uid);
}
