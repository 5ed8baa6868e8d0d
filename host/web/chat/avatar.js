import { html } from "/web/vendor/htm/preact.js";
import { hueOf, initialOf } from "./text.js";

/** Somebody's first letter in their own colour. It stands beside the name, so it is not read out. */
export function Avatar({ name, online }) {
  return html`<span class=${`avatar ${hueOf(name)}`} aria-hidden="true">${initialOf(name)}${online && html`<span class="online"></span>`}</span>`;
}
