-- Vaults of other operators: which server speaks for a vault, and codes that were handed out and not used yet.

ALTER TABLE vaults ADD COLUMN server BYTEA;

CREATE TABLE enrolment_codes (
    code BYTEA NOT NULL CONSTRAINT enrolment_codes_pkey PRIMARY KEY,
    secret BYTEA NOT NULL,
    server BYTEA NOT NULL,
    until_us BIGINT NOT NULL
);
