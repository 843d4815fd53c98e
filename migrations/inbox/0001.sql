-- The consumer's side. It shares no table with the outbox; both may live in one database.

-- One row a producer's subscription and consumer: what it told us, and what it may still say.
CREATE TABLE inbox_source (
    source        INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer      TEXT    NOT NULL,
    store         BLOB    NOT NULL,
    subscription  BLOB    NOT NULL,
    epoch         INTEGER NOT NULL,
    nonce         INTEGER NOT NULL,
    high          INTEGER NOT NULL DEFAULT 0,
    applied       INTEGER NOT NULL DEFAULT 0,
    duplicates    INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    blocked       INTEGER NOT NULL DEFAULT 0,
    conflicts     INTEGER NOT NULL DEFAULT 0,
    superseded    INTEGER NOT NULL DEFAULT 0,
    corrupt       INTEGER NOT NULL DEFAULT 0,
    unhandled     INTEGER NOT NULL DEFAULT 0,
    stale         INTEGER NOT NULL DEFAULT 0,
    refused       INTEGER NOT NULL DEFAULT 0,
    UNIQUE (consumer, store, subscription)
);

-- The settled places as ranges: one row as long as nothing is stuck.
CREATE TABLE inbox_settled (
    source        INTEGER NOT NULL,
    first         INTEGER NOT NULL,
    last          INTEGER NOT NULL,
    PRIMARY KEY (source, first)
) WITHOUT ROWID;

-- What has been applied and is not settled yet.
CREATE TABLE inbox_seen (
    source        INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    revision      INTEGER NOT NULL,
    fingerprint   INTEGER NOT NULL,
    reply         BLOB,
    PRIMARY KEY (source, seq)
) WITHOUT ROWID;
CREATE INDEX inbox_seen_id_idx ON inbox_seen (source, id);

-- The memory of a sender without positions: ids are kept for a horizon.
CREATE TABLE inbox_sender (
    sender        INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer      TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    floor_ms      INTEGER NOT NULL,
    applied       INTEGER NOT NULL DEFAULT 0,
    duplicates    INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    conflicts     INTEGER NOT NULL DEFAULT 0,
    stale         INTEGER NOT NULL DEFAULT 0,
    unhandled     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (consumer, name)
);
CREATE TABLE inbox_admitted (
    sender        INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    fingerprint   INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    reply         BLOB,
    PRIMARY KEY (sender, id)
) WITHOUT ROWID;
CREATE INDEX inbox_admitted_created_idx ON inbox_admitted (sender, created_at_ms);

-- What was refused and must be looked at; once for each message and reason.
CREATE TABLE inbox_quarantine (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer      TEXT    NOT NULL,
    origin        BLOB    NOT NULL,
    seq           INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    reason        TEXT    NOT NULL,
    topic         TEXT    NOT NULL,
    key           TEXT,
    headers       TEXT,
    content_type  TEXT,
    payload       BLOB,
    received_at_ms INTEGER NOT NULL,
    times         INTEGER NOT NULL DEFAULT 1,
    UNIQUE (consumer, origin, seq, id, reason)
);

-- One row, written FULL at every opening: after it, everything read before is on the disk.
CREATE TABLE inbox_store (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    openings      INTEGER NOT NULL DEFAULT 0
);
