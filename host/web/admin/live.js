// Charts of the server's activity.

import { html } from "/web/vendor/htm/preact.js";
import { Chart } from "./chart.js";
import { Head, Problem, millis, number, usePolled } from "./parts.js";

export function Live({ api }) {
  const { data, problem } = usePolled(() => api.get("figures"), 2000);
  const samples = data?.samples ?? [];
  const times = samples.map((sample) => sample.at);
  const of = (name, value) => [{ name, values: samples.map(value) }];
  const plugins = [...new Set(samples.flatMap((sample) => Object.keys(sample.plugins)))].sort();
  const hooks = plugins.map((name) => ({ name, values: samples.map((sample) => sample.plugins[name]?.p99Ms ?? null) }));
  return html`
    <${Head} title="Live" say=${data ? `The last ten minutes at most; one sample every ${data.everyMs / 1000} s.` : "The last minutes."} />
    <${Problem} text=${problem} />
    ${data && samples.length < 2 && html`<p class="empty soft" role="status">Waiting for the first samples.</p>`}
    ${samples.length >= 2 && html`
      <div class="charts">
        <${Chart} title="Connections" times=${times} series=${of("Connections", (sample) => sample.connections)} show=${number} least=${4} />
        <${Chart} title="Messages a second" times=${times} series=${of("Messages a second", (sample) => sample.messagesPerSecond)} show=${number} least=${1} />
        <${Chart} title="Delivery, 99th percentile" say="From a post’s arrival until it is stored and queued for everybody." times=${times}
          series=${of("Delivery p99", (sample) => sample.deliveryP99Ms)} show=${millis} least=${1} />
        <${Chart} title="Hook time by plugin, 99th percentile" times=${times} series=${hooks} show=${millis} least=${0.01} named />
      </div>`}`;
}
