// The log-in form of the console.

import { html, useEffect, useRef, useState } from "/web/vendor/htm/preact.js";
import { Problem } from "./parts.js";

export function Door({ enter, problem }) {
  const [busy, setBusy] = useState(false);
  const name = useRef(null);
  useEffect(() => {
    document.title = "Log in · Console";
    name.current.focus();
  }, [problem]);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    await enter(Object.fromEntries(new FormData(event.target)));
    setBusy(false);
  };
  return html`
    <main class="door">
      <form class="door-card" onSubmit=${submit}>
        <header>
          <img src="/web/shared/icon.svg" alt="" width="36" height="36" />
          <div>
            <h1>Console</h1>
            <p class="soft">For administrators of this server</p>
          </div>
        </header>
        <${Problem} text=${problem} />
        <div class="field">
          <label for="username">Name or e-mail address</label>
          <input ref=${name} class="input" id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required />
        </div>
        <div class="field">
          <label for="password">Password</label>
          <input class="input" id="password" name="password" type="password" autocomplete="current-password" required />
        </div>
        <button class="button primary wide" disabled=${busy}>Log in</button>
        <p class="soft small">No administrator yet? <code>natterjack user admin NAME</code> makes one. <a href="/">To the chat</a></p>
      </form>
    </main>`;
}
