-- Putting the box into service: what people said of the place, what they proved, and the sheets that were signed.

-- When the box was made: what it takes from there to the first sheet is written on it.
CREATE TABLE first_start (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;

-- `answer`: words of the program, separated by spaces. `note`: what else was said, such as whom to call.
CREATE TABLE site_answer (
    question TEXT NOT NULL PRIMARY KEY CHECK (question IN ('place', 'power', 'access', 'line', 'shared', 'operator')),
    answer   TEXT NOT NULL,
    note     TEXT NOT NULL,
    actor    TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The code that the last test mail brings, to be typed back. `tries`: in vain.
CREATE TABLE mail_code (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    mail  INTEGER NOT NULL,
    code  TEXT NOT NULL,
    at    INTEGER NOT NULL,
    tries INTEGER NOT NULL CHECK (tries >= 0)
) STRICT;

-- Which groups of letters of the recovery kit are asked for next.
CREATE TABLE kit_question (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    first  INTEGER NOT NULL CHECK (first >= 0),
    second INTEGER NOT NULL CHECK (second > first)
) STRICT;

-- Sheets as they were signed. `document`: PDF.
CREATE TABLE certificate (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    signed_at  INTEGER NOT NULL,
    signed_by  TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    document   BLOB NOT NULL
) STRICT;

-- The last of its kind: when the kit was taken, when a file was restored.
CREATE INDEX audit_action ON audit_entry (action, at);
