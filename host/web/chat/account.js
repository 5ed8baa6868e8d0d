// The account dialog: name, password, log-out and deletion.

import { html, useEffect, useState } from "/web/vendor/htm/preact.js";
import { Dialog, useForm } from "./dialogs.js";

/** `rest` is called with the session's token. */
export function AccountSettings({ session, rest, leave, enterAnew, close }) {
  const [account, setAccount] = useState(null);
  const [problem, setProblem] = useState(null);
  const asked = async (method, ...args) => rest[method](await session.client.token(), ...args);
  useEffect(() => {
    asked("account").then(setAccount, (error) => setProblem(error.message));
  }, []);
  return html`
    <${Dialog} title="Your account" close=${close}>
      <div class="stack settings">
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        ${account && html`<${Profile} account=${account} asked=${asked} enterAnew=${enterAnew} />`}
        <${Password} name=${account?.username} asked=${asked} />
        <${WaysOut} asked=${asked} leave=${leave} />
      </div>
    <//>`;
}

function Profile({ account, asked, enterAnew }) {
  const [saved, setSaved] = useState(false);
  const { submit, busy, problem } = useForm(() => setSaved(true), async ({ username, email }) => {
    setSaved(false);
    const renamed = username.trim() !== account.username;
    await asked("changeAccount", { username: renamed ? username.trim() : undefined, email: email.trim() || null });
    if (renamed) enterAnew();
  });
  return html`
    <form onSubmit=${submit} aria-labelledby="profile">
      <h3 id="profile">Profile</h3>
      ${problem}
      <div class="field"><label for="account-name">Name</label>
        <input id="account-name" name="username" class="input" required maxlength="64" autocomplete="username" autocapitalize="none" defaultValue=${account.username} data-first /></div>
      <div class="field"><label for="account-email">E-mail <span class="soft">(optional)</span></label>
        <input id="account-email" name="email" class="input" type="email" maxlength="254" autocomplete="email" defaultValue=${account.email ?? ""} /></div>
      <${Save} label="Save" busy=${busy} said=${saved && "Saved."} />
    </form>`;
}

function Password({ name, asked }) {
  const [saved, setSaved] = useState(false);
  const done = (form) => {
    form.reset();
    setSaved(true);
  };
  const { submit, busy, problem } = useForm(done, async ({ password, newPassword }) => {
    setSaved(false);
    await asked("changePassword", { password, newPassword });
  });
  return html`
    <form onSubmit=${submit} aria-labelledby="password-change">
      <h3 id="password-change">Password</h3>
      ${problem}
      <input hidden name="username" autocomplete="username" value=${name ?? ""} readonly />
      <div class="pair">
        <div class="field"><label for="password-now">Current password</label>
          <input id="password-now" name="password" class="input" type="password" required maxlength="1024" autocomplete="current-password" /></div>
        <div class="field"><label for="password-new">New password</label>
          <input id="password-new" name="newPassword" class="input" type="password" required maxlength="1024" autocomplete="new-password" /></div>
      </div>
      <${Save} label="Change password" busy=${busy} said=${saved && "Changed. You are logged out on all other devices."} />
    </form>`;
}

function WaysOut({ asked, leave }) {
  const [deleting, setDeleting] = useState(false);
  const everywhere = useForm(leave, () => asked("logOutEverywhere"));
  const gone = useForm(leave, ({ password }) => asked("deleteAccount", { password }));
  return html`
    <section aria-labelledby="ways-out">
      <h3 id="ways-out">Log out or delete</h3>
      <form onSubmit=${everywhere.submit}>
        ${everywhere.problem}
        <button class="button" disabled=${everywhere.busy}>Log out everywhere</button>
      </form>
      ${deleting
        ? html`
          <form onSubmit=${gone.submit}>
            <p class="soft">Your account is deleted permanently, and you leave all rooms. Your messages stay, without your name.</p>
            ${gone.problem}
            <div class="field"><label for="password-delete">Your password</label>
              <input id="password-delete" name="password" class="input" type="password" required maxlength="1024" autocomplete="current-password" /></div>
            <button class="button danger" disabled=${gone.busy}>Delete the account</button>
          </form>`
        : html`<button type="button" class="button quiet" onClick=${() => setDeleting(true)}>Delete the account …</button>`}
    </section>`;
}

function Save({ label, busy, said }) {
  return html`<div class="save"><button class="button primary" disabled=${busy}>${label}</button><span class="soft" role="status">${said || ""}</span></div>`;
}
