// The list of messages, oldest first. It follows its end if that is visible, and keeps its position when older messages are added.

import { Component, html } from "/web/vendor/htm/preact.js";
import { Icon } from "./icons.js";
import { Message, reveal } from "./message.js";
import { Unsent } from "./unsent.js";
import { dayOf, namesOf, sameDay } from "./text.js";

/** Messages of one author within this time are grouped. */
const TOGETHER_MS = 5 * 60_000;
const AT_END_PX = 60;
const NEAR_TOP_PX = 300;

export class Timeline extends Component {
  box = null;
  atEnd = true;
  state = { below: false };

  componentDidMount() {
    this.toEnd();
    this.sizes = new ResizeObserver(() => this.atEnd && this.toEnd());
    this.sizes.observe(this.box);
    // Loaded pictures change its height.
    this.box.addEventListener("load", () => this.atEnd && this.toEnd(), true);
  }

  componentWillUnmount() {
    this.sizes.disconnect();
    this.props.room.inSight = true;
  }

  getSnapshotBeforeUpdate() {
    return { height: this.box.scrollHeight, first: this.first };
  }

  componentDidUpdate(_, __, before) {
    const { room } = this.props;
    const first = room.log?.messages[0]?.seq;
    if (room.wanted !== null && room.log?.get(room.wanted)) this.show(room);
    else if (this.atEnd) this.toEnd();
    else if (before.first !== undefined && first < before.first) this.box.scrollTop += this.box.scrollHeight - before.height;
    this.first = first;
  }

  /** Scrolls to the requested message. */
  show(room) {
    this.atEnd = room.inSight = false;
    reveal(room.wanted);
    room.wanted = null;
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  scrolled = () => {
    const { box } = this;
    const { room } = this.props;
    this.atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < AT_END_PX;
    room.inSight = this.atEnd;
    if (this.atEnd) room.seen();
    if (this.atEnd === this.state.below) this.setState({ below: !this.atEnd });
    if (box.scrollTop < NEAR_TOP_PX && room.log) room.older();
  };

  /** Arrow keys move between messages; Tab moves to the actions of the focused one. */
  keys = (event) => {
    const { key, target } = event;
    if (!["ArrowUp", "ArrowDown", "Home", "End"].includes(key) || !(target === this.box || target.matches("[data-message]"))) return;
    const all = [...this.box.querySelectorAll("[data-message]")];
    const at = all.indexOf(target);
    const next = { ArrowUp: at < 0 ? all.length - 1 : Math.max(at - 1, 0), ArrowDown: at < 0 ? all.length - 1 : Math.min(at + 1, all.length - 1), Home: 0, End: all.length - 1 }[key];
    event.preventDefault();
    all[next]?.focus();
  };

  render({ session, room, turnTo, ask }, { below }) {
    const { log } = room;
    const unsent = session.client.unsent.filter((post) => post.room === room.uid && !log?.has(post.key));
    return html`
      <div class="timeline-place">
        <div ref=${(box) => (this.box = box)} class="timeline" role="log" aria-label=${`Messages in ${room.name}`} aria-live="polite" aria-relevant="additions"
          aria-busy=${String(!log)} tabindex="0" onScroll=${this.scrolled} onKeyDown=${this.keys}>
          <div class="timeline-inner">
            ${log?.more && html`<button type="button" class="button quiet older" disabled=${room.readingOlder !== null} onClick=${() => room.older()}>${room.readingOlder ? "Loading …" : "Earlier messages"}</button>`}
            ${log && !log.more && html`<p class="beginning soft">${room.isDirect ? `The beginning of your conversation with ${room.name}.` : `The beginning of ${room.name}.`}</p>`}
            ${!log && html`<p class="beginning soft">${session.state.kind === "online" ? "Loading …" : "Messages appear when you are connected."}</p>`}
            ${log && this.rows(session, room, turnTo, ask)}
            ${unsent.map((post) => html`<${Unsent} key=${post.key} session=${session} post=${post} />`)}
          </div>
        </div>
        ${below && html`<button type="button" class="button to-end" onClick=${() => this.toEnd()}>${room.unread ? `${room.unread} new below` : "To the latest"}<span class="down"><${Icon} name="back" /></span></button>`}
      </div>`;
  }

  rows(session, room, turnTo, ask) {
    const rows = [];
    const lines = [...room.lines];
    const linesUpTo = (seq) => {
      while (lines.length && lines[0].after < seq) rows.push(line(lines.shift()));
    };
    let before = null;
    for (const message of room.log.messages) {
      linesUpTo(message.seq);
      if (!before || !sameDay(before.at, message.at)) rows.push(html`<p key=${`day-${message.seq}`} class="day"><span>${dayOf(message.at)}</span></p>`);
      const isNew = room.newFrom !== null && message.seq > room.newFrom && !(before?.seq > room.newFrom);
      if (isNew) rows.push(html`<p key="new" class="new"><span>New</span></p>`);
      const together = !isNew && !message.reply_to && before && sameAuthor(before.from, message.from) && sameDay(before.at, message.at)
        && Date.parse(message.at) - Date.parse(before.at) < TOGETHER_MS && rows.at(-1)?.props["data-line"] === undefined;
      const quote = message.reply_to ? room.quote(message.reply_to) : undefined;
      const own = session.isMe(message.from);
      rows.push(html`<${Message} key=${message.seq} session=${session} room=${room} message=${message} together=${together} quote=${quote} own=${own}
        mayDelete=${own ? !session.isGuest : room.mayModerate} turnTo=${turnTo} ask=${ask} />`);
      before = message;
    }
    linesUpTo(Infinity);
    const last = room.log.messages.at(-1);
    const readers = last ? [...room.readBy.values()].filter(({ seq }) => seq >= last.seq).map(({ name }) => name).filter((name) => name !== last.from.name) : [];
    if (readers.length) rows.push(html`<p key="seen" class="seen">Seen by ${namesOf(readers)}</p>`);
    return rows;
  }
}

function line({ id, text, own }) {
  return html`<p key=${id} data-line="" class=${`line ${own ? "own" : ""}`}>${text}${own && html`<span class="only-you">Only you see this</span>`}</p>`;
}

function sameAuthor(one, other) {
  return one.id === other.id && one.name === other.name && one.guest === other.guest && one.bot === other.bot;
}
