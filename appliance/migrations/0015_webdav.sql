-- Tokens for network folders (WebDAV). SQLite cannot change a list of words in place, so the table is made again.

ALTER TABLE api_token RENAME TO api_token_before;

CREATE TABLE api_token (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    scope      TEXT NOT NULL CHECK (scope IN ('metrics', 'read', 'manage', 'webdav')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;

INSERT INTO api_token (id, account, name, digest, scope, created_at, expires_at, used_at)
SELECT id, account, name, digest, scope, created_at, expires_at, used_at FROM api_token_before;

-- Numbers of tokens that were taken back do not come again.
DELETE FROM sqlite_sequence WHERE name = 'api_token';
INSERT INTO sqlite_sequence (name, seq) SELECT 'api_token', seq FROM sqlite_sequence WHERE name = 'api_token_before';

DROP TABLE api_token_before;
