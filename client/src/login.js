import { Failure } from "./failure.js";

const KEY = "login";
/** A token that ends within this time is replaced before it is used. */
const MARGIN_MS = 30_000;

/**
 * Somebody who is logged in: an access token, and the refresh token that is traded for the next one. Both are in the store,
 * so that programs and tabs that share it share the login.
 */
export class Login {
  #rest;
  #store;

  /**
   * @param {import("./rest.js").Rest} rest
   * @param {object} store
   */
  constructor(rest, store) {
    this.#rest = rest;
    this.#store = store;
  }

  async signUp(given) {
    return this.#keep(await this.#rest.signUp(given));
  }

  async logIn(given) {
    return this.#keep(await this.#rest.logIn(given));
  }

  /** The account, or null if nobody is logged in. */
  get user() {
    return this.#store.get(KEY)?.user ?? null;
  }

  /**
   * A token that is good for a while.
   * @param {{instead?: string}} [options] a token that was refused, or is about to end: another one is wanted
   * @throws {Failure} `unauthenticated` if the login has ended
   */
  token({ instead } = {}) {
    return this.#store.exclusively(async () => {
      // Whoever else has the store may have traded the refresh token meanwhile, and it is good once.
      const kept = this.#store.get(KEY);
      if (!kept) throw new Failure("unauthenticated", "nobody is logged in");
      if (kept.token !== instead && kept.expiresAt - Date.now() > Math.min(MARGIN_MS, kept.lifeMs / 2)) return kept.token;
      try {
        this.#keep(await this.#rest.refresh(kept.refreshToken));
      } catch (error) {
        if (error.code === "unauthenticated") this.forget();
        throw error;
      }
      return this.#store.get(KEY).token;
    });
  }

  /** Ends the login, here and on the server. */
  async logOut() {
    const token = this.#store.get(KEY)?.token;
    this.forget();
    if (token) await this.#rest.logOut(token);
  }

  /** Ends it here alone. */
  forget() {
    this.#store.delete(KEY);
  }

  #keep({ token, refreshToken, expiresIn, user }) {
    const lifeMs = expiresIn * 1000;
    this.#store.set(KEY, { token, refreshToken, lifeMs, expiresAt: Date.now() + lifeMs, user });
    return user;
  }
}
