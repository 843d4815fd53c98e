-- A running inbox has in memory what it has applied and what is not settled, by place and by id: an
-- index of the ids would be written with every message and never read. `changes` tells it whether
-- somebody else has written meanwhile.
DROP INDEX inbox_seen_id_idx;
ALTER TABLE inbox_source ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
