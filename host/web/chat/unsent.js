// An unacknowledged or refused message.

import { html } from "/web/vendor/htm/preact.js";

export function Unsent({ session, post }) {
  const { client } = session;
  return html`
    <div class=${`unsent ${post.refused ? "refused" : ""}`} data-unsent="">
      ${post.body && html`<p class="body">${post.body}</p>`}
      ${post.attachments?.length > 0 && html`<p class="soft">with ${post.attachments.length === 1 ? "a file" : `${post.attachments.length} files`}</p>`}
      <p class="unsent-state">
        ${post.refused
          ? html`<span>Not sent: ${post.refused.message}</span>
            <button type="button" class="button quiet small" onClick=${() => client.retry(post.key)}>Try again</button>
            <button type="button" class="button quiet small" onClick=${() => client.discard(post.key)}>Discard</button>`
          : client.state.kind === "online" ? "Sending …" : "Waiting for a connection"}
      </p>
    </div>`;
}
