-- What a reseller has prepared: the bundle that set the box's defaults, and what new machines begin with.

-- The bundle of each key that was applied last; the one that counts has the highest number. `content`: its JSON, as it was
-- signed.
CREATE TABLE bundle (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
    serial     INTEGER NOT NULL CHECK (serial > 0),
    content    TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- The last one that was not taken. `detail`: the sentence of the log.
CREATE TABLE bundle_refused (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    at     INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('unreachable', 'malformed', 'signature', 'untrusted', 'other-key', 'expired', 'older')),
    detail TEXT NOT NULL
) STRICT;

-- What machines begin with, where it is not what the program gives them.
CREATE TABLE machine_default (
    profile         TEXT NOT NULL PRIMARY KEY CHECK (profile IN ('server', 'desktop', 'laptop')),
    every_seconds   INTEGER NOT NULL CHECK (every_seconds > 0),
    local_policy    TEXT NOT NULL,
    external_policy TEXT NOT NULL
) STRICT, WITHOUT ROWID;
