-- Times are milliseconds since 1970 (UTC). `uid` is what clients see; `id` is the integer for joins.

CREATE TABLE users (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uid            TEXT NOT NULL UNIQUE,
    username       TEXT NOT NULL,
    -- The name folded (NFKC, case): what makes it unique.
    username_key   TEXT NOT NULL UNIQUE,
    email          TEXT,
    email_key      TEXT UNIQUE,
    password_hash  TEXT NOT NULL,
    is_admin       BOOLEAN NOT NULL DEFAULT FALSE,
    -- For the account that a plugin posts as: the plugin's id. Nobody can log in to it.
    plugin         TEXT UNIQUE,
    disabled_at    BIGINT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);

-- One row a signing in; its refresh token rotates, and only a hash of it is kept.
CREATE TABLE logins (
    uid            TEXT NOT NULL PRIMARY KEY,
    user_id        BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    refresh_hash   TEXT NOT NULL UNIQUE,
    -- The one before: seen again, it was stolen, and the login ends.
    previous_hash  TEXT,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    revoked_at     BIGINT
);
CREATE INDEX logins_user ON logins (user_id);
CREATE INDEX logins_previous ON logins (previous_hash);

CREATE TABLE rooms (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uid           TEXT NOT NULL UNIQUE,
    code          TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    -- Folded as user names are; none for rooms that are not found by name.
    name_key      TEXT UNIQUE,
    kind          TEXT NOT NULL,
    visibility    TEXT NOT NULL,
    topic         TEXT NOT NULL DEFAULT '',
    member_limit  BIGINT,
    member_count  BIGINT NOT NULL DEFAULT 0,
    last_seq      BIGINT NOT NULL DEFAULT 0,
    created_at    BIGINT NOT NULL
);

CREATE TABLE members (
    room_id    BIGINT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id    BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       TEXT NOT NULL,
    joined_at  BIGINT NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

-- What holds for an account in a room whether or not it is a member.
CREATE TABLE standings (
    room_id      BIGINT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    invited      BOOLEAN NOT NULL DEFAULT FALSE,
    banned       BOOLEAN NOT NULL DEFAULT FALSE,
    muted_until  BIGINT,
    PRIMARY KEY (room_id, user_id)
);

-- Each room's log. A post is its present state; everything else keeps its details in `data` (JSON).
CREATE TABLE entries (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id      BIGINT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq          BIGINT NOT NULL,
    kind         TEXT NOT NULL,
    at           BIGINT NOT NULL,
    author_id    BIGINT REFERENCES users (id),
    -- The name of an author without an account; a guest's, if `author_guest`.
    author_name  TEXT,
    author_guest BOOLEAN NOT NULL DEFAULT FALSE,
    body         TEXT,
    key          TEXT,
    reply_to     BIGINT,
    edited_at    BIGINT,
    -- A deleted message keeps its place and loses its body.
    deleted_at   BIGINT,
    data         TEXT,
    UNIQUE (room_id, seq)
);
-- What makes a post safe to repeat.
CREATE UNIQUE INDEX entries_key ON entries (room_id, author_id, key) WHERE key IS NOT NULL AND author_id IS NOT NULL;

-- The plugins' own values.
CREATE TABLE plugin_values (
    plugin   TEXT NOT NULL,
    key      TEXT NOT NULL,
    value    BLOB NOT NULL,
    -- A random number, another one with each write: how a unit of work knows that what it read still holds.
    version  BIGINT NOT NULL,
    PRIMARY KEY (plugin, key)
);

-- When plugins want to be woken. A timer goes in the transaction of what it set off.
CREATE TABLE timers (
    plugin   TEXT NOT NULL,
    name     TEXT NOT NULL,
    due_at   BIGINT NOT NULL,
    payload  TEXT NOT NULL,
    PRIMARY KEY (plugin, name)
);
CREATE INDEX timers_due ON timers (plugin, due_at);
