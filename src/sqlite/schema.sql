-- All times are 100 ns ticks since 1970.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- without gaps and never given twice: leases are ranges of it
    inserted INTEGER NOT NULL,
    body BLOB NOT NULL
);
-- One row leases a range of messages, so that a receive writes a row and not one a message. Messages from
-- meta 'fresh' on were never leased and need no row.
CREATE TABLE leases (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    visible INTEGER NOT NULL,             -- when the lease runs out
    receives INTEGER NOT NULL,            -- with the message, names the lease
    owner INTEGER                         -- who holds it
);
CREATE INDEX leases_visible ON leases (visible);
CREATE TABLE owners (id INTEGER PRIMARY KEY);
CREATE TABLE trials (id INTEGER PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    sentence TEXT NOT NULL,
    path TEXT,
    tries INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX dead_letters_dead ON dead_letters (dead, id);

CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: a version names it, and a purged record may come anew
    partition TEXT NOT NULL,
    row TEXT NOT NULL,
    version INTEGER NOT NULL,
    ended INTEGER,
    body TEXT NOT NULL,
    UNIQUE (partition, row)
);
CREATE INDEX records_ended ON records (ended) WHERE ended IS NOT NULL;
-- Facts are appended; only the narrow index grows in the middle.
CREATE TABLE facts (
    id INTEGER PRIMARY KEY,
    record INTEGER NOT NULL,
    said INTEGER NOT NULL,
    name BLOB NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX facts_record ON facts (record, said, name);
CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, keys TEXT NOT NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
