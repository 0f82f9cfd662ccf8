-- Databases that came from a backup.

-- Vaults whose rows were restored: nothing is signed before their heads were compared with what others know.
CREATE TABLE restores (
    vault BLOB NOT NULL,
    cut_us INTEGER NOT NULL,
    restored_us INTEGER NOT NULL,
    compared_us INTEGER,
    CONSTRAINT restores_pkey PRIMARY KEY (vault)
) STRICT;
