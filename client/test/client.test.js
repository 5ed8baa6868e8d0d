// Tests of the client's guarantees against the real server.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test as run } from "node:test";

import * as module from "../src/index.js";
import { Deaf, Server, next, online } from "./server.js";

const { Failure, Login, MemoryStore, Rest } = module;

/** The time limit of a test. */
const test = (name, body) => run(name, { timeout: 120_000 }, body);

const cleanups = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function started(settings) {
  const server = await Server.start(settings);
  cleanups.push(() => server.end());
  return server;
}

async function come(server, name, options) {
  const person = await server.signUp(name, options);
  cleanups.push(() => person.client.stop());
  person.client.start();
  await online(person.client);
  return person;
}

/** Joins the lobby and records its messages. */
async function listen(client) {
  const heard = [];
  client.on("message.posted", ({ data }) => heard.push(data.body));
  const { room } = await client.join("lobby");
  return { room: room.uid, heard };
}

async function bodies(client, room) {
  return (await client.call("room.history", { room })).messages.map(({ body }) => body);
}

test("what was missed while the server was away comes in order, none twice", async () => {
  const server = await started();
  const [{ client: ann }, { client: bob }] = [await come(server, "ann"), await come(server, "bob")];
  const { room, heard } = await listen(ann);
  await bob.join("lobby");
  await bob.post(room, "one");

  // Two messages are posted while ann is offline.
  ann.stop();
  await next(ann, "state", ({ kind }) => kind === "stopped");
  await bob.post(room, "two");
  await bob.post(room, "three");
  ann.start();
  await online(ann);
  const last = next(ann, "message.posted", ({ data }) => data.body === "four");
  await bob.post(room, "four");
  await last;
  assert.deepEqual(heard, ["one", "two", "three", "four"]);
});

test("a post that is written while the server is away arrives once, when it is back", async () => {
  const server = await started();
  const { client: ann } = await come(server, "ann");
  const { room } = await listen(ann);
  await server.kill();
  await next(ann, "state", ({ kind }) => kind === "offline");
  const posted = [ann.post(room, "first"), ann.post(room, "second")];
  assert.deepEqual(ann.unsent.map(({ body }) => body), ["first", "second"]);
  await server.startAgain();
  ann.nudge();
  const [first, second] = await Promise.all(posted);
  assert.ok(first.seq < second.seq);
  assert.deepEqual(ann.unsent, []);
  assert.deepEqual(await bodies(ann, room), ["first", "second"]);
});

test("a post whose answer was lost is not posted again", async () => {
  const server = await started();
  const [{ client: ann }, { client: bob }] = [await come(server, "ann", { WebSocket: Deaf }), await come(server, "bob")];
  const { room, heard } = await listen(ann);
  await bob.join("lobby");
  for (const follows of [true, false]) {
    // The server accepts it, and everybody but ann receives it before her connection breaks.
    const body = `follows: ${follows}`;
    if (!follows) await ann.leave(room).then(() => ann.call("room.join", { room }));
    Deaf.to = body;
    const arrived = next(bob, "message.posted", ({ data }) => data.body === body);
    const posted = ann.post(room, body);
    const { seq } = await arrived;
    Deaf.last.close();
    assert.deepEqual(await posted.then((answer) => [answer.seq, answer.duplicate]), [seq, true]);
    assert.deepEqual(ann.unsent, []);
    await online(ann);
  }
  assert.deepEqual(await bodies(bob, room), ["follows: true", "follows: false"]);
  assert.deepEqual(heard.slice(0, 1), ["follows: true"]);
});

test("posts that were not sent outlive the program, and are sent by the next one", async () => {
  const server = await started();
  const { client: ann, login, store } = await come(server, "ann");
  const { room } = await listen(ann);
  await server.kill();
  await next(ann, "state", ({ kind }) => kind === "offline");
  ann.post(room, "kept").catch(() => {});
  ann.stop();

  await server.startAgain();
  const later = server.client({ login, store });
  cleanups.push(() => later.stop());
  assert.deepEqual(later.unsent.map(({ body }) => body), ["kept"]);
  later.start();
  await next(later, "unsent", (posts) => posts.length === 0);
  assert.deepEqual(await bodies(later, room), ["kept"]);
});

test("a refused post stays with the reason, until it is taken back", async () => {
  const server = await started({ LIMITS__MESSAGE_CHARS: "10" });
  const { client: ann } = await come(server, "ann");
  const { room } = await listen(ann);
  await assert.rejects(ann.post(room, "much too long a message", { key: "k" }), { code: "too_large" });
  assert.equal(ann.unsent[0].refused.code, "too_large");
  await ann.post(room, "short");
  ann.discard("k");
  assert.deepEqual(ann.unsent, []);
});

