-- The message of the same room that an entry is about: an edit's, a deletion's, a reaction's.
ALTER TABLE entries ADD COLUMN target BIGINT;
CREATE INDEX entries_target ON entries (room_id, target) WHERE target IS NOT NULL;
UPDATE entries SET target = data ->> 'of' WHERE kind IN ('message.edited', 'message.deleted');
-- What a post carries along, as it was when it was attached: JSON, an array of {id, name, type, size}.
ALTER TABLE entries ADD COLUMN attachments TEXT;

-- Everything up to this entry was read.
ALTER TABLE members ADD COLUMN read_seq BIGINT NOT NULL DEFAULT 0;
UPDATE members SET read_seq = (SELECT last_seq FROM rooms WHERE rooms.id = members.room_id);

-- A direct room's two accounts, the lower number first: one room a pair.
ALTER TABLE rooms ADD COLUMN pair_low BIGINT REFERENCES users (id);
ALTER TABLE rooms ADD COLUMN pair_high BIGINT REFERENCES users (id);
CREATE UNIQUE INDEX rooms_pair ON rooms (pair_low, pair_high);

CREATE TABLE reactions (
    room_id  BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    emoji    TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (room_id, seq, user_id, emoji),
    FOREIGN KEY (room_id, seq) REFERENCES entries (room_id, seq) ON DELETE CASCADE
);

-- Uploaded files; their bytes in parts, so that neither writing nor reading one takes long at a time.
CREATE TABLE media (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    uid         TEXT NOT NULL UNIQUE,
    user_id     BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    size        BIGINT NOT NULL,
    -- Set once all of it is there.
    complete    BOOLEAN NOT NULL DEFAULT FALSE,
    created_at  BIGINT NOT NULL
);
CREATE INDEX media_user ON media (user_id);
CREATE TABLE media_parts (
    media_id  BIGINT NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    part      BIGINT NOT NULL,
    bytes     BLOB NOT NULL,
    PRIMARY KEY (media_id, part)
);
-- Which messages carry which files: a file that none carries goes after a while.
CREATE TABLE attachments (
    room_id   BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    media_id  BIGINT NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    PRIMARY KEY (room_id, seq, media_id),
    FOREIGN KEY (room_id, seq) REFERENCES entries (room_id, seq) ON DELETE CASCADE
);
CREATE INDEX attachments_media ON attachments (media_id);

-- The words of messages. It holds no text of its own: that stays in `entries`.
CREATE VIRTUAL TABLE message_text USING fts5 (
    body, content = 'entries', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 0'
);
INSERT INTO message_text (rowid, body)
    SELECT id, body FROM entries WHERE kind = 'message.posted' AND body IS NOT NULL;
CREATE TRIGGER entries_text_insert AFTER INSERT ON entries
WHEN new.kind = 'message.posted' AND new.body IS NOT NULL
BEGIN
    INSERT INTO message_text (rowid, body) VALUES (new.id, new.body);
END;
CREATE TRIGGER entries_text_update AFTER UPDATE OF body ON entries
WHEN old.kind = 'message.posted'
BEGIN
    INSERT INTO message_text (message_text, rowid, body) SELECT 'delete', old.id, old.body WHERE old.body IS NOT NULL;
    INSERT INTO message_text (rowid, body) SELECT new.id, new.body WHERE new.body IS NOT NULL;
END;
CREATE TRIGGER entries_text_delete AFTER DELETE ON entries
WHEN old.kind = 'message.posted' AND old.body IS NOT NULL
BEGIN
    INSERT INTO message_text (message_text, rowid, body) VALUES ('delete', old.id, old.body);
END;

-- The log as plain tables of messages and groups, for those who look in with a tool of their own.
CREATE VIEW messages AS
    SELECT e.id, e.author_id AS sender_id,
        CASE r.kind WHEN 'direct' THEN CASE e.author_id WHEN r.pair_low THEN r.pair_high ELSE r.pair_low END END AS receiver_id,
        CASE r.kind WHEN 'direct' THEN NULL ELSE r.id END AS group_id,
        e.body AS message, strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1000.0, 'unixepoch') AS timestamp
    FROM entries e JOIN rooms r ON r.id = e.room_id
    WHERE e.kind = 'message.posted' AND e.deleted_at IS NULL;
CREATE VIEW "groups" AS
    SELECT id, name, strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created_at
    FROM rooms WHERE kind = 'room';
