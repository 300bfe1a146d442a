-- What the Centrals of a realm have in common. A database is one realm's, so each table has one row.

-- Who leads. No times: clocks of two machines cannot be compared. The holder raises `beat`; whoever
-- has seen a row unchanged for long enough, by a clock of its own, takes it.
CREATE TABLE lease (
    one                INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    holder_server      TEXT,                 -- both NULL: nobody's
    holder_incarnation TEXT,
    epoch              BIGINT  NOT NULL,     -- one more with each holder
    beat               BIGINT  NOT NULL,     -- one more with each sign of life, from 0 in each epoch
    wanted             BIGINT  NOT NULL,     -- the epoch in which somebody could not reach the holder
    CHECK ((holder_server IS NULL) = (holder_incarnation IS NULL))
);

INSERT INTO lease (one, holder_server, holder_incarnation, epoch, beat, wanted)
VALUES (1, NULL, NULL, 0, 0, 0);

-- What is meant to run: nothing, until somebody says so.
CREATE TABLE desired (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    revision BIGINT  NOT NULL,               -- one more with each change
    source   TEXT,                           -- SHA-256 of the file that was last taken, in hex
    content  TEXT    NOT NULL                -- JSON
);

INSERT INTO desired (one, revision, source, content) VALUES (1, 0, NULL, '{}');
