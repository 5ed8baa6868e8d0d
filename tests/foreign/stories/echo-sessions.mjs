// A client of the echo server's page: Socket.IO, and REST for accounts and sessions.

const PATIENCE = 30_000;

export default async function echoSessions(world) {
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) await over(transports, world);
}

async function over(transports, { server, io, rest, like }) {
  const name = `johndoe-${transports.join("-")}`;
  const user = { username: name, email: `${name}@example.com`, password: "securepassword123" };
  const made = await rest("POST", "/api/auth/signup", { body: user });
  like(made, { status: 201, body: { token: /^ey/, user: { username: name, email: user.email } } });
  const login = await rest("POST", "/api/auth/login", { body: { email: user.email, password: user.password } });
  const { token } = like(login, { status: 200, body: { token: /^ey/ } }).body;

  const open = (auth) => io(server, { transports, auth, forceNew: true });
  const heard = (socket, event) =>
    new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`${transports}: no ${event}`)), PATIENCE);
      socket.once(event, resolve);
    });

  // An invalid token in the handshake is refused; without one there are no messages.
  const liar = open({ token: "nonsense" });
  like(await heard(liar, "connect_error"), { message: /./ });
  liar.close();
  const nobody = open({});
  await heard(nobody, "connect");
  const refused = heard(nobody, "error");
  nobody.emit("message", { sessionId: crypto.randomUUID(), content: "Hello, server!" });
  like(await refused, { code: 401, message: /./ });

  // Authenticates by the documented event.
  nobody.emit("connection", token);

  const socket = open({ token });
  await heard(socket, "connect");
  if (transports.length > 1 && socket.io.engine.transport.name !== "websocket") await heard(socket.io.engine, "upgrade");
  const sessionId = crypto.randomUUID();
  const joined = await socket.timeout(PATIENCE).emitWithAck("join-session", sessionId);
  like(joined, (answer) => !answer?.code);
  const echo = heard(socket, "message");
  socket.emit("message", { sessionId, content: "Hello, server!" });
  like(await echo, { sessionId, content: /Hello, server!/, timestamp: /T/, messageId: /./ });
  const wrong = heard(socket, "error");
  socket.emit("message", { sessionId: 5 });
  like(await wrong, { code: 400, message: /./ });

  // The echo goes to all of the account's sockets in the session, including the one authenticated by the event.
  nobody.emit("join-session", sessionId);
  const [there, here] = [heard(nobody, "message"), heard(socket, "message")];
  nobody.emit("message", { sessionId, content: "from the other one" });
  like(await there, { sessionId, content: /from the other one/ });
  like(await here, { sessionId, content: /from the other one/ });

  // Messages are stored.
  const sessions = await rest("GET", "/api/sessions", { token });
  like(sessions, { status: 200, body: [{ id: sessionId, userId: made.body.user.id, createdAt: /T/, lastMessageAt: /T/ }] });
  const said = await rest("GET", `/api/sessions/${sessionId}/messages`, { token });
  like(said.body.slice(0, 2), [
    { sessionId, content: "Hello, server!", sender: "user", timestamp: /T/ },
    { sessionId, content: /Hello, server!/, sender: "server" },
  ]);
  like(await rest("GET", "/api/sessions"), { status: 401 });

  // A session belongs to one account.
  const other = (await rest("POST", "/api/auth/signup", { body: { username: `${name}-2`, password: "p" } })).body;
  const stranger = open({ token: other.token });
  await heard(stranger, "connect");
  const unknown = heard(stranger, "error");
  stranger.emit("join-session", sessionId);
  like(await unknown, { code: 404, message: /./ });
  [nobody, socket, stranger].forEach((each) => each.close());

  like(await rest("POST", "/api/auth/logout", { token }), (answer) => answer.status < 300);
  like(await rest("GET", "/api/sessions", { token }), { status: 401 });
}
