/** What the server lets people do, as `GET /api/server` says. */
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
  /** After a log-in or a sign-up: for logging in from this device again. */
  deviceToken?: string;
  /** Seconds. */
  expiresIn: number;
  user: User;
}

/** Who wrote or did something: an account has an id. */
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

/** A post that the server has not acknowledged. */
export interface Unsent {
  key: string;
  room: string;
  body: string;
  replyTo?: number;
  attachments?: string[];
  /** When it was written, in milliseconds since 1970. */
  since: number;
  /** Why the server did not take it. */
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
  /** Whether the same may well be taken later. */
  readonly passing: boolean;
}

/** Where a login and unsent posts are kept; implement it to keep them elsewhere. */
export interface Store {
  get(key: string): any;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  keys(): string[];
  /** Puts in the place of a value what `change` makes of it, null for nothing; nobody who shares the store gets between. */
  update<T>(key: string, change: (value: any) => T | Promise<T>): Promise<T>;
}

export declare class MemoryStore implements Store {
  get(key: string): any;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  keys(): string[];
  update<T>(key: string, change: (value: any) => T | Promise<T>): Promise<T>;
}

/** In a browser, for all tabs. */
export declare class WebStore implements Store {
  constructor(name: string);
  get(key: string): any;
  set(key: string, value: unknown): void;
  delete(key: string): void;
  keys(): string[];
  update<T>(key: string, change: (value: any) => T | Promise<T>): Promise<T>;
  /** Calls `listener` when another tab changes something; gives what ends it. */
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
  /** Of whoever is logged in. */
  account(token: string): Promise<User>;
  /** Changes what is given; null takes the address away. */
  changeAccount(token: string, change: { username?: string; email?: string | null }): Promise<User>;
  /** Every other login of the account ends. */
  changePassword(token: string, given: { password: string; newPassword: string }): Promise<{ message: string }>;
  logOutEverywhere(token: string): Promise<{ message: string }>;
  /** For good; what it said stays. */
  deleteAccount(token: string, given: { password: string }): Promise<{ message: string }>;
  upload(token: string, file: Blob, options?: { name?: string; signal?: AbortSignal }): Promise<Required<Attachment>>;
}

export declare class Login {
  constructor(rest: Rest, store: Store);
  readonly user: User | null;
  signUp(given: { username: string; password: string; email?: string }): Promise<User>;
  logIn(given: { username: string; password: string }): Promise<User>;
  /** A token that is good for a while, and is not the one given. */
  token(options?: { instead?: string }): Promise<string>;
  logOut(): Promise<void>;
  forget(): Promise<void>;
}

/** What a client tells besides the protocol's events, each of which comes by its own name. */
export interface ClientEvents {
  state: State;
  /** The server's answer to `connect`. */
  greeted: any;
  /** After each connection of an account: its rooms. */
  unread: UnreadRoom[];
  /** A room that one came back into, as it is now. */
  room: Room;
  /** Entries of a room cannot be sent any more: read its history. */
  gap: { room: string; last_seq: number };
  /** One is not in this room any more. */
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
  /** Gives what ends it. */
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
