-- A database of version 1, as it was released: sessions only. Frozen, with a few rows to carry over.

PRAGMA application_id = 0x74687562; -- "thub"
PRAGMA user_version = 1;

CREATE TABLE session (
    -- A camera's time with the hub: from the first accepted identify on a connection to the end of that connection, or
    -- of its role as a camera. Times are microseconds since 1970-01-01 UTC; view connection_history has them readable.
    origin INTEGER NOT NULL,            -- which start of which gateway worker; 64 random bits, so half are negative
    number INTEGER NOT NULL,            -- of the session at that worker
    camera TEXT NOT NULL,               -- name that the camera gave
    address TEXT NOT NULL,              -- of the camera, without port
    port INTEGER NOT NULL,              -- of the hub, by which the camera came
    transport TEXT NOT NULL,            -- 'websocket'
    identified_utc_us INTEGER NOT NULL, -- when it began
    alive_utc_us INTEGER NOT NULL,      -- when the camera was last known to be there; its end when it has ended
    ended_utc_us INTEGER,               -- NULL while it is open
    end_reason TEXT NOT NULL,           -- why it ended; 'none' while it is open
    PRIMARY KEY (origin, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_ended ON session (ended_utc_us) WHERE ended_utc_us IS NOT NULL;
CREATE INDEX session_open ON session (origin) WHERE ended_utc_us IS NULL;
CREATE INDEX session_camera ON session (camera, ended_utc_us);

CREATE VIEW connection_history AS
    -- Every session, open ones too. Times are local time; minutes in duration may exceed 59. While a camera is
    -- connected, disconnect_time is NULL, reason is 'none', and duration goes to when it was last known to be there.
    SELECT camera,
           transport,
           address, -- of the camera
           port,    -- of the hub
           datetime(identified_utc_us / 1000000, 'unixepoch', 'localtime') AS connect_time,
           datetime(ended_utc_us / 1000000, 'unixepoch', 'localtime') AS disconnect_time,
           duration_seconds,
           format('%dm %ds', duration_seconds / 60, duration_seconds % 60) AS duration,
           iif(ended_utc_us IS NULL, 'connected', 'disconnected') AS status,
           end_reason AS reason
    FROM (SELECT *, max(0, coalesce(ended_utc_us, alive_utc_us) - identified_utc_us) / 1000000 AS duration_seconds
          FROM session);

CREATE VIEW cameras AS
    -- Every camera that had a session. Times are local time; connected is 0 or 1.
    SELECT camera,
           datetime(min(identified_utc_us) / 1000000, 'unixepoch', 'localtime') AS first_seen,
           datetime(max(alive_utc_us) / 1000000, 'unixepoch', 'localtime') AS last_seen,
           max(ended_utc_us IS NULL) AS connected,
           count(*) AS sessions -- how many
    FROM session GROUP BY camera;

INSERT INTO session VALUES
    (-1, 1, 'porch', '192.0.2.7', 5100, 'websocket', 1750000000250000, 1750000125750000, 1750000125750000, 'closed'),
    (-1, 2, 'porch', '192.0.2.7', 5000, 'websocket', 1750000200000000, 1750007403000000, 1750007403000000, 'lost'),
    (9223372036854775807, 1, 'Küche', '2001:db8::7', 5100, 'websocket', 1750000300000000, 1750000400000000, NULL,
     'none');
