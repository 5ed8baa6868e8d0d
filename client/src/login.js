import { Failure } from "./failure.js";

const KEY = "login";
/** The device token outlives the login: it exempts this device from throttling caused by failed log-ins of others. */
const DEVICE_KEY = "device";
/** A token that expires within this time is replaced before it is used. */
const REFRESH_MARGIN_MS = 30_000;

/**
 * A login: an access token, and the refresh token that is exchanged for the next one. Both are in the store, so that programs and
 * tabs that share the store share the login.
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
   * Returns an access token that is valid for a while.
   * @param {{instead?: string}} [options] a token that was refused, or is about to expire, and must not be returned
   * @throws {Failure} `unauthenticated` if the login has ended
   */
  async token({ instead } = {}) {
    let failure = null;
    const kept = await this.#store.update(KEY, async (kept) => {
      // Another user of the store may have exchanged the refresh token meanwhile, which can be used once.
      if (!kept || (kept.token !== instead && kept.expiresAt - Date.now() > Math.min(REFRESH_MARGIN_MS, kept.lifeMs / 2))) return kept;
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

  /** Ends the login, in the store and on the server. */
  async logOut() {
    const token = this.#store.get(KEY)?.token;
    await this.forget();
    if (token) await this.#rest.logOut(token);
  }

  /** Removes the login from the store only. */
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
