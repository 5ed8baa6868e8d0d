"""One row a transaction: how many a second SQLite takes of somebody who waits for each commit."""

import sqlite3
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])
database = sqlite3.connect(path, isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = FULL")
database.execute(
    "CREATE TABLE entries (room INTEGER, seq INTEGER, author INTEGER, at INTEGER, body TEXT, PRIMARY KEY (room, seq)) STRICT"
)
body = "x" * 120
count, began = 0, time.monotonic()
while time.monotonic() - began < seconds:
    # Outside BEGIN and COMMIT each statement is a transaction.
    database.execute("INSERT INTO entries VALUES (1, ?, 1, 1, ?)", (count, body))
    count += 1
print(count / (time.monotonic() - began))
