// The main view after log-in: the list of rooms and the open room.

import { html, useEffect, useState } from "/web/vendor/htm/preact.js";
import { AccountSettings } from "./account.js";
import { Banner } from "./banner.js";
import { Conversation } from "./conversation.js";
import { BrowseRooms, Confirm, NewMessage, NewRoom } from "./dialogs.js";
import { Home } from "./home.js";
import { Search } from "./search.js";
import { Sidebar } from "./sidebar.js";

export function Chat({ session, rest, leave, enterAnew }) {
  /** The open dialog: a function that renders it, given a function that closes it. */
  const [dialog, open] = useState(null);
  const close = () => open(null);
  const ask = {
    newRoom: () => open(() => () => html`<${NewRoom} session=${session} close=${close} />`),
    browse: () => open(() => () => html`<${BrowseRooms} session=${session} close=${close} />`),
    newMessage: () => open(() => () => html`<${NewMessage} session=${session} close=${close} />`),
    search: (room) => open(() => () => html`<${Search} session=${session} room=${room} close=${close} />`),
    account: () => open(() => () => html`<${AccountSettings} session=${session} rest=${rest} leave=${leave} enterAnew=${enterAnew} close=${close} />`),
    confirm: (question) => open(() => () => html`<${Confirm} ...${question} close=${close} />`),
  };
  useEffect(() => {
    const keys = (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "k") {
        event.preventDefault();
        ask.browse();
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, [session]);
  const { room } = session;
  return html`
    <div class=${`chat ${session.current ? "in-room" : "at-home"}`}>
      <${Banner} session=${session} />
      <${Sidebar} session=${session} ask=${ask} leave=${leave} />
      ${room
        ? html`<${Conversation} key=${room.uid} session=${session} room=${room} ask=${ask} />`
        : html`<${Home} session=${session} ask=${ask} />`}
      ${dialog?.()}
    </div>`;
}
