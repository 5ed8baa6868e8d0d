/** An error with a code: one of the protocol's, or `offline` if the server was not reached. */
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
    /** The reason code of a filter or guard. */
    this.reason = reason;
    /** The HTTP status, for REST. */
    this.status = status;
  }

  /** Whether a retry may succeed. */
  get passing() {
    return ["offline", "unavailable", "rate_limited"].includes(this.code);
  }

  static offline(message = "not connected") {
    return new Failure("offline", message);
  }
}
