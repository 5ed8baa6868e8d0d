// The view of the open room: its timeline, its members and the composer.

import { html, useEffect, useRef, useState } from "/web/vendor/htm/preact.js";
import { go } from "./address.js";
import { Composer } from "./composer.js";
import { Icon } from "./icons.js";
import { Members } from "./members.js";
import { namesOf, plural } from "./text.js";
import { Timeline } from "./timeline.js";
import { uploads } from "./uploads.js";

const WIDE = matchMedia("(min-width: 1100px)");

export function Conversation({ session, room, ask }) {
  const [people, setPeople] = useState(WIDE.matches && !room.isDirect);
  /** The target of the next text: `{reply: message}` or `{edit: message}`. */
  const [about, setAbout] = useState(null);
  const [dropping, setDropping] = useState(false);
  const composer = useRef(null);
  useEffect(() => {
    // Not on phones, where the keyboard would hide the messages.
    if (!matchMedia("(pointer: coarse)").matches) composer.current?.focus();
  }, []);
  useEffect(() => {
    // Closes the member list on narrow screens, where it would cover the messages.
    const fit = () => WIDE.matches || setPeople(false);
    WIDE.addEventListener("change", fit);
    return () => WIDE.removeEventListener("change", fit);
  }, []);
  const turnTo = (next) => {
    setAbout(next);
    composer.current?.focus();
  };
  const drop = {
    onDragOver: (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      setDropping(true);
    },
    onDragLeave: (event) => event.currentTarget.contains(event.relatedTarget) || setDropping(false),
    onDrop: (event) => {
      event.preventDefault();
      setDropping(false);
      uploads.add(session, room, event.dataTransfer.files);
    },
  };
  return html`
    <div class="conversation-place" ...${session.isGuest ? {} : drop}>
      <main class="conversation" aria-label=${room.name}>
        <${Head} session=${session} room=${room} ask=${ask} people=${people} setPeople=${setPeople} />
        <${Timeline} session=${session} room=${room} turnTo=${turnTo} ask=${ask} />
        <${Typing} room=${room} />
        <${Composer} session=${session} room=${room} about=${about} turnTo=${setAbout} field=${composer} />
        ${dropping && html`<p class="drop">Drop to attach</p>`}
      </main>
      ${people && html`<${Members} session=${session} room=${room} close=${() => setPeople(false)} />`}
    </div>`;
}

function Head({ session, room, ask, people, setPeople }) {
  const online = room.with && session.people.isOnline(room.with.id);
  const count = room.members.length + room.guests.length;
  const leave = () => ask.confirm({
    title: `Leave ${room.name}?`,
    text: room.about.visibility === "private" ? "To join it again you need its password or an invitation." : "You can join it again at any time.",
    action: "Leave",
    danger: true,
    act: () => session.leave(room.uid).then(() => go(null)),
  });
  return html`
    <header class="conversation-head">
      <a class="icon-button only-narrow" href="#/" aria-label="All rooms"><${Icon} name="back" /></a>
      <div class="conversation-title">
        <h1>${room.name}${room.about.visibility === "private" && !room.isDirect && html`<span class="lock"><${Icon} name="lock" /><span class="sr-only">, private</span></span>`}</h1>
        <p class="soft">${room.isDirect ? (online ? "online" : "not online") : room.about.topic || (room.mayModerate ? "No topic yet: set one with /topic" : "No topic yet")}</p>
      </div>
      ${!session.isGuest && html`<button type="button" class="icon-button" title="Search messages" aria-label="Search messages" onClick=${() => ask.search(room)}><${Icon} name="search" /></button>`}
      ${!room.isDirect && html`
        <button type="button" class="button quiet people-button" aria-pressed=${String(people)} onClick=${() => setPeople(!people)}>
          <${Icon} name="people" /><span aria-hidden="true">${count}</span><span class="sr-only">${plural(count, "person", "people")} here</span></button>
        <button type="button" class="icon-button" title="Leave the room" aria-label="Leave the room" onClick=${leave}><${Icon} name="leave" /></button>`}
    </header>`;
}

function Typing({ room }) {
  const names = [...room.typing.keys()];
  // Not a live region, which would announce every message.
  return html`<p class="typing">${names.length > 0 && html`<span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>${namesOf(names)} ${names.length === 1 ? "is" : "are"} writing`}</p>`;
}
