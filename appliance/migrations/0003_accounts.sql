-- People: who may sign in at the portal, and what they did. Nothing of it can be made again from the store; a rebuild
-- takes over what it can still read.

CREATE TABLE account (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'technician', 'member', 'auditor')),
    state         TEXT NOT NULL CHECK (state IN ('invited', 'active', 'off')),
    language      TEXT,
    password      TEXT,
    totp          BLOB,
    totp_step     INTEGER,
    created_at    INTEGER NOT NULL,
    last_login_at INTEGER,
    CHECK ((state = 'invited') = (password IS NULL) OR state = 'off')
) STRICT;

-- What an account may be used for besides looking.
CREATE TABLE account_service (
    account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    service TEXT NOT NULL CHECK (service IN ('restore', 'webdav', 'pos')),
    PRIMARY KEY (account, service)
) STRICT, WITHOUT ROWID;

-- The machines of a member. The machine's own id, so that it still holds after a rebuild.
CREATE TABLE account_machine (
    account    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    machine_id BLOB NOT NULL CHECK (length(machine_id) = 16),
    PRIMARY KEY (account, machine_id)
) STRICT, WITHOUT ROWID;

-- Each works once, in place of a code of the authenticator.
CREATE TABLE recovery_code (
    account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    digest  BLOB NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;

-- Links that work once. Without an account: whoever has it becomes an admin and chooses a name.
CREATE TABLE invitation (
    digest     BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    account    INTEGER REFERENCES account (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `confirmed_at`: when the password was last given.
CREATE TABLE web_session (
    digest       BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    account      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    stage        TEXT NOT NULL CHECK (stage IN ('code', 'setup', 'full')),
    address      TEXT NOT NULL,
    agent        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    seen_at      INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX web_session_account ON web_session (account);

CREATE TABLE api_token (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    scope      TEXT NOT NULL CHECK (scope IN ('metrics', 'read', 'manage')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;

-- Who did what. `digest` covers the entry and the digest before it, so that no entry can be changed or taken out of the
-- middle unseen.
CREATE TABLE audit_entry (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    digest  BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
