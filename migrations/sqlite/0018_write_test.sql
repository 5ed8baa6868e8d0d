-- One row, written to find out whether the database can be written to.
CREATE TABLE write_test (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    at  INTEGER NOT NULL
);
