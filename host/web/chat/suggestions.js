// The suggestions above the text field.

import { html } from "/web/vendor/htm/preact.js";
import { paramText } from "./slash.js";

/** How many suggestions are shown, around the selected one, without scrolling. */
const SHOWN = 6;

export function Suggestions({ options, at, take }) {
  const first = Math.max(0, Math.min(at - SHOWN / 2, options.length - SHOWN));
  const shown = options.slice(first, first + SHOWN).map((option, offset) => [option, first + offset]);
  return html`
    <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions">
      ${shown.map(([option, index]) => html`
        <li key=${option.label} id=${`suggestion-${index}`} role="option" aria-selected=${String(index === at)}
          aria-setsize=${options.length} aria-posinset=${index + 1} onMouseDown=${(event) => { event.preventDefault(); take(option); }}>
          <strong>${option.label}</strong>${option.params?.map((param) => html` <code>${paramText(param)}</code>`)}<span class="soft">${option.hint}</span>
        </li>`)}
    </ul>`;
}

/** The syntax of the command being typed, with the current param highlighted. */
export function Usage({ command, param }) {
  const current = command.params[param];
  return html`
    <p class="usage" role="status">
      <code>/${command.slash}</code>${command.params.map((one, index) => html` <code class=${index === param ? "now" : ""}>${paramText(one)}</code>`)}
      <span class="soft">${current?.summary ?? command.summary}</span>
    </p>`;
}
