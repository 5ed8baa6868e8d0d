// Components shared by all views.

import { html, useEffect, useLayoutEffect, useRef, useState } from "/web/vendor/htm/preact.js";

export function Problem({ text }) {
  return text ? html`<p class="problem" role="alert">${sentence(text)}</p>` : null;
}

/** Capitalises a message of the server, which begins in lower case. */
export function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

export function Head({ title, children, say }) {
  return html`
    <header class="head">
      <div><h1>${title}</h1>${say && html`<p class="soft">${say}</p>`}</div>
      <div class="head-actions">${children}</div>
    </header>`;
}

export function Chip({ kind, children }) {
  return html`<span class=${`chip ${kind ?? ""}`}>${children}</span>`;
}

/** A point in time: how long ago, with the exact time as tooltip. */
export function When({ at }) {
  if (!at) return html`<span class="soft">–</span>`;
  const exact = new Date(at);
  return html`<time datetime=${at} title=${exact.toLocaleString()}>${ago(Date.now() - exact)}</time>`;
}

function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export function millis(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms === 0) return "0";
  if (ms < 1) return `${number(ms * 1000)} µs`;
  return ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000)} s`;
}

export function number(value) {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${number(count / 1e3)} kB` : `${number(count / 1e6)} MB`;
}

/** A table; `rows` are lists of cells, of which the first is the row's header. */
export function Table({ label, columns, rows, empty }) {
  if (rows.length === 0) return html`<p class="empty soft">${empty}</p>`;
  return html`
    <div class="table-scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <caption class="sr-only">${label}</caption>
        <thead><tr>${columns.map((column) => html`<th key=${column} scope="col">${column || html`<span class="sr-only">Actions</span>`}</th>`)}</tr></thead>
        <tbody>
          ${rows.map(({ key, cells, chosen }) => html`
            <tr key=${key} class=${chosen ? "chosen" : ""}>
              ${cells.map((cell, at) => (at === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}
            </tr>`)}
        </tbody>
      </table>
    </div>`;
}

let dialogs = 0;

/** A confirmation dialog for actions that cannot be undone or that users notice. */
export function Ask({ title, label, danger, act, close, children }) {
  const dialog = useRef(null);
  const [id] = useState(() => `ask-${++dialogs}`);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    dialog.current.querySelector("[data-first]")?.focus();
    return () => before?.focus?.();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await act(new FormData(event.target));
      close();
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
    }
  };
  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby=${id} onClose=${close}>
      <h2 id=${id}>${title}</h2>
      <form onSubmit=${submit}>
        ${children}
        <${Problem} text=${problem} />
        <div class="actions">
          <button type="button" class="button quiet" data-first=${danger ? true : null} onClick=${() => dialog.current.close()}>Cancel</button>
          <button class=${`button ${danger ? "danger" : "primary"}`} disabled=${busy}>${busy ? "One moment …" : label}</button>
        </div>
      </form>
    </dialog>`;
}

/** Calls `load` at intervals while the page is visible. */
export function usePolled(load, everyMs, inputs = []) {
  const [state, setState] = useState({ data: null, problem: null });
  const again = useRef(() => {});
  useEffect(() => {
    let over = false;
    let timer;
    const run = async () => {
      clearTimeout(timer);
      try {
        const data = await load();
        if (!over) setState({ data, problem: null });
      } catch (error) {
        if (!over) setState((state) => ({ ...state, problem: error.message }));
      }
      if (!over) timer = setTimeout(() => (document.hidden ? wait() : run()), everyMs);
    };
    const wait = () => {
      timer = setTimeout(() => (document.hidden ? wait() : run()), everyMs);
    };
    again.current = run;
    run();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, inputs);
  return { ...state, reload: () => again.current() };
}
