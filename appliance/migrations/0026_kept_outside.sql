-- What external retention keeps and local retention does not (decision 0038). `outside_at`: since when a snapshot is kept outside
-- only, or a pack has given up its file here; `recalled_at`: since when a snapshot is wanted here again.
ALTER TABLE snapshot ADD COLUMN outside_at INTEGER;
ALTER TABLE snapshot ADD COLUMN recalled_at INTEGER CHECK (recalled_at IS NULL OR outside_at IS NOT NULL);
ALTER TABLE pack ADD COLUMN outside_at INTEGER CHECK (outside_at IS NULL OR state = 'stored');

-- Which packs a snapshot needs that is kept outside only: nobody has to read its listing there to know. As long as a pack stands
-- here, its row cannot go.
CREATE TABLE outside_need (
    snapshot INTEGER NOT NULL REFERENCES snapshot (id),
    pack     INTEGER NOT NULL REFERENCES pack (id),
    PRIMARY KEY (snapshot, pack)
) STRICT, WITHOUT ROWID;

CREATE INDEX outside_need_by_pack ON outside_need (pack);

DROP INDEX pack_totals;
CREATE INDEX pack_totals ON pack (state, outside_at, machine, bytes, chunks);
