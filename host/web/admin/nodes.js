// The nodes of the cluster.

import { html } from "/web/vendor/htm/preact.js";
import { Chip, Head, Problem, Table, When, number, usePolled } from "./parts.js";

const KINDS = { alive: "good", draining: "warn", deaf: "warn", dead: "bad" };
const SAYS = {
  draining: "accepts no more connections",
  deaf: "is not connected to NATS",
  dead: "its lease has expired",
};

export function Nodes({ api }) {
  const { data, problem } = usePolled(() => api.get("nodes"), 2000);
  const nodes = data?.nodes ?? [];
  const rows = nodes.map((node) => ({
    key: node.id,
    chosen: node.id === data.answeredBy,
    cells: [
      html`${node.name}${node.id === data.answeredBy ? html` <span class="soft">this node</span>` : ""}`,
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
    ? "All live nodes run the same plugins."
    : "Converging: not all nodes run the same plugins yet.");
  return html`
    <${Head} title="Nodes" say=${say || "The machines that form this server."} />
    <${Problem} text=${problem} />
    ${data && html`<${Table} label="Nodes" rows=${rows} empty="This server is not part of a cluster."
      columns=${["Node", "State", "Version", "Started", "Connections", "Rooms subscribed", "Messages since start", "Plugins"]} />`}`;
}
