-- What the leading Central was told to empty, for the next one.
CREATE TABLE drains (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch   BIGINT  NOT NULL,                -- of the leader that wrote it
    content TEXT    NOT NULL                 -- JSON
);

INSERT INTO drains (one, epoch, content) VALUES (1, 0, '[]');
