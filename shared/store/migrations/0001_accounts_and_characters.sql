-- One text for SQLite and PostgreSQL. Ids are UUIDs as text; times are milliseconds since 1970.

CREATE TABLE accounts (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,        -- folded to lower case
    password_hash TEXT   NOT NULL,
    created_ms    BIGINT NOT NULL
);

CREATE TABLE characters (
    id                TEXT   NOT NULL PRIMARY KEY,
    account           TEXT   NOT NULL REFERENCES accounts (id),
    name              TEXT   NOT NULL,           -- as its player typed it
    name_key          TEXT   NOT NULL UNIQUE,    -- folded to lower case
    map               TEXT   NOT NULL,
    x                 REAL,                      -- both NULL: at the map's spawn point
    y                 REAL,
    data              TEXT   NOT NULL,           -- JSON, the game's own
    owner_server      TEXT,                      -- both NULL: on no map
    owner_incarnation TEXT,
    owner_epoch       BIGINT NOT NULL,           -- one more with each change of owner
    version           BIGINT NOT NULL,           -- one more with each save
    created_ms        BIGINT NOT NULL,
    CHECK ((x IS NULL) = (y IS NULL)),
    CHECK ((owner_server IS NULL) = (owner_incarnation IS NULL))
);

CREATE INDEX characters_of_account ON characters (account, created_ms, id);
