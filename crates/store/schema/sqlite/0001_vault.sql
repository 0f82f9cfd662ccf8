-- Tables of the vault. Written twice, for SQLite and PostgreSQL; a test compares the two.
-- Times are microseconds (_us) or milliseconds (_ms) UTC; ids are 16 bytes, hashes 32.

-- Agencies on this server.
CREATE TABLE vaults (
    vault BLOB NOT NULL,
    name TEXT NOT NULL,
    origin TEXT NOT NULL,
    records_key BLOB NOT NULL,
    access_key BLOB NOT NULL,
    gate_key BLOB NOT NULL,
    bootstrap_hash BLOB,
    founded_us INTEGER,
    created_us INTEGER NOT NULL,
    CONSTRAINT vaults_pkey PRIMARY KEY (vault),
    CONSTRAINT vaults_origin_key UNIQUE (origin)
) STRICT;

-- Records log and access shards: how far they reach.
CREATE TABLE logs (
    log INTEGER NOT NULL,
    vault BLOB NOT NULL,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    CONSTRAINT logs_pkey PRIMARY KEY (log),
    CONSTRAINT logs_origin_key UNIQUE (origin),
    CONSTRAINT logs_kind_check CHECK (kind IN ('records', 'access')),
    FOREIGN KEY (vault) REFERENCES vaults (vault)
) STRICT;

-- Every leaf of every log: 76-byte core and its label records.
CREATE TABLE leaves (
    log INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    core BLOB NOT NULL,
    recs BLOB NOT NULL,
    CONSTRAINT leaves_pkey PRIMARY KEY (log, idx)
) STRICT;
CREATE TRIGGER leaves_no_update BEFORE UPDATE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'leaves_append_only');
END;
CREATE TRIGGER leaves_no_delete BEFORE DELETE ON leaves
BEGIN
    SELECT RAISE(ABORT, 'leaves_append_only');
END;

-- Payloads of the records log: P in clear, Q sealed, with their salts.
CREATE TABLE records (
    vault BLOB NOT NULL,
    idx INTEGER NOT NULL,
    payload BLOB NOT NULL,
    salt BLOB NOT NULL,
    sealed BLOB NOT NULL,
    sealed_salt BLOB NOT NULL,
    sealed_commitment BLOB NOT NULL,
    reader_unit BLOB,
    CONSTRAINT records_pkey PRIMARY KEY (vault, idx)
) STRICT;
CREATE TRIGGER records_no_update BEFORE UPDATE ON records
BEGIN
    SELECT RAISE(ABORT, 'records_append_only');
END;
CREATE TRIGGER records_no_delete BEFORE DELETE ON records
BEGIN
    SELECT RAISE(ABORT, 'records_append_only');
END;

-- Payloads of access shards: sealed entries, and CLOSE payloads in clear.
CREATE TABLE entries (
    log INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    payload BLOB NOT NULL,
    act BLOB,
    CONSTRAINT entries_pkey PRIMARY KEY (log, idx)
) STRICT;
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries_append_only');
END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries_append_only');
END;

-- Entry keys, wrapped for one reader each.
CREATE TABLE entry_wraps (
    log INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    log_key BLOB NOT NULL,
    wrap BLOB NOT NULL,
    CONSTRAINT entry_wraps_pkey PRIMARY KEY (log, idx, log_key)
) STRICT;

