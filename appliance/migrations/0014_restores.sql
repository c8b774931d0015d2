-- The last restore that each machine told of: how many files came back, of which of its sources.
CREATE TABLE machine_restore (
    machine     INTEGER PRIMARY KEY REFERENCES machine (id),
    source      TEXT NOT NULL,
    files       INTEGER NOT NULL,
    reported_at INTEGER NOT NULL
) STRICT;
