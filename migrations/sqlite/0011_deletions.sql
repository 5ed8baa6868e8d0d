-- Uids of deleted rooms: clients choose the uids of their sessions, and none may take that of a room that is gone. Triggers
-- keep them, so that nodes of the version before keep them too. Old rows are pruned; the watermark then stands for them.
CREATE TABLE deleted_rooms (
    uid         TEXT NOT NULL PRIMARY KEY,
    deleted_at  BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX deleted_rooms_at ON deleted_rooms (deleted_at);
-- One row: every UUIDv7 up to this one that is no room counts as the uid of a deleted room.
CREATE TABLE deleted_rooms_watermark (uid TEXT NOT NULL);
INSERT INTO deleted_rooms_watermark (uid) VALUES ('');
CREATE TRIGGER rooms_keep_deleted AFTER DELETE ON rooms
BEGIN
    INSERT INTO deleted_rooms (uid, deleted_at)
        VALUES (old.uid, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER rooms_refuse_deleted BEFORE INSERT ON rooms
WHEN new.kind = 'session' AND (
    EXISTS (SELECT 1 FROM deleted_rooms d WHERE d.uid = new.uid)
    OR (substr(new.uid, 15, 1) = '7' AND EXISTS (SELECT 1 FROM deleted_rooms_watermark w WHERE new.uid <= w.uid)))
BEGIN
    SELECT RAISE(IGNORE);
END;

-- Names that rooms gave up: `since` by such a name may count another room's entries.
CREATE TABLE freed_room_names (
    name_key  TEXT NOT NULL PRIMARY KEY,
    freed_at  BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX freed_room_names_at ON freed_room_names (freed_at);
CREATE TRIGGER rooms_free_name_deleted AFTER DELETE ON rooms WHEN old.name_key IS NOT NULL
BEGIN
    INSERT INTO freed_room_names (name_key, freed_at)
        VALUES (old.name_key, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
        ON CONFLICT (name_key) DO UPDATE SET freed_at = excluded.freed_at;
END;
CREATE TRIGGER rooms_free_name_changed AFTER UPDATE OF name_key ON rooms
WHEN old.name_key IS NOT NULL AND old.name_key IS NOT new.name_key
BEGIN
    INSERT INTO freed_room_names (name_key, freed_at)
        VALUES (old.name_key, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
        ON CONFLICT (name_key) DO UPDATE SET freed_at = excluded.freed_at;
END;

-- Whether a message has carried the file, and whether none does any more: then it is not served, and goes at the next sweep.
ALTER TABLE media ADD COLUMN attached BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE media ADD COLUMN orphaned BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE media SET attached = TRUE WHERE EXISTS (SELECT 1 FROM attachments a WHERE a.media_id = media.id);
CREATE INDEX media_unattached ON media (created_at) WHERE NOT attached;
CREATE INDEX media_orphaned ON media (id) WHERE orphaned;
CREATE TRIGGER attachments_mark AFTER INSERT ON attachments
BEGIN
    UPDATE media SET attached = TRUE, orphaned = FALSE WHERE id = new.media_id AND (orphaned OR NOT attached);
END;
CREATE TRIGGER attachments_orphan AFTER DELETE ON attachments
BEGIN
    UPDATE media SET orphaned = TRUE WHERE id = old.media_id AND NOT orphaned
        AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.media_id = old.media_id);
END;
-- What an account has uploaded is summed up from the index alone.
CREATE INDEX media_user_size ON media (user_id, size);
DROP INDEX media_user;

-- Which account made a room, for its quota; and, of a room that a guest made, from where.
ALTER TABLE rooms ADD COLUMN created_by BIGINT REFERENCES users (id);
ALTER TABLE rooms ADD COLUMN guest_origin TEXT;
UPDATE rooms SET created_by = (SELECT m.user_id FROM members m WHERE m.room_id = rooms.id AND m.role = 'owner' LIMIT 1)
    WHERE kind IN ('room', 'session');
CREATE INDEX rooms_created_by ON rooms (created_by, kind) WHERE created_by IS NOT NULL;
CREATE INDEX rooms_guest_origin ON rooms (guest_origin) WHERE guest_origin IS NOT NULL;
-- The order in which clients that know of no pages are shown rooms.
CREATE INDEX rooms_open ON rooms ((guest_seen_at IS NOT NULL), member_count DESC, name_key)
    WHERE kind = 'room' AND (visibility = 'public' OR guarded);

-- Deleted accounts of which something is still to be erased; the trigger also sees what the version before deletes.
CREATE TABLE account_erasures (
    user_id  BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- What it was called, until the audit log has been gone through.
    name     TEXT,
    email    TEXT,
    handle   TEXT,
    -- Whether its messages and files go too.
    erase    BOOLEAN NOT NULL DEFAULT FALSE,
    -- The log has been gone through up to this entry.
    done_id  BIGINT NOT NULL DEFAULT 0
);
CREATE TRIGGER users_erase BEFORE UPDATE OF deleted_at ON users WHEN old.deleted_at IS NULL AND new.deleted_at IS NOT NULL
BEGIN
    INSERT INTO account_erasures (user_id, name, email, handle)
        VALUES (old.id, old.username, old.email, old.handle) ON CONFLICT DO NOTHING;
END;
INSERT INTO account_erasures (user_id) SELECT id FROM users WHERE deleted_at IS NOT NULL;

-- Who may not write to whom directly.
CREATE TABLE blocks (
    user_id     BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    blocked_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at          BIGINT NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
);
CREATE INDEX blocks_blocked ON blocks (blocked_id);
-- A direct room is hidden from this member until a message after this entry.
ALTER TABLE members ADD COLUMN hidden_seq BIGINT;
