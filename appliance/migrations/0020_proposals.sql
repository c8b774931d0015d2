-- Changes of the community that need the signatures of more admins than have given them. Each may become the next entry of the
-- log, so the next entry ends all others.
CREATE TABLE community_proposal (
    hash  BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    entry BLOB NOT NULL CHECK (length(entry) BETWEEN 1 AND 16384)
) STRICT, WITHOUT ROWID;
