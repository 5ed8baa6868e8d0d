// The banner shown without a connection.

import { html, useEffect, useState } from "/web/vendor/htm/preact.js";
import { Icon } from "./icons.js";
import { plural } from "./text.js";

export function Banner({ session }) {
  const { state, client } = session;
  const away = state.kind === "offline" || (state.kind === "connecting" && session.ready);
  const left = useSecondsUntil(state.kind === "offline" ? state.retryAt : null);
  const waiting = client.unsent.filter((post) => !post.refused).length;
  return html`
    <div class="banner-place" role="status">
      ${away && html`
        <p class="banner">
          <${Icon} name="cloud" />
          <span>
            <strong>No connection.</strong> ${waiting ? `${plural(waiting, "message")} will be sent when you are connected again.` : "You can go on writing."}
            ${" "}<span class="soft" aria-hidden="true">${left > 0 ? `Next attempt in ${left} s` : "Connecting …"}</span>
          </span>
          <button type="button" class="button" onClick=${() => client.nudge()}>Try now</button>
        </p>`}
    </div>`;
}

function useSecondsUntil(time) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (time === null) return;
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [time]);
  return time === null ? 0 : Math.ceil((time - Date.now()) / 1000);
}
