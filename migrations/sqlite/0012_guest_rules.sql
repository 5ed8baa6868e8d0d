-- Guests who may not come into a room, or not post there, for a while: known by their connection, or by a hash of where they
-- come from.
CREATE TABLE guest_rules (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id     BIGINT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    -- `ban` or `mute`.
    kind        TEXT NOT NULL,
    connection  TEXT,
    origin      TEXT,
    until       BIGINT NOT NULL
);
CREATE INDEX guest_rules_room ON guest_rules (room_id);
-- Whether guests are not let in at all.
ALTER TABLE rooms ADD COLUMN no_guests BOOLEAN NOT NULL DEFAULT FALSE;
