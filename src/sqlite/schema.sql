-- Bodies stand apart from leases: a lease is written at every receive, and a body in its row would be too.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: a dead letter keeps it
    inserted INTEGER NOT NULL,            -- all times are 100 ns ticks since 1970
    body BLOB NOT NULL
);
CREATE TABLE leases (
    id INTEGER PRIMARY KEY,
    visible INTEGER NOT NULL,             -- 0 until the first receive: no clock can hide a new message
    receives INTEGER NOT NULL,            -- with the id, names the lease
    owner INTEGER                         -- who holds it
);
CREATE INDEX leases_visible ON leases (visible, id);
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
    id INTEGER PRIMARY KEY,
    partition TEXT NOT NULL,
    row TEXT NOT NULL,
    version INTEGER NOT NULL,
    ended INTEGER,
    body TEXT NOT NULL,
    UNIQUE (partition, row)
);
CREATE INDEX records_ended ON records (ended) WHERE ended IS NOT NULL;
CREATE TABLE facts (
    record INTEGER NOT NULL,
    said INTEGER NOT NULL,
    name BLOB NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (record, said, name)
) WITHOUT ROWID;
CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, keys TEXT NOT NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
