// Runs a story with the browser's own WebSocket and the browser bundle of `socket.io-client`.

import { world } from "./talk.mjs";

// A page cannot set headers: it passes its token as a subprotocol.
const connect = (url, token) => (token ? new WebSocket(url, ["bearer", token]) : new WebSocket(url));

export async function tell(server, name) {
  const [{ default: story }, { io }] = await Promise.all([import(`./stories/${name}.mjs`), import("./socket.io.mjs")]);
  await story(world(server, connect, io));
  return "as its page says";
}
