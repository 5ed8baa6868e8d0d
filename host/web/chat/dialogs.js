// Modal dialogs: the browser keeps the focus within, and closes them with Escape.

import { html, useEffect, useLayoutEffect, useRef, useState } from "/web/vendor/htm/preact.js";
import { go } from "./address.js";
import { sentence } from "./entry.js";
import { Icon } from "./icons.js";
import { plural } from "./text.js";

let dialogs = 0;

export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  const [id] = useState(() => `dialog-${++dialogs}`);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    dialog.current.querySelector("[data-first]")?.focus();
    // Returns the focus to the opener, or to its parent if the opener is visible only with the focus.
    return () => (before?.checkVisibility() ? before : before?.closest("[tabindex]"))?.focus();
  }, []);
  const outside = (event) => event.target === dialog.current && close();
  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby=${id} onClose=${close} onMouseDown=${outside}>
      <div class="dialog-head">
        <h2 id=${id}>${title}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick=${close}><${Icon} name="close" /></button>
      </div>
      ${children}
    </dialog>`;
}

/** A form that shows errors, and calls `done` after success. */
export function useForm(done, act) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    setBusy(true);
    setProblem(null);
    try {
      await act(Object.fromEntries(new FormData(form)));
      done(form);
    } catch (error) {
      setProblem(sentence(error.message));
    }
    setBusy(false);
  };
  return { submit, busy, problem: problem && html`<p class="problem" role="alert">${problem}</p>` };
}

function Actions({ label, busy, close, danger }) {
  return html`
    <div class="actions">
      <button type="button" class="button quiet" onClick=${close}>Cancel</button>
      <button class=${`button ${danger ? "danger" : "primary"}`} disabled=${busy}>${label}</button>
    </div>`;
}

export function NewRoom({ session, close }) {
  const [visibility, setVisibility] = useState("public");
  const { submit, busy, problem } = useForm(close, async ({ name, topic, visibility, password }) => {
    const args = { name: name.trim(), visibility };
    if (topic) args.topic = topic;
    if (password && visibility === "private") args.password = password;
    go(await session.create(args));
  });
  const choice = (value, label, hint) => html`
    <label class="choice">
      <input type="radio" name="visibility" value=${value} checked=${visibility === value} onChange=${() => setVisibility(value)} />
      <span><strong>${label}</strong><br /><span class="soft">${hint}</span></span>
    </label>`;
  return html`
    <${Dialog} title="New room" close=${close}>
      <form onSubmit=${submit}>
        ${problem}
        <div class="field"><label for="room-name">Name</label><input id="room-name" name="name" class="input" required maxlength="64" autocomplete="off" data-first /></div>
        <div class="field"><label for="room-topic">Topic <span class="soft">(optional)</span></label><input id="room-topic" name="topic" class="input" maxlength="200" autocomplete="off" /></div>
        <fieldset class="choices">
          <legend>Who may join</legend>
          ${choice("public", "Everybody", "The room is listed for everybody.")}
          ${choice("private", "Invited people", "By password or invitation.")}
        </fieldset>
        ${visibility === "private" && html`
          <div class="field"><label for="room-password">Password</label>
            <input id="room-password" name="password" class="input" maxlength="200" autocomplete="off" aria-describedby="room-password-hint" />
            <p id="room-password-hint" class="hint">People who know it can join. Without a password, invite people with /invite.</p></div>`}
        <${Actions} label="Create room" busy=${busy} close=${close} />
      </form>
    <//>`;
}

export function BrowseRooms({ session, close }) {
  const [query, setQuery] = useState("");
  const [rooms, setRooms] = useState(null);
  useEffect(() => {
    let old = false;
    const asked = setTimeout(() => {
      const found = session.client.call("room.list", query ? { query } : {});
      found.then((answer) => old || setRooms(answer.rooms.filter(({ kind }) => kind === "room")), () => {});
    }, query ? 200 : 0);
    return () => {
      old = true;
      clearTimeout(asked);
    };
  }, [query]);
  const { submit, busy, problem } = useForm(close, async ({ name, password }) => go(await session.join(name.trim(), password)));
  const enter = (room) => {
    close();
    if (session.rooms.has(room.uid)) go(room.uid);
    else session.enter(room.uid);
  };
  return html`
    <${Dialog} title="Find a room" close=${close}>
      <div class="stack">
        <div class="field"><label for="room-query">Search</label>
          <input id="room-query" class="input" type="search" autocomplete="off" data-first value=${query} onInput=${(event) => setQuery(event.target.value)} /></div>
        <ul class="found" aria-label="Rooms" aria-busy=${String(rooms === null)}>
          ${rooms?.map((room) => html`
            <li key=${room.uid}><button type="button" class="found-room" onClick=${() => enter(room)}>
              <${Icon} name=${room.visibility === "private" ? "lock" : "hash"} />
              <span><strong>${room.name}</strong>${room.topic && html`<br /><span class="soft">${room.topic}</span>`}</span>
              <span class="soft small">${session.rooms.has(room.uid) ? "joined" : plural(room.members, "member")}</span>
            </button></li>`)}
        </ul>
        ${rooms?.length === 0 && html`<p class="soft" role="status">No rooms found.</p>`}
        <form class="by-name" onSubmit=${submit}>
          <h3>Join a private room</h3>
          ${problem}
          <div class="pair">
            <div class="field"><label for="join-name">Room name</label><input id="join-name" name="name" class="input" required maxlength="64" autocomplete="off" /></div>
            <div class="field"><label for="join-password">Password</label><input id="join-password" name="password" class="input" type="password" maxlength="200" autocomplete="off" /></div>
          </div>
          <${Actions} label="Join" busy=${busy} close=${close} />
        </form>
      </div>
    <//>`;
}

export function NewMessage({ session, close }) {
  const { submit, busy, problem } = useForm(close, async ({ name }) => go(await session.talkTo(name.trim())));
  return html`
    <${Dialog} title="New message" close=${close}>
      <form onSubmit=${submit}>
        ${problem}
        <div class="field"><label for="to-name">To</label>
          <input id="to-name" name="name" class="input" required maxlength="64" autocomplete="off" autocapitalize="none" data-first aria-describedby="to-hint" />
          <p id="to-hint" class="hint">The name of an account on this server.</p></div>
        <${Actions} label="Write" busy=${busy} close=${close} />
      </form>
    <//>`;
}

export function Confirm({ title, text, action, act, danger, close }) {
  const { submit, busy, problem } = useForm(close, act);
  return html`
    <${Dialog} title=${title} close=${close}>
      <form onSubmit=${submit}>
        <p class="soft">${text}</p>
        ${problem}
        <${Actions} label=${action} busy=${busy} close=${close} danger=${danger} />
      </form>
    <//>`;
}
