import { html, useState } from "/web/vendor/htm/preact.js";
import { at } from "./api.js";
import { List } from "./list.js";
import { Ask, Chip, When, number } from "./parts.js";

export function Rooms({ api }) {
  const [asked, ask] = useState(null);
  const row = (room, reload) => ({
    key: room.id,
    cells: [
      html`${room.name}${room.topic && html`<small class="soft block clip">${room.topic}</small>`}`,
      room.visibility === "public" ? html`<${Chip}>public<//>` : html`<${Chip} kind="warn">private<//>`,
      number(room.members),
      number(room.listeners),
      number(room.entries),
      html`<${When} at=${room.activeAt} />`,
      html`<button class="button small danger-text" type="button" aria-label=${`Delete the room ${room.name}`} onClick=${() => ask({ room, reload })}>Delete</button>`,
    ],
  });
  return html`
    <${List} api=${api} name="rooms" title="Rooms" find="Find by name" row=${row} empty="There are no rooms."
      say="Direct conversations and sessions are private and not listed."
      columns=${["Room", "Open to", "Members", "Subscribers", "Entries", "Last active", ""]} />
    ${asked && html`
      <${Ask} title=${`Delete ${asked.room.name}?`} label="Delete for good" danger close=${() => ask(null)}
        act=${async () => { await api.delete(at("rooms", asked.room.id)); asked.reload(); }}>
        <p>Everything that was said there goes with it, and its ${number(asked.room.members)} members are put out. This cannot be undone.</p>
      <//>`}`;
}
