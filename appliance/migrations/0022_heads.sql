-- Heads are looked for by when they came: those of a box that was taken over may have higher numbers than those of the one that
-- takes its place.
CREATE INDEX hosted_head_arrival ON hosted_head (owner, kept_at, sequence);
