// The nodes of the cluster.

import { html } from "/web/vendor/htm/preact.js";
import { Chip, Head, Problem, Table, When, number, usePolled } from "./parts.js";

const KINDS = { alive: "good", draining: "warn", deaf: "warn", dead: "bad" };
const SAYS = {
  draining: "takes no more connections",
  deaf: "NATS does not answer it",
  dead: "its lease is over",
};

export function Nodes({ api }) {
  const { data, problem } = usePolled(() => api.get("nodes"), 2000);
  const nodes = data?.nodes ?? [];
  const rows = nodes.map((node) => ({
    key: node.id,
    chosen: node.id === data.answeredBy,
    cells: [
      html`${node.name}${node.id === data.answeredBy ? html` <span class="soft">answers here</span>` : ""}`,
      html`<${Chip} kind=${KINDS[node.state]}>${node.state}<//> <span class="soft">${SAYS[node.state] ?? ""}</span>`,
      node.version,
      html`<${When} at=${node.startedAt} />`,
      number(node.connections),
      number(node.rooms),
      number(node.messages),
      html`<code>${node.plugins || "–"}</code>`,
    ],
  }));
  const say = data && data.answeredBy && (data.converged
    ? "All nodes that live run the same plugins."
    : "Converging: not all nodes run the same plugins yet.");
  return html`
    <${Head} title="Nodes" say=${say || "The machines that are one server together."} />
    <${Problem} text=${problem} />
    ${data && html`<${Table} label="Nodes" rows=${rows} empty="This server is no cluster: it is its only node."
      columns=${["Node", "State", "Version", "Started", "Connections", "Rooms heard", "Messages since", "Plugins"]} />`}`;
}
