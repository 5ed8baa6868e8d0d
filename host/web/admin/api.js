// The admin API. An expired token is replaced and the request retried, once.

import { Failure } from "/web/client/index.js";

const PATIENCE_MS = 30_000;
/** The timeout of uploads: sending and starting a plugin may take a while. */
const UPLOAD_MS = 180_000;

export class Api {
  #login;
  /** Called when the login has ended, or the account is not an administrator any more. */
  onEnded = () => {};

  constructor(login) {
    this.#login = login;
  }

  get(path, query) {
    return this.#ask("GET", path, { query });
  }

  post(path, query) {
    return this.#ask("POST", path, { query });
  }

  put(path, json) {
    return this.#ask("PUT", path, { body: JSON.stringify(json), type: "application/json" });
  }

  upload(path, file) {
    return this.#ask("PUT", path, { body: file, type: "application/wasm", patience: UPLOAD_MS });
  }

  delete(path) {
    return this.#ask("DELETE", path);
  }

  async #ask(method, path, options = {}) {
    let token;
    try {
      token = await this.#login.token();
      return await this.#send(method, path, token, options);
    } catch (error) {
      if (error.code !== "unauthenticated") throw this.#told(error);
      try {
        return await this.#send(method, path, await this.#login.token({ instead: token }), options);
      } catch (again) {
        throw this.#told(again);
      }
    }
  }

  #told(error) {
    if (["unauthenticated", "forbidden"].includes(error.code)) this.onEnded(error);
    return error;
  }

  async #send(method, path, token, { query = {}, body, type, patience = PATIENCE_MS }) {
    const url = new URL(`/api/admin/${path}`, location.origin);
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined && value !== null && value !== "") url.searchParams.set(key, value);
    }
    const headers = { authorization: `Bearer ${token}` };
    if (type) headers["content-type"] = type;
    let response;
    try {
      response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(patience), cache: "no-store", credentials: "omit" });
    } catch {
      throw Failure.offline("The server cannot be reached.");
    }
    const answer = await response.json().catch(() => null);
    if (response.ok && answer !== null) return answer;
    const { code = "unavailable", message = `the server answered ${response.status}` } = answer?.error ?? {};
    throw new Failure(code, message, { status: response.status });
  }
}

/** Joins path segments, which may contain any characters. */
export function at(...parts) {
  return parts.map(encodeURIComponent).join("/");
}
