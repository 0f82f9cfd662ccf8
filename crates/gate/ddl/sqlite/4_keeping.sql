-- Keeping: how old storage keys are and which were proved by a backup, and what must be compared after a restore.

-- When the key was made, and when a backup under it was restored in test; both unknown for keys of earlier versions.
ALTER TABLE storage_keys ADD COLUMN made_us INTEGER;
ALTER TABLE storage_keys ADD COLUMN proved_us INTEGER;

-- When the vault's rows came from a backup; nothing is released until a witness elsewhere shows how far its logs are.
ALTER TABLE vaults ADD COLUMN restored_us INTEGER;

-- Logs of restored vaults that were compared.
CREATE TABLE compared_logs (
    vault BLOB NOT NULL,
    origin TEXT NOT NULL,
    CONSTRAINT compared_logs_pkey PRIMARY KEY (vault, origin)
) STRICT;

-- Shares that a record names and that were not there when it came: lost, or never deposited.
CREATE TABLE missing_shares (
    vault BLOB NOT NULL,
    share_id BLOB NOT NULL,
    record_index INTEGER NOT NULL,
    CONSTRAINT missing_shares_pkey PRIMARY KEY (vault, share_id)
) STRICT;
