-- The producer's side. Guests in somebody's database: own prefix, no triggers, nothing newer than
-- SQLite 3.35, so that any program may write a message in its own transaction.
-- docs/sql-contract.md says which of these tables others may write.

-- The log: appended, never updated, deleted when every subscription has settled it.
-- One insert is one row in one b-tree: there is no second index to pay for.
CREATE TABLE outbox_message (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    version       INTEGER NOT NULL DEFAULT 1,
    id            BLOB,
    topic         TEXT    NOT NULL,
    key           TEXT,
    headers       TEXT,
    content_type  TEXT,
    created_at_ms INTEGER NOT NULL
        DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    expires_at_ms INTEGER,
    checksum      INTEGER,
    due_at_ms     INTEGER, -- of one that waited in outbox_scheduled
    payload       BLOB
);

-- Messages that are not due yet. They join the log when their time comes: time delays a message,
-- it never reorders others.
CREATE TABLE outbox_scheduled (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    due_at_ms     INTEGER NOT NULL
        CONSTRAINT due_at_ms_is_a_number CHECK (typeof(due_at_ms) IN ('integer', 'real')),
    version       INTEGER NOT NULL DEFAULT 1,
    id            BLOB,
    topic         TEXT    NOT NULL,
    key           TEXT,
    headers       TEXT,
    content_type  TEXT,
    created_at_ms INTEGER NOT NULL
        DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    expires_at_ms INTEGER,
    checksum      INTEGER,
    payload       BLOB
);
CREATE INDEX outbox_scheduled_due_idx ON outbox_scheduled (due_at_ms);

CREATE TABLE outbox_idempotency (
    key           TEXT    PRIMARY KEY,
    id            BLOB    NOT NULL,
    fingerprint   INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX outbox_idempotency_expires_idx ON outbox_idempotency (expires_at_ms);

-- Everything at or below settled_to is settled, or has a row in outbox_delivery.
CREATE TABLE outbox_subscription (
    subscription   INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT    NOT NULL UNIQUE,
    uuid           BLOB    NOT NULL,
    topics         TEXT    NOT NULL,
    state          TEXT    NOT NULL DEFAULT 'active'
        CHECK (state IN ('active', 'paused', 'detached')),
    settled_to     INTEGER NOT NULL,
    sent_to        INTEGER NOT NULL,
    acked_to       INTEGER NOT NULL DEFAULT 0,
    epoch          INTEGER NOT NULL DEFAULT 0,
    nonce          INTEGER NOT NULL DEFAULT 0,
    closed_cleanly INTEGER NOT NULL DEFAULT 1,
    doubt_seq      INTEGER NOT NULL DEFAULT 0,
    doubt_attempts INTEGER NOT NULL DEFAULT 0,
    outages        INTEGER NOT NULL DEFAULT 0,
    available_at_ms INTEGER NOT NULL DEFAULT 0,
    maximum_pending INTEGER,
    maximum_bytes  INTEGER,
    when_full      TEXT    NOT NULL DEFAULT 'refuse' CHECK (when_full IN ('refuse', 'detach')),
    pending_bytes  INTEGER NOT NULL DEFAULT 0,
    delivered      INTEGER NOT NULL DEFAULT 0,
    redelivered_timeout INTEGER NOT NULL DEFAULT 0,
    redelivered_failure INTEGER NOT NULL DEFAULT 0,
    redelivered_crash   INTEGER NOT NULL DEFAULT 0,
    redelivered_outage  INTEGER NOT NULL DEFAULT 0,
    late_acks      INTEGER NOT NULL DEFAULT 0,
    fenced_nacks   INTEGER NOT NULL DEFAULT 0,
    unknown_acks   INTEGER NOT NULL DEFAULT 0,
    CHECK (settled_to <= sent_to)
);

-- The exceptions only: a message that succeeds at its first attempt never has a row here.
-- waiting: for its retry; parked: behind an earlier message of its key; dead: for a person;
-- skipped: settled, kept until settled_to has passed it.
CREATE TABLE outbox_delivery (
    subscription    INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    id              BLOB    NOT NULL,
    key_hash        INTEGER,
    state           TEXT    NOT NULL CHECK (state IN ('waiting', 'parked', 'dead', 'skipped')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    failures        INTEGER NOT NULL DEFAULT 0,
    lost            INTEGER NOT NULL DEFAULT 0,
    sent            INTEGER NOT NULL DEFAULT 0,
    available_at_ms INTEGER NOT NULL DEFAULT 0,
    reason          TEXT,
    last_error      TEXT,
    history         TEXT,
    updated_at_ms   INTEGER NOT NULL,
    PRIMARY KEY (subscription, seq)
) WITHOUT ROWID;
CREATE INDEX outbox_delivery_seq_idx ON outbox_delivery (seq);
CREATE INDEX outbox_delivery_key_idx ON outbox_delivery (subscription, key_hash, seq);
CREATE INDEX outbox_delivery_state_idx ON outbox_delivery (subscription, state, seq);

-- The next revision of a dead letter, at its place, under its id; for one subscription.
-- applied tells which revision took effect, once that is known.
CREATE TABLE outbox_replacement (
    subscription  INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    revision      INTEGER NOT NULL,
    headers       TEXT,
    content_type  TEXT,
    checksum      INTEGER NOT NULL,
    payload       BLOB    NOT NULL,
    applied       INTEGER,
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (subscription, seq)
) WITHOUT ROWID;
CREATE INDEX outbox_replacement_updated_idx ON outbox_replacement (updated_at_ms);

-- What was skipped or dropped: unconfirmed until the consumer has been told, applied when an
-- acknowledgement came after all.
CREATE TABLE outbox_skip (
    subscription  INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('unconfirmed', 'confirmed', 'applied')),
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (subscription, seq)
) WITHOUT ROWID;
CREATE INDEX outbox_skip_updated_idx ON outbox_skip (updated_at_ms);

-- One row: whose history this is, and up to where the log has been emptied.
CREATE TABLE outbox_store (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    uuid          BLOB    NOT NULL,
    pruned_to     INTEGER NOT NULL DEFAULT 0,
    bounded       INTEGER NOT NULL DEFAULT 0
);
