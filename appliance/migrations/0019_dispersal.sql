-- Where the vault's packs are outside: who was chosen to hold them, what they signed for, what is told to them.

-- Packs that the box made itself out of older ones: snapshots from before them may rest on them. Of the packs that are here
-- already nobody knows which are.
ALTER TABLE pack ADD COLUMN copied INTEGER NOT NULL DEFAULT 1 CHECK (copied BETWEEN 0 AND 1);

-- Which secret seals what is outside: a fingerprint, so that a lost secret is noticed before others are mixed in.
CREATE TABLE dispersal_secret (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32)
) STRICT;

-- Members that hold something, or ever did. `met_at`: when it was last without any fault, in counted time; `full_at`: when it
-- last said that it takes no more; `head`: sequence of the newest head that it keeps.
CREATE TABLE holder (
    id      INTEGER PRIMARY KEY,
    member  BLOB NOT NULL UNIQUE CHECK (length(member) = 32),
    met_at  INTEGER,
    full_at INTEGER,
    head    INTEGER
) STRICT;

-- What happened with a member since `holder.met_at`: its standing follows from that. `at`: counted time.
CREATE TABLE holder_event (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    holder INTEGER NOT NULL REFERENCES holder (id),
    at     INTEGER NOT NULL,
    what   TEXT NOT NULL CHECK (what IN ('round', 'return', 'sweep', 'every-shard', 'expelled', 'readmitted')),
    good   INTEGER NOT NULL CHECK (good >= 0),
    lost   INTEGER NOT NULL CHECK (lost >= 0),
    absent INTEGER NOT NULL CHECK (absent >= 0)
) STRICT;

CREATE INDEX holder_event_by_holder ON holder_event (holder, id);

-- Who holds the shards of packs that are placed from now on; the highest epoch counts.
CREATE TABLE placement (
    epoch   INTEGER PRIMARY KEY CHECK (epoch > 0),
    data    INTEGER NOT NULL CHECK (data BETWEEN 1 AND 48),
    parity  INTEGER NOT NULL CHECK (parity BETWEEN 0 AND 47),
    made_at INTEGER NOT NULL
) STRICT;

CREATE TABLE placement_member (
    epoch  INTEGER NOT NULL REFERENCES placement (epoch),
    role   TEXT NOT NULL CHECK (role IN ('member', 'spare')),
    place  INTEGER NOT NULL CHECK (place >= 0),
    holder INTEGER NOT NULL REFERENCES holder (id),
    PRIMARY KEY (epoch, role, place)
) STRICT, WITHOUT ROWID;

-- A pack, or a part of the map, that is outside or on its way. `safe_at`, `full_at`: when it first was; `gone_at`: since when
-- nothing needs it; `mapped`: whether the parts of the map say how it is.
CREATE TABLE stripe (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    pack_id   BLOB NOT NULL UNIQUE CHECK (length(pack_id) = 32),
    kind      TEXT NOT NULL CHECK (kind IN ('pack', 'map')),
    epoch     INTEGER NOT NULL,
    data      INTEGER NOT NULL CHECK (data BETWEEN 1 AND 48),
    parity    INTEGER NOT NULL CHECK (parity BETWEEN 0 AND 47),
    pack_len  INTEGER NOT NULL CHECK (pack_len > 0),
    placed_at INTEGER NOT NULL,
    safe_at   INTEGER,
    full_at   INTEGER,
    gone_at   INTEGER,
    mapped    INTEGER NOT NULL CHECK (mapped BETWEEN 0 AND 1)
) STRICT;

CREATE INDEX stripe_unmapped ON stripe (id) WHERE mapped = 0;
CREATE INDEX stripe_unfinished ON stripe (id) WHERE full_at IS NULL;

-- One shard at one member. `condemned`: it is to be told that nobody needs it; then the row goes.
CREATE TABLE shard (
    stripe      INTEGER NOT NULL REFERENCES stripe (id),
    shard_index INTEGER NOT NULL CHECK (shard_index BETWEEN 0 AND 47),
    holder      INTEGER NOT NULL REFERENCES holder (id),
    shard_id    BLOB NOT NULL CHECK (length(shard_id) = 32),
    state       TEXT NOT NULL CHECK (state IN ('wanted', 'durable', 'lost', 'condemned')),
    at          INTEGER NOT NULL,
    PRIMARY KEY (stripe, shard_index, holder)
) STRICT, WITHOUT ROWID;

CREATE INDEX shard_open ON shard (state, holder, stripe) WHERE state <> 'durable';
CREATE INDEX shard_by_holder ON shard (holder, shard_id);

-- Parts of the map in their order, sealed. `replaced`: a later one says the same; it stays until a head without it is kept.
CREATE TABLE map_part (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    pack_id  BLOB NOT NULL UNIQUE CHECK (length(pack_id) = 32),
    content  BLOB NOT NULL,
    weight   INTEGER NOT NULL CHECK (weight > 0),
    made_at  INTEGER NOT NULL,
    replaced INTEGER NOT NULL CHECK (replaced BETWEEN 0 AND 1)
) STRICT;

-- Snapshots that the map tells of, by their names: their rows may go before the map says so.
CREATE TABLE snapshot_outside (
    snapshot_id BLOB NOT NULL PRIMARY KEY CHECK (length(snapshot_id) = 32),
    machine     INTEGER NOT NULL,
    source      TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    mapped_at   INTEGER NOT NULL,
    safe_at     INTEGER,
    full_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX snapshot_outside_by_machine ON snapshot_outside (machine, received_at);

-- The last head, as it was signed. `parts`: the last part of the map that it names, and how many it names.
CREATE TABLE head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    signed   BLOB NOT NULL,
    parts    BLOB NOT NULL,
    made_at  INTEGER NOT NULL
) STRICT;
