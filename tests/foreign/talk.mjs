// Helpers of the stories, for Node and browsers: a socket with expectations, and REST.

const PATIENCE = 30_000;

/** A socket that is talked through in JSON: what comes waits until it is asked for. */
class Talk {
  constructor(socket) {
    this.socket = socket;
    this.frames = [];
    this.wake = () => {};
    socket.addEventListener("message", (event) => {
      this.frames.push(JSON.parse(event.data));
      this.wake();
    });
    socket.addEventListener("close", (event) => {
      this.closed = event.code;
      this.wake();
    });
  }

  send(frame) {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The next frame that is like the pattern; those before it wait for others. */
  async next(pattern = () => true) {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const found = this.frames.findIndex((frame) => unlike(frame, pattern) === null);
      if (found >= 0) return this.frames.splice(found, 1)[0];
      if (this.closed !== undefined) throw new Error(`closed with ${this.closed} before ${show(pattern)}; there was ${show(this.frames)}`);
      await this.change(deadline, `${show(pattern)} never came; there was ${show(this.frames)}`);
    }
  }

  /** Sends a frame; the answer is the next one that is like the pattern. */
  ask(frame, pattern) {
    this.send(frame);
    return this.next(pattern);
  }

  async close() {
    this.socket.close();
    while (this.closed === undefined) await this.change(Date.now() + PATIENCE, "the socket never closed");
  }

  change(deadline, otherwise) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(otherwise)), deadline - Date.now());
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * Why a value is not like a pattern, or null. Patterns are values, regular expressions for text, questions (functions), and
 * objects and arrays of these; of an object only what the pattern names is looked at.
 */
function unlike(value, pattern, path = "it") {
  if (typeof pattern === "function") return pattern(value) ? null : `${path} is ${show(value)}`;
  if (pattern instanceof RegExp) {
    return typeof value === "string" && pattern.test(value) ? null : `${path} is ${show(value)}, not like ${pattern}`;
  }
  if (pattern === null || typeof pattern !== "object") {
    return value === pattern ? null : `${path} is ${show(value)}, not ${show(pattern)}`;
  }
  if (value === null || typeof value !== "object") return `${path} is ${show(value)}, not ${show(pattern)}`;
  if (Array.isArray(pattern) && (!Array.isArray(value) || value.length !== pattern.length)) {
    return `${path} is ${show(value)}, not ${show(pattern)}`;
  }
  for (const [name, part] of Object.entries(pattern)) {
    const why = unlike(value[name], part, `${path}.${name}`);
    if (why !== null) return why;
  }
  return null;
}

function show(value) {
  return JSON.stringify(value, (_, part) => (part instanceof RegExp || typeof part === "function" ? String(part) : part));
}

export function like(value, pattern) {
  const why = unlike(value, pattern);
  if (why !== null) throw new Error(`${why}; the whole is ${show(value)}`);
  return value;
}

/** What a story is told in: `connect(url, token)` opens this platform's own kind of WebSocket. */
export function world(server, connect, io) {
  const dial = (path, token) =>
    new Promise((resolve, reject) => {
      const socket = connect(server.replace("http", "ws") + path, token);
      const talk = new Talk(socket);
      socket.addEventListener("open", () => resolve(talk));
      socket.addEventListener("error", () => reject(new Error(`no connection to ${path}`)));
    });
  const rest = async (method, path, { token, body } = {}) => {
    const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(server + path, { method, headers, body: body && JSON.stringify(body) });
    return { status: response.status, body: await response.json().catch(() => null) };
  };
  const signUp = async (username) => {
    const made = await rest("POST", "/api/auth/signup", { body: { username, password: "securepassword123" } });
    like(made, { status: 201, body: { token: /^ey/, user: { username } } });
    return made.body;
  };
  const refused = async (path, token) => {
    const opened = await dial(path, token).catch(() => null);
    if (opened) throw new Error(`${path} took the connection`);
  };
  return { server, dial, refused, rest, signUp, like, io };
}
