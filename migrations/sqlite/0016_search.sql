-- The search index is fed with tokens by the server, the same for both databases. Messages of before are indexed in the
-- background, the newest first.
DROP TRIGGER entries_text_insert;
DROP TRIGGER entries_text_update;
DROP TRIGGER entries_text_delete;
DROP TABLE message_text;

-- A row a message, by the entry's id. A token begins with the number of its room (`12/heron`), so that a word that is
-- common in other rooms costs nothing; `/` alone parts tokens that do not follow each other; `12/@7` is the author.
CREATE VIRTUAL TABLE search_index USING fts5 (
    tokens, content = '', contentless_delete = 1, tokenize = "ascii tokenchars '/@'"
);
-- Every token of each room: which words a beginning has, and which rooms need not be searched.
CREATE TABLE search_terms (
    room_id  BIGINT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    term     TEXT NOT NULL,
    PRIMARY KEY (room_id, term)
) WITHOUT ROWID;
-- Entries whose index is out of date.
CREATE TABLE search_pending (
    entry_id  INTEGER PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE
);
-- Entries up to `next_id` are yet to be indexed. `version` is that of the tokeniser.
CREATE TABLE search_progress (
    version  BIGINT NOT NULL,
    next_id  BIGINT NOT NULL
);
INSERT INTO search_progress (version, next_id) VALUES (0, 0);

-- No text, no index: whoever takes a message away.
CREATE TRIGGER entries_search_update AFTER UPDATE OF body ON entries
WHEN new.body IS NULL AND old.kind = 'message.posted'
BEGIN
    DELETE FROM search_index WHERE rowid = old.id;
END;
CREATE TRIGGER entries_search_delete AFTER DELETE ON entries
WHEN old.kind = 'message.posted'
BEGIN
    DELETE FROM search_index WHERE rowid = old.id;
END;
