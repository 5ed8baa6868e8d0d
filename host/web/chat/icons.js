import { html } from "/web/vendor/htm/preact.js";

// Icons, 24 by 24. They have no label of their own: the element that shows one needs a label.
const PATHS = {
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM16.2 16.2 20 20",
  back: "M14 6l-6 6 6 6",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.8 19.5c.6-3.4 3-5.2 6.2-5.2s5.6 1.8 6.2 5.2M15.5 4.9a3.3 3.3 0 0 1 0 6.2M17.6 14.9c2 .7 3.2 2.3 3.6 4.6",
  close: "M6 6l12 12M18 6 6 18",
  reply: "M9.5 6 4.5 11l5 5M5 11h8.5c3.6 0 6 2.2 6 6.5",
  smile: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM8.7 14c.8 1.3 1.9 2 3.3 2s2.5-.7 3.3-2M9.3 9.8v.1M14.7 9.8v.1",
  edit: "M5 19l.8-3.8L15.6 5.4a1.6 1.6 0 0 1 2.3 0l.7.7a1.6 1.6 0 0 1 0 2.3L8.8 18.2 5 19Z",
  trash: "M5 7h14M10 7V4.8h4V7M7 7l.8 12.2h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5",
  attach: "M18.5 11.5l-6.7 6.7a4.1 4.1 0 0 1-5.8-5.8l7.2-7.2a2.7 2.7 0 0 1 3.9 3.9l-7 7a1.3 1.3 0 0 1-1.9-1.9l6.2-6.2",
  send: "M4.5 12h13M12 5.5l6.5 6.5-6.5 6.5",
  lock: "M7 11V8.5a5 5 0 0 1 10 0V11M5.5 11h13v8.5h-13Z",
  hash: "M9.5 5 8 19M16 5l-1.5 14M5.5 9.5H19M5 14.5h13.5",
  settings: "M5 7h6M15 7h4M11 7a2 2 0 1 0 4 0 2 2 0 0 0-4 0M5 17h2M11 17h8M7 17a2 2 0 1 0 4 0 2 2 0 0 0-4 0",
  leave: "M13 5H6v14h7M10.5 12H20M16.5 8.5 20 12l-3.5 3.5",
  file: "M7 4h7l4 4v12H7ZM14 4v4h4",
  cloud: "M7 18h9.5a3.7 3.7 0 0 0 .5-7.4A5.5 5.5 0 0 0 6.5 10 4 4 0 0 0 7 18ZM4 4l16 16",
};

export function Icon({ name }) {
  return html`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round"
    stroke-linejoin="round" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
