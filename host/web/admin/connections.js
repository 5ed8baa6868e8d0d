import { html, useState } from "/web/vendor/htm/preact.js";
import { at } from "./api.js";
import { List } from "./list.js";
import { Ask, Chip, When, bytes, number } from "./parts.js";

export function Connections({ api }) {
  const [asked, ask] = useState(null);
  const row = (one, reload) => {
    const name = one.name ?? "an unidentified client";
    return {
      key: one.id,
      cells: [
        html`${one.name ?? html`<span class="soft">not identified yet</span>`}${one.name && !one.account ? html` <${Chip}>guest<//>` : ""}`,
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
      say="Open connections. If a queue does not empty, its client reads too slowly."
      columns=${["Who", "Dialect", "Address", "Connected", "Rooms", "Queue", ""]} />
    ${asked && html`
      <${Ask} title=${asked.disable ? `Disable ${asked.name}?` : `Disconnect ${asked.name}?`} label=${asked.disable ? "Disable" : "Disconnect"} danger
        act=${act} close=${() => ask(null)}>
        <p>${asked.disable
          ? "All logins of the account end now, and nobody can log in to it until it is enabled again."
          : "The connection is closed now. Its client is asked not to reconnect automatically, but is not prevented from doing so."}</p>
      <//>`}`;
}
