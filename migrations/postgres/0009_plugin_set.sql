-- What the nodes of a cluster have agreed to run: it outranks each node's own folder and configuration.
CREATE TABLE plugin_set (
    plugin      TEXT COLLATE "C" PRIMARY KEY,
    -- Of the file that all nodes run; none where each runs its own.
    sha256      TEXT,
    -- No node runs it.
    removed     BOOLEAN NOT NULL DEFAULT FALSE,
    file_at     BIGINT NOT NULL DEFAULT 0,
    -- Its table in the configuration of a node that gives its own to all, as TOML.
    given       TEXT,
    -- Which node that is.
    given_by    TEXT,
    -- What administrators have changed of it since, as TOML.
    changed     TEXT,
    changed_at  BIGINT NOT NULL,
    -- The node that was asked.
    changed_by  TEXT NOT NULL
);

-- Goes up with each change of the set.
CREATE TABLE plugin_set_version (version BIGINT NOT NULL);
INSERT INTO plugin_set_version (version) VALUES (0);

CREATE TABLE plugin_files (
    sha256  TEXT PRIMARY KEY,
    bytes   BYTEA NOT NULL
);

-- What can be gone back to on all nodes.
CREATE TABLE plugin_versions (
    plugin  TEXT COLLATE "C" NOT NULL,
    sha256  TEXT NOT NULL REFERENCES plugin_files (sha256),
    -- When it last took the place of another.
    since   BIGINT NOT NULL,
    PRIMARY KEY (plugin, sha256)
);
CREATE INDEX plugin_versions_file ON plugin_versions (sha256);

-- Until when a node is seeing to a timer, by this database's clock.
ALTER TABLE timers ADD COLUMN claimed_until BIGINT NOT NULL DEFAULT 0;
-- How often what it set off has failed since it was set.
ALTER TABLE timers ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
