-- Whether others reach the box, once they have. `lost_at`: since when they do not any more.
CREATE TABLE community_reach (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    reached_at INTEGER NOT NULL,
    lost_at    INTEGER
) STRICT;

-- Who has shown a member's recovery kit, by the key of their box: of others to this box, of this box to one of the others. `teller`:
-- which of them has said so first. `at`: when it was shown here last, or was heard of first.
CREATE TABLE kit_shown (
    member BLOB NOT NULL CHECK (length(member) = 32),
    pin    BLOB NOT NULL CHECK (length(pin) = 32),
    teller BLOB CHECK (length(teller) = 32),
    at     INTEGER NOT NULL,
    PRIMARY KEY (member, pin)
) STRICT, WITHOUT ROWID;

-- Keys with which this box itself has tried a recovery: nobody need worry about those.
CREATE TABLE drill_key (
    pin BLOB PRIMARY KEY CHECK (length(pin) = 32),
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- More kinds of alerts. The list of words goes, so that the table need not be made again for each: only the program writes it, and it
-- does not read words that it does not know.
CREATE TABLE alert_new (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL,
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
