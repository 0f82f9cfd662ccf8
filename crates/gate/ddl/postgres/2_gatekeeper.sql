-- What only the first store holds: vaults, keys, replay, own chain.

CREATE TABLE storage_keys (
    number BIGINT NOT NULL CONSTRAINT storage_keys_pkey PRIMARY KEY,
    probe BYTEA NOT NULL
);

CREATE TABLE vaults (
    vault BYTEA NOT NULL CONSTRAINT vaults_pkey PRIMARY KEY,
    origin TEXT NOT NULL CONSTRAINT vaults_origin_key UNIQUE,
    records_key BYTEA NOT NULL,
    access_key BYTEA NOT NULL,
    root BYTEA,
    enrolled_us BIGINT NOT NULL
);

CREATE TABLE deposit_keys (
    id BYTEA NOT NULL CONSTRAINT deposit_keys_pkey PRIMARY KEY,
    vault BYTEA NOT NULL,
    signed BYTEA NOT NULL,
    not_after_us BIGINT NOT NULL,
    erase_us BIGINT NOT NULL,
    key_number BIGINT NOT NULL,
    private BYTEA NOT NULL
);

CREATE INDEX deposit_keys_newest ON deposit_keys (vault, not_after_us);

-- Which share the records log names for an object; a consequence of the replay.
CREATE TABLE registrations (
    vault BYTEA NOT NULL,
    kind TEXT NOT NULL CONSTRAINT registrations_kind CHECK (kind IN ('document', 'case', 'logday', 'person')),
    object BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    share_id BYTEA NOT NULL,
    record_index BIGINT NOT NULL,
    CONSTRAINT registrations_pkey PRIMARY KEY (vault, kind, object, revision),
    CONSTRAINT registrations_vault_share_id_key UNIQUE (vault, share_id)
);

-- A log as far as it was replayed, with the newest checkpoint and all its signatures.
CREATE TABLE logs (
    vault BYTEA NOT NULL,
    origin TEXT NOT NULL,
    size BIGINT NOT NULL,
    cosigned_size BIGINT NOT NULL,
    checkpoint TEXT NOT NULL,
    CONSTRAINT logs_pkey PRIMARY KEY (vault, origin)
);

-- What a replay had come to at some size.
CREATE TABLE log_snapshots (
    vault BYTEA NOT NULL,
    origin TEXT NOT NULL,
    size BIGINT NOT NULL,
    body BYTEA NOT NULL,
    CONSTRAINT log_snapshots_pkey PRIMARY KEY (vault, origin)
);

-- Entries after the snapshot, as they were fed.
CREATE TABLE log_tail (
    vault BYTEA NOT NULL,
    origin TEXT NOT NULL,
    idx BIGINT NOT NULL,
    entry BYTEA NOT NULL,
    CONSTRAINT log_tail_pkey PRIMARY KEY (vault, origin, idx)
);

-- Acts that were answered; the answer is kept for ten minutes, the act for a day.
CREATE TABLE seen_acts (
    vault BYTEA NOT NULL,
    act BYTEA NOT NULL,
    order_hash BYTEA NOT NULL,
    seen_us BIGINT NOT NULL,
    answer BYTEA,
    CONSTRAINT seen_acts_pkey PRIMARY KEY (vault, act)
);

-- The gatekeeper's own chain of receipts.
CREATE TABLE receipts (
    vault BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    head BYTEA NOT NULL,
    receipt BYTEA NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (vault, seq)
);

CREATE FUNCTION receipts_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'append_only'; END $$;

CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE ON receipts
    FOR EACH ROW EXECUTE FUNCTION receipts_refuse_change();
