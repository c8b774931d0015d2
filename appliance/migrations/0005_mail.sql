-- How the box sends mail, and what it has sent or is about to.

-- One row. `password` is sealed for the box and the recovery kit. `recipients`: an address a line.
-- `report_minute`: when the daily report is made, in minutes after midnight of the box's own time zone.
CREATE TABLE mail_setting (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    host          TEXT NOT NULL,
    port          INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    security      TEXT NOT NULL CHECK (security IN ('tls', 'starttls', 'none')),
    user          TEXT,
    password      BLOB,
    sender        TEXT NOT NULL,
    recipients    TEXT NOT NULL,
    language      TEXT NOT NULL,
    report_minute INTEGER NOT NULL CHECK (report_minute BETWEEN 0 AND 1439),
    weekends      INTEGER NOT NULL CHECK (weekends BETWEEN 0 AND 1)
) STRICT;

-- `answer`: what the server said last. `next_at`: not before.
CREATE TABLE mail (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('report', 'alert', 'test')),
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
    subject    TEXT NOT NULL,
    text       TEXT NOT NULL,
    html       TEXT NOT NULL,
    recipients TEXT NOT NULL,
    tries      INTEGER NOT NULL,
    answer     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    done_at    INTEGER
) STRICT;

CREATE INDEX mail_waiting ON mail (next_at) WHERE state = 'waiting';

-- What somebody was told of and is still so: nobody is told twice.
CREATE TABLE told_alert (
    alert TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
