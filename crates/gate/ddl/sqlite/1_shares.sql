-- What both stores of the gatekeeper hold: deposits, living shares, tombstones.

CREATE TABLE deposits (
    vault BLOB NOT NULL,
    batch BLOB NOT NULL,
    deposit_hash BLOB NOT NULL,
    author BLOB NOT NULL,
    device BLOB NOT NULL,
    receipt BLOB NOT NULL,
    signature BLOB NOT NULL,
    register_by_us INTEGER NOT NULL,
    deposited_us INTEGER NOT NULL,
    CONSTRAINT deposits_pkey PRIMARY KEY (vault, batch)
) STRICT;

CREATE TABLE shares (
    vault BLOB NOT NULL,
    share_id BLOB NOT NULL,
    kind TEXT NOT NULL CONSTRAINT shares_kind CHECK (kind IN ('document', 'case', 'logday', 'person')),
    case_id BLOB,
    object BLOB NOT NULL,
    revision INTEGER NOT NULL,
    manifest_hash BLOB NOT NULL,
    author BLOB NOT NULL,
    batch BLOB NOT NULL,
    register_by_us INTEGER NOT NULL,
    deposited_us INTEGER NOT NULL,
    key_number INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    CONSTRAINT shares_pkey PRIMARY KEY (vault, share_id)
) STRICT;

-- One λ per person.
CREATE UNIQUE INDEX shares_person_key ON shares (vault, object) WHERE kind = 'person';

CREATE INDEX shares_deposited ON shares (vault, deposited_us);

CREATE TABLE tombstones (
    vault BLOB NOT NULL,
    share_id BLOB NOT NULL,
    kind TEXT NOT NULL CONSTRAINT tombstones_kind CHECK (kind IN ('document', 'case', 'logday', 'person')),
    reason TEXT NOT NULL CONSTRAINT tombstones_reason CHECK (reason IN ('never-registered')),
    destroyed_us INTEGER NOT NULL,
    CONSTRAINT tombstones_pkey PRIMARY KEY (vault, share_id)
) STRICT;

CREATE TRIGGER tombstones_no_update BEFORE UPDATE ON tombstones
    BEGIN SELECT RAISE(ABORT, 'append_only'); END;

CREATE TRIGGER tombstones_no_delete BEFORE DELETE ON tombstones
    BEGIN SELECT RAISE(ABORT, 'append_only'); END;
