// One message, with its actions.

import { Component, html } from "/web/vendor/htm/preact.js";
import { Avatar } from "./avatar.js";
import { Icon } from "./icons.js";
import { namesOf, piecesOf, plural, sizeOf, timeOf, wholeTimeOf } from "./text.js";

const EMOJI = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🐸", "👀"];

export class Message extends Component {
  state = { picking: false };

  /** Messages are immutable, so identity shows whether one changed. */
  shouldComponentUpdate(next, state) {
    const now = this.props;
    return state !== this.state || ["message", "together", "quote", "own", "mayDelete"].some((name) => now[name] !== next[name]);
  }

  react = (emoji, on) => {
    const { session, room, message } = this.props;
    if (this.state.picking) this.put();
    session.client.call("message.react", { room: room.uid, seq: message.seq, emoji, on }).catch((error) => room.say(error.message, { own: true }));
  };

  remove = () => {
    const { session, room, message, ask } = this.props;
    ask.confirm({
      title: "Delete this message?",
      text: "Its text is removed for everybody; a note that a message was deleted stays.",
      action: "Delete",
      danger: true,
      act: () => session.client.call("message.delete", { room: room.uid, seq: message.seq }),
    });
  };

  /** Closes the picker, and returns the focus to its button. */
  put() {
    this.base.querySelector("[aria-expanded]").focus();
    this.setState({ picking: false });
  }

  /** Closes the picker when it loses the focus. */
  left = (event) => {
    if (this.state.picking && !event.currentTarget.contains(event.relatedTarget)) this.setState({ picking: false });
  };

  keys = (event) => {
    if (event.key === "Escape" && this.state.picking) {
      event.stopPropagation();
      this.put();
    }
  };

  render({ session, room, message, together, quote, own }) {
    const { seq, from, at, edited_at: edited, deleted_at: deleted } = message;
    const kind = from.guest ? "guest" : from.bot ? "bot" : null;
    const label = `${from.name}, ${timeOf(at)}`;
    return html`
      <article class=${`message ${together ? "together" : ""} ${own ? "mine" : ""}`} data-message=${seq} tabindex="-1" aria-label=${label} onFocusOut=${this.left} onKeyDown=${this.keys}>
        ${!together && html`<${Avatar} name=${from.name} />`}
        <div class="message-main">
          <p class=${together ? "sr-only" : "byline"}>
            <strong>${from.name}</strong>${kind && html` <span class="badge">${kind}</span>`}
            <time datetime=${at} title=${wholeTimeOf(at)}>${timeOf(at)}</time>
          </p>
          ${message.reply_to && html`<${Quote} quote=${quote} />`}
          ${deleted
            ? html`<p class="body gone">This message was deleted.</p>`
            : message.body && html`<p class="body">${piecesOf(message.body).map(({ text, href }) => (href ? html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${text}</a>` : text))}${edited && html` <span class="edited" title=${wholeTimeOf(edited)}>(edited)</span>`}</p>`}
          ${message.attachments?.map((attachment) => html`<${Attachment} key=${attachment.url} attachment=${attachment} />`)}
          <${Reactions} session=${session} room=${room} message=${message} react=${this.react} />
        </div>
        ${together && html`<time class="side-time" datetime=${at} aria-hidden="true">${timeOf(at)}</time>`}
        ${!deleted && this.tools()}
      </article>`;
  }

  tools() {
    const { session, message, own, mayDelete, turnTo } = this.props;
    const { picking } = this.state;
    const tool = (name, label, act, more) => html`<button type="button" class="icon-button" title=${label} aria-label=${label} onClick=${act} ...${more}><${Icon} name=${name} /></button>`;
    return html`
      <div class=${`tools ${picking ? "open" : ""}`} role="group" aria-label=${`Message of ${message.from.name}`}>
        ${picking && html`<div class="picker" role="group" aria-label="Reaction">${EMOJI.map((emoji) => html`
          <button key=${emoji} type="button" class="icon-button" aria-label=${`React with ${emoji}`} onClick=${() => this.react(emoji, true)}>${emoji}</button>`)}</div>`}
        ${!session.isGuest && tool("smile", "React", () => this.setState({ picking: !picking }), { "aria-expanded": String(picking) })}
        ${tool("reply", "Reply", () => turnTo({ reply: message }))}
        ${own && !session.isGuest && tool("edit", "Edit", () => turnTo({ edit: message }))}
        ${mayDelete && tool("trash", "Delete", this.remove)}
      </div>`;
  }
}

/** Scrolls to a message, if it is shown. */
export function reveal(seq) {
  const message = document.querySelector(`[data-message="${seq}"]`);
  message?.scrollIntoView({ block: "center" });
  message?.focus();
}

function Quote({ quote }) {
  const text = !quote ? "an earlier message" : quote.deleted_at ? "a deleted message" : quote.body || "a file";
  const show = () => reveal(quote?.seq);
  return html`<button type="button" class="quote" onClick=${show}><span class="sr-only">In reply to </span>${quote && html`<strong>${quote.from.name}</strong> `}${text}</button>`;
}

function Attachment({ attachment: { url, name, type, size } }) {
  // External pictures are only linked, since loading one would reveal the user to its server.
  const here = url.startsWith("/media/") || url.startsWith("data:image/");
  if (here && (type ?? "image/").startsWith("image/")) {
    const picture = html`<img class="picture" src=${url} alt=${name ?? "A picture"} loading="lazy" />`;
    return url.startsWith("data:") ? picture : html`<a class="picture-link" href=${url} target="_blank" rel="noopener">${picture}</a>`;
  }
  // A relative address belongs to another server, so it is not linked.
  if (!here && !/^https?:/i.test(url)) return html`<span class="file"><${Icon} name="file" /><span><strong>${name ?? url}</strong></span></span>`;
  return html`<a class="file" href=${url} target="_blank" rel="noopener noreferrer nofollow" download=${here ? name : undefined}>
    <${Icon} name="file" /><span><strong>${name ?? url}</strong>${size !== undefined && html`<br /><span class="soft">${sizeOf(size)}</span>`}</span></a>`;
}

function Reactions({ session, message: { reactions }, react }) {
  if (!reactions?.length) return null;
  return html`<ul class="reactions" aria-label="Reactions">${reactions.map(({ emoji, count, accounts }) => {
    const mine = accounts.includes(session.me?.id);
    const who = namesOf(accounts.map((id) => session.people.nameOf(id)));
    return html`<li key=${emoji}><button type="button" class="reaction" aria-pressed=${String(mine)} disabled=${session.isGuest}
      aria-label=${`${emoji}, ${plural(count, "reaction")}`} title=${who} onClick=${() => react(emoji, !mine)}><span aria-hidden="true">${emoji} ${count}</span></button></li>`;
  })}</ul>`;
}
