-- The community of boxes that this one belongs to, and how others come in.

-- At most one. `member`: what this box is called in it. `address_sequence`: of the last record of its own addresses.
CREATE TABLE community (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    community        BLOB NOT NULL CHECK (length(community) = 32),
    member           BLOB NOT NULL CHECK (length(member) = 32),
    joined_at        INTEGER NOT NULL,
    address_sequence INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Its log, every entry as it was signed. `seen_at`: when this box first had it, by its own clock.
CREATE TABLE community_entry (
    sequence INTEGER PRIMARY KEY,
    entry    BLOB NOT NULL CHECK (length(entry) BETWEEN 1 AND 16384),
    seen_at  INTEGER NOT NULL
) STRICT;

-- Where members say that they can be reached, as they signed it.
CREATE TABLE community_address (
    member      BLOB NOT NULL PRIMARY KEY CHECK (length(member) = 32),
    record      BLOB NOT NULL CHECK (length(record) BETWEEN 1 AND 4096),
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Invitations that nobody has used yet. `line`: the whole of it, with its secret, which has to be known when it is used.
CREATE TABLE community_invitation (
    invitation BLOB NOT NULL PRIMARY KEY CHECK (length(invitation) BETWEEN 8 AND 32),
    line       TEXT NOT NULL,
    expires    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who has come with an invitation, until an admin has compared the digits.
CREATE TABLE community_request (
    device   BLOB NOT NULL PRIMARY KEY CHECK (length(device) = 32),
    request  BLOB NOT NULL CHECK (length(request) BETWEEN 1 AND 4096),
    digits   TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('waiting', 'admitted', 'refused'))
) STRICT, WITHOUT ROWID;

-- The community that this box has asked to be let into, and the box that it asks.
CREATE TABLE community_joining (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    community BLOB NOT NULL CHECK (length(community) = 32),
    member    BLOB NOT NULL CHECK (length(member) = 32),
    pin       BLOB NOT NULL CHECK (length(pin) = 32),
    address   TEXT NOT NULL,
    digits    TEXT NOT NULL,
    asked_at  INTEGER NOT NULL
) STRICT;
