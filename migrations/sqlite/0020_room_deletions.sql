-- Rooms that were deleted while their logs were long: the rows of the log go in the background, a bounded number at a time. Until then the room's row
-- stays for them under a uid that nobody was ever told, without name, members and pair.
CREATE TABLE room_deletions (
    room_id  BIGINT NOT NULL PRIMARY KEY REFERENCES rooms (id) ON DELETE CASCADE
);
-- The uid that it had is a tombstone from that moment on.
CREATE TRIGGER rooms_keep_renumbered AFTER UPDATE OF uid ON rooms WHEN new.uid <> old.uid
BEGIN
    INSERT INTO deleted_rooms (uid, deleted_at)
        VALUES (old.uid, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)) ON CONFLICT DO NOTHING;
END;

-- The order in which members are listed. Nodes of the version before leave it to the trigger.
ALTER TABLE members ADD COLUMN account_uid TEXT;
UPDATE members SET account_uid = (SELECT u.uid FROM users u WHERE u.id = members.user_id);
CREATE INDEX members_listed ON members (room_id, account_uid);
CREATE TRIGGER members_listed_insert AFTER INSERT ON members WHEN new.account_uid IS NULL
BEGIN
    UPDATE members SET account_uid = (SELECT u.uid FROM users u WHERE u.id = new.user_id)
        WHERE room_id = new.room_id AND user_id = new.user_id;
END;

-- Texts that messages no longer have, until the server has dropped those of their words from `search_terms` that no other message of the room has.
CREATE TABLE search_removed (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id  BIGINT NOT NULL,
    body     TEXT NOT NULL
);
CREATE TRIGGER entries_removed_update AFTER UPDATE OF body ON entries
WHEN old.kind = 'message.posted' AND old.body IS NOT NULL AND new.body IS NOT old.body
BEGIN
    INSERT INTO search_removed (room_id, body) SELECT old.room_id, old.body
        WHERE EXISTS (SELECT 1 FROM rooms r WHERE r.id = old.room_id)
        AND NOT EXISTS (SELECT 1 FROM room_deletions d WHERE d.room_id = old.room_id);
END;
CREATE TRIGGER entries_removed_delete AFTER DELETE ON entries
WHEN old.kind = 'message.posted' AND old.body IS NOT NULL
BEGIN
    INSERT INTO search_removed (room_id, body) SELECT old.room_id, old.body
        WHERE EXISTS (SELECT 1 FROM rooms r WHERE r.id = old.room_id)
        AND NOT EXISTS (SELECT 1 FROM room_deletions d WHERE d.room_id = old.room_id);
END;
