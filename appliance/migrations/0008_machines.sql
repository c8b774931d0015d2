-- What machines did day by day and run by run, what they take, and when they rest.

-- Days since 1970 in UTC. Kept when the snapshots themselves have gone.
CREATE TABLE machine_day (
    machine    INTEGER NOT NULL REFERENCES machine (id),
    day        INTEGER NOT NULL,
    complete   INTEGER NOT NULL,
    incomplete INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    PRIMARY KEY (machine, day)
) STRICT, WITHOUT ROWID;

INSERT INTO machine_day (machine, day, complete, incomplete, failed)
    SELECT machine, received_at / 86400000, sum(problem_count = 0), sum(problem_count > 0), 0
    FROM snapshot GROUP BY machine, received_at / 86400000;

-- What machines told of their last runs. `excludes`: a pattern a line.
CREATE TABLE run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    machine     INTEGER NOT NULL REFERENCES machine (id),
    run_id      BLOB NOT NULL CHECK (length(run_id) = 16),
    source      TEXT NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('complete', 'incomplete', 'failed')),
    reported_at INTEGER NOT NULL,
    reading_ms  INTEGER NOT NULL,
    commit_ms   INTEGER NOT NULL,
    took_ms     INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    new_bytes   INTEGER NOT NULL,
    problems    INTEGER NOT NULL,
    message     TEXT NOT NULL,
    excludes    TEXT NOT NULL,
    UNIQUE (machine, run_id)
) STRICT;

-- What the chunks of a machine's snapshots take on the disk, as of the last collection.
CREATE TABLE machine_size (
    machine      INTEGER PRIMARY KEY REFERENCES machine (id),
    unique_bytes INTEGER NOT NULL,
    shared_bytes INTEGER NOT NULL,
    weighed_at   INTEGER NOT NULL
) STRICT;

-- A machine that rests; the row stays when its time is over, so that it is not late at once.
CREATE TABLE machine_pause (
    machine  INTEGER PRIMARY KEY REFERENCES machine (id),
    since    INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    actor    TEXT NOT NULL
) STRICT;

-- How full the disk was, once a day.
CREATE TABLE disk_day (
    day         INTEGER PRIMARY KEY,
    used_bytes  INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL
) STRICT;

-- Something of a snapshot is to be put back on its machine. `answered_by`: who there agreed or refused, as the machine says.
CREATE TABLE put_back (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    machine     INTEGER NOT NULL REFERENCES machine (id),
    source      TEXT NOT NULL,
    snapshot_id BLOB NOT NULL CHECK (length(snapshot_id) = 32),
    snapshot_at INTEGER NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('beside', 'overwrite')),
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'incomplete', 'failed', 'refused', 'cancelled', 'expired')),
    asked_by    TEXT NOT NULL,
    asked_at    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    answered_by TEXT NOT NULL,
    answered_at INTEGER,
    ended_at    INTEGER,
    files       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    problems    INTEGER NOT NULL,
    reason      TEXT NOT NULL
) STRICT;

CREATE INDEX put_back_by_machine ON put_back (machine, state);

CREATE TABLE put_back_path (
    put_back INTEGER NOT NULL REFERENCES put_back (id),
    path     BLOB NOT NULL,
    PRIMARY KEY (put_back, path)
) STRICT, WITHOUT ROWID;
