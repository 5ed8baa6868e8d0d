// The loaded messages of a room in their current state. Messages are immutable: a changed one is replaced by a new object, which
// views detect.

const MOST_MESSAGES = 2000;

export class RoomLog {
  /** Oldest first. */
  messages = [];
  /** Whether there are older messages. */
  more = true;
  /** Events since the pending page was requested, which the page may not contain. */
  #since = null;

  /** Loads a page by `load`, and merges it. */
  async read(load) {
    this.#since = [];
    try {
      const { messages, more } = await load();
      const known = new Map([...this.messages, ...messages].map((message) => [message.seq, message]));
      this.messages = [...known.values()].sort((one, other) => one.seq - other.seq);
      this.more = more;
      for (const frame of this.#since) this.#change(frame);
    } finally {
      this.#since = null;
    }
  }

  get(seq) {
    return this.messages[this.#find(seq)];
  }

  has(key) {
    // Searches from the end, since the message is usually recent.
    return this.messages.slice(-200).some((message) => message.key === key);
  }

  /** Applies an event to the messages; idempotent. */
  apply(frame) {
    this.#since?.push(frame);
    this.#change(frame);
  }

  /** Drops the oldest messages, which can be loaded again. */
  trim() {
    if (this.messages.length <= MOST_MESSAGES) return;
    this.messages = this.messages.slice(-MOST_MESSAGES / 2);
    this.more = true;
  }

  #change({ event, seq, data }) {
    if (event === "message.posted") {
      if (this.#find(seq) >= 0) return;
      const { deleted, by, ...message } = data;
      this.messages = [...this.messages, { seq, ...message, ...(deleted && { deleted_at: data.at }) }];
      if (this.messages.length > 1 && this.messages.at(-2).seq > seq) this.messages.sort((one, other) => one.seq - other.seq);
      return;
    }
    const at = this.#find(data.message);
    if (at < 0) return;
    const message = this.messages[at];
    this.messages = replaced(this.messages, at, changed(message, event, data));
  }

  #find(seq) {
    let [low, high] = [0, this.messages.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.messages[middle].seq;
      if (found === seq) return middle;
      if (found < seq) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

function replaced(messages, at, message) {
  return [...messages.slice(0, at), message, ...messages.slice(at + 1)];
}

function changed(message, event, data) {
  switch (event) {
    case "message.edited":
      return { ...message, body: data.body, edited_at: data.at };
    case "message.deleted":
      return { ...message, body: "", attachments: undefined, reactions: undefined, deleted_at: data.at };
    case "message.reacted":
      return { ...message, reactions: reacted(message.reactions ?? [], data) };
    default:
      return message;
  }
}

function reacted(reactions, { emoji, on, by }) {
  const before = reactions.find((reaction) => reaction.emoji === emoji);
  const others = (before?.accounts ?? []).filter((id) => id !== by.id);
  const accounts = on ? [...others, by.id] : others;
  const reaction = { emoji, count: accounts.length, accounts };
  if (!before) return on ? [...reactions, reaction] : reactions;
  return reactions.map((other) => (other === before ? reaction : other)).filter(({ count }) => count > 0);
}
