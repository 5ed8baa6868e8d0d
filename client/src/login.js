import { Failure } from "./failure.js";

const KEY = "login";
/** The device token outlives the login: it is what keeps others' guesses from keeping this device out. */
const DEVICE_KEY = "device";
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
    return this.#keep(await this.#rest.logIn({ ...given, deviceToken: this.#store.get(DEVICE_KEY)?.token }));
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
  async token({ instead } = {}) {
    let failure = null;
    const kept = await this.#store.update(KEY, async (kept) => {
      // Whoever else has the store may have traded the refresh token meanwhile, and it is good once.
      if (!kept || (kept.token !== instead && kept.expiresAt - Date.now() > Math.min(MARGIN_MS, kept.lifeMs / 2))) return kept;
      try {
        return keptOf(await this.#rest.refresh(kept.refreshToken));
      } catch (error) {
        failure = error;
        return error.code === "unauthenticated" ? null : kept;
      }
    });
    if (failure) throw failure;
    if (!kept) throw new Failure("unauthenticated", "nobody is logged in");
    return kept.token;
  }

  /** Ends the login, here and on the server. */
  async logOut() {
    const token = this.#store.get(KEY)?.token;
    await this.forget();
    if (token) await this.#rest.logOut(token);
  }

  /** Ends it here alone. */
  async forget() {
    await this.#store.update(KEY, () => null);
  }

  async #keep(tokens) {
    if (tokens.deviceToken) await this.#store.update(DEVICE_KEY, () => ({ token: tokens.deviceToken }));
    return (await this.#store.update(KEY, () => keptOf(tokens))).user;
  }
}

function keptOf({ token, refreshToken, expiresIn, user }) {
  const lifeMs = expiresIn * 1000;
  return { token, refreshToken, lifeMs, expiresAt: Date.now() + lifeMs, user };
}
