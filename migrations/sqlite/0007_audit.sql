-- What administrators did. A line is there before it is done, and completed after it.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       BIGINT NOT NULL,
    -- Who: none on the command line, where the name is the operating system's.
    account  TEXT,
    name     TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    -- None while it is under way, or if the server did not live to say.
    outcome  TEXT,
    detail   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX audit_at ON audit (at);
