-- Rooms that were deleted while their logs were long: the rows of the log go in the background, a bounded number at a time. Until then the room's row
-- stays for them under a uid that nobody was ever told, without name, members and pair.
CREATE TABLE room_deletions (
    room_id  BIGINT NOT NULL PRIMARY KEY REFERENCES rooms (id) ON DELETE CASCADE
);
-- The uid that it had is a tombstone from that moment on; before the row changes, so that whoever opens a session of this uid waits here.
CREATE FUNCTION keep_renumbered_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7711, hashtext(old.uid));
    INSERT INTO deleted_rooms (uid, deleted_at)
        VALUES (old.uid, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) ON CONFLICT DO NOTHING;
    RETURN new;
END
$$;
CREATE TRIGGER rooms_keep_renumbered BEFORE UPDATE OF uid ON rooms FOR EACH ROW
    WHEN (new.uid <> old.uid) EXECUTE FUNCTION keep_renumbered_room();

-- The order in which members are listed. Nodes of the version before leave it to the trigger.
ALTER TABLE members ADD COLUMN account_uid TEXT;
UPDATE members SET account_uid = (SELECT u.uid FROM users u WHERE u.id = members.user_id);
CREATE INDEX members_listed ON members (room_id, account_uid);
CREATE FUNCTION list_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.account_uid := (SELECT u.uid FROM users u WHERE u.id = new.user_id);
    RETURN new;
END
$$;
CREATE TRIGGER members_listed_insert BEFORE INSERT ON members FOR EACH ROW EXECUTE FUNCTION list_member();

-- Texts that messages no longer have, until the server has dropped those of their words from `search_terms` that no other message of the room has.
CREATE TABLE search_removed (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id  BIGINT NOT NULL,
    body     TEXT NOT NULL
);
CREATE FUNCTION search_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_removed (room_id, body) SELECT old.room_id, old.body
        WHERE EXISTS (SELECT 1 FROM rooms r WHERE r.id = old.room_id)
        AND NOT EXISTS (SELECT 1 FROM room_deletions d WHERE d.room_id = old.room_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER entries_removed_update AFTER UPDATE OF body ON entries FOR EACH ROW
    WHEN (old.kind = 'message.posted' AND old.body IS NOT NULL AND new.body IS DISTINCT FROM old.body)
    EXECUTE FUNCTION search_forget();
CREATE TRIGGER entries_removed_delete AFTER DELETE ON entries FOR EACH ROW
    WHEN (old.kind = 'message.posted' AND old.body IS NOT NULL) EXECUTE FUNCTION search_forget();
