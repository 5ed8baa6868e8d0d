import { html } from "/web/vendor/htm/preact.js";
import { List } from "./list.js";
import { Chip } from "./parts.js";

const OUTCOMES = { done: "good", refused: "warn", failed: "bad" };

export function Audit({ api }) {
  const row = (line) => ({
    key: line.id,
    cells: [
      html`<time datetime=${line.at}>${new Date(line.at).toLocaleString()}</time>`,
      html`${line.by.name}${line.by.account ? "" : html` <${Chip}>command line<//>`}`,
      html`<code>${line.action}</code>`,
      html`<span class="clip" title=${line.on}>${line.on || "–"}</span>`,
      html`<${Chip} kind=${OUTCOMES[line.outcome] ?? ""}>${line.outcome ?? "not known"}<//>`,
      html`<span class="clip" title=${line.detail}>${line.detail}</span>`,
    ],
  });
  return html`
    <${List} api=${api} name="audit" field="lines" title="Audit" label="Actions of administrators" find="Find by name, action or target" row=${row}
      empty="No actions yet." say="Actions of administrators in this console, over the API and on the command line."
      columns=${["When", "Who", "Action", "On", "Outcome", "Detail"]} />`;
}
