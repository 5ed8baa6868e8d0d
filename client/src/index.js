// Client library for natterjack.v1 (docs/protocol.md) and the REST API of a Natterjack server.

export { Client } from "./client.js";
export { Failure } from "./failure.js";
export { Login } from "./login.js";
export { Rest } from "./rest.js";
export { MemoryStore, WebStore } from "./store.js";
