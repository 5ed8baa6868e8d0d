-- The nodes of a cluster. Their times are this database's, so that it does not matter how their clocks differ.
CREATE TABLE nodes (
    -- Another one with each start.
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    version       TEXT NOT NULL,
    started_at    BIGINT NOT NULL,
    -- Until when it counts as alive, unless it says so again.
    lease_until   BIGINT NOT NULL,
    -- Whether it takes no more connections.
    draining      BOOLEAN NOT NULL DEFAULT FALSE,
    -- What it has, as it said last.
    connections   BIGINT NOT NULL DEFAULT 0,
    rooms         BIGINT NOT NULL DEFAULT 0,
    messages      BIGINT NOT NULL DEFAULT 0,
    -- Which plugins it runs: the same for nodes that run the same.
    plugins       TEXT NOT NULL DEFAULT '',
    -- Whether it hears the others.
    hears         BOOLEAN NOT NULL DEFAULT TRUE
);

-- What all nodes know and nobody else does: the key that signs tokens, where none is configured.
CREATE TABLE secrets (
    name   TEXT NOT NULL PRIMARY KEY,
    value  TEXT NOT NULL
);

-- How often somebody may try something, for all nodes together: when the next one is as good as the first. It may be lost.
CREATE UNLOGGED TABLE throttles (
    key      TEXT NOT NULL PRIMARY KEY,
    -- Milliseconds, by this database's clock.
    full_at  DOUBLE PRECISION NOT NULL
);
