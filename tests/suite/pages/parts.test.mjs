// Tests of the parts of the chat page that need no browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RoomLog } from "../../../host/web/chat/room_log.js";
import { completionsOf, isCommand } from "../../../host/web/chat/slash.js";
import { namesOf, piecesOf } from "../../../host/web/chat/text.js";

const command = (slash, params = [], minimum_role = null) => ({ slash, params, minimum_role, summary: "" });
const known = {
  commands: [
    command("help"),
    command("mute", [{ name: "account", kind: "account", required: true }, { name: "for_s", kind: "duration", required: true }], "moderator"),
    command("role", [{ name: "account", kind: "account" }, { name: "role", kind: "choice", choices: ["member", "moderator"] }], "owner"),
    command("roll", [{ name: "dice", kind: "text" }]),
  ],
  role: "owner",
  members: ["ann", "bob", "bob the builder"],
  rooms: ["lobby"],
};
const labels = (text, more = {}) => completionsOf(text, { ...known, ...more }).options.map(({ label }) => label);

test("commands are offered by how they begin, and by what one may do", () => {
  assert.deepEqual(labels("/ro"), ["/role", "/roll"]);
  assert.deepEqual(labels("/"), ["/help", "/mute", "/role", "/roll"]);
  assert.deepEqual(labels("/", { role: "member" }), ["/help", "/roll"]);
  assert.deepEqual(labels("/", { role: null }), ["/help", "/roll"]);
  assert.deepEqual(labels("/help"), []);
  for (const text of ["", "hello", "//path", "/nothing", " /ro", "/ro\nll"]) assert.deepEqual(labels(text), [], text);
});

test("params are completed by their kind, and the one that is being typed is known", () => {
  assert.deepEqual(completionsOf("/role b", known).options.map(({ insert }) => insert), ["/role bob ", '/role "bob the builder" ']);
  assert.deepEqual(labels("/role bob "), ["member", "moderator"]);
  assert.deepEqual(labels("/role \"bob the builder\" mo"), ["moderator"]);
  assert.deepEqual(["/mute ", "/mute bob", "/mute bob ", "/mute bob 10m and more"].map((text) => completionsOf(text, known).param), [0, 0, 1, 1]);
  assert.equal(completionsOf("/roll 2d6", known).command.slash, "roll");
});

test("two slashes are no command", () => {
  assert.ok(isCommand("/roll") && !isCommand("//roll") && !isCommand("a /roll"));
});

test("addresses become links, and what follows a sentence does not belong to them", () => {
  const links = (text) => piecesOf(text).filter(({ href }) => href).map(({ href }) => href);
  assert.deepEqual(links("see https://a.example/x?y=1, or (http://b.example)."), ["https://a.example/x?y=1", "http://b.example"]);
  assert.deepEqual(links("https://en.wikipedia.org/wiki/Toad_(animal)"), ["https://en.wikipedia.org/wiki/Toad_(animal)"]);
  assert.deepEqual(links("javascript:alert(1) data:text/html,x ftp://c.example //d.example"), []);
  for (const text of ["plain", "https://a.example", "a https://a.example b", ""]) {
    assert.equal(piecesOf(text).map((piece) => piece.text).join(""), text);
  }
});

test("names make a sentence", () => {
  const names = ["ann", "bob", "cy", "di"];
  assert.deepEqual([0, 1, 2, 3, 4].map((count) => namesOf(names.slice(0, count))), ["", "ann", "ann and bob", "ann, bob and cy", "ann, bob and 2 others"]);
});

const ann = { id: "a", name: "ann" };
const posted = (seq, body) => ({ event: "message.posted", seq, data: { from: ann, body, at: "2026-01-01T00:00:00.000Z" } });
const reacted = (seq, on) => ({ event: "message.reacted", seq, data: { message: 1, emoji: "🐸", on, by: ann } });

test("a log comes to the same whether events come once or again, before a page of history or after", async () => {
  const events = [posted(1, "one"), reacted(2, true), { event: "message.edited", seq: 3, data: { message: 1, body: "two", at: "later" } }, reacted(4, false), reacted(5, true)];
  const log = new RoomLog();
  const page = { messages: [{ seq: 1, from: ann, body: "two", at: "2026-01-01T00:00:00.000Z", edited_at: "later" }], more: false };
  await log.read(async () => {
    for (const event of events) log.apply(event);
    return page;
  });
  for (const event of events) log.apply(event);
  assert.deepEqual(log.messages.map(({ seq, body, reactions }) => ({ seq, body, reactions })), [{ seq: 1, body: "two", reactions: [{ emoji: "🐸", count: 1, accounts: ["a"] }] }]);
  log.apply({ event: "message.deleted", seq: 6, data: { message: 1, at: "later" } });
  assert.deepEqual([log.get(1).body, log.get(1).reactions, log.more], ["", undefined, false]);
});

test("a log does not grow for ever", () => {
  const log = new RoomLog();
  log.more = false;
  for (let seq = 1; seq <= 2001; seq++) log.apply(posted(seq, ""));
  log.trim();
  assert.deepEqual([log.messages.length, log.messages.at(-1).seq, log.more], [1000, 2001, true]);
});

test("an older page goes above what is there", async () => {
  const log = new RoomLog();
  log.apply(posted(7, "seven"));
  await log.read(async () => ({ messages: [3, 5, 7].map((seq) => ({ seq, from: ann, body: "", at: "" })), more: true }));
  assert.deepEqual(log.messages.map(({ seq }) => seq), [3, 5, 7]);
  assert.equal(log.get(4), undefined);
});
