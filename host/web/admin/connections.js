import { html, useState } from "/web/vendor/htm/preact.js";
import { at } from "./api.js";
import { List } from "./list.js";
import { Ask, Chip, When, bytes, number } from "./parts.js";

export function Connections({ api }) {
  const [asked, ask] = useState(null);
  const row = (one, reload) => {
    const name = one.name ?? "somebody who has not said";
    return {
      key: one.id,
      cells: [
        html`${one.name ?? html`<span class="soft">not said yet</span>`}${one.name && !one.account ? html` <${Chip}>guest<//>` : ""}`,
        one.dialect ?? "–",
        html`<code>${one.address}</code>`,
        html`<${When} at=${one.connectedAt} />`,
        number(one.rooms),
        one.queue.frames ? html`<strong>${number(one.queue.frames)}</strong> <span class="soft">${bytes(one.queue.bytes)}</span>` : "empty",
        html`<div class="row-actions">
          <button class="button small" type="button" aria-label=${`Disconnect ${name}, ${one.address}`} onClick=${() => ask({ one, name, reload, disable: false })}>Disconnect</button>
          ${one.account && html`<button class="button small" type="button" aria-label=${`Disable the account ${name}`} onClick=${() => ask({ one, name, reload, disable: true })}>Disable</button>`}
        </div>`,
      ],
    };
  };
  const act = async () => {
    if (asked.disable) await api.post(at("accounts", asked.one.account, "disable"));
    else await api.delete(at("connections", asked.one.id));
    asked.reload();
  };
  return html`
    <${List} api=${api} name="connections" title="Connections" find="Find by name or address" row=${row} empty="Nobody is connected."
      say="Open sockets. A queue that does not empty belongs to a client that reads too slowly."
      columns=${["Who", "Dialect", "Address", "Connected", "Rooms", "Queue", ""]} />
    ${asked && html`
      <${Ask} title=${asked.disable ? `Disable ${asked.name}?` : `Disconnect ${asked.name}?`} label=${asked.disable ? "Disable" : "Disconnect"} danger
        act=${act} close=${() => ask(null)}>
        <p>${asked.disable
          ? "All logins of the account end now, and nobody gets in with it until it is enabled again."
          : "The connection is closed now. Its client is told not to come back by itself, but nothing keeps it from it."}</p>
      <//>`}`;
}
