-- What an act is answered from once more when its answer was lost.

-- Openings of the entry, sealed under a key that only who sends the act again brings. Ten minutes.
CREATE TABLE kept_entries (
    vault BLOB NOT NULL,
    act BLOB NOT NULL,
    time_us INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    CONSTRAINT kept_entries_pkey PRIMARY KEY (vault, act)
) STRICT;
