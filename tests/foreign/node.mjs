// Tells stories with the `ws` and `socket.io-client` of npm: node node.mjs SERVER STORY…

import { createRequire } from "node:module";
import { world } from "./talk.mjs";

// Where `cargo xtask foreign` has put them, which NODE_PATH says.
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
// What is still connected does not matter any more.
process.exit(0);
