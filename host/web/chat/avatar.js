import { html } from "/web/vendor/htm/preact.js";
import { hueOf, initialOf } from "./text.js";

/** The first letter of a name in its colour. Hidden from screen readers, since the name is beside it. */
export function Avatar({ name, online }) {
  return html`<span class=${`avatar ${hueOf(name)}`} aria-hidden="true">${initialOf(name)}${online && html`<span class="online"></span>`}</span>`;
}
