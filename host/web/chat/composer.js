// The composer: text, files, and slash commands with completion.

import { html, useEffect, useLayoutEffect, useRef, useState } from "/web/vendor/htm/preact.js";
import { Icon } from "./icons.js";
import { completionsOf, isCommand } from "./slash.js";
import { Suggestions, Usage } from "./suggestions.js";
import { plural } from "./text.js";
import { uploads } from "./uploads.js";

export function Composer({ session, room, about, turnTo, field }) {
  const [text, setText] = useState(about?.edit?.body ?? room.draft.body);
  const [chosen, choose] = useState(0);
  const [dismissed, dismiss] = useState(null);
  const picker = useRef(null);
  const { client, limits } = session;
  const editing = about?.edit;

  useLayoutEffect(() => {
    setText(editing ? editing.body : room.draft.body);
  }, [editing]);
  useLayoutEffect(() => {
    const box = field.current;
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight + 2, 220)}px`;
  }, [text]);
  useEffect(() => {
    if (text.startsWith("/")) session.loadCommands().catch(() => {});
  }, [text.startsWith("/")]);

  const known = {
    commands: session.commands,
    role: room.role,
    members: room.members.map(({ account }) => account.name),
    rooms: session.sorted(false).map(({ name }) => name),
  };
  const { options, command, param } = editing ? { options: [], command: null } : completionsOf(text, known);
  const open = options.length > 0 && dismissed !== text;
  const at = Math.min(chosen, options.length - 1);
  const ready = room.draft.files.filter(({ state }) => state === "ready");
  const uploading = room.draft.files.some(({ state }) => state === "sending");
  const over = [...text].length - limits.message_chars;
  const empty = !text.trim() && (editing || ready.length === 0);

  const write = (next) => {
    setText(next);
    choose(0);
    if (!editing) room.draft.body = next;
    if (next.trim() && !isCommand(next) && client.state.kind === "online") room.type();
  };
  const take = (option) => {
    write(option.insert);
    field.current.focus();
  };
  const fail = (error) => error.code !== "discarded" && room.say(error.message, { own: true });

  const send = () => {
    if (empty || over > 0 || uploading) return;
    if (editing) {
      if (text !== editing.body) client.call("message.edit", { room: room.uid, seq: editing.seq, body: text }).catch(fail);
      turnTo(null);
      return;
    }
    if (isCommand(text)) {
      const done = client.command(room.uid, text.trim());
      done.then((result) => result?.text && room.say(result.text, { own: true }), (error) => {
        fail(error);
        // Restores the text after an error, so that it need not be typed again.
        if (!room.draft.body) write(text);
      });
    } else {
      const attachments = ready.map(({ media }) => media);
      client.post(room.uid, text.trimEnd(), { replyTo: about?.reply?.seq, attachments: attachments.length ? attachments : undefined }).catch(() => {});
      for (const { id } of room.draft.files) uploads.remove(session, room, id);
      turnTo(null);
    }
    setText("");
    room.draft.body = "";
  };

  const keys = (event) => {
    if (event.isComposing) return;
    const { key, shiftKey } = event;
    const step = { ArrowDown: 1, ArrowUp: -1 }[key];
    if (open && step) {
      event.preventDefault();
      choose((at + step + options.length) % options.length);
    } else if (open && (key === "Tab" || (key === "Enter" && options[at].insert.trim() !== text.trim())) && !shiftKey) {
      event.preventDefault();
      take(options[at]);
    } else if (key === "Escape" && (open || about)) {
      event.preventDefault();
      if (open) dismiss(text);
      else turnTo(null);
    } else if (key === "Enter" && !shiftKey) {
      event.preventDefault();
      send();
    } else if (key === "ArrowUp" && text === "" && !session.isGuest) {
      const last = room.log?.messages.findLast((message) => session.isMe(message.from) && !message.deleted_at);
      if (last) {
        event.preventDefault();
        turnTo({ edit: last });
      }
    }
  };
  const paste = (event) => {
    if (session.isGuest || !event.clipboardData.files.length) return;
    event.preventDefault();
    uploads.add(session, room, event.clipboardData.files);
  };

  return html`
    <form class="composer" aria-label="Write a message" onSubmit=${(event) => { event.preventDefault(); send(); }}>
      ${about && html`
        <p class="about"><${Icon} name=${editing ? "edit" : "reply"} />
          <span class="about-text">${editing ? "Editing your message" : html`Reply to <strong>${about.reply.from.name}</strong> <span class="soft">${about.reply.body}</span>`}</span>
          <button type="button" class="icon-button" aria-label=${editing ? "Cancel editing" : "Cancel reply"} onClick=${() => turnTo(null)}><${Icon} name="close" /></button></p>`}
      ${!editing && room.draft.files.length > 0 && html`
        <ul class="draft-files" aria-label="Files to send">${room.draft.files.map((file) => html`<${DraftFile} key=${file.id} session=${session} room=${room} file=${file} />`)}</ul>`}
      ${open && html`<${Suggestions} options=${options} at=${at} take=${take} />`}
      ${!open && command && html`<${Usage} command=${command} param=${param} />`}
      <div class="composer-row">
        ${!session.isGuest && !editing && html`
          <input ref=${picker} type="file" multiple hidden onChange=${(event) => { uploads.add(session, room, event.target.files); event.target.value = ""; }} />
          <button type="button" class="icon-button" title="Attach files" aria-label="Attach files" onClick=${() => picker.current.click()}><${Icon} name="attach" /></button>`}
        <textarea ref=${field} class="composer-field" rows="1" aria-label=${`Message to ${room.name}`} placeholder=${`Message to ${room.name}`} value=${text}
          aria-autocomplete="list" aria-controls=${open ? "suggestions" : undefined} aria-activedescendant=${open ? `suggestion-${at}` : undefined}
          onInput=${(event) => write(event.target.value)} onKeyDown=${keys} onPaste=${paste}></textarea>
        <button class="icon-button send" title="Send (Enter)" aria-label=${editing ? "Save" : "Send"} disabled=${empty || over > 0 || uploading}><${Icon} name="send" /></button>
      </div>
      <p class="composer-foot" role="status">${over > 0 ? html`<span class="over">${plural(over, "character")} too many</span>` : open ? html`<span class="sr-only">${plural(options.length, "suggestion")}</span>` : ""}</p>
    </form>`;
}

function DraftFile({ session, room, file: { id, name, state, why, picture } }) {
  return html`
    <li class=${`draft-file ${state}`}>
      ${picture ? html`<img src=${picture} alt="" />` : html`<${Icon} name="file" />`}
      <span class="draft-name">${name}<br /><span class="soft">${state === "sending" ? "Uploading …" : state === "failed" ? why : "Ready"}</span></span>
      <button type="button" class="icon-button" aria-label=${`Remove ${name}`} onClick=${() => uploads.remove(session, room, id)}><${Icon} name="close" /></button>
    </li>`;
}
