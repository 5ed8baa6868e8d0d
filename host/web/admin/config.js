import { html, useEffect, useState } from "/web/vendor/htm/preact.js";
import { Head, Problem } from "./parts.js";

export function Config({ api }) {
  const [toml, setToml] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    api.get("config").then((answer) => setToml(answer.toml), (error) => setProblem(error.message));
  }, []);
  return html`
    <${Head} title="Configuration" say="The effective configuration with every key; secrets are hidden. Change it in config.toml." />
    <${Problem} text=${problem} />
    ${toml && html`<pre class="log tall" tabindex="0" role="region" aria-label="Configuration in force">${toml}</pre>`}`;
}
