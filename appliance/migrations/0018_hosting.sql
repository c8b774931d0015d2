-- What the box keeps for the other members of its community. Times are counted time (`counted_clock`), not the wall clock.

-- Counted time, and the computer's clock when it was looked at last. `boot`: what the kernel calls this start.
CREATE TABLE counted_clock (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    counted       INTEGER NOT NULL,
    boot          BLOB NOT NULL CHECK (length(boot) = 16),
    since_boot_ms INTEGER NOT NULL CHECK (since_boot_ms >= 0)
) STRICT;

-- What stands in the marker file of the folder of shards: without it the folder is another one, or its disk is away.
CREATE TABLE hosting_folder (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    marker BLOB NOT NULL CHECK (length(marker) = 16)
) STRICT;

-- Members whose shards are here. `list_hash`: what the owner believes to have here, by its last lease. `frozen_until`: until
-- when the brake holds; `waived_until`: until when there is none; `asked_at`: when people were asked about its silence.
CREATE TABLE hosted_owner (
    id           INTEGER PRIMARY KEY,
    member       BLOB NOT NULL UNIQUE CHECK (length(member) = 32),
    lease_at     INTEGER NOT NULL,
    list_hash    BLOB CHECK (list_hash IS NULL OR length(list_hash) = 32),
    frozen_until INTEGER,
    waived_until INTEGER,
    asked_at     INTEGER
) STRICT;

-- How much an owner has condemned lately: the brake's memory.
CREATE TABLE hosted_condemning (
    owner INTEGER NOT NULL REFERENCES hosted_owner (id),
    at    INTEGER NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (owner, at)
) STRICT, WITHOUT ROWID;

-- Shards that are durable here. `fate_at`: since when, plus all time that the brake held.
CREATE TABLE hosted_shard (
    owner       INTEGER NOT NULL REFERENCES hosted_owner (id),
    shard       BLOB NOT NULL CHECK (length(shard) = 32),
    bytes       INTEGER NOT NULL CHECK (bytes BETWEEN 1 AND 4294967295),
    window_days INTEGER NOT NULL CHECK (window_days BETWEEN 30 AND 36500),
    received_at INTEGER NOT NULL,
    fate        TEXT NOT NULL CHECK (fate IN ('kept', 'condemned', 'trashed')),
    fate_at     INTEGER,
    CHECK ((fate = 'kept') = (fate_at IS NULL)),
    PRIMARY KEY (owner, shard)
) STRICT, WITHOUT ROWID;

-- Shards whose time is over and whose files are to be deleted.
CREATE TABLE hosted_doomed (
    owner INTEGER NOT NULL REFERENCES hosted_owner (id),
    shard BLOB NOT NULL CHECK (length(shard) = 32),
    PRIMARY KEY (owner, shard)
) STRICT, WITHOUT ROWID;

-- Heads as they were signed.
CREATE TABLE hosted_head (
    owner    INTEGER NOT NULL REFERENCES hosted_owner (id),
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    content  BLOB NOT NULL CHECK (length(content) BETWEEN 1 AND 65536),
    kept_at  INTEGER NOT NULL,
    PRIMARY KEY (owner, sequence)
) STRICT;
