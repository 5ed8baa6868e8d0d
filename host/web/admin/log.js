import { html, useEffect, useRef, useState } from "/web/vendor/htm/preact.js";
import { Head, Problem } from "./parts.js";

const EVERY_MS = 2000;
const KEPT = 1000;
/** Log levels, most severe first. */
const LEVELS = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

export function Log({ api }) {
  const [lines, setLines] = useState([]);
  const [problem, setProblem] = useState(null);
  const [level, setLevel] = useState("INFO");
  const [find, setFind] = useState("");
  const [paused, pause] = useState(false);
  const box = useRef(null);
  const last = useRef(0);
  useEffect(() => {
    if (paused) return undefined;
    let over = false;
    let timer;
    const load = async () => {
      try {
        const answer = await api.get("log", { after: last.current, lines: KEPT });
        if (over) return;
        if (answer.lines.length) {
          const first = answer.lines[0].seq;
          last.current = answer.lines.at(-1).seq;
          // Line numbers restart with the server.
          setLines((before) => [...(before.length && first > before.at(-1).seq ? before : []), ...answer.lines].slice(-KEPT));
        }
        setProblem(null);
      } catch (error) {
        if (!over) setProblem(error.message);
      }
      if (!over) timer = setTimeout(load, EVERY_MS);
    };
    load();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [paused]);
  const loud = LEVELS.slice(0, LEVELS.indexOf(level) + 1);
  const words = find.toLowerCase();
  const shown = lines.filter((line) => loud.includes(line.level) && `${line.plugin ?? ""} ${line.target} ${line.text}`.toLowerCase().includes(words));
  useEffect(() => {
    // Scrolls to the end only if it was visible before.
    const { scrollHeight, scrollTop, clientHeight } = box.current;
    if (!paused && scrollHeight - scrollTop - clientHeight < 200) box.current.scrollTop = scrollHeight;
  }, [shown.length, paused]);
  return html`
    <${Head} title="Log" say="The server’s latest lines.">
      <div class="search"><label class="sr-only" for="find">Find in the log</label>
        <input class="input" id="find" type="search" placeholder="Find in the log" value=${find} onInput=${(event) => setFind(event.target.value)} /></div>
      <label class="inline">At least <select class="input" value=${level} onChange=${(event) => setLevel(event.target.value)}>
        ${LEVELS.map((one) => html`<option key=${one} value=${one}>${one.toLowerCase()}</option>`)}</select></label>
      <button class="button" type="button" aria-pressed=${String(paused)} onClick=${() => pause(!paused)}>${paused ? "Go on" : "Pause"}</button>
    <//>
    <${Problem} text=${problem} />
    <div class="log tall" ref=${box} tabindex="0" role="region" aria-label="Log lines">
      <ol>${shown.map((line) => html`
        <li key=${line.seq} class=${line.level.toLowerCase()}><time datetime=${line.at}>${line.at.slice(11, 23)}</time> <b>${line.level}</b> <i>${line.plugin ?? line.target.replace(/^natterjack::/, "")}</i> ${line.text}</li>`)}</ol>
      ${shown.length === 0 && html`<p class="soft">No matching lines.</p>`}
    </div>`;
}
