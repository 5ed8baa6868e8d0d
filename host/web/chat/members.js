// The list of a room's members.

import { html } from "/web/vendor/htm/preact.js";
import { go } from "./address.js";
import { Avatar } from "./avatar.js";
import { Icon } from "./icons.js";

export function Members({ session, room, close }) {
  const { people } = session;
  const members = [...room.members].sort((one, other) => one.account.name.localeCompare(other.account.name));
  const online = members.filter(({ account }) => people.isOnline(account.id));
  const away = members.filter(({ account }) => !people.isOnline(account.id));
  const group = (title, list) => list.length > 0 && html`
    <section><h3>${title} <span class="soft">${list.length}</span></h3><ul>${list}</ul></section>`;
  const member = ({ account, role }) => html`
    <li key=${account.id} class="person">
      <${Avatar} name=${account.name} online=${people.isOnline(account.id)} />
      <span class="person-name">${account.name}${account.id === session.me?.id && html` <span class="soft">(you)</span>`}</span>
      ${role !== "member" && html`<span class="badge">${role}</span>`}
      ${!session.isGuest && account.id !== session.me?.id && html`
        <button type="button" class="button quiet small" aria-label=${`Write to ${account.name}`} onClick=${() => session.talkTo(account.id).then(go, () => {})}>Write</button>`}
    </li>`;
  const guest = ({ name }) => html`<li key=${name} class="person"><${Avatar} name=${name} online /><span class="person-name">${name}</span><span class="badge">guest</span></li>`;
  const keys = (event) => event.key === "Escape" && close();
  return html`
    <aside class="members" aria-label="People here" onKeyDown=${keys}>
      <header><h2>People</h2><button type="button" class="icon-button" aria-label="Close the list of people" onClick=${close}><${Icon} name="close" /></button></header>
      <div class="members-scroll" tabindex="0" role="group" aria-label="List of people">
        ${group("Online", [...online.map(member), ...room.guests.map(guest)])}
        ${group("Not online", away.map(member))}
      </div>
    </aside>`;
}
