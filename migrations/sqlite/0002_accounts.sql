-- A deleted account keeps its row, without name, address and password, for the sake of what it wrote.
ALTER TABLE users ADD COLUMN deleted_at BIGINT;

-- Deleted accounts whose memberships the server has yet to end.
CREATE TABLE departures (
    user_id  BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE
);
