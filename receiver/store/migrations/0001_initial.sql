-- Times are milliseconds since the Unix epoch of chronoops' clock; JSON is TEXT. {{id}} is the dialect's key column.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE inbox (
    id       {{id}},
    source   TEXT NOT NULL,
    hash     TEXT NOT NULL,
    received BIGINT NOT NULL,
    repeats  BIGINT NOT NULL DEFAULT 0,
    body     TEXT NOT NULL,
    UNIQUE (source, hash)
);
CREATE INDEX inbox_received ON inbox (received);

CREATE TABLE sources (
    name     TEXT PRIMARY KEY,
    message  BIGINT NOT NULL,
    watchdog BIGINT
);

CREATE TABLE incidents (
    id           {{id}},
    source       TEXT NOT NULL,
    receiver     TEXT NOT NULL,
    group_key    TEXT NOT NULL,
    group_labels TEXT NOT NULL,
    title        TEXT NOT NULL,
    priority     BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 2),
    opened       BIGINT NOT NULL,
    updated      BIGINT NOT NULL,
    resolved     BIGINT,
    resolved_by  TEXT NOT NULL DEFAULT '',
    ack          TEXT,
    ladder       TEXT NOT NULL,
    level        BIGINT NOT NULL DEFAULT 0,
    round        BIGINT NOT NULL DEFAULT 0,
    held         BIGINT NOT NULL DEFAULT 0,
    due          BIGINT,
    lease_owner  TEXT NOT NULL DEFAULT '',
    lease_until  BIGINT NOT NULL DEFAULT 0,
    fence        BIGINT NOT NULL DEFAULT 0,
    tries        BIGINT NOT NULL DEFAULT 0,
    CHECK ((resolved IS NULL) = (due IS NOT NULL))
);
CREATE UNIQUE INDEX incidents_open ON incidents (source, group_key) WHERE resolved IS NULL;
CREATE INDEX incidents_group ON incidents (source, group_key, resolved);
CREATE INDEX incidents_due ON incidents (priority, due) WHERE due IS NOT NULL;

CREATE TABLE episodes (
    id          {{id}},
    incident    BIGINT NOT NULL REFERENCES incidents (id),
    source      TEXT NOT NULL,
    alert_key   TEXT NOT NULL,
    labels      TEXT NOT NULL,
    annotations TEXT NOT NULL,
    url         TEXT NOT NULL DEFAULT '',
    policy      TEXT NOT NULL DEFAULT '',
    priority    BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 2),
    starts_at   BIGINT NOT NULL,
    opened      BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    resolved    BIGINT,
    repair      TEXT NOT NULL
);
CREATE UNIQUE INDEX episodes_open ON episodes (source, alert_key) WHERE resolved IS NULL;
CREATE INDEX episodes_incident ON episodes (incident);
CREATE INDEX episodes_firing ON episodes (incident) WHERE resolved IS NULL;

CREATE TABLE attempts (
    id          {{id}},
    incident    BIGINT REFERENCES incidents (id),
    episode     BIGINT REFERENCES episodes (id),
    policy      TEXT NOT NULL,
    step        BIGINT NOT NULL,
    priority    BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 2),
    action      TEXT NOT NULL,
    resource    TEXT NOT NULL DEFAULT '',
    params      TEXT NOT NULL DEFAULT 'null',
    mode        BIGINT NOT NULL,
    state       TEXT NOT NULL,
    guard       TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    plan        TEXT,
    result      TEXT NOT NULL DEFAULT '',
    by_person   TEXT NOT NULL DEFAULT '',
    approved    TEXT NOT NULL DEFAULT '',
    approval    TEXT NOT NULL DEFAULT '',
    created     BIGINT NOT NULL,
    started     BIGINT,
    applied     BIGINT,
    ended       BIGINT,
    cleared     BIGINT,
    due         BIGINT,
    lease_owner TEXT NOT NULL DEFAULT '',
    lease_until BIGINT NOT NULL DEFAULT 0,
    fence       BIGINT NOT NULL DEFAULT 0,
    tries       BIGINT NOT NULL DEFAULT 0,
    CHECK (state IN ('waiting', 'blocked', 'proposed', 'started', 'applied', 'undoing',
                     'verified', 'failed', 'unknown', 'refused', 'shadowed', 'dropped')),
    CHECK ((due IS NULL) = (state IN ('verified', 'failed', 'unknown', 'refused', 'shadowed', 'dropped'))),
    CHECK (started IS NOT NULL OR state NOT IN ('started', 'applied', 'undoing', 'verified'))
);
-- Effects on one resource never overlap; an episode has one attempt at a time.
CREATE UNIQUE INDEX attempts_lock ON attempts (resource) WHERE state IN ('started', 'applied', 'undoing');
CREATE UNIQUE INDEX attempts_open ON attempts (episode) WHERE due IS NOT NULL AND episode IS NOT NULL;
CREATE INDEX attempts_due ON attempts (priority, due) WHERE due IS NOT NULL;
CREATE INDEX attempts_incident ON attempts (incident);
CREATE INDEX attempts_history ON attempts (policy, resource, started);

CREATE TABLE pages (
    id          {{id}},
    incident    BIGINT NOT NULL REFERENCES incidents (id),
    kind        TEXT NOT NULL,
    level       BIGINT NOT NULL,
    role        TEXT NOT NULL,
    channel     TEXT NOT NULL,
    priority    BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 2),
    why         TEXT NOT NULL DEFAULT '',
    state       TEXT NOT NULL,
    repeated    BIGINT NOT NULL DEFAULT 0,
    sends       BIGINT NOT NULL DEFAULT 0,
    error       TEXT NOT NULL DEFAULT '',
    created     BIGINT NOT NULL,
    sent        BIGINT,
    due         BIGINT,
    lease_owner TEXT NOT NULL DEFAULT '',
    lease_until BIGINT NOT NULL DEFAULT 0,
    fence       BIGINT NOT NULL DEFAULT 0,
    tries       BIGINT NOT NULL DEFAULT 0,
    CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'ambiguous', 'dropped')),
    CHECK ((due IS NOT NULL) = (state IN ('pending', 'sending')))
);
CREATE INDEX pages_due ON pages (priority, due) WHERE due IS NOT NULL;
CREATE INDEX pages_incident ON pages (incident);

CREATE TABLE events (
    id       {{id}},
    incident BIGINT NOT NULL REFERENCES incidents (id),
    at       BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    actor    TEXT NOT NULL,
    text     TEXT NOT NULL
);
CREATE INDEX events_incident ON events (incident);

CREATE TABLE pauses (
    resource  TEXT PRIMARY KEY,
    reason    TEXT NOT NULL,
    by_person TEXT NOT NULL,
    at        BIGINT NOT NULL,
    until     BIGINT
);
