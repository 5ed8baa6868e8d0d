// What can be typed next, above the field.

import { html, useLayoutEffect, useRef } from "/web/vendor/htm/preact.js";
import { paramText } from "./slash.js";

export function Suggestions({ options, at, take }) {
  const list = useRef(null);
  useLayoutEffect(() => list.current.children[at]?.scrollIntoView({ block: "nearest" }), [at]);
  return html`
    <ul ref=${list} id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions">
      ${options.map((option, index) => html`
        <li key=${option.label} id=${`suggestion-${index}`} role="option" aria-selected=${String(index === at)}
          onMouseDown=${(event) => { event.preventDefault(); take(option); }}>
          <strong>${option.label}</strong>${option.params?.map((param) => html` <code>${paramText(param)}</code>`)}<span class="soft">${option.hint}</span>
        </li>`)}
    </ul>`;
}

/** How the command that is being typed goes; what comes now stands out. */
export function Usage({ command, param }) {
  const current = command.params[param];
  return html`
    <p class="usage" role="status">
      <code>/${command.slash}</code>${command.params.map((one, index) => html` <code class=${index === param ? "now" : ""}>${paramText(one)}</code>`)}
      <span class="soft">${current?.summary ?? command.summary}</span>
    </p>`;
}
