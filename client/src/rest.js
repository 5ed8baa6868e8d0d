import { Failure } from "./failure.js";

const PATIENCE_MS = 20_000;

/** The part of the REST API that a chat client needs. */
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

  /** The server's name, version and limits. */
  server() {
    return this.#request("GET", "/api/server");
  }

  signUp({ username, password, email }) {
    return this.#request("POST", "/api/auth/signup", { json: { username, password, email: email || undefined } });
  }

  /** Logs in by name or e-mail address, with the device token of an earlier log-in if there is one. */
  logIn({ username, password, deviceToken }) {
    return this.#request("POST", "/api/auth/login", { json: { username, password, deviceToken: deviceToken || undefined } });
  }

  refresh(refreshToken) {
    return this.#request("POST", "/api/auth/refresh", { json: { refreshToken } });
  }

  logOut(token) {
    return this.#request("POST", "/api/auth/logout", { token });
  }

  /** The token's account: `{id, username, email, createdAt}`. */
  account(token) {
    return this.#request("GET", "/api/me", { token });
  }

  /** Changes the given fields: a name, or an e-mail address (null removes it). */
  changeAccount(token, { username, email }) {
    return this.#request("PATCH", "/api/me", { token, json: { username, email } });
  }

  /** Changes the password; every other login of the account ends. */
  changePassword(token, { password, newPassword }) {
    return this.#request("POST", "/api/auth/password", { token, json: { password, newPassword } });
  }

  logOutEverywhere(token) {
    return this.#request("POST", "/api/auth/logout-all", { token });
  }

  /** Deletes the account for good; its messages stay. */
  deleteAccount(token, { password }) {
    return this.#request("DELETE", "/api/me", { token, json: { password } });
  }

  /**
   * Uploads a file, to be attached to a post.
   * @param {string} token
   * @param {Blob} file
   * @param {{name?: string, signal?: AbortSignal}} [options]
   */
  upload(token, file, { name = file.name, signal } = {}) {
    const query = name ? `?name=${encodeURIComponent(name)}` : "";
    // No timeout: the caller knows how large the file is.
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
