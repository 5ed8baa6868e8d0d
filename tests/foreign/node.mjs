// Runs stories with the npm packages `ws` and `socket.io-client`: node node.mjs SERVER STORY…

import { createRequire } from "node:module";
import { world } from "./talk.mjs";

// `cargo xtask foreign` installed them in NODE_PATH.
const require = createRequire(import.meta.url);
const { WebSocket } = require("ws");
const { io } = require("socket.io-client");

const [server, ...stories] = process.argv.slice(2);
const connect = (url, token) => new WebSocket(url, token ? { headers: { authorization: `Bearer ${token}` } } : {});
for (const name of stories) {
  const { default: story } = await import(`./stories/${name}.mjs`);
  try {
    await story(world(server, connect, io));
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exit(1);
  }
  console.log(`${name}: as its page says`);
}
// Exits without closing the remaining connections.
process.exit(0);
