/** What went wrong, with the code that programs go by: one of the protocol's, or `offline` if the server was not reached. */
export class Failure extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{retryAfterMs?: number, reason?: string, status?: number}} [more]
   */
  constructor(code, message, { retryAfterMs, reason, status } = {}) {
    super(message);
    this.name = "Failure";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    /** A filter's or guard's own word for why. */
    this.reason = reason;
    /** The HTTP status, if it came by REST. */
    this.status = status;
  }

  /** Whether the same may well be taken later. */
  get passing() {
    return ["offline", "unavailable", "rate_limited"].includes(this.code);
  }

  static offline(message = "not connected") {
    return new Failure("offline", message);
  }
}
