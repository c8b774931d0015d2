-- The company's directory (LDAP): how it is asked, and who came in by it.

-- One row. `password` is sealed for the box and the recovery kit. `authority`: certificates, PEM, that are trusted in place
-- of the system's. Without `template` the entry is looked for first, by the service account.
CREATE TABLE directory_setting (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    host      TEXT NOT NULL,
    port      INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    security  TEXT NOT NULL CHECK (security IN ('ldaps', 'starttls', 'none')),
    authority TEXT,
    template  TEXT,
    service   TEXT,
    password  BLOB,
    base      TEXT NOT NULL,
    filter    TEXT NOT NULL,
    CHECK ((service IS NULL) = (password IS NULL)),
    CHECK (template IS NOT NULL OR service IS NOT NULL)
) STRICT;

-- Who is what by which group. Who is in none of them may not come in.
CREATE TABLE directory_group (
    name TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('admin', 'technician', 'member', 'auditor'))
) STRICT, WITHOUT ROWID;

-- Accounts of the directory. Their password of the box is one that nobody knows. `entry`: the name of their entry there.
CREATE TABLE directory_account (
    account INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    entry   TEXT NOT NULL
) STRICT;
