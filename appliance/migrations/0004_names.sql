-- Names of everything that snapshots hold, to search over all dates; made from listings, and made again when it is lost.
-- Times are those at which the box received snapshots, milliseconds since 1970: within a source no two are equal.

-- How far each source is indexed. `root_…`: the listing that open rows of `name` are those of; NULL before the first.
-- `kept`: how many live snapshots stood behind the rows when they were last compared with what has expired.
CREATE TABLE name_source (
    id         INTEGER PRIMARY KEY,
    machine    INTEGER NOT NULL REFERENCES machine (id),
    source     TEXT NOT NULL,
    indexed_at INTEGER,
    root_id    BLOB,
    root_level INTEGER,
    root_len   INTEGER,
    kept       INTEGER NOT NULL,
    next_name  INTEGER NOT NULL,
    UNIQUE (machine, source)
) STRICT;

-- A path for as long as it was there without a break. `last` NULL: it is in the snapshot of `indexed_at` too.
-- `id` is `name_source.id` times 2^40 and a number, so that the names of a source stand together in the index of words.
-- `digest`: the first 8 bytes of the path's hash; an index over whole paths would double the table.
CREATE TABLE name (
    id     INTEGER PRIMARY KEY,
    digest INTEGER NOT NULL,
    path   BLOB NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('dir', 'file', 'symlink', 'block', 'char', 'fifo', 'socket')),
    bytes  INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER
) STRICT;

CREATE INDEX name_open ON name (digest) WHERE last IS NULL;
CREATE INDEX name_gone ON name (id) WHERE last IS NOT NULL;

-- Three letters at a time, so that a part of a name is found. It holds no text: rows that match are looked at again.
CREATE VIRTUAL TABLE name_words USING fts5 (
    shown, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram'
);

-- Restores to nowhere, which show that what is stored can be read. `bytes`: as many were read and checked.
CREATE TABLE proof (
    id         INTEGER PRIMARY KEY,
    machine    INTEGER NOT NULL REFERENCES machine (id),
    started_at INTEGER NOT NULL,
    took_ms    INTEGER NOT NULL CHECK (took_ms >= 0),
    files      INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    failures   INTEGER NOT NULL
) STRICT;

CREATE INDEX proof_by_machine ON proof (machine, started_at);

-- What could not be read; of each proof the first few.
CREATE TABLE proof_failure (
    proof       INTEGER NOT NULL REFERENCES proof (id),
    snapshot_id BLOB NOT NULL CHECK (length(snapshot_id) = 32),
    path        BLOB NOT NULL,
    reason      TEXT NOT NULL
) STRICT;

CREATE INDEX proof_failure_by_proof ON proof_failure (proof);
