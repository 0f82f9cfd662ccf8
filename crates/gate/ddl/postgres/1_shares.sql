-- What both stores of the gatekeeper hold: deposits, living shares, tombstones.

CREATE TABLE deposits (
    vault BYTEA NOT NULL,
    batch BYTEA NOT NULL,
    deposit_hash BYTEA NOT NULL,
    author BYTEA NOT NULL,
    device BYTEA NOT NULL,
    receipt BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    register_by_us BIGINT NOT NULL,
    deposited_us BIGINT NOT NULL,
    CONSTRAINT deposits_pkey PRIMARY KEY (vault, batch)
);

CREATE TABLE shares (
    vault BYTEA NOT NULL,
    share_id BYTEA NOT NULL,
    kind TEXT NOT NULL CONSTRAINT shares_kind CHECK (kind IN ('document', 'case', 'logday', 'person')),
    case_id BYTEA,
    object BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    manifest_hash BYTEA NOT NULL,
    author BYTEA NOT NULL,
    batch BYTEA NOT NULL,
    register_by_us BIGINT NOT NULL,
    deposited_us BIGINT NOT NULL,
    key_number BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    CONSTRAINT shares_pkey PRIMARY KEY (vault, share_id)
);

-- One λ per person.
CREATE UNIQUE INDEX shares_person_key ON shares (vault, object) WHERE kind = 'person';

CREATE INDEX shares_deposited ON shares (vault, deposited_us);

CREATE TABLE tombstones (
    vault BYTEA NOT NULL,
    share_id BYTEA NOT NULL,
    kind TEXT NOT NULL CONSTRAINT tombstones_kind CHECK (kind IN ('document', 'case', 'logday', 'person')),
    reason TEXT NOT NULL CONSTRAINT tombstones_reason CHECK (reason IN ('never-registered')),
    destroyed_us BIGINT NOT NULL,
    CONSTRAINT tombstones_pkey PRIMARY KEY (vault, share_id)
);

CREATE FUNCTION tombstones_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'append_only'; END $$;

CREATE TRIGGER tombstones_append_only BEFORE UPDATE OR DELETE ON tombstones
    FOR EACH ROW EXECUTE FUNCTION tombstones_refuse_change();
