// The view without an open room.

import { html, useEffect, useState } from "/web/vendor/htm/preact.js";
import { Icon } from "./icons.js";
import { plural } from "./text.js";

export function Home({ session, ask }) {
  const rooms = useOpenRooms(session);
  const online = session.state.kind === "online";
  if (session.current) return html`<main class="home"><p class="soft" role="status">${online || !session.ready ? "Opening …" : "This room opens when you are connected again."}</p></main>`;
  return html`
    <main class="home">
      <div class="home-inner">
        <h1>${session.me ? `Hello, ${session.me.name}` : "Hello"}</h1>
        ${session.notice && html`<p class="problem" role="status">${session.notice}</p>`}
        <p class="soft">${session.rooms.size ? "Choose a room, or join another one." : "You are in no room yet. Create a room or join one."}</p>
        <div class="home-actions">
          <button type="button" class="button primary" disabled=${!online} onClick=${ask.newRoom}><${Icon} name="plus" />New room</button>
          ${!session.isGuest && html`<button type="button" class="button" disabled=${!online} onClick=${ask.newMessage}><${Icon} name="people" />New message</button>`}
          <button type="button" class="button" disabled=${!online} onClick=${ask.browse}><${Icon} name="search" />Find a room</button>
          ${!session.isGuest && session.rooms.size > 0 && html`<button type="button" class="button" disabled=${!online} onClick=${() => ask.search(null)}><${Icon} name="search" />Search messages</button>`}
        </div>
        ${rooms.length > 0 && html`
          <section aria-labelledby="open-rooms">
            <h2 id="open-rooms">Rooms that you can join</h2>
            <ul class="cards">${rooms.map((room) => html`
              <li key=${room.uid}>
                <button type="button" class="card" onClick=${() => session.enter(room.uid)}>
                  <strong>${room.name}</strong>
                  <span class="soft">${room.topic || "No topic yet"}</span>
                  <span class="soft small">${plural(room.members, "member")}</span>
                </button>
              </li>`)}</ul>
          </section>`}
      </div>
    </main>`;
}

/** Public rooms that the user has not joined. */
function useOpenRooms(session) {
  const [rooms, setRooms] = useState([]);
  const online = session.state.kind === "online";
  useEffect(() => {
    if (online && !session.current) session.client.call("room.list").then((answer) => setRooms(answer.rooms), () => {});
  }, [online, session.current, session.rooms.size]);
  return rooms.filter(({ uid, kind }) => kind === "room" && !session.rooms.has(uid)).slice(0, 12);
}
