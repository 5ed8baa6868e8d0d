import { html, useState } from "/web/vendor/htm/preact.js";
import { at } from "./api.js";
import { List } from "./list.js";
import { Ask, Chip, When } from "./parts.js";

/** The actions on an account, by name. */
const DEEDS = {
  disable: {
    label: "Disable", danger: true, act: (api, path) => api.post(path("disable")),
    say: "All logins end now, live connections are closed, and nobody can log in to this account until it is enabled.",
  },
  enable: {
    label: "Enable", act: (api, path) => api.post(path("enable")),
    say: "The account can log in again. Ended logins stay ended.",
  },
  logout: {
    label: "Log out", danger: true, act: (api, path) => api.post(path("logout")),
    say: "All logins and live connections of this account end now. It can log in again.",
  },
  promote: {
    label: "Make administrator", act: (api, path) => api.put(path("admin"), { admin: true }),
    say: "This account can then do everything that you can do here.",
  },
  demote: {
    label: "Remove administrator", danger: true, act: (api, path) => api.put(path("admin"), { admin: false }),
    say: "The account stays, but can no longer use this console.",
  },
};

export function Accounts({ api, who }) {
  const [asked, ask] = useState(null);
  const row = (account, reload) => {
    const own = account.username === who.username;
    const deeds = own ? [] : [account.disabledAt ? "enable" : "disable", "logout", account.admin ? "demote" : "promote"];
    return {
      key: account.id,
      cells: [
        html`${account.username}${own ? html` <span class="soft">(you)</span>` : ""}<small class="soft block">${account.email ?? ""}</small>`,
        account.disabledAt ? html`<${Chip} kind="bad">disabled<//>` : account.online ? html`<${Chip} kind="good">online<//>` : html`<${Chip}>offline<//>`,
        account.admin ? html`<${Chip} kind="warn">administrator<//>` : "",
        html`<${When} at=${account.createdAt} />`,
        html`<div class="row-actions">${deeds.map((deed) => html`
          <button key=${deed} class="button small" type="button" aria-label=${`${DEEDS[deed].label}: ${account.username}`}
            onClick=${() => ask({ account, deed, reload })}>${DEEDS[deed].label}</button>`)}</div>`,
      ],
    };
  };
  const deed = asked && DEEDS[asked.deed];
  return html`
    <${List} api=${api} name="accounts" title="Accounts" find="Find by name or address" row=${row} empty="Nobody has signed up."
      columns=${["Account", "State", "Rights", "Since", ""]} />
    ${asked && html`
      <${Ask} title=${`${deed.label}: ${asked.account.username}?`} label=${deed.label} danger=${deed.danger} close=${() => ask(null)}
        act=${async () => { await deed.act(api, (what) => at("accounts", asked.account.id, what)); asked.reload(); }}>
        <p>${deed.say}</p>
      <//>`}`;
}
