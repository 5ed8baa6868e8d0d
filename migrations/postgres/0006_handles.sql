-- What a client may call an account besides its name. Both are of one namespace: nobody's id is another's name.
ALTER TABLE users ADD COLUMN handle TEXT;
ALTER TABLE users ADD COLUMN handle_key TEXT;
CREATE TABLE user_names (
    key      TEXT NOT NULL PRIMARY KEY,
    user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX user_names_user ON user_names (user_id);
INSERT INTO user_names (key, user_id) SELECT username_key, id FROM users WHERE deleted_at IS NULL;
CREATE FUNCTION keep_user_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM user_names WHERE user_id = new.id;
    IF new.deleted_at IS NULL THEN
        INSERT INTO user_names (key, user_id) VALUES (new.username_key, new.id);
        IF new.handle_key <> new.username_key THEN
            INSERT INTO user_names (key, user_id) VALUES (new.handle_key, new.id);
        END IF;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_names AFTER INSERT OR UPDATE OF username_key, handle_key ON users
    FOR EACH ROW EXECUTE FUNCTION keep_user_names();

-- A room that a guest made goes when it was empty for long: when somebody was last seen in it; none for all other rooms.
ALTER TABLE rooms ADD COLUMN guest_seen_at BIGINT;
CREATE INDEX rooms_guest_seen ON rooms (guest_seen_at) WHERE guest_seen_at IS NOT NULL;
