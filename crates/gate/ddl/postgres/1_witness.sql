-- A witness: the logs it knows, and the largest head of each that it cosigned.

-- One log by its origin, or, with below = 1, every log whose origin goes on with a slash behind the name.
CREATE TABLE known_logs (
    name TEXT NOT NULL CONSTRAINT known_logs_pkey PRIMARY KEY,
    public BYTEA NOT NULL,
    below BIGINT NOT NULL CONSTRAINT known_logs_below CHECK (below IN (0, 1))
);

CREATE TABLE heads (
    origin TEXT NOT NULL CONSTRAINT heads_pkey PRIMARY KEY,
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    cosigned_us BIGINT NOT NULL
);

-- Heads only grow, whatever the program does.
CREATE FUNCTION heads_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF TG_OP = 'UPDATE' AND NEW.origin = OLD.origin
            AND (NEW.size > OLD.size OR (NEW.size = OLD.size AND NEW.root = OLD.root)) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'append_only';
    END $$;

CREATE TRIGGER heads_only_grow BEFORE UPDATE OR DELETE ON heads
    FOR EACH ROW EXECUTE FUNCTION heads_refuse_change();
