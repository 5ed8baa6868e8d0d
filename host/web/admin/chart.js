// Line charts in SVG, with a description in words.

import { html } from "/web/vendor/htm/preact.js";

const WIDTH = 560;
const HEIGHT = 190;
const LEFT = 62;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 24;
/** The maximum number of distinguishable lines. */
const SERIES = 6;

/**
 * `series` are names with a value for each time, or null where there is none; `least` is what the axis shows at least.
 * With `named` a single one is named too.
 */
export function Chart({ title, say, times, series, show, least, named = false }) {
  const drawn = series.slice(0, SERIES);
  const top = niceTop(Math.max(least, ...drawn.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const x = (at) => LEFT + (at / Math.max(1, times.length - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const ticks = [0, top / 2, top];
  const clock = (at) => new Date(times[at]).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const latest = ({ values }) => values.findLast((value) => value !== null) ?? null;
  const words = drawn.map((one) => `${one.name}: ${latest(one) === null ? "nothing measured" : `${show(latest(one))}, at most ${show(Math.max(...one.values.map((value) => value ?? 0)))}`}`);
  return html`
    <figure class="chart">
      <figcaption>
        <h2>${title}</h2>
        ${drawn.length === 1 && !named && html`<p class="chart-now">${latest(drawn[0]) === null ? "–" : show(latest(drawn[0]))}</p>`}
        ${say && html`<p class="soft small">${say}</p>`}
      </figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`${title}. ${words.join(". ") || "Nothing measured"}.`}>
        ${ticks.map((tick) => html`
          <g key=${tick}>
            <line class="grid" x1=${LEFT} x2=${WIDTH - RIGHT} y1=${y(tick)} y2=${y(tick)} />
            <text class="tick" x=${LEFT - 8} y=${y(tick) + 4} text-anchor="end">${show(tick)}</text>
          </g>`)}
        <text class="tick" x=${LEFT} y=${HEIGHT - 6}>${clock(0)}</text>
        <text class="tick" x=${WIDTH - RIGHT} y=${HEIGHT - 6} text-anchor="end">${clock(times.length - 1)}</text>
        ${drawn.map(({ name, values }, at) => html`<path key=${name} class=${`line series-${at}`} d=${path(values, x, y)} />`)}
        ${drawn.length === 1 && html`<path class="area series-0" d=${area(drawn[0].values, x, y)} />`}
      </svg>
      ${drawn.length > (named ? 0 : 1) ? html`
        <ul class="legend">
          ${drawn.map((one, at) => html`<li key=${one.name}><span class=${`swatch series-${at}`} aria-hidden="true"></span>${one.name} <b>${latest(one) === null ? "–" : show(latest(one))}</b></li>`)}
          ${series.length > SERIES && html`<li class="soft">and ${series.length - SERIES} more</li>`}
        </ul>` : null}
      ${drawn.length === 0 && html`<p class="soft small">Nothing measured yet.</p>`}
    </figure>`;
}

/** The path of a line: it is interrupted where values are missing, and a single value is a dash. */
function path(values, x, y) {
  let d = "";
  values.forEach((value, at) => {
    if (value === null) return;
    const begins = at === 0 || values[at - 1] === null;
    d += `${begins ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    if (begins && (values[at + 1] ?? null) === null) d += "m-3 0h6";
  });
  return d;
}

function area(values, x, y) {
  if (values.some((value) => value === null)) return "";
  return `${path(values, x, y)}L${x(values.length - 1).toFixed(1)} ${y(0)}L${x(0).toFixed(1)} ${y(0)}Z`;
}

/** Rounds up to the next of 1, 2, 5, 10 … */
function niceTop(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * unit).find((step) => step >= value * 0.999);
}
