-- Keeping: how old storage keys are and which were proved by a backup, and what must be compared after a restore.

-- When the key was made, and when a backup under it was restored in test; both unknown for keys of earlier versions.
ALTER TABLE storage_keys ADD COLUMN made_us BIGINT;
ALTER TABLE storage_keys ADD COLUMN proved_us BIGINT;

-- When the vault's rows came from a backup; nothing is released until a witness elsewhere shows how far its logs are.
ALTER TABLE vaults ADD COLUMN restored_us BIGINT;

-- Logs of restored vaults that were compared.
CREATE TABLE compared_logs (
    vault BYTEA NOT NULL,
    origin TEXT NOT NULL,
    CONSTRAINT compared_logs_pkey PRIMARY KEY (vault, origin)
);

-- Shares that a record names and that were not there when it came: lost, or never deposited.
CREATE TABLE missing_shares (
    vault BYTEA NOT NULL,
    share_id BYTEA NOT NULL,
    record_index BIGINT NOT NULL,
    CONSTRAINT missing_shares_pkey PRIMARY KEY (vault, share_id)
);
