-- How much of the line goes to the other boxes, hour by hour. Without a row: all of it, always.

-- `hours`: one letter for each hour of the week, from Monday 0:00 of the box's own time: `f`ull, `r`educed, `p`ause.
-- `full_mbit`, `reduced_mbit`: 10^6 bits a second; none: as much as the line takes.
CREATE TABLE bandwidth_plan (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    hours        TEXT NOT NULL CHECK (length(hours) = 168 AND hours NOT GLOB '*[^frp]*'),
    full_mbit    INTEGER CHECK (full_mbit BETWEEN 1 AND 100000),
    reduced_mbit INTEGER NOT NULL CHECK (reduced_mbit BETWEEN 1 AND 100000)
) STRICT;

-- More that needs somebody: a recovery that was tried in vain or not for long, a kit on paper that has grown old, and a community that
-- has parted. SQLite
-- cannot change a list of words in place, so the table is made again.
CREATE TABLE alert_new (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL CHECK (kind IN ('damaged-packs', 'disk-full', 'disk-low', 'certificate', 'check-fails', 'check-warns', 'machine-damaged', 'machine-late', 'machine-incomplete', 'proof-failed', 'peer-suspect', 'peer-absent', 'deletions-frozen', 'owner-silent', 'books-differ', 'drill-failed', 'drill-overdue', 'kit-old', 'community-parted')),
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

INSERT INTO alert_new (id, kind, subject, opened_at, closed_at, acknowledged_at, acknowledged_by, note, mailed_at, posted_at, over_posted_at)
SELECT id, kind, subject, opened_at, closed_at, acknowledged_at, acknowledged_by, note, mailed_at, posted_at, over_posted_at
FROM alert;

-- Numbers of alerts that were forgotten do not come again.
DELETE FROM sqlite_sequence WHERE name = 'alert_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'alert_new', seq FROM sqlite_sequence WHERE name = 'alert';

-- What the webhook was told of which alert: the table that goes takes that along.
CREATE TABLE alert_of_post (
    post  INTEGER PRIMARY KEY,
    alert INTEGER NOT NULL
) STRICT;

INSERT INTO alert_of_post (post, alert) SELECT id, alert FROM webhook_post WHERE alert IS NOT NULL;

DROP TABLE alert;
ALTER TABLE alert_new RENAME TO alert;

UPDATE webhook_post SET alert = (SELECT alert_of_post.alert FROM alert_of_post WHERE post = webhook_post.id);
DROP TABLE alert_of_post;

CREATE UNIQUE INDEX alert_open ON alert (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alert_closed ON alert (closed_at) WHERE closed_at IS NOT NULL;
