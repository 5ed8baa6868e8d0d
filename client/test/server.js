// Starts the real server: `NATTERJACK` names its binary; the default is the debug build of this checkout.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Client, Login, MemoryStore, Rest } from "../src/index.js";

const BINARY = process.env.NATTERJACK ?? fileURLToPath(new URL("../../target/debug/natterjack", import.meta.url));

// Node.js has no WebSocket of its own before version 22.
const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)("ws").WebSocket;

/** A WebSocket that delivers no more messages once it has sent a frame that contains `to`. */
export class Deaf extends WebSocket {
  static to = null;
  static last = null;
  #deaf = false;

  send(data) {
    if (Deaf.to !== null && data.includes(Deaf.to)) {
      Deaf.to = null;
      Deaf.last = this;
      this.#deaf = true;
    }
    super.send(data);
  }

  addEventListener(name, listener) {
    super.addEventListener(name, (event) => name === "message" && this.#deaf ? undefined : listener(event));
  }
}

const PATIENCE_MS = 30_000;

export class Server {
  #settings;
  #child;

  /** @param {Record<string, string>} settings such as `{AUTH__ACCESS_TTL: "4s"}` */
  static async start(settings = {}) {
    const server = new Server();
    server.#settings = settings;
    server.folder = await mkdtemp(join(tmpdir(), "natterjack-client-"));
    await server.#start("0");
    return server;
  }

  /** Restarts on the same port. */
  async startAgain() {
    await this.#start(new URL(this.url).port);
  }

  async #start(port) {
    const settings = Object.entries(this.#settings).map(([name, value]) => [`NATTERJACK__${name}`, value]);
    const cheap = { NATTERJACK__AUTH__HASH_MEMORY_KIB: "8", NATTERJACK__AUTH__HASH_ITERATIONS: "1" };
    const env = { ...process.env, ...cheap, ...Object.fromEntries(settings), PORT: port, DATABASE_URL: "" };
    delete env.DATABASE_URL;
    this.#child = spawn(BINARY, ["serve"], { cwd: this.folder, env, stdio: ["ignore", "pipe", "pipe"] });
    const said = [];
    this.#child.stderr.on("data", (data) => said.push(data));
    for await (const line of createInterface(this.#child.stdout)) {
      const [, address] = /listening\s+http:\/\/(\S+)/.exec(line) ?? [];
      if (address) {
        this.url = `http://${address}`;
        this.#child.stdout.resume();
        return;
      }
    }
    throw new Error(`the server did not start: ${Buffer.concat(said)}`);
  }

  /** Kills the server. */
  async kill() {
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  /** Stops the server with SIGTERM. */
  async stop() {
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
  }

  async end() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Signs up an account; returns it with a client that is not started yet. */
  async signUp(username, options = {}) {
    const store = options.store ?? new MemoryStore();
    const login = new Login(new Rest(this.url), store);
    await login.signUp({ username, password: "correct horse" });
    return { login, store, client: this.client({ ...options, login, store }) };
  }

  client(options) {
    return new Client({ url: this.url, WebSocket, ...options });
  }
}

/** Waits for an event of a client that matches. */
export function next(client, name, wanted = () => true) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no such ${name} came; the state is ${JSON.stringify(client.state)}`)), PATIENCE_MS);
    const off = client.on(name, (detail) => {
      if (!wanted(detail)) return;
      clearTimeout(late);
      off();
      resolve(detail);
    });
  });
}

export function online(client) {
  return client.state.kind === "online" ? client.state : next(client, "state", ({ kind }) => kind === "online");
}
