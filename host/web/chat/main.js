// Entry point of the chat page: log-in and the session.

import { Login, Rest, WebStore } from "/web/client/index.js";
import { html, render } from "/web/vendor/htm/preact.js";
import { Chat } from "./chat.js";
import { Entry } from "./entry.js";
import { Session } from "./session.js";

const root = document.getElementById("app");
const store = new WebStore("natterjack");
const rest = new Rest(location.origin);
const login = new Login(rest, store);
let server = null;
let session = null;
/** Counts sessions; the key that makes each session render anew. */
let entries = 0;
/** Why the last session ended. */
let farewell = null;
let drawing = false;

function changed() {
  if (drawing) return;
  drawing = true;
  // Batches updates into one rendering; a background page gets no animation frames, so it renders by a timer.
  const draw = () => {
    drawing = false;
    show();
  };
  if (document.hidden) setTimeout(draw, 50);
  else requestAnimationFrame(draw);
}

function show() {
  if (session?.state.kind === "ended") return end(session.state.why);
  document.title = titleOf(session);
  render(
    session
      ? html`<${Chat} key=${entries} session=${session} rest=${rest} leave=${leave} enterAnew=${enterAnew} />`
      : html`<${Entry} server=${server} farewell=${farewell} signUp=${signUp} logIn=${logIn} guest=${guest} />`,
    root,
  );
}

function titleOf(session) {
  const name = server?.name ?? "Natterjack";
  const where = session?.room ? `${session.room.name} – ${name}` : name;
  return session?.unread ? `(${session.unread}) ${where}` : where;
}

function enter(options) {
  farewell = null;
  entries += 1;
  session = new Session({ url: location.origin, server, store, ...options }, changed);
  follow();
  changed();
}

/** Reconnects under the new name: a connection keeps the name that it was opened with. */
function enterAnew() {
  session.client.stop();
  enter({ login });
}

function end(why) {
  session?.client.stop();
  session = null;
  farewell = why ?? null;
  history.replaceState(null, "", location.pathname);
  changed();
}

async function signUp(given) {
  await login.signUp(given);
  enter({ login });
}

async function logIn(given) {
  await login.logIn(given);
  enter({ login });
}

function guest(name) {
  enter({ guest: name || true });
}

async function leave() {
  // The session is null if the server has ended it.
  const wasAccount = session !== null && !session.isGuest;
  end(null);
  if (wasAccount) await login.logOut().catch(() => {});
}

/** Opens the room in the address, so that the browser's back and forward buttons change rooms. */
function follow() {
  const uid = /^#\/room\/(.+)$/.exec(location.hash)?.[1];
  if (!session) return;
  if (uid) session.open(decodeURIComponent(uid));
  else session.look(null, session.notice);
}

addEventListener("hashchange", follow);
addEventListener("online", () => session?.client.nudge());
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !session) return;
  session.client.nudge();
  session.room?.seen();
  changed();
});
store.watch((key) => {
  // Another tab logged out, or logged in as another account.
  if (key === "login" && session && !session.isGuest && login.user?.id !== session.account) end(null);
  if (key === "login" && !session && login.user) enter({ login });
});

async function begin() {
  show();
  try {
    server = await rest.server();
  } catch {
    setTimeout(begin, 3000);
    farewell = "The server cannot be reached. Trying again …";
    return show();
  }
  farewell = null;
  if (login.user) enter({ login });
  else show();
}

begin();
