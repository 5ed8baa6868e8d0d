-- The search index is fed with tokens by the server, the same for both databases. Messages of before are indexed in the
-- background, the newest first. `entries.words` stays for nodes of the version before, which search by it.

-- A row a message. A lexeme begins with the number of its room (`12/heron`), so that a word that is common in other rooms
-- costs nothing; `12/@7` is the author; `/0/5` says in which range of ids the entry is.
CREATE TABLE search_index (
    entry_id  BIGINT NOT NULL PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE,
    words     TSVECTOR NOT NULL
);
-- What was not merged into the index yet is read by every search: little.
CREATE INDEX search_index_words ON search_index USING GIN (words) WITH (gin_pending_list_limit = 512);
-- Every token of each room: which words a beginning has, and which rooms need not be searched.
CREATE TABLE search_terms (
    room_id  BIGINT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    term     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (room_id, term)
);
-- Entries whose index is out of date.
CREATE TABLE search_pending (
    entry_id  BIGINT NOT NULL PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE
);
-- Entries up to `next_id` are yet to be indexed. `version` is that of the tokeniser.
CREATE TABLE search_progress (
    version  BIGINT NOT NULL,
    next_id  BIGINT NOT NULL
);
INSERT INTO search_progress (version, next_id) VALUES (0, 0);

-- Nodes that do not index what they store themselves (of the version before; other tools) leave it to those that do, which set
-- `natterjack.indexes` on their connections. Where a text went, the index is looked at again.
CREATE FUNCTION search_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_pending (entry_id) VALUES (new.id) ON CONFLICT DO NOTHING;
    IF new.body IS NULL THEN
        DELETE FROM search_index WHERE entry_id = new.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_search_insert AFTER INSERT ON entries FOR EACH ROW
    WHEN (new.kind = 'message.posted' AND new.body IS NOT NULL
          AND current_setting('natterjack.indexes', TRUE) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION search_enqueue();
CREATE TRIGGER entries_search_update AFTER UPDATE OF body ON entries FOR EACH ROW
    WHEN (new.kind = 'message.posted'
          AND (new.body IS NULL OR current_setting('natterjack.indexes', TRUE) IS DISTINCT FROM 'on'))
    EXECUTE FUNCTION search_enqueue();
