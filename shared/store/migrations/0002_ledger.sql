-- What characters have been given and have given away, line by line. Nothing is ever changed here.

CREATE TABLE ledger (
    character TEXT   NOT NULL,   -- kept when the character is deleted
    version   BIGINT NOT NULL,   -- the save of the character that it was part of
    line      BIGINT NOT NULL,   -- its place among the lines of that save
    asset     TEXT   NOT NULL,
    amount    BIGINT NOT NULL,
    reason    TEXT   NOT NULL,
    made_ms   BIGINT NOT NULL,
    PRIMARY KEY (character, version, line)
);
