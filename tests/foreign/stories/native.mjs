// A client of docs/protocol.md.

export default async function native({ dial, rest, signUp, like }) {
  const account = await signUp("ann-of-native");
  const [ann, bob] = [await dial("/ws/native", account.token), await dial("/ws/native")];
  let id = 0;
  const call = (talk, op, args = {}) => talk.ask({ id: ++id, op, args }, { id });

  like(await call(bob, "room.list"), { error: { code: "unauthenticated" } });
  like(await call(bob, "connect", { guest: "bob" }), { ok: { protocol: "natterjack.v1", account: { name: "bob" } } });

  // Rooms as documented.
  const cellar = { name: "cellar-of-native", visibility: "private", password: "open sesame" };
  like(await call(ann, "room.create", cellar), { ok: { room: { uid: /-/, code: /^[A-Z0-9]{5}$/, name: cellar.name } } });
  like(await call(ann, "room.join", { room: cellar.name }), { ok: { recovered: false, last_seq: Number.isInteger } });
  like(await call(bob, "room.join", { room: cellar.name, password: "wrong" }), { error: { code: /./, message: /./ } });
  const joined = await call(bob, "room.join", { room: cellar.name, password: "open sesame" });
  const room = like(joined, { ok: { room: { name: cellar.name } } }).ok.room.uid;

  // Messages, numbered in one log.
  const key = "0190b7a5-3a3f-7c3c-8d5e-0123456789ab";
  const posted = await call(ann, "message.post", { room, body: "is it dark in here?", key });
  const seq = like(posted, { ok: { seq: Number.isInteger, at: /T.*\.\d{3}Z$/, duplicate: false } }).ok.seq;
  like(await call(ann, "message.post", { room, body: "is it dark in here?", key }), { ok: { seq, duplicate: true } });
  const event = { event: "message.posted", room, seq, data: { from: { name: "ann-of-native" }, body: "is it dark in here?" } };
  await ann.next(event);
  await bob.next(event);
  like(await call(ann, "message.react", { room, seq, emoji: "🐸", on: true }), { ok: { seq: seq + 1 } });
  await bob.next({ event: "message.reacted", seq: seq + 1, data: { message: seq, emoji: "🐸" } });
  like(await call(ann, "message.edit", { room, seq, body: "it is dark" }), { ok: { seq: seq + 2 } });
  await bob.next({ event: "message.edited", seq: seq + 2, data: { message: seq, body: "it is dark" } });
  like(await call(bob, "room.history", { room, limit: 1 }), { ok: { messages: [{ seq, body: "it is dark" }] } });
  like(await call(bob, "typing", { room }), { ok: {} });
  await ann.next({ event: "typing", room, data: { by: { name: "bob", guest: true } } });

  // A client that rejoins receives the missed entries in order.
  await bob.close();
  const again = await dial("/ws/native", account.token);
  like(await call(again, "room.join", { room, since: seq }), { ok: { recovered: true, last_seq: seq + 2 } });
  like(await again.next({ event: /./ }), { event: "message.reacted", seq: seq + 1 });
  like(await again.next({ event: /./ }), { event: "message.edited", seq: seq + 2 });

  // Errors keep the connection open.
  like(await ann.ask("{", { error: {} }), { error: { code: "bad_request", message: /JSON/ } });
  like(await call(ann, "message.shout"), { error: { code: "bad_request", message: /message\.shout/ } });
  like(await call(ann, "message.delete", { room, seq }), { ok: { seq: seq + 3 } });
  like(await rest("GET", `/api/rooms/${room}/messages`, account), { status: 200 });
}
