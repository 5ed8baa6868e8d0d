// The list of plugins, and uploads.

import { html, useState } from "/web/vendor/htm/preact.js";
import { at } from "./api.js";
import { Ask, Chip, Head, Problem, Table, When, millis, number, usePolled } from "./parts.js";
import { Plugin } from "./plugin.js";

const STATES = { running: "good", quarantined: "bad", failed: "bad", compiling: "", disabled: "" };

export function Plugins({ api, within }) {
  const { data, problem, reload } = usePolled(() => api.get("plugins"), 3000);
  const [asked, ask] = useState(null);
  const [told, tell] = useState(null);
  const plugins = data?.plugins ?? [];
  const chosen = plugins.find((plugin) => plugin.id === within);
  const readAgain = async () => {
    try {
      await api.post("plugins/reload");
      tell("The folder and the settings have been reloaded.");
    } catch (error) {
      tell(error.message);
    }
    reload();
  };
  const tryAgain = async (file) => {
    try {
      const { quarantinedFiles } = await api.post(`plugins/${at(file.sha256)}/retry`);
      const crashed = quarantinedFiles.some((other) => other.sha256 === file.sha256);
      tell(crashed ? "It crashed again." : "It is no longer quarantined.");
    } catch (error) {
      tell(error.message);
    }
    reload();
  };
  return html`
    <${Head} title="Plugins" say="Each plugin is a WebAssembly component that can be replaced without a restart.">
      <button class="button" type="button" onClick=${readAgain}>Reload</button>
      <button class="button primary" type="button" onClick=${() => ask("upload")}>Upload a plugin</button>
    <//>
    <${Problem} text=${problem} />
    <p class=${told ? "notice" : "sr-only"} role="status">${told}</p>
    ${data && html`<${Table} label="Plugins" columns=${["Plugin", "State", "Version", "Calls", "p50", "p99", "Faults", "Loaded"]}
      empty="The plugins folder is empty: upload one." rows=${plugins.map((plugin) => row(plugin, plugin === chosen))} />`}
    ${data?.quarantinedFiles?.length > 0 && html`
      <h2>Quarantined files</h2>
      <p class="soft">Their first load crashed the process that loads unknown files. They are loaded again only on request.</p>
      <${Table} label="Quarantined files" columns=${["File", "Plugin", "Reason", "Since", ""]}
        rows=${data.quarantinedFiles.map((file) => quarantined(file, tryAgain))} />`}
    ${chosen && html`<${Plugin} key=${chosen.id} api=${api} plugin=${chosen} changed=${reload} tell=${tell} />`}
    ${data && within && !chosen && html`<p class="empty soft">There is no plugin ${within} in the folder.</p>`}
    ${asked === "upload" && html`<${Upload} api=${api} close=${() => ask(null)} done=${(plugin) => {
      tell(`${plugin.id} ${plugin.version ?? ""} is ${plugin.state}.`);
      location.hash = `#/plugins/${encodeURIComponent(plugin.id)}`;
      reload();
    }} />`}`;
}

export function State({ plugin }) {
  return html`<${Chip} kind=${STATES[plugin.state]}>${plugin.state}<//>${plugin.error && plugin.state === "running"
    ? html` <${Chip} kind="warn">newer file refused<//>` : null}`;
}

function row(plugin, chosen) {
  const { calls } = plugin;
  const faults = calls.faults ? html`<strong class="bad-text">${number(calls.faults)}</strong>` : "0";
  return {
    key: plugin.id,
    chosen,
    cells: [
      html`<a href=${`#/plugins/${encodeURIComponent(plugin.id)}`} aria-current=${chosen ? "true" : null}>${plugin.name ?? plugin.id}</a>
        <small class="soft block">${plugin.id}</small>`,
      html`<${State} plugin=${plugin} />`,
      plugin.version ?? "–",
      number(calls.count),
      millis(calls.p50Ms),
      millis(calls.p99Ms),
      faults,
      html`<${When} at=${plugin.loadedAt} />`,
    ],
  };
}

function quarantined(file, tryAgain) {
  return {
    key: file.sha256,
    cells: [
      html`<code title=${file.sha256}>${file.sha256.slice(0, 12)}</code>`,
      file.plugin,
      file.reason,
      html`<${When} at=${file.at} />`,
      html`<button class="button" type="button" onClick=${() => tryAgain(file)}>Load again</button>`,
    ],
  };
}

/** The plugin id for a file name: `Word_Filter.wasm` becomes `word-filter`. */
function idOf(name) {
  return name.replace(/\.wasm$/i, "").toLowerCase().replace(/[_ ]+/g, "-");
}

export function Upload({ api, plugin, close, done }) {
  const [id, setId] = useState(plugin?.id ?? "");
  const act = async (form) => {
    const file = form.get("file");
    if (!file?.size) throw new Error("choose the plugin’s .wasm file");
    done(await api.upload(`plugins/${at(id)}`, file));
  };
  return html`
    <${Ask} title=${plugin ? `Replace ${plugin.id}` : "Upload a plugin"} label="Upload" act=${act} close=${close}>
      <p class="soft">The server first starts the new version. If that fails, nothing changes, and the error is shown.</p>
      <div class="field">
        <label for="upload-file">Component</label>
        <input class="input" id="upload-file" name="file" type="file" accept=".wasm,application/wasm" required data-first
          onChange=${(event) => !plugin && event.target.files[0] && setId(idOf(event.target.files[0].name))} />
      </div>
      ${!plugin && html`
        <div class="field">
          <label for="upload-id">Plugin id</label>
          <input class="input" id="upload-id" value=${id} onInput=${(event) => setId(event.target.value)} required
            pattern="[a-z][a-z0-9]*(-[a-z0-9]+)*" title="lower-case words joined by dashes, such as word-filter" spellcheck="false" autocapitalize="none" />
          <p class="hint">A plugin with this id is replaced. Its grants are set in config.toml only.</p>
        </div>`}
    <//>`;
}
