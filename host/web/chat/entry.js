// The entry page: log in, sign up, or join as a guest.

import { html, useEffect, useRef, useState } from "/web/vendor/htm/preact.js";

const TABS = [
  ["login", "Log in"],
  ["signup", "Sign up"],
  ["guest", "As a guest"],
];

export function Entry({ server, farewell, signUp, logIn, guest }) {
  const [chosen, choose] = useState("login");
  const tabs = TABS.filter(([id]) => id !== "guest" || server?.guests);
  const tab = tabs.some(([id]) => id === chosen) ? chosen : "login";
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex(([id]) => id === tab);
    const [id] = tabs.at((at + step) % tabs.length);
    choose(id);
    document.getElementById(`tab-${id}`).focus();
  };
  return html`
    <main class="entry">
      <div class="entry-card">
        <header class="brand">
          <img src="/web/shared/icon.svg" alt="" width="44" height="44" />
          <h1>${server?.name ?? "Natterjack"}</h1>
        </header>
        ${farewell && html`<p class="problem" role="status">${farewell}</p>`}
        <div class="tabs" role="tablist" aria-label="Log-in options" onKeyDown=${move}>
          ${tabs.map(([id, label]) => html`
            <button key=${id} id=${`tab-${id}`} class="tab" role="tab" type="button" aria-selected=${String(id === tab)}
              aria-controls="entry-panel" tabindex=${id === tab ? 0 : -1} onClick=${() => choose(id)}>${label}</button>`)}
        </div>
        <section id="entry-panel" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
          ${tab === "guest"
            ? html`<${GuestForm} key="guest" guest=${guest} />`
            : html`<${AccountForm} key=${tab} isNew=${tab === "signup"} server=${server} enter=${tab === "signup" ? signUp : logIn} />`}
        </section>
      </div>
      <p class="entry-foot">Natterjack ${server?.version} · <a href="/api/docs">API</a></p>
    </main>`;
}

function AccountForm({ isNew, server, enter }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  useEffect(() => {
    if (problem) form.current?.querySelector("input").focus();
  }, [problem]);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await enter(Object.fromEntries(new FormData(event.target)));
    } catch (error) {
      setProblem(sentence(error.message));
      setBusy(false);
    }
  };
  const least = server?.limits.password_chars ?? 1;
  return html`
    <form ref=${form} class="entry-form" onSubmit=${submit}>
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      <div class="field">
        <label for="username">${isNew ? "Name" : "Name or e-mail address"}</label>
        <input id="username" name="username" class="input" required maxlength=${isNew ? 64 : 254} autocomplete="username"
          autocapitalize="none" spellcheck=${false} aria-invalid=${String(Boolean(problem))} />
      </div>
      <div class="field">
        <label for="password">Password</label>
        <input id="password" name="password" class="input" type="password" required minlength=${isNew ? least : 1}
          maxlength="1024" autocomplete=${isNew ? "new-password" : "current-password"}
          aria-describedby=${isNew && least > 1 ? "password-hint" : undefined} />
        ${isNew && least > 1 && html`<p id="password-hint" class="hint">At least ${least} characters.</p>`}
      </div>
      ${isNew && html`
        <div class="field">
          <label for="email">E-mail address <span class="soft">(optional)</span></label>
          <input id="email" name="email" class="input" type="email" maxlength="254" autocomplete="email" />
        </div>`}
      <button class="button primary wide" disabled=${busy}>${isNew ? "Sign up" : "Log in"}</button>
    </form>`;
}

function GuestForm({ guest }) {
  const submit = (event) => {
    event.preventDefault();
    guest(new FormData(event.target).get("name").trim());
  };
  return html`
    <form class="entry-form" onSubmit=${submit}>
      <div class="field">
        <label for="guest">Your name</label>
        <input id="guest" name="name" class="input" maxlength="64" autocomplete="nickname" aria-describedby="guest-hint" />
        <p id="guest-hint" class="hint">Leave it empty to get a generated name. When you close this page, you cannot return as the same guest; your messages stay.</p>
      </div>
      <button class="button primary wide">Enter</button>
    </form>`;
}

/** A message of the server as a sentence. */
export function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`;
}
