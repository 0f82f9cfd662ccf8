-- What only the first store holds: vaults, keys, replay, own chain.

CREATE TABLE storage_keys (
    number INTEGER NOT NULL CONSTRAINT storage_keys_pkey PRIMARY KEY,
    probe BLOB NOT NULL
) STRICT;

CREATE TABLE vaults (
    vault BLOB NOT NULL CONSTRAINT vaults_pkey PRIMARY KEY,
    origin TEXT NOT NULL CONSTRAINT vaults_origin_key UNIQUE,
    records_key BLOB NOT NULL,
    access_key BLOB NOT NULL,
    root BLOB,
    enrolled_us INTEGER NOT NULL
) STRICT;

CREATE TABLE deposit_keys (
    id BLOB NOT NULL CONSTRAINT deposit_keys_pkey PRIMARY KEY,
    vault BLOB NOT NULL,
    signed BLOB NOT NULL,
    not_after_us INTEGER NOT NULL,
    erase_us INTEGER NOT NULL,
    key_number INTEGER NOT NULL,
    private BLOB NOT NULL
) STRICT;

CREATE INDEX deposit_keys_newest ON deposit_keys (vault, not_after_us);

-- Which share the records log names for an object; a consequence of the replay.
CREATE TABLE registrations (
    vault BLOB NOT NULL,
    kind TEXT NOT NULL CONSTRAINT registrations_kind CHECK (kind IN ('document', 'case', 'logday', 'person')),
    object BLOB NOT NULL,
    revision INTEGER NOT NULL,
    share_id BLOB NOT NULL,
    record_index INTEGER NOT NULL,
    CONSTRAINT registrations_pkey PRIMARY KEY (vault, kind, object, revision),
    CONSTRAINT registrations_vault_share_id_key UNIQUE (vault, share_id)
) STRICT;

-- A log as far as it was replayed, with the newest checkpoint and all its signatures.
CREATE TABLE logs (
    vault BLOB NOT NULL,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    cosigned_size INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    CONSTRAINT logs_pkey PRIMARY KEY (vault, origin)
) STRICT;

-- What a replay had come to at some size.
CREATE TABLE log_snapshots (
    vault BLOB NOT NULL,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT log_snapshots_pkey PRIMARY KEY (vault, origin)
) STRICT;

-- Entries after the snapshot, as they were fed.
CREATE TABLE log_tail (
    vault BLOB NOT NULL,
    origin TEXT NOT NULL,
    idx INTEGER NOT NULL,
    entry BLOB NOT NULL,
    CONSTRAINT log_tail_pkey PRIMARY KEY (vault, origin, idx)
) STRICT;

-- Acts that were answered; the answer is kept for ten minutes, the act for a day.
CREATE TABLE seen_acts (
    vault BLOB NOT NULL,
    act BLOB NOT NULL,
    order_hash BLOB NOT NULL,
    seen_us INTEGER NOT NULL,
    answer BLOB,
    CONSTRAINT seen_acts_pkey PRIMARY KEY (vault, act)
) STRICT;

-- The gatekeeper's own chain of receipts.
CREATE TABLE receipts (
    vault BLOB NOT NULL,
    seq INTEGER NOT NULL,
    head BLOB NOT NULL,
    receipt BLOB NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (vault, seq)
) STRICT;

CREATE TRIGGER receipts_no_update BEFORE UPDATE ON receipts
    BEGIN SELECT RAISE(ABORT, 'append_only'); END;

CREATE TRIGGER receipts_no_delete BEFORE DELETE ON receipts
    BEGIN SELECT RAISE(ABORT, 'append_only'); END;
