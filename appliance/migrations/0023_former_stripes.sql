-- A stripe that was cut for more members than there are is placed again, as packs are cut now. `former`: the one before, which
-- the map still names; it stays until the new one is safe outside and a head that names it is kept. So a pack may have several
-- stripes, one of them not former. SQLite cannot drop a constraint in place, so the tables are made again.
CREATE TABLE stripe_new (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    pack_id   BLOB NOT NULL CHECK (length(pack_id) = 32),
    kind      TEXT NOT NULL CHECK (kind IN ('pack', 'map')),
    epoch     INTEGER NOT NULL,
    data      INTEGER NOT NULL CHECK (data BETWEEN 1 AND 48),
    parity    INTEGER NOT NULL CHECK (parity BETWEEN 0 AND 47),
    pack_len  INTEGER NOT NULL CHECK (pack_len > 0),
    placed_at INTEGER NOT NULL,
    safe_at   INTEGER,
    full_at   INTEGER,
    gone_at   INTEGER,
    mapped    INTEGER NOT NULL CHECK (mapped BETWEEN 0 AND 1),
    former    INTEGER NOT NULL DEFAULT 0 CHECK (former BETWEEN 0 AND 1)
) STRICT;

INSERT INTO stripe_new (id, pack_id, kind, epoch, data, parity, pack_len, placed_at, safe_at, full_at, gone_at, mapped)
SELECT id, pack_id, kind, epoch, data, parity, pack_len, placed_at, safe_at, full_at, gone_at, mapped FROM stripe;

CREATE TABLE shard_new (
    stripe      INTEGER NOT NULL REFERENCES stripe_new (id),
    shard_index INTEGER NOT NULL CHECK (shard_index BETWEEN 0 AND 47),
    holder      INTEGER NOT NULL REFERENCES holder (id),
    shard_id    BLOB NOT NULL CHECK (length(shard_id) = 32),
    state       TEXT NOT NULL CHECK (state IN ('wanted', 'durable', 'lost', 'condemned')),
    at          INTEGER NOT NULL,
    PRIMARY KEY (stripe, shard_index, holder)
) STRICT, WITHOUT ROWID;

INSERT INTO shard_new (stripe, shard_index, holder, shard_id, state, at)
SELECT stripe, shard_index, holder, shard_id, state, at FROM shard;

-- Numbers of stripes that were forgotten do not come again.
DELETE FROM sqlite_sequence WHERE name = 'stripe_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'stripe_new', seq FROM sqlite_sequence WHERE name = 'stripe';

DROP TABLE shard;
DROP TABLE stripe;
ALTER TABLE stripe_new RENAME TO stripe;
ALTER TABLE shard_new RENAME TO shard;

CREATE UNIQUE INDEX stripe_of_pack ON stripe (pack_id) WHERE former = 0;
CREATE INDEX stripe_by_pack ON stripe (pack_id);
CREATE INDEX stripe_unmapped ON stripe (id) WHERE mapped = 0;
CREATE INDEX stripe_unfinished ON stripe (id) WHERE full_at IS NULL;
CREATE INDEX shard_open ON shard (state, holder, stripe) WHERE state <> 'durable';
CREATE INDEX shard_by_holder ON shard (holder, shard_id);
