-- What needs somebody: from when on, who has seen to it, until when; and how people and programs are told of it.

-- `kind` and `subject` say what it is: one of each is open at a time. `subject`: the id of a machine, the word of a
-- check, or nothing. `mailed_at`, `posted_at`: when the telling was put into its queue; `over_posted_at`: that it is over.
CREATE TABLE alert (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL CHECK (kind IN ('damaged-packs', 'disk-full', 'disk-low', 'certificate', 'check-fails', 'check-warns', 'machine-damaged', 'machine-late', 'machine-incomplete', 'proof-failed')),
    subject         TEXT NOT NULL,
    opened_at       INTEGER NOT NULL,
    closed_at       INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    note            TEXT NOT NULL DEFAULT '',
    mailed_at       INTEGER,
    posted_at       INTEGER,
    over_posted_at  INTEGER,
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX alert_open ON alert (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alert_closed ON alert (closed_at) WHERE closed_at IS NOT NULL;

-- What somebody was told of by mail until now is open, and is not told again.
INSERT INTO alert (kind, subject, opened_at, mailed_at)
SELECT CASE WHEN alert LIKE 'late %' THEN 'machine-late'
            WHEN alert LIKE 'damaged %' THEN 'machine-damaged'
            WHEN alert LIKE 'site %' THEN 'check-fails'
            WHEN alert = 'damaged' THEN 'damaged-packs'
            ELSE 'disk-low' END,
       CASE WHEN instr(alert, ' ') > 0 THEN substr(alert, instr(alert, ' ') + 1) ELSE '' END,
       since, since
FROM told_alert;

DROP TABLE told_alert;

-- Which severities are told on which way.
CREATE TABLE alert_route (
    channel  TEXT NOT NULL CHECK (channel IN ('mail', 'webhook')),
    severity TEXT NOT NULL CHECK (severity IN ('information', 'warning', 'alarm')),
    PRIMARY KEY (channel, severity)
) STRICT, WITHOUT ROWID;

INSERT INTO alert_route (channel, severity)
VALUES ('mail', 'warning'), ('mail', 'alarm'), ('webhook', 'warning'), ('webhook', 'alarm');

-- One row. `quiet_from`, `quiet_until`: minutes after midnight of the box's own time zone. `webhook_secret` is sealed for
-- the box and the recovery kit. `webhook_authority`: certificates, PEM, that are trusted in place of the system's.
CREATE TABLE alert_setting (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    quiet_from        INTEGER CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until       INTEGER CHECK (quiet_until BETWEEN 0 AND 1439),
    quiet_weekends    INTEGER NOT NULL CHECK (quiet_weekends BETWEEN 0 AND 1),
    webhook_url       TEXT,
    webhook_secret    BLOB,
    webhook_authority TEXT,
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL)),
    CHECK ((webhook_url IS NULL) = (webhook_secret IS NULL))
) STRICT;

INSERT INTO alert_setting (id, quiet_weekends) VALUES (1, 0);

-- What is handed to the webhook, or was. `answer`: what it said last. `next_at`: not before.
CREATE TABLE webhook_post (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    event      TEXT NOT NULL CHECK (event IN ('opened', 'closed', 'test')),
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
    body       TEXT NOT NULL,
    tries      INTEGER NOT NULL,
    answer     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    done_at    INTEGER
) STRICT;

CREATE INDEX webhook_waiting ON webhook_post (next_at) WHERE state = 'waiting';
