-- Vaults of other operators: which server speaks for a vault, and codes that were handed out and not used yet.

ALTER TABLE vaults ADD COLUMN server BLOB;

CREATE TABLE enrolment_codes (
    code BLOB NOT NULL CONSTRAINT enrolment_codes_pkey PRIMARY KEY,
    secret BLOB NOT NULL,
    server BLOB NOT NULL,
    until_us INTEGER NOT NULL
) STRICT;
