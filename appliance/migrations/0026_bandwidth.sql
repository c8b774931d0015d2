-- How much of the line goes to the other boxes, hour by hour. Without a row: all of it, always.

-- `hours`: one letter for each hour of the week, from Monday 0:00 of the box's own time: `f`ull, `r`educed, `p`ause.
-- `full_mbit`, `reduced_mbit`: 10^6 bits a second; none: as much as the line takes.
CREATE TABLE bandwidth_plan (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    hours        TEXT NOT NULL CHECK (length(hours) = 168 AND hours NOT GLOB '*[^frp]*'),
    full_mbit    INTEGER CHECK (full_mbit BETWEEN 1 AND 100000),
    reduced_mbit INTEGER NOT NULL CHECK (reduced_mbit BETWEEN 1 AND 100000)
) STRICT;
