-- A witness: the logs it knows, and the largest head of each that it cosigned.

-- One log by its origin, or, with below = 1, every log whose origin goes on with a slash behind the name.
CREATE TABLE known_logs (
    name TEXT NOT NULL CONSTRAINT known_logs_pkey PRIMARY KEY,
    public BLOB NOT NULL,
    below INTEGER NOT NULL CONSTRAINT known_logs_below CHECK (below IN (0, 1))
) STRICT;

CREATE TABLE heads (
    origin TEXT NOT NULL CONSTRAINT heads_pkey PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    cosigned_us INTEGER NOT NULL
) STRICT;

-- Heads only grow, whatever the program does.
CREATE TRIGGER heads_only_grow BEFORE UPDATE ON heads
    WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) OR NEW.origin <> OLD.origin
    BEGIN SELECT RAISE(ABORT, 'append_only'); END;

CREATE TRIGGER heads_no_delete BEFORE DELETE ON heads
    BEGIN SELECT RAISE(ABORT, 'append_only'); END;
