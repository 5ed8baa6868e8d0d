// The search dialog.

import { html, useEffect, useState } from "/web/vendor/htm/preact.js";
import { go } from "./address.js";
import { Dialog } from "./dialogs.js";
import { dayOf, timeOf } from "./text.js";

const TYPED_MS = 250;

/** Searches the open room, or all of the user's rooms. */
export function Search({ session, room, close }) {
  const [query, setQuery] = useState("");
  const [everywhere, setEverywhere] = useState(!room);
  /** `{messages, next}`; null before the first search. */
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const ask = (cursor) => session.client.call("search", { query, room: everywhere ? undefined : room.uid, cursor });
  useEffect(() => {
    let old = false;
    const failed = (error) => old || setProblem(error.message);
    const asked = query.trim() && setTimeout(() => ask().then((page) => old || (setFound(page), setProblem(null)), failed), TYPED_MS);
    if (!asked) setFound(null);
    return () => {
      old = true;
      clearTimeout(asked);
    };
  }, [query, everywhere]);
  const more = async () => {
    const page = await ask(found.next).catch((error) => setProblem(error.message));
    if (page) setFound({ messages: [...found.messages, ...page.messages], next: page.next });
  };
  const show = ({ room: uid, seq }) => {
    close();
    go(uid);
    session.show(uid, seq);
  };
  return html`
    <${Dialog} title="Search messages" close=${close}>
      <div class="stack">
        <div class="field"><label for="search-query">Words</label>
          <input id="search-query" class="input" type="search" autocomplete="off" data-first value=${query} onInput=${(event) => setQuery(event.target.value)} /></div>
        ${room && html`<label class="check"><input type="checkbox" checked=${everywhere} onChange=${(event) => setEverywhere(event.target.checked)} /> In all your rooms, not only in ${room.name}</label>`}
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        <ul class="found" aria-label="Messages">
          ${found?.messages.map((message) => html`
            <li key=${`${message.room} ${message.seq}`}><button type="button" class="found-room" onClick=${() => show(message)}>
              <span><strong>${message.from.name}</strong> <span class="soft small">${where(session, message)}${dayOf(message.at)}, ${timeOf(message.at)}</span><br />${message.body}</span>
            </button></li>`)}
        </ul>
        <p class="soft" role="status">${found && (found.messages.length === 0 ? "No messages found." : "")}</p>
        ${found?.next && html`<button type="button" class="button quiet" onClick=${more}>Earlier messages</button>`}
      </div>
    <//>`;
}

function where(session, { room }) {
  const name = session.rooms.get(room)?.name;
  return name ? `in ${name}, ` : "";
}
