// The editor of a plugin's own settings, as JSON, which the plugin itself validates.

import { html, useEffect, useState } from "/web/vendor/htm/preact.js";
import { Problem } from "./parts.js";

export function Settings({ api, path, tell, changed }) {
  const [kept, setKept] = useState(null);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const load = async () => {
    try {
      const { settings } = await api.get(path);
      const shown = JSON.stringify(settings, null, 2);
      setKept(shown);
      setText(shown);
      setProblem(null);
    } catch (error) {
      setProblem(error.message);
    }
  };
  useEffect(() => {
    load();
  }, [path]);
  const save = async (event) => {
    event.preventDefault();
    let settings;
    try {
      settings = JSON.parse(text);
    } catch (error) {
      return setProblem(`This is not valid JSON: ${error.message}`);
    }
    setBusy(true);
    try {
      const plugin = await api.put(path, settings);
      tell(`${plugin.id} runs with its new settings.`);
      await load();
      changed();
    } catch (error) {
      setProblem(error.message);
    }
    setBusy(false);
  };
  return html`
    <section><h3 id="settings-title">Settings</h3>
      <form class="settings" onSubmit=${save}>
        <textarea class="input code" rows="9" spellcheck="false" aria-labelledby="settings-title" aria-describedby="settings-hint"
          aria-invalid=${problem ? "true" : null} value=${text} disabled=${kept === null} onInput=${(event) => setText(event.target.value)}></textarea>
        <p class="soft small" id="settings-hint">JSON, written to config.toml, or stored for all nodes of a cluster. The plugin is first started with the new settings; if it refuses them, they are not saved. Secrets are shown as &lt;hidden> and stay unchanged.</p>
        <${Problem} text=${problem} />
        <div class="actions">
          <button class="button quiet" type="button" disabled=${busy || text === kept} onClick=${load}>Undo</button>
          <button class="button" disabled=${busy || text === kept}>Save settings</button>
        </div>
      </form>
    </section>`;
}
