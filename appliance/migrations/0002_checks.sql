-- What commissioning found, each check the last time it was made.
-- `finding` and `because`: words of the program; one of them is set. `facts`: the evidence, JSON, in its order.
-- `since`: from when on the check has been in this state. `passed_at`: when it last passed.
CREATE TABLE check_outcome (
    check_id   TEXT NOT NULL PRIMARY KEY,
    state      TEXT NOT NULL CHECK (state IN ('pass', 'warn', 'fail', 'skip')),
    finding    TEXT,
    because    TEXT,
    facts      TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    took_ms    INTEGER NOT NULL CHECK (took_ms >= 0),
    since      INTEGER NOT NULL,
    passed_at  INTEGER,
    CHECK ((finding IS NULL) <> (because IS NULL))
) STRICT, WITHOUT ROWID;
