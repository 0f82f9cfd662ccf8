-- Tables of the vault. Written twice, for SQLite and PostgreSQL; a test compares the two.
-- Times are microseconds (_us) or milliseconds (_ms) UTC; ids are 16 bytes, hashes 32.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%_append_only', TG_TABLE_NAME;
END
$$;

-- Agencies on this server.
CREATE TABLE vaults (
    vault BYTEA NOT NULL,
    name TEXT NOT NULL,
    origin TEXT NOT NULL,
    records_key BYTEA NOT NULL,
    access_key BYTEA NOT NULL,
    gate_key BYTEA NOT NULL,
    bootstrap_hash BYTEA,
    founded_us BIGINT,
    created_us BIGINT NOT NULL,
    CONSTRAINT vaults_pkey PRIMARY KEY (vault),
    CONSTRAINT vaults_origin_key UNIQUE (origin)
);

-- Records log and access shards: how far they reach.
CREATE TABLE logs (
    log BIGINT NOT NULL,
    vault BYTEA NOT NULL,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    time_ms BIGINT NOT NULL,
    CONSTRAINT logs_pkey PRIMARY KEY (log),
    CONSTRAINT logs_origin_key UNIQUE (origin),
    CONSTRAINT logs_kind_check CHECK (kind IN ('records', 'access')),
    FOREIGN KEY (vault) REFERENCES vaults (vault)
);

-- Every leaf of every log: 76-byte core and its label records.
CREATE TABLE leaves (
    log BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    core BYTEA NOT NULL,
    recs BYTEA NOT NULL,
    CONSTRAINT leaves_pkey PRIMARY KEY (log, idx)
);
CREATE TRIGGER leaves_append_only BEFORE UPDATE OR DELETE ON leaves
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER leaves_no_truncate BEFORE TRUNCATE ON leaves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Payloads of the records log: P in clear, Q sealed, with their salts.
CREATE TABLE records (
    vault BYTEA NOT NULL,
    idx BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    salt BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    sealed_salt BYTEA NOT NULL,
    sealed_commitment BYTEA NOT NULL,
    reader_unit BYTEA,
    CONSTRAINT records_pkey PRIMARY KEY (vault, idx)
);
CREATE TRIGGER records_append_only BEFORE UPDATE OR DELETE ON records
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER records_no_truncate BEFORE TRUNCATE ON records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Payloads of access shards: sealed entries, and CLOSE payloads in clear.
CREATE TABLE entries (
    log BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    act BYTEA,
    CONSTRAINT entries_pkey PRIMARY KEY (log, idx)
);
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Entry keys, wrapped for one reader each.
CREATE TABLE entry_wraps (
    log BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    log_key BYTEA NOT NULL,
    wrap BYTEA NOT NULL,
    CONSTRAINT entry_wraps_pkey PRIMARY KEY (log, idx, log_key)
);

-- The chain of every label: which leaf is its seq-th, and the head with it.
CREATE TABLE label_rows (
    log BIGINT NOT NULL,
    label BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    head BYTEA NOT NULL,
    CONSTRAINT label_rows_pkey PRIMARY KEY (log, label, seq)
);
CREATE TRIGGER label_rows_append_only BEFORE UPDATE OR DELETE ON label_rows
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER label_rows_no_truncate BEFORE TRUNCATE ON label_rows
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Entries without their CLOSE yet.
CREATE TABLE open_entries (
    log BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    CONSTRAINT open_entries_pkey PRIMARY KEY (log, idx)
);

-- Log keys, HPKE-sealed to their readers.
CREATE TABLE log_keys (
    vault BYTEA NOT NULL,
    log_key BYTEA NOT NULL,
    recipient BYTEA NOT NULL,
    person BYTEA,
    origin TEXT NOT NULL,
    body BYTEA NOT NULL,
    CONSTRAINT log_keys_pkey PRIMARY KEY (vault, log_key, recipient)
);

-- Logged-in devices; the token is kept hashed.
CREATE TABLE sessions (
    token_hash BYTEA NOT NULL,
    vault BYTEA NOT NULL,
    person BYTEA NOT NULL,
    device BYTEA NOT NULL,
    created_us BIGINT NOT NULL,
    used_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (token_hash)
);

-- Login challenges not answered yet.
CREATE TABLE challenges (
    challenge BYTEA NOT NULL,
    vault BYTEA NOT NULL,
    person BYTEA NOT NULL,
    device BYTEA NOT NULL,
    expires_us BIGINT NOT NULL,
    CONSTRAINT challenges_pkey PRIMARY KEY (challenge)
);

