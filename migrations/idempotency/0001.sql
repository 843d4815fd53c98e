-- What requests with an idempotency key were answered. It shares no table with outbox and inbox;
-- all may live in one database. Not STRICT: a SQLite before 3.37 could open no table of the file.

-- One row for each key of a tenant, until it is too old.
CREATE TABLE idempotency_response (
    tenant        TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    status        INTEGER NOT NULL,
    headers       BLOB    NOT NULL,
    body          BLOB    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_response_created_idx ON idempotency_response (created_at_ms);

-- One row, written FULL at every opening: after it, everything read before is on the disk.
CREATE TABLE idempotency_store (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    uuid          BLOB    NOT NULL,
    openings      INTEGER NOT NULL DEFAULT 0
);
