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

-- Nothing is written between the copies and the triggers.
LOCK TABLE users, rooms IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO names (space, owner_id, spelling)
    SELECT 'account', id, username FROM users WHERE deleted_at IS NULL AND plugin IS NULL AND issuer IS NULL;
INSERT INTO names (space, owner_id, is_handle, spelling)
    SELECT 'account', id, TRUE, handle FROM users
    WHERE deleted_at IS NULL AND plugin IS NULL AND issuer IS NULL AND handle IS NOT NULL;
INSERT INTO names (space, owner_id, spelling) SELECT 'room', id, name FROM rooms WHERE kind = 'room';

CREATE FUNCTION keep_names_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM names WHERE space = 'account' AND owner_id = old.id;
    END IF;
    IF TG_OP <> 'DELETE' AND new.deleted_at IS NULL AND new.plugin IS NULL AND new.issuer IS NULL THEN
        INSERT INTO names (space, owner_id, spelling) VALUES ('account', new.id, new.username);
        IF new.handle IS NOT NULL THEN
            INSERT INTO names (space, owner_id, is_handle, spelling) VALUES ('account', new.id, TRUE, new.handle);
        END IF;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER names_user_added AFTER INSERT OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION keep_names_of_user();
CREATE TRIGGER names_user_changed AFTER UPDATE OF username, handle, deleted_at ON users FOR EACH ROW
    WHEN (new.username <> old.username OR new.handle IS DISTINCT FROM old.handle
        OR new.deleted_at IS DISTINCT FROM old.deleted_at)
    EXECUTE FUNCTION keep_names_of_user();

CREATE FUNCTION keep_names_of_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM names WHERE space = 'room' AND owner_id = old.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO names (space, owner_id, spelling) VALUES ('room', new.id, new.name);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER names_room_insert AFTER INSERT ON rooms FOR EACH ROW WHEN (new.kind = 'room')
    EXECUTE FUNCTION keep_names_of_room();
CREATE TRIGGER names_room_update AFTER UPDATE OF name ON rooms FOR EACH ROW
    WHEN (new.kind = 'room' AND new.name <> old.name) EXECUTE FUNCTION keep_names_of_room();
CREATE TRIGGER names_room_delete AFTER DELETE ON rooms FOR EACH ROW WHEN (old.kind = 'room')
    EXECUTE FUNCTION keep_names_of_room();
