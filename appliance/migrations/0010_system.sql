-- What the system pages set.

-- Until when somebody from outside may help. The account goes with its time; without this row it would stay.
CREATE TABLE support_access (
    account    INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT;

-- The company's own certificate for the portal, in place of the box's. One row. `sealed`: chain and key as PEM, sealed for
-- the box and the kit. `ends_at`: when the first certificate of the chain ends.
CREATE TABLE own_certificate (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    sealed  BLOB NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;
