// The console's views, and the navigation between them.

import { html, useEffect, useRef, useState } from "/web/vendor/htm/preact.js";
import { Accounts } from "./accounts.js";
import { Audit } from "./audit.js";
import { Config } from "./config.js";
import { Connections } from "./connections.js";
import { Live } from "./live.js";
import { Log } from "./log.js";
import { Nodes } from "./nodes.js";
import { Plugins } from "./plugins.js";
import { Rooms } from "./rooms.js";

const VIEWS = [
  ["plugins", "Plugins", Plugins],
  ["live", "Live", Live],
  ["nodes", "Nodes", Nodes],
  ["connections", "Connections", Connections],
  ["rooms", "Rooms", Rooms],
  ["accounts", "Accounts", Accounts],
  ["log", "Log", Log],
  ["audit", "Audit", Audit],
  ["config", "Configuration", Config],
];

/** `#/plugins/echo` is the view `plugins` and within it `echo`. */
function place() {
  const [, view, ...rest] = location.hash.split("/").map(decodeURIComponent);
  const known = VIEWS.some(([id]) => id === view);
  return { view: known ? view : "plugins", within: known ? rest.join("/") : "" };
}

export function Console({ api, who, leave }) {
  const [{ view, within }, setPlace] = useState(place);
  const main = useRef(null);
  const first = useRef(true);
  useEffect(() => {
    const moved = () => setPlace(place());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const [, title, View] = VIEWS.find(([id]) => id === view);
  useEffect(() => {
    document.title = `${within || title} · Console`;
    // Moves the focus to the new view, so that screen readers announce it.
    if (first.current) first.current = false;
    else main.current.focus();
  }, [view, within]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>Skip to content</a>
    <div class="console">
      <header class="rail">
        <a class="brand" href="#/plugins"><img src="/web/shared/icon.svg" alt="" width="28" height="28" /><span>Natterjack<small>Console</small></span></a>
        <nav aria-label="Console">
          <ul>
            ${VIEWS.map(([id, label]) => html`
              <li key=${id}><a href=${`#/${id}`} aria-current=${id === view ? "page" : null}>${label}</a></li>`)}
          </ul>
        </nav>
        <div class="rail-foot">
          <p class="soft small">Logged in as <strong>${who.username}</strong></p>
          <p><a class="small" href="/">Chat</a> <a class="small" href="/api/docs">API</a></p>
          <button class="button" type="button" onClick=${leave}>Log out</button>
        </div>
      </header>
      <main ref=${main} id="main" tabindex="-1"><${View} key=${view} api=${api} who=${who} within=${within} /></main>
    </div>`;
}
