// One plugin: its details and actions.

import { html, useState } from "/web/vendor/htm/preact.js";
import { at } from "./api.js";
import { Ask, Chip, Problem, Table, When, usePolled } from "./parts.js";
import { Settings } from "./plugin_settings.js";
import { State, Upload } from "./plugins.js";

export function Plugin({ api, plugin, changed, tell }) {
  const [asked, ask] = useState(null);
  const path = (...rest) => at("plugins", plugin.id, ...rest);
  const done = (text) => {
    tell(text);
    changed();
  };
  const before = plugin.versions.find((version) => !version.running);
  const back = async (to) => {
    const now = await api.post(path("rollback"), { to });
    done(`${plugin.id} ${now.version ?? ""} runs again.`);
  };
  const turn = async (on) => {
    try {
      const now = await api.post(path(on ? "enable" : "disable"));
      done(`${plugin.id} is ${now.state}.`);
    } catch (error) {
      tell(error.message);
    }
  };
  const close = () => ask(null);
  return html`
    <section class="panel" aria-label=${`Plugin ${plugin.id}`}>
      <header class="head">
        <div><h2>${plugin.name ?? plugin.id} <${State} plugin=${plugin} /></h2>${plugin.summary && html`<p class="soft">${plugin.summary}</p>`}</div>
        <div class="head-actions">
          <button class="button primary" type="button" onClick=${() => ask({ what: "replace" })}>Replace</button>
          ${before && html`<button class="button" type="button" onClick=${() => ask({ what: "back", version: before })}>Roll back</button>`}
          ${plugin.state === "disabled"
            ? html`<button class="button" type="button" onClick=${() => turn(true)}>Enable</button>`
            : html`<button class="button" type="button" onClick=${() => ask({ what: "disable" })}>Disable</button>`}
          <button class="button danger" type="button" onClick=${() => ask({ what: "remove" })}>Remove</button>
        </div>
      </header>
      ${plugin.error && html`<div class="problem"><strong>The file in the folder cannot be run.</strong> ${plugin.error} <small class="soft"><${When} at=${plugin.errorAt} /></small></div>`}
      ${plugin.quarantine && html`<div class="problem"><strong>Quarantined for another ${plugin.quarantine.secondsLeft} s.</strong> ${plugin.quarantine.reason}</div>`}
      <${Facts} plugin=${plugin} />
      <div class="columns">
        <${Versions} plugin=${plugin} ask=${ask} />
        <${Settings} api=${api} path=${path("settings")} tell=${tell} changed=${changed} />
      </div>
      <${Lines} api=${api} path=${path("logs")} />
      ${asked?.what === "replace" && html`<${Upload} api=${api} plugin=${plugin} close=${close} done=${(now) => done(`${now.id} ${now.version ?? ""} is ${now.state}.`)} />`}
      ${asked?.what === "back" && html`
        <${Ask} title=${`Roll ${plugin.id} back?`} label="Roll back" act=${() => back(asked.version.sha256)} close=${close}>
          <p>The version <code>${asked.version.sha256.slice(0, 12)}</code> replaces the current one. Chat is not interrupted.</p>
        <//>`}
      ${asked?.what === "disable" && html`
        <${Ask} title=${`Disable ${plugin.id}?`} label="Disable" danger act=${() => turn(false)} close=${close}>
          <p>Its commands and hooks are unavailable until it is enabled again.${plugin.hooks.includes("message-filter") ? " Messages pass without its filter." : ""}</p>
        <//>`}
      ${asked?.what === "remove" && html`
        <${Ask} title=${`Remove ${plugin.id}?`} label="Remove" danger close=${close}
          act=${async () => { await api.delete(path()); done(`${plugin.id} is removed.`); location.hash = "#/plugins"; }}>
          <p>Its file is removed from the folder. Its kept versions stay: to restore it, upload it again or run <code>natterjack plugin rollback ${plugin.id}</code>.</p>
        <//>`}
    </section>`;
}

function Facts({ plugin }) {
  const { asked, given } = plugin.grants;
  const words = (list) => (list.length ? list.map((word) => html`<code key=${word}>${word}</code> `) : html`<span class="soft">none</span>`);
  return html`
    <dl class="facts">
      <div><dt>Hooks</dt><dd>${words(plugin.hooks)}</dd></div>
      <div><dt>Commands</dt><dd>${words(plugin.commands)}</dd></div>
      <div><dt>Uses</dt><dd>${words(asked)}</dd></div>
      <div><dt>Granted</dt><dd>${given.length ? given.map((grant) => html`<${Chip} key=${grant} kind=${asked.includes(grant) ? "good" : "warn"}>${grant}${asked.includes(grant) ? "" : " (unused)"}<//> `) : html`<span class="soft">nothing</span>`}</dd><dd class="soft">in config.toml alone</dd></div>
      <div><dt>Order</dt><dd>${plugin.order}</dd></div>
      <div><dt>SHA-256</dt><dd><code class="hash">${plugin.sha256 ?? "–"}</code></dd></div>
    </dl>`;
}

function Versions({ plugin, ask }) {
  const rows = plugin.versions.map((version) => ({
    key: version.sha256,
    cells: [
      html`<code title=${version.sha256}>${version.sha256.slice(0, 12)}</code>`,
      html`<${When} at=${version.since} />`,
      version.running
        ? html`<${Chip} kind="good">running<//>`
        : html`<button class="button small" type="button" aria-label=${`Roll back to ${version.sha256.slice(0, 12)}`} onClick=${() => ask({ what: "back", version })}>Roll back</button>`,
    ],
  }));
  return html`
    <section><h3>Versions</h3>
      <${Table} label=${`Versions of ${plugin.id}`} columns=${["Version", "Started", ""]} rows=${rows} empty="No version has run yet." />
    </section>`;
}

function Lines({ api, path }) {
  const { data, problem } = usePolled(() => api.get(path, { lines: 50 }), 3000, [path]);
  return html`
    <section><h3>Log</h3>
      <${Problem} text=${problem} />
      <pre class="log" tabindex="0" role="region" aria-label="The plugin’s log">${data?.lines.map((line) => `${line.at.slice(11, 19)} ${line.level.padEnd(5)} ${line.text}`).join("\n") || "Nothing yet."}</pre>
    </section>`;
}
