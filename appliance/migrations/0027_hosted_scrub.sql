-- What is kept for others is read over again and again, and what is damaged is known until it was stored again.

-- When a shard was found not to be what its name says; counted time.
ALTER TABLE hosted_shard ADD COLUMN damaged_at INTEGER;

-- How far the reading is: `owner` and `shard` of the last one that was read, none between two readings. `began_at`: of the present
-- reading, or of the last one; `over_at`: when all was read last. Counted time.
CREATE TABLE hosted_scrub (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    began_at INTEGER NOT NULL,
    owner    INTEGER REFERENCES hosted_owner (id),
    shard    BLOB CHECK (length(shard) = 32),
    over_at  INTEGER,
    CHECK ((owner IS NULL) = (shard IS NULL))
) STRICT;
