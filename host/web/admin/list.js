// A searchable, paged list.

import { html, useEffect, useRef, useState } from "/web/vendor/htm/preact.js";
import { Head, Problem, Table } from "./parts.js";

/** Delay after a key press before the search starts. */
const PAUSE_MS = 250;

/**
 * `name` is both the path and where the answer has the list. `row` makes cells of one of them; `reload` is given to it
 * for what changes something.
 */
export function List({ api, name, field = name, title, say, find, columns, row, empty, label }) {
  const [query, setQuery] = useState("");
  const [{ items, next, problem }, setState] = useState({ items: null, next: null, problem: null });
  const asked = useRef(0);
  const load = async (cursor) => {
    const number = ++asked.current;
    try {
      const answer = await api.get(name, { query, cursor });
      // Discards the answer to an outdated query.
      if (number !== asked.current) return;
      setState((before) => ({ items: cursor ? [...before.items, ...answer[field]] : answer[field], next: answer.next, problem: null }));
    } catch (error) {
      if (number === asked.current) setState((before) => ({ ...before, problem: error.message }));
    }
  };
  useEffect(() => {
    const timer = setTimeout(load, query ? PAUSE_MS : 0);
    return () => clearTimeout(timer);
  }, [query]);
  const reload = () => load();
  return html`
    <${Head} title=${title} say=${say}>
      <div class="search">
        <label class="sr-only" for="search">${find}</label>
        <input class="input" id="search" type="search" placeholder=${find} value=${query} onInput=${(event) => setQuery(event.target.value)} />
      </div>
      <button class="button" type="button" onClick=${reload}>Refresh</button>
    <//>
    <${Problem} text=${problem} />
    ${items && html`<${Table} label=${label ?? title} columns=${columns} rows=${items.map((item) => row(item, reload))} empty=${query ? `Nothing matches “${query}”.` : empty} />`}
    <p class="sr-only" role="status">${items ? `${items.length} shown` : "Loading"}</p>
    ${next !== null && html`<p class="more"><button class="button" type="button" onClick=${() => load(next)}>Show more</button></p>`}`;
}
