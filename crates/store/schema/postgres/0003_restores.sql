-- Databases that came from a backup.

-- Vaults whose rows were restored: nothing is signed before their heads were compared with what others know.
CREATE TABLE restores (
    vault BYTEA NOT NULL,
    cut_us BIGINT NOT NULL,
    restored_us BIGINT NOT NULL,
    compared_us BIGINT,
    CONSTRAINT restores_pkey PRIMARY KEY (vault)
);
