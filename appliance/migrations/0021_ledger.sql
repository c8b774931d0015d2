-- What members keep for one another: the owner's lease and inventory, daily statements, and how far a member is known.

-- `leased_at`: when the member was last told that this box lives and what it believes to have there, in counted time;
-- `audits_passed`: rounds of audits that it answered without a fault, which tells how far it can be relied on.
ALTER TABLE holder ADD COLUMN leased_at INTEGER;
ALTER TABLE holder ADD COLUMN audits_passed INTEGER NOT NULL DEFAULT 0 CHECK (audits_passed >= 0);

-- The last statement of each pair that this box is a side of, as its own books have it. `signed`: with the words of both sides
-- when they agree; `theirs`: what the other side says when they do not, with its word.
CREATE TABLE statement (
    owner  BLOB NOT NULL CHECK (length(owner) = 32),
    host   BLOB NOT NULL CHECK (length(host) = 32),
    day    INTEGER NOT NULL CHECK (day >= 0),
    bytes  INTEGER NOT NULL CHECK (bytes >= 0),
    count  INTEGER NOT NULL CHECK (count >= 0),
    signed BLOB NOT NULL CHECK (length(signed) BETWEEN 1 AND 1024),
    theirs BLOB CHECK (theirs IS NULL OR length(theirs) BETWEEN 1 AND 1024),
    PRIMARY KEY (owner, host)
) STRICT, WITHOUT ROWID;

-- More that needs somebody: what goes wrong between boxes. `subject` may be the id of a member. SQLite cannot change a list of
-- words in place, so the table is made again.
CREATE TABLE alert_new (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL CHECK (kind IN ('damaged-packs', 'disk-full', 'disk-low', 'certificate', 'check-fails', 'check-warns', 'machine-damaged', 'machine-late', 'machine-incomplete', 'proof-failed', 'peer-suspect', 'peer-absent', 'deletions-frozen', 'owner-silent', 'books-differ')),
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
