// The list of rooms and direct conversations.

import { html } from "/web/vendor/htm/preact.js";
import { hashOf } from "./address.js";
import { Avatar } from "./avatar.js";
import { Icon } from "./icons.js";

export function Sidebar({ session, ask, leave }) {
  const { me, isGuest, invited } = session;
  const offline = session.state.kind !== "online";
  const out = () => ask.confirm({
    title: isGuest ? "Leave?" : "Log out?",
    text: isGuest
      ? "You are a guest and cannot return as the same guest."
      : session.client.unsent.length ? "Unsent messages stay in this browser and are sent when you log in again." : "You can log in again at any time.",
    action: isGuest ? "Leave" : "Log out",
    act: leave,
  });
  return html`
    <nav class="sidebar" aria-label="Rooms and people">
      <header class="sidebar-head">
        <a class="brand small" href="#/"><img src="/web/shared/icon.svg" alt="" width="28" height="28" /><span>${session.server.name}</span></a>
        <button type="button" class="icon-button" title="Find a room (Ctrl+K)" aria-label="Find a room" onClick=${ask.browse}><${Icon} name="search" /></button>
      </header>
      <div class="sidebar-scroll">
        ${invited.size > 0 && html`
          <section aria-labelledby="invitations">
            <h2 id="invitations">Invitations</h2>
            <ul>${[...invited].map(([uid, { name, by }]) => html`
              <li key=${uid} class="invitation">
                <p><strong>${name}</strong><br /><span class="soft">from ${by}</span></p>
                <button type="button" class="button" onClick=${() => session.enter(uid)}>Join</button>
              </li>`)}</ul>
          </section>`}
        <section aria-labelledby="rooms">
          <div class="section-head">
            <h2 id="rooms">Rooms</h2>
            <button type="button" class="icon-button" title="New room" aria-label="New room" disabled=${offline} onClick=${ask.newRoom}><${Icon} name="plus" /></button>
          </div>
          <ul>${session.sorted(false).map((room) => html`<${Entry} key=${room.uid} session=${session} room=${room} />`)}</ul>
        </section>
        ${!isGuest && html`
          <section aria-labelledby="people">
            <div class="section-head">
              <h2 id="people">People</h2>
              <button type="button" class="icon-button" title="New message" aria-label="New message" disabled=${offline} onClick=${ask.newMessage}><${Icon} name="plus" /></button>
            </div>
            <ul>${session.sorted(true).map((room) => html`<${Entry} key=${room.uid} session=${session} room=${room} />`)}</ul>
          </section>`}
      </div>
      <footer class="sidebar-foot">
        ${me && html`<${Avatar} name=${me.name} /><p class="me"><strong>${me.name}</strong><br /><span class="soft">${isGuest ? "guest" : STATES[session.state.kind]}</span></p>`}
        ${me && !isGuest && html`<button type="button" class="icon-button" title="Your account" aria-label="Your account" disabled=${offline} onClick=${ask.account}><${Icon} name="settings" /></button>`}
        <button type="button" class="icon-button" title=${isGuest ? "Leave" : "Log out"} aria-label=${isGuest ? "Leave" : "Log out"} onClick=${out}><${Icon} name="leave" /></button>
      </footer>
    </nav>`;
}

const STATES = { online: "online", connecting: "connecting …", offline: "no connection" };

function Entry({ session, room }) {
  const here = session.current === room.uid;
  const online = room.with && session.people.isOnline(room.with.id);
  return html`
    <li>
      <a class=${`room-link ${room.unread ? "has-unread" : ""}`} href=${hashOf(room.uid)} aria-current=${here ? "page" : undefined}>
        ${room.isDirect
          ? html`<${Avatar} name=${room.name} online=${online} />`
          : html`<span class="room-mark"><${Icon} name=${room.about.visibility === "private" ? "lock" : "hash"} /></span>`}
        <span class="room-name">${room.name}</span>
        ${online && html`<span class="sr-only">, online</span>`}
        ${room.unread > 0 && html`<span class="count" aria-hidden="true">${room.unread > 99 ? "99+" : room.unread}</span><span class="sr-only">, ${room.unread} unread</span>`}
      </a>
    </li>`;
}
