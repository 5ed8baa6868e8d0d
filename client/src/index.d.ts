/** The answer of `GET /api/server`. */
export interface ServerInfo {
  name: string;
  version: string;
  guests: boolean;
  limits: { password_chars: number; message_chars: number; media_bytes: number };
}

export interface User {
  id: string;
  number: number;
  username: string;
  email: string | null;
  createdAt: string;
}

export interface Tokens {
  token: string;
  refreshToken: string;
  /** Only after a log-in or a sign-up: for further log-ins from this device. */
  deviceToken?: string;
  /** Seconds. */
  expiresIn: number;
  user: User;
}

/** The author of an entry: an account has an id. */
export interface Author {
  id?: string;
  name: string;
  guest?: true;
  bot?: true;
}

export interface Room {
  uid: string;
  code: string;
  name: string;
  kind: "room" | "direct" | "session";
  visibility: "public" | "private";
  topic: string;
  member_limit: number | null;
  created_at: string;
}

export interface Attachment {
  url: string;
  id?: string;
  name?: string;
  type?: string;
  size?: number;
}

export interface Message {
  seq: number;
  from: Author;
  body: string;
  at: string;
  edited_at?: string;
  deleted_at?: string;
  key?: string;
  reply_to?: number;
  attachments?: Attachment[];
  reactions?: { emoji: string; count: number; accounts: string[] }[];
}

export interface UnreadRoom {
  room: Room;
  last_seq: number;
  read_seq: number;
  unread: number;
  with?: { id: string; name: string };
}

/** An event of the protocol; those with a `seq` are entries of their room's log. */
export interface EventFrame<Data = any> {
  event: string;
  room?: string;
  seq?: number;
  data: Data;
}

/** An unacknowledged post. */
export interface Unsent {
  key: string;
  room: string;
  body: string;
  replyTo?: number;
  attachments?: string[];
  /** When it was written, in milliseconds since 1970. */
  since: number;
  /** Why the server refused it. */
  refused?: { code: string; message: string };
}

export interface Posted {
  seq: number;
  at: string;
  duplicate: boolean;
}

export type State =
  | { kind: "stopped" | "connecting" | "online" }
  | { kind: "offline"; retryAt: number; why?: string }
  | { kind: "ended"; code: number | string; why?: string };

export declare class Failure extends Error {
  constructor(code: string, message: string, more?: { retryAfterMs?: number; reason?: string; status?: number });
  readonly code: string;
  readonly retryAfterMs?: number;
  readonly reason?: string;
  readonly status?: number;
  /** Whether a retry may succeed. */
  readonly passing: boolean;
}

/** A store for a login and unsent posts; implement it for other kinds of storage. */
export interface Store {
  get(key: string): any;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  keys(): string[];
  /** Replaces a value by the result of `change` (null removes it), atomically for all users of the store. */
  update<T>(key: string, change: (value: any) => T | Promise<T>): Promise<T>;
}

export declare class MemoryStore implements Store {
  get(key: string): any;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  keys(): string[];
  update<T>(key: string, change: (value: any) => T | Promise<T>): Promise<T>;
}

/** A store in the browser, shared by all tabs. */
export declare class WebStore implements Store {
  constructor(name: string);
  get(key: string): any;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  keys(): string[];
  update<T>(key: string, change: (value: any) => T | Promise<T>): Promise<T>;
  /** Calls `listener` when another tab changes something; returns a function that removes it. */
  watch(listener: (key: string) => void): () => void;
}

export declare class Rest {
  constructor(url: string, options?: { fetch?: typeof fetch });
  readonly url: string;
  server(): Promise<ServerInfo>;
  signUp(given: { username: string; password: string; email?: string }): Promise<Tokens>;
  logIn(given: { username: string; password: string; deviceToken?: string }): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
  logOut(token: string): Promise<{ message: string }>;
  /** The token's account. */
  account(token: string): Promise<User>;
  /** Changes the given fields; null removes the address. */
  changeAccount(token: string, change: { username?: string; email?: string | null }): Promise<User>;
  /** Changes the password; every other login of the account ends. */
  changePassword(token: string, given: { password: string; newPassword: string }): Promise<{ message: string }>;
  logOutEverywhere(token: string): Promise<{ message: string }>;
  /** Deletes the account for good; its messages stay. */
  deleteAccount(token: string, given: { password: string }): Promise<{ message: string }>;
  upload(token: string, file: Blob, options?: { name?: string; signal?: AbortSignal }): Promise<Required<Attachment>>;
}

export declare class Login {
  constructor(rest: Rest, store: Store);
  readonly user: User | null;
  signUp(given: { username: string; password: string; email?: string }): Promise<User>;
  logIn(given: { username: string; password: string }): Promise<User>;
  /** A token that is valid for a while, and not the one given. */
  token(options?: { instead?: string }): Promise<string>;
  logOut(): Promise<void>;
  forget(): Promise<void>;
}

/** The client's own events, besides those of the protocol. */
export interface ClientEvents {
  state: State;
  /** The server's answer to `connect`. */
  greeted: any;
  /** An account's rooms, after each connection. */
  unread: UnreadRoom[];
  /** A rejoined room, in its current state. */
  room: Room;
  /** Missed entries of a room are not available any more: read its history. */
  gap: { room: string; last_seq: number };
  /** The client is not in this room any more. */
  lost: { room: string; error: Failure };
  unsent: Unsent[];
  /** Every event of the protocol. */
  event: EventFrame;
}

export declare class Client {
  constructor(options: {
    url: string;
    login?: Login;
    guest?: string | true;
    store?: Store;
    WebSocket?: typeof WebSocket;
    random?: () => number;
  });
  readonly state: State;
  readonly account: Author | null;
  readonly greeting: any;
  readonly unsent: Unsent[];
  /** Returns a function that removes the listener. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (detail: ClientEvents[Name]) => void): () => void;
  on(name: string, listener: (frame: EventFrame) => void): () => void;
  start(): void;
  stop(): void;
  nudge(): void;
  call(op: string, args?: object): Promise<any>;
  join(room: string, options?: { password?: string }): Promise<{ room: Room; recovered: boolean; last_seq: number }>;
  leave(room: string): Promise<void>;
  post(room: string, body: string, options?: { replyTo?: number; attachments?: string[]; key?: string }): Promise<Posted>;
  command(room: string, text: string): Promise<any>;
  retry(key: string): void;
  discard(key: string): void;
  watch(accounts: string[]): Promise<void>;
  token(): Promise<string>;
}