test("a server that goes away says when to come back, and is asked then", async () => {
  const server = await started();
  const { client: ann } = await come(server, "ann", { random: () => 1 });
  const before = Date.now();
  const stopped = next(ann, "state", ({ kind }) => kind === "offline");
  await server.stop();
  const { retryAt, why } = await stopped;
  const { reconnect_after_ms: asked } = JSON.parse(why);
  assert.ok(before + asked <= retryAt && retryAt <= Date.now() + asked, `${asked} ms were asked for`);
  await server.startAgain();
  await online(ann);
});

test("a token is replaced before it ends, and the connection goes on", async () => {
  const server = await started({ AUTH__ACCESS_TTL: "8s" });
  const { client: ann, store } = await come(server, "ann");
  const first = store.get("login").token;
  const states = [];
  ann.on("state", ({ kind }) => states.push(kind));
  const connection = ann.greeting.connection;
  await next(ann, "token.expiring");
  await next(ann, "greeted", (greeting) => greeting.expires_at !== null);
  await next(ann, "greeted");
  assert.notEqual(store.get("login").token, first);
  assert.equal(ann.greeting.connection, connection);
  assert.deepEqual(states, []);
});

test("programs that share a store share the login: its refresh token is traded once", async () => {
  const server = await started({ AUTH__ACCESS_TTL: "1s" });
  const { login, store } = await server.signUp("ann");
  const others = Array.from({ length: 4 }, () => new Login(new Rest(server.url), store));
  const ended = store.get("login").token;
  const tokens = await Promise.all([login, ...others].map((one) => one.token({ instead: ended })));
  assert.equal(new Set(tokens).size, 1);
  assert.notEqual(tokens[0], ended);
});

test("whoever is logged out is not let in again, and is told", async () => {
  const server = await started();
  const { client: ann, login } = await come(server, "ann");
  const ended = next(ann, "state", ({ kind }) => kind === "ended");
  await new Rest(server.url).logOut(await login.token());
  assert.equal((await ended).code, 4505);
  await assert.rejects(login.token(), { code: "unauthenticated" });
  assert.equal(login.user, null);
});

test("a guest keeps the name that was made up, and follows the room over a restart", async () => {
  const server = await started();
  const guest = server.client({ guest: true });
  cleanups.push(() => guest.stop());
  guest.start();
  await online(guest);
  const { account: { name } } = guest.greeting;
  const { room, heard } = await listen(guest);
  await guest.post(room, "one");
  await server.kill();
  await server.startAgain();
  guest.nudge();
  await guest.post(room, "two");
  assert.equal(guest.account.name, name);
  assert.deepEqual(heard, ["one", "two"]);
});

test("guest is not retried where guests are not allowed", async () => {
  const server = await started({ AUTH__GUESTS: "false" });
  const guest = server.client({ guest: "gus" });
  guest.start();
  const ended = await next(guest, "state", ({ kind }) => kind === "ended");
  assert.equal(ended.code, "unauthenticated");
  assert.match(ended.why, /guests are not allowed/);
});

test("a room that one was put out of while away is lost, and not joined again", async () => {
  const server = await started();
  const { client: ann, login, store } = await come(server, "ann");
  const { room } = await listen(ann);
  ann.stop();
  await next(ann, "state", ({ kind }) => kind === "stopped");
  const elsewhere = server.client({ login, store: new MemoryStore() });
  cleanups.push(() => elsewhere.stop());
  elsewhere.start();
  await online(elsewhere);
  await elsewhere.leave(room);
  const lost = next(ann, "lost");
  ann.start();
  assert.equal((await lost).room, room);
  await online(ann);
  await assert.rejects(ann.post(room, "am I in?"), { code: "forbidden" });
});

test("what the module offers is declared for TypeScript, and nothing else is", async () => {
  const declared = await readFile(new URL("../src/index.d.ts", import.meta.url), "utf8");
  const classes = new Map([...declared.matchAll(/export declare class (\w+)[^{]*\{([^}]*(?:\{[^}]*\}[^}]*)*)\n\}/g)].map(([, name, body]) => [name, body]));
  assert.deepEqual([...classes.keys()].sort(), Object.keys(module).sort());
  for (const [name, body] of classes) {
    const offered = Object.getOwnPropertyNames(module[name].prototype).filter((member) => member !== "constructor");
    for (const member of offered) assert.match(body, new RegExp(`\\b${member}\\b`), `${name}.${member}`);
    for (const [, member] of body.matchAll(/^  (\w+)[(<]/gm)) assert.ok(member === "constructor" || member in module[name].prototype, `${name}.${member}`);
  }
});

test("errors have the server's code, and what cannot be asked now says so", async () => {
  const server = await started();
  const { client: ann } = await come(server, "ann");
  await assert.rejects(ann.call("message.shout"), (error) => error instanceof Failure && error.code === "bad_request");
  await assert.rejects(new Rest(server.url).logIn({ username: "ann", password: "wrong" }), { code: "unauthenticated", status: 401 });
  ann.stop();
  await assert.rejects(ann.call("unread"), { code: "offline" });
  await assert.rejects(new Rest("http://127.0.0.1:9").server(), { code: "offline" });
});
