// A `socket.io-client` whose server restarts: node reconnect.mjs SERVER TRANSPORT. Prints `connected` when it is ready for that.

import { createRequire } from "node:module";
import { like, world } from "./talk.mjs";

const { io } = createRequire(import.meta.url)("socket.io-client");
const [server, transport] = process.argv.slice(2);
const { signUp } = world(server);
const { token } = await signUp(`jane-${transport}`);
const socket = io(server, { transports: [transport], auth: { token }, reconnectionDelay: 50, reconnectionDelayMax: 200 });
const next = (event) => new Promise((resolve) => socket.once(event, resolve));

await next("connect");
const sessionId = crypto.randomUUID();
const before = next("message");
socket.emit("message", { sessionId, content: "before" });
like(await before, { sessionId, content: /before/ });

const [gone, back] = [next("disconnect"), next("connect")];
console.log("connected");
await gone;
// It reconnects by itself, to the same session with its earlier messages.
await back;
const after = next("message");
socket.emit("message", { sessionId, content: "after" });
like(await after, { sessionId, content: /after/ });
const said = await fetch(`${server}/api/sessions/${sessionId}/messages`, { headers: { authorization: `Bearer ${token}` } });
like(await said.json(), [{ content: "before" }, { content: /before/ }, { content: "after" }, { content: /after/ }]);
process.exit(0);