-- The chain of every label: which leaf is its seq-th, and the head with it.
CREATE TABLE label_rows (
    log INTEGER NOT NULL,
    label BLOB NOT NULL,
    seq INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    head BLOB NOT NULL,
    CONSTRAINT label_rows_pkey PRIMARY KEY (log, label, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER label_rows_no_update BEFORE UPDATE ON label_rows
BEGIN
    SELECT RAISE(ABORT, 'label_rows_append_only');
END;
CREATE TRIGGER label_rows_no_delete BEFORE DELETE ON label_rows
BEGIN
    SELECT RAISE(ABORT, 'label_rows_append_only');
END;

-- Entries without their CLOSE yet.
CREATE TABLE open_entries (
    log INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    CONSTRAINT open_entries_pkey PRIMARY KEY (log, idx)
) STRICT, WITHOUT ROWID;

-- Log keys, HPKE-sealed to their readers.
CREATE TABLE log_keys (
    vault BLOB NOT NULL,
    log_key BLOB NOT NULL,
    recipient BLOB NOT NULL,
    person BLOB,
    origin TEXT NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT log_keys_pkey PRIMARY KEY (vault, log_key, recipient)
) STRICT;

-- Logged-in devices; the token is kept hashed.
CREATE TABLE sessions (
    token_hash BLOB NOT NULL,
    vault BLOB NOT NULL,
    person BLOB NOT NULL,
    device BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    used_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (token_hash)
) STRICT;

-- Login challenges not answered yet.
CREATE TABLE challenges (
    challenge BLOB NOT NULL,
    vault BLOB NOT NULL,
    person BLOB NOT NULL,
    device BLOB NOT NULL,
    expires_us INTEGER NOT NULL,
    CONSTRAINT challenges_pkey PRIMARY KEY (challenge)
) STRICT;

-- Capsules that lie complete in the object store, which keeps their leaf lists.
CREATE TABLE objects (
    vault BLOB NOT NULL,
    object BLOB NOT NULL,
    document BLOB NOT NULL,
    revision INTEGER NOT NULL,
    staged_by BLOB NOT NULL,
    staged_us INTEGER NOT NULL,
    content_root BLOB NOT NULL,
    object_bytes INTEGER NOT NULL,
    CONSTRAINT objects_pkey PRIMARY KEY (vault, object)
) STRICT;

-- Rows of registered documents.
CREATE TABLE documents (
    vault BLOB NOT NULL,
    document BLOB NOT NULL,
    revision INTEGER NOT NULL,
    case_id BLOB NOT NULL,
    object BLOB NOT NULL,
    wrap BLOB,
    info BLOB NOT NULL,
    card BLOB NOT NULL,
    card_no INTEGER NOT NULL,
    CONSTRAINT documents_pkey PRIMARY KEY (vault, document, revision),
    CONSTRAINT documents_vault_object_key UNIQUE (vault, object)
) STRICT;

-- Unit keys sealed to members.
CREATE TABLE memberships (
    vault BLOB NOT NULL,
    unit BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    member BLOB NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT memberships_pkey PRIMARY KEY (vault, unit, epoch, member)
) STRICT, WITHOUT ROWID;

-- Unit keys of earlier epochs under the next.
CREATE TABLE unit_links (
    vault BLOB NOT NULL,
    unit BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    CONSTRAINT unit_links_pkey PRIMARY KEY (vault, unit, epoch)
) STRICT;

-- Case keys granted to their unit.
CREATE TABLE case_grants (
    vault BLOB NOT NULL,
    case_id BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT case_grants_pkey PRIMARY KEY (vault, case_id, epoch)
) STRICT;

-- Case keys of earlier epochs under the next.
CREATE TABLE case_links (
    vault BLOB NOT NULL,
    case_id BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    CONSTRAINT case_links_pkey PRIMARY KEY (vault, case_id, epoch)
) STRICT;

-- Direct grants to persons, with their place in the batch that signs them.
CREATE TABLE grants (
    vault BLOB NOT NULL,
    grant_hash BLOB NOT NULL,
    case_id BLOB NOT NULL,
    document BLOB,
    number INTEGER NOT NULL,
    recipient BLOB NOT NULL,
    batch BLOB NOT NULL,
    place INTEGER NOT NULL,
    path BLOB NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (vault, grant_hash)
) STRICT;

-- Lets a case be found by its file reference.
CREATE TABLE blind_index (
    vault BLOB NOT NULL,
    unit BLOB NOT NULL,
    case_id BLOB NOT NULL,
    unit_epoch INTEGER NOT NULL,
    tag BLOB NOT NULL,
    CONSTRAINT blind_index_pkey PRIMARY KEY (vault, unit, case_id)
) STRICT, WITHOUT ROWID;

-- The secret of a person's labels, sealed to a bundle.
CREATE TABLE lambda_wraps (
    vault BLOB NOT NULL,
    person BLOB NOT NULL,
    recipient BLOB NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT lambda_wraps_pkey PRIMARY KEY (vault, person, recipient)
) STRICT;

-- Acts that were logged.
CREATE TABLE seen_acts (
    vault BLOB NOT NULL,
    act BLOB NOT NULL,
    time_us INTEGER NOT NULL,
    CONSTRAINT seen_acts_pkey PRIMARY KEY (vault, act)
) STRICT, WITHOUT ROWID;

-- Committed mutations by statement nonce or batch id: a repeat is answered from here.
CREATE TABLE mutations (
    vault BLOB NOT NULL,
    id BLOB NOT NULL,
    hash BLOB NOT NULL,
    first_record INTEGER NOT NULL,
    records INTEGER NOT NULL,
    CONSTRAINT mutations_pkey PRIMARY KEY (vault, id)
) STRICT;
CREATE TRIGGER mutations_no_update BEFORE UPDATE ON mutations
BEGIN
    SELECT RAISE(ABORT, 'mutations_append_only');
END;
CREATE TRIGGER mutations_no_delete BEFORE DELETE ON mutations
BEGIN
    SELECT RAISE(ABORT, 'mutations_append_only');
END;

-- Objects a person may fetch, because they were released to them.
CREATE TABLE tickets (
    vault BLOB NOT NULL,
    person BLOB NOT NULL,
    object BLOB NOT NULL,
    until_us INTEGER NOT NULL,
    CONSTRAINT tickets_pkey PRIMARY KEY (vault, person, object)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_member ON memberships (vault, member);
CREATE INDEX log_keys_by_recipient ON log_keys (vault, recipient);
CREATE INDEX grants_by_recipient ON grants (vault, recipient);
CREATE INDEX blind_index_by_tag ON blind_index (vault, unit, tag);
CREATE INDEX lambda_wraps_by_recipient ON lambda_wraps (vault, recipient);
CREATE INDEX logs_by_vault ON logs (vault);
CREATE INDEX documents_by_case ON documents (vault, case_id);
