-- Whether a room guard took credentials for the room, a password say: then it can be listed for those who are no members.
-- Rooms of before are listed again when their password is next changed.
ALTER TABLE rooms ADD COLUMN guarded BOOLEAN NOT NULL DEFAULT FALSE;
