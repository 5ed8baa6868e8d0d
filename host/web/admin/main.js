// Entry point of the console, for administrators only.

import { Failure, Login, Rest, WebStore } from "/web/client/index.js";
import { html, render, useEffect, useState } from "/web/vendor/htm/preact.js";
import { Api } from "./api.js";
import { Console } from "./console.js";
import { Door } from "./door.js";

// The console has its own login, independent of the chat's.
const login = new Login(new Rest(location.origin), new WebStore("natterjack-console"));
const api = new Api(login);

function App() {
  const [who, setWho] = useState(login.user ? "checking" : null);
  const [problem, setProblem] = useState(null);
  const check = async () => {
    try {
      // The cheapest request that only administrators may make.
      await api.get("audit", { cursor: 0 });
      setProblem(null);
      setWho(login.user);
    } catch (error) {
      if (error.code === "forbidden") await leave();
      else setWho(null);
      setProblem(error.code === "forbidden" ? "This account is not an administrator’s." : said(error));
    }
  };
  const enter = async (given) => {
    setProblem(null);
    try {
      await login.logIn(given);
    } catch (error) {
      return setProblem(said(error));
    }
    await check();
  };
  const leave = async () => {
    setWho(null);
    setProblem(null);
    await login.logOut().catch(() => {});
  };
  useEffect(() => {
    api.onEnded = (error) => {
      setWho(null);
      setProblem(error.code === "forbidden" ? "This account is no longer an administrator’s." : "The login has ended; log in again.");
    };
    if (login.user) check();
  }, []);
  if (who === "checking") return html`<main class="door"><p class="soft" role="status">One moment …</p></main>`;
  return who ? html`<${Console} api=${api} who=${who} leave=${leave} />` : html`<${Door} enter=${enter} problem=${problem} />`;
}

function said(error) {
  return error instanceof Failure ? error.message : String(error);
}

render(html`<${App} />`, document.getElementById("app"));
