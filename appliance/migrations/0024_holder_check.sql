-- How far the check of a member is that is under way: it goes on there in the next round. It goes with the check.
CREATE TABLE holder_check (
    holder INTEGER PRIMARY KEY REFERENCES holder (id),
    -- Ranges that were asked for.
    asked  INTEGER NOT NULL CHECK (asked >= 0),
    -- The last shard among them, where every shard is asked for in the order of their names.
    last   BLOB NOT NULL CHECK (length(last) = 32),
    good   INTEGER NOT NULL CHECK (good >= 0),
    lost   INTEGER NOT NULL CHECK (lost >= 0),
    absent INTEGER NOT NULL CHECK (absent >= 0)
) STRICT;
