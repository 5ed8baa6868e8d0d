import { Failure } from "./failure.js";

const PATIENCE_MS = 20_000;

/** The part of REST that a chat client needs. */
export class Rest {
  #fetch;

  /**
   * @param {string} url the server, such as `https://chat.example`
   * @param {{fetch?: typeof fetch}} [options]
   */
  constructor(url, { fetch = globalThis.fetch } = {}) {
    this.url = url.replace(/\/+$/, "");
    this.#fetch = (...args) => fetch(...args);
  }

  /** What the server is called, and what it lets people do. */
  server() {
    return this.#request("GET", "/api/server");
  }

  signUp({ username, password, email }) {
    return this.#request("POST", "/api/auth/signup", { json: { username, password, email: email || undefined } });
  }

  /** By name, or by e-mail address; with the device token of an earlier log-in, if there is one. */
  logIn({ username, password, deviceToken }) {
    return this.#request("POST", "/api/auth/login", { json: { username, password, deviceToken: deviceToken || undefined } });
  }

  refresh(refreshToken) {
    return this.#request("POST", "/api/auth/refresh", { json: { refreshToken } });
  }

  logOut(token) {
    return this.#request("POST", "/api/auth/logout", { token });
  }

  /** The account of whoever is logged in: `{id, username, email, createdAt}`. */
  account(token) {
    return this.#request("GET", "/api/me", { token });
  }

  /** Changes what is given: a name, an e-mail address, or null for none. */
  changeAccount(token, { username, email }) {
    return this.#request("PATCH", "/api/me", { token, json: { username, email } });
  }

  /** Every other login of the account ends. */
  changePassword(token, { password, newPassword }) {
    return this.#request("POST", "/api/auth/password", { token, json: { password, newPassword } });
  }

  logOutEverywhere(token) {
    return this.#request("POST", "/api/auth/logout-all", { token });
  }

  /** For good; what it said stays. */
  deleteAccount(token, { password }) {
    return this.#request("DELETE", "/api/me", { token, json: { password } });
  }

  /**
   * Sends a file up, to be attached to a post.
   * @param {string} token
   * @param {Blob} file
   * @param {{name?: string, signal?: AbortSignal}} [options]
   */
  upload(token, file, { name = file.name, signal } = {}) {
    const query = name ? `?name=${encodeURIComponent(name)}` : "";
    // However long it takes: only whoever sends it knows how large it is.
    return this.#request("POST", `/api/media${query}`, { token, body: file, signal: signal ?? null });
  }

  async #request(method, path, { signal, ...request } = {}) {
    if (signal !== undefined) return this.#ask(method, path, request, signal);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), PATIENCE_MS);
    try {
      return await this.#ask(method, path, request, late.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(method, path, { token, json, body }, signal) {
    const headers = {};
    if (json) headers["content-type"] = "application/json";
    if (token) headers.authorization = `Bearer ${token}`;
    let response;
    try {
      response = await this.#fetch(this.url + path, {
        method, headers, body: json ? JSON.stringify(json) : body, signal, cache: "no-store", credentials: "omit",
      });
    } catch (error) {
      throw Failure.offline(`the server cannot be reached: ${error.message}`);
    }
    const answer = await response.json().catch(() => null);
    if (response.ok && answer !== null) return answer;
    const after = Number(response.headers.get("retry-after"));
    const { code = "unavailable", message = `the server answered ${response.status}` } = answer?.error ?? {};
    throw new Failure(code, message, { status: response.status, retryAfterMs: after ? after * 1000 : undefined });
  }
}
