-- Several servers on one database: which of them writes, and what it has published.

-- The term of the server that may advance a log; one of an earlier term has been fenced off.
ALTER TABLE logs ADD COLUMN term BIGINT NOT NULL DEFAULT 0;

-- The server that writes the logs, one row.
CREATE TABLE leader (
    id BIGINT NOT NULL,
    term BIGINT NOT NULL,
    address TEXT,
    since_us BIGINT NOT NULL,
    CONSTRAINT leader_pkey PRIMARY KEY (id),
    CONSTRAINT leader_id_check CHECK (id = 1)
);

-- The newest head of each log that a quorum stands behind, as a signed note.
CREATE TABLE checkpoints (
    log BIGINT NOT NULL,
    size BIGINT NOT NULL,
    serial BIGINT NOT NULL,
    note TEXT NOT NULL,
    CONSTRAINT checkpoints_pkey PRIMARY KEY (log),
    FOREIGN KEY (log) REFERENCES logs (log)
);
