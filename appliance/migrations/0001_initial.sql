-- Tables of the catalog. Everything in them but machines' policies and names can be made again from the store.
-- Times are milliseconds since 1970. A migration that was released is never edited; the next one is a new file.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY CHECK (name IN ('vault')),
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE machine (
    id              INTEGER PRIMARY KEY,
    machine_id      BLOB NOT NULL UNIQUE CHECK (length(machine_id) = 16),
    name            TEXT NOT NULL,
    profile         TEXT NOT NULL CHECK (profile IN ('server', 'desktop', 'laptop')),
    state           TEXT NOT NULL CHECK (state IN ('active', 'retired')),
    public_key      BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
    every_seconds   INTEGER NOT NULL CHECK (every_seconds > 0),
    local_policy    TEXT NOT NULL,
    external_policy TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    last_seen_at    INTEGER,
    client_version  TEXT
) STRICT;

-- A name may be given again once its machine is retired.
CREATE UNIQUE INDEX machine_active_name ON machine (name) WHERE state = 'active';

CREATE TABLE enrolment_code (
    digest       BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    machine_name TEXT NOT NULL,
    profile      TEXT NOT NULL CHECK (profile IN ('server', 'desktop', 'laptop')),
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT, WITHOUT ROWID;

-- One row for each machine that sent the pack: two rows may share one object of the store.
-- Numbers are never given twice: caches are keyed by them.
CREATE TABLE pack (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    pack_id      BLOB NOT NULL CHECK (length(pack_id) = 32),
    machine      INTEGER NOT NULL REFERENCES machine (id),
    state        TEXT NOT NULL CHECK (state IN ('stored', 'condemned', 'damaged')),
    bytes        INTEGER NOT NULL,
    chunks       INTEGER NOT NULL,
    received_at  INTEGER NOT NULL,
    verified_at  INTEGER,
    scrubbed_at  INTEGER,
    condemned_at INTEGER,
    UNIQUE (pack_id, machine),
    CHECK ((state = 'condemned') = (condemned_at IS NOT NULL))
) STRICT;

-- The verifier asks for the next one every few seconds.
CREATE INDEX pack_unverified ON pack (id) WHERE verified_at IS NULL AND state = 'stored';

-- Offsets and lengths of a pack's segments, apart from `pack` so that its rows stay short.
CREATE TABLE pack_segments (
    pack     INTEGER PRIMARY KEY REFERENCES pack (id),
    segments BLOB NOT NULL
) STRICT;

-- `pack` is no foreign key here: without an index on it (which would double the table) each deleted pack would cost a
-- scan of all chunks. `catalog::packs::delete` removes both together.
CREATE TABLE chunk (
    id      BLOB NOT NULL,
    pack    INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    start   INTEGER NOT NULL,
    len     INTEGER NOT NULL,
    witness BLOB,
    PRIMARY KEY (id, pack)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshot_id   BLOB NOT NULL UNIQUE CHECK (length(snapshot_id) = 32),
    machine       INTEGER NOT NULL REFERENCES machine (id),
    source        TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('files', 'database', 'image')),
    state         TEXT NOT NULL CHECK (state IN ('complete', 'incomplete', 'damaged')),
    lifecycle     TEXT NOT NULL CHECK (lifecycle IN ('live', 'expiring')),
    received_at   INTEGER NOT NULL,
    record        BLOB NOT NULL,
    signature     BLOB NOT NULL,
    receipt       BLOB NOT NULL,
    entries       INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    problem_count INTEGER NOT NULL
) STRICT;

CREATE INDEX snapshot_by_machine ON snapshot (machine, source, received_at);

-- Snapshots whose object is being put: the next start brings those to their end that a crash has left here.
-- An object that is neither here nor in `snapshot` shows that the catalog is older than the store.
CREATE TABLE announced_snapshot (
    snapshot_id BLOB NOT NULL PRIMARY KEY CHECK (length(snapshot_id) = 32)
) STRICT, WITHOUT ROWID;

-- Chunks that a machine proved to have and refers to, although only other machines' packs hold them.
CREATE TABLE foreign_ref (
    machine  INTEGER NOT NULL REFERENCES machine (id),
    chunk_id BLOB NOT NULL,
    PRIMARY KEY (machine, chunk_id)
) STRICT, WITHOUT ROWID;

-- Nodes of listings and contents of which everything below is known to be there for this machine.
-- `kind`: level of a listing node, or 64 and the level of a content node.
CREATE TABLE node (
    machine  INTEGER NOT NULL REFERENCES machine (id),
    chunk_id BLOB NOT NULL,
    kind     INTEGER NOT NULL,
    PRIMARY KEY (machine, chunk_id)
) STRICT, WITHOUT ROWID;

-- Packs whose rows are gone and whose objects are to be deleted.
CREATE TABLE doomed_pack (
    pack_id BLOB NOT NULL PRIMARY KEY CHECK (length(pack_id) = 32)
) STRICT, WITHOUT ROWID;

-- Objects in the store that have no row in `pack`, and since when that is known: left by a crash, deleted after a while.
CREATE TABLE orphan_pack (
    pack_id BLOB NOT NULL PRIMARY KEY CHECK (length(pack_id) = 32),
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