-- Capsules that lie complete in the object store, which keeps their leaf lists.
CREATE TABLE objects (
    vault BYTEA NOT NULL,
    object BYTEA NOT NULL,
    document BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    staged_by BYTEA NOT NULL,
    staged_us BIGINT NOT NULL,
    content_root BYTEA NOT NULL,
    object_bytes BIGINT NOT NULL,
    CONSTRAINT objects_pkey PRIMARY KEY (vault, object)
);

-- Rows of registered documents.
CREATE TABLE documents (
    vault BYTEA NOT NULL,
    document BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    case_id BYTEA NOT NULL,
    object BYTEA NOT NULL,
    wrap BYTEA,
    info BYTEA NOT NULL,
    card BYTEA NOT NULL,
    card_no BIGINT NOT NULL,
    CONSTRAINT documents_pkey PRIMARY KEY (vault, document, revision),
    CONSTRAINT documents_vault_object_key UNIQUE (vault, object)
);

-- Unit keys sealed to members.
CREATE TABLE memberships (
    vault BYTEA NOT NULL,
    unit BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    member BYTEA NOT NULL,
    body BYTEA NOT NULL,
    CONSTRAINT memberships_pkey PRIMARY KEY (vault, unit, epoch, member)
);

-- Unit keys of earlier epochs under the next.
CREATE TABLE unit_links (
    vault BYTEA NOT NULL,
    unit BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    CONSTRAINT unit_links_pkey PRIMARY KEY (vault, unit, epoch)
);

-- Case keys granted to their unit.
CREATE TABLE case_grants (
    vault BYTEA NOT NULL,
    case_id BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    body BYTEA NOT NULL,
    CONSTRAINT case_grants_pkey PRIMARY KEY (vault, case_id, epoch)
);

-- Case keys of earlier epochs under the next.
CREATE TABLE case_links (
    vault BYTEA NOT NULL,
    case_id BYTEA NOT NULL,
    epoch BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    CONSTRAINT case_links_pkey PRIMARY KEY (vault, case_id, epoch)
);

-- Direct grants to persons, with their place in the batch that signs them.
CREATE TABLE grants (
    vault BYTEA NOT NULL,
    grant_hash BYTEA NOT NULL,
    case_id BYTEA NOT NULL,
    document BYTEA,
    number BIGINT NOT NULL,
    recipient BYTEA NOT NULL,
    batch BYTEA NOT NULL,
    place BIGINT NOT NULL,
    path BYTEA NOT NULL,
    body BYTEA NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (vault, grant_hash)
);

-- Lets a case be found by its file reference.
CREATE TABLE blind_index (
    vault BYTEA NOT NULL,
    unit BYTEA NOT NULL,
    case_id BYTEA NOT NULL,
    unit_epoch BIGINT NOT NULL,
    tag BYTEA NOT NULL,
    CONSTRAINT blind_index_pkey PRIMARY KEY (vault, unit, case_id)
);

-- The secret of a person's labels, sealed to a bundle.
CREATE TABLE lambda_wraps (
    vault BYTEA NOT NULL,
    person BYTEA NOT NULL,
    recipient BYTEA NOT NULL,
    body BYTEA NOT NULL,
    CONSTRAINT lambda_wraps_pkey PRIMARY KEY (vault, person, recipient)
);

-- Acts that were logged.
CREATE TABLE seen_acts (
    vault BYTEA NOT NULL,
    act BYTEA NOT NULL,
    time_us BIGINT NOT NULL,
    CONSTRAINT seen_acts_pkey PRIMARY KEY (vault, act)
);

-- Committed mutations by statement nonce or batch id: a repeat is answered from here.
CREATE TABLE mutations (
    vault BYTEA NOT NULL,
    id BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    first_record BIGINT NOT NULL,
    records BIGINT NOT NULL,
    CONSTRAINT mutations_pkey PRIMARY KEY (vault, id)
);
CREATE TRIGGER mutations_append_only BEFORE UPDATE OR DELETE ON mutations
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER mutations_no_truncate BEFORE TRUNCATE ON mutations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Objects a person may fetch, because they were released to them.
CREATE TABLE tickets (
    vault BYTEA NOT NULL,
    person BYTEA NOT NULL,
    object BYTEA NOT NULL,
    until_us BIGINT NOT NULL,
    CONSTRAINT tickets_pkey PRIMARY KEY (vault, person, object)
);

CREATE INDEX memberships_by_member ON memberships (vault, member);
CREATE INDEX log_keys_by_recipient ON log_keys (vault, recipient);
CREATE INDEX grants_by_recipient ON grants (vault, recipient);
CREATE INDEX blind_index_by_tag ON blind_index (vault, unit, tag);
CREATE INDEX lambda_wraps_by_recipient ON lambda_wraps (vault, recipient);
CREATE INDEX logs_by_vault ON logs (vault);
CREATE INDEX documents_by_case ON documents (vault, case_id);
