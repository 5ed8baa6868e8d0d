// A client of the Go specification: tokens open connections, messages are for one person or one group.

export default async function go({ dial, refused, rest, like }) {
  const register = async (username) => {
    const body = { username, password: "a password" };
    like(await rest("POST", "/register", { body }), { status: 201, body: { user: { username } } });
    const { body: login } = await rest("POST", "/login", { body });
    const fresh = await rest("POST", "/refresh", { body: { refreshToken: login.refreshToken } });
    return { token: like(fresh, { status: 200, body: { token: /^ey/ } }).body.token, number: login.user.number };
  };
  const [ann, bob] = [await register("ann-of-go"), await register("bob-of-go")];
  await refused("/ws/go");
  await refused("/ws/go", "no.such.token");

  const ofAnn = await dial("/ws", ann.token);
  like(await ofAnn.next(), { type: "connected", connection_id: /./, user_id: ann.number });
  const ofBob = await dial("/ws", bob.token);
  await ofBob.next({ type: "connected", user_id: bob.number });

  // A private message reaches its receiver, and its sender.
  ofAnn.send({ receiver_id: bob.number, message: "psst" });
  const whisper = { type: "message", sender_id: ann.number, receiver_id: bob.number, group_id: null, message: "psst" };
  const { id } = like(await ofBob.next({ type: "message" }), { ...whisper, id: Number.isInteger, timestamp: /T.*Z$/ });
  await ofAnn.next({ ...whisper, id });

  // A group's message reaches all its members.
  const made = await rest("POST", "/api/groups", { token: ann.token, body: { name: "pond-of-go" } });
  const group_id = like(made, { status: 201, body: { id: Number.isInteger, name: "pond-of-go", created_at: /T/ } }).body.id;
  ofBob.send({ group_id, message: "not in it yet" });
  await ofBob.next({ type: "error", code: /./, message: /./ });
  await ofBob.ask({ type: "join_group", group_id }, { type: "join_group", group_id, name: "pond-of-go" });
  ofBob.send({ group_id, message: "ribbit" });
  const croak = { type: "message", sender_id: bob.number, receiver_id: null, group_id, message: "ribbit" };
  await ofAnn.next(croak);
  await ofBob.next(croak);

  // History is available by frame, over REST, and on connect.
  const history = { type: "history", receiver_id: bob.number };
  await ofAnn.ask(history, { ...history, messages: [{ id, message: "psst" }] });
  const page = await rest("GET", `/api/messages?group_id=${group_id}`, ann);
  like(page, { status: 200, body: [{ message: "ribbit", sender_id: bob.number }] });
  const later = await dial("/ws?history=50", bob.token);
  await later.next({ type: "history", receiver_id: ann.number, messages: [{ message: "psst" }] });
  await later.next({ type: "history", group_id, messages: [{ message: "ribbit" }] });

  await ofAnn.ask({ message: "to whom?" }, { type: "error", code: "bad_request" });
}
