-- By which version of the format a stripe was made: its shards are made again under the same names (docs/FORMAT.md, Stripes and
-- shards).

ALTER TABLE stripe ADD COLUMN version INTEGER NOT NULL DEFAULT 1 CHECK (version > 0);
