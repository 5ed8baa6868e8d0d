-- The names of accounts and rooms as they are compared. The server computes `key` and `shape`, since SQL knows too little
-- Unicode; both are NULL until then. Nodes of older versions write `users` and `rooms` alone: the triggers keep up with them.
CREATE TABLE names (
    -- 'account' or 'room'. Names and handles of accounts are of one namespace.
    space      TEXT NOT NULL,
    owner_id   BIGINT NOT NULL,
    is_handle  BOOLEAN NOT NULL DEFAULT FALSE,
    spelling   TEXT NOT NULL,
    -- Full case folding, NFKC, single spaces.
    key        TEXT,
    -- 0 for the first one of a key; others are of before this table, or a handle that equals its account's name.
    slot       BIGINT NOT NULL DEFAULT 0,
    -- What names that look alike have in common (UTS #39).
    shape      TEXT,
    PRIMARY KEY (space, owner_id, is_handle)
);
CREATE UNIQUE INDEX names_key ON names (space, key, slot);
CREATE INDEX names_spelling ON names (space, spelling);
CREATE INDEX names_shape ON names (space, shape);
CREATE INDEX names_pending ON names (space, owner_id) WHERE key IS NULL;

INSERT INTO names (space, owner_id, spelling)
    SELECT 'account', id, username FROM users WHERE deleted_at IS NULL AND plugin IS NULL AND issuer IS NULL;
INSERT INTO names (space, owner_id, is_handle, spelling)
    SELECT 'account', id, TRUE, handle FROM users
    WHERE deleted_at IS NULL AND plugin IS NULL AND issuer IS NULL AND handle IS NOT NULL;
INSERT INTO names (space, owner_id, spelling) SELECT 'room', id, name FROM rooms WHERE kind = 'room';

CREATE TRIGGER names_user_insert AFTER INSERT ON users
WHEN new.deleted_at IS NULL AND new.plugin IS NULL AND new.issuer IS NULL
BEGIN
    INSERT INTO names (space, owner_id, spelling) VALUES ('account', new.id, new.username);
    INSERT INTO names (space, owner_id, is_handle, spelling)
        SELECT 'account', new.id, TRUE, new.handle WHERE new.handle IS NOT NULL;
END;
CREATE TRIGGER names_user_update AFTER UPDATE OF username, handle, deleted_at ON users
WHEN new.username <> old.username OR new.handle IS NOT old.handle OR new.deleted_at IS NOT old.deleted_at
BEGIN
    DELETE FROM names WHERE space = 'account' AND owner_id = new.id;
    INSERT INTO names (space, owner_id, spelling)
        SELECT 'account', new.id, new.username
        WHERE new.deleted_at IS NULL AND new.plugin IS NULL AND new.issuer IS NULL;
    INSERT INTO names (space, owner_id, is_handle, spelling)
        SELECT 'account', new.id, TRUE, new.handle
        WHERE new.deleted_at IS NULL AND new.plugin IS NULL AND new.issuer IS NULL AND new.handle IS NOT NULL;
END;
CREATE TRIGGER names_user_delete AFTER DELETE ON users
BEGIN
    DELETE FROM names WHERE space = 'account' AND owner_id = old.id;
END;
CREATE TRIGGER names_room_insert AFTER INSERT ON rooms WHEN new.kind = 'room'
BEGIN
    INSERT INTO names (space, owner_id, spelling) VALUES ('room', new.id, new.name);
END;
CREATE TRIGGER names_room_update AFTER UPDATE OF name ON rooms WHEN new.kind = 'room' AND new.name <> old.name
BEGIN
    DELETE FROM names WHERE space = 'room' AND owner_id = new.id;
    INSERT INTO names (space, owner_id, spelling) VALUES ('room', new.id, new.name);
END;
CREATE TRIGGER names_room_delete AFTER DELETE ON rooms WHEN old.kind = 'room'
BEGIN
    DELETE FROM names WHERE space = 'room' AND owner_id = old.id;
END;
