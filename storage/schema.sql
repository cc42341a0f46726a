-- schema - history.db as it is now, version 2. What a new database is made from; an older one gets here by way of
-- migrations/. Comments inside the statements stay in the database: `.schema` of the sqlite3 shell prints them.
--
-- The views are a promise to everybody who opens the file: a column keeps its name and meaning, and new columns come
-- last. The tables may change with the version.

PRAGMA application_id = 0x74687562; -- "thub"
PRAGMA user_version = 2;

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

CREATE TABLE photo (
    -- The newest photo of each camera; view latest_photos has the time readable.
    camera TEXT NOT NULL PRIMARY KEY,
    arrived_utc_us INTEGER NOT NULL, -- microseconds since 1970-01-01 UTC
    width INTEGER NOT NULL,          -- pixels, as the file says; 0 = it does not
    height INTEGER NOT NULL,
    jpeg BLOB NOT NULL               -- the file, as the camera sent it
) STRICT;

CREATE INDEX photo_arrived ON photo (arrived_utc_us);

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

CREATE VIEW latest_photos AS
    -- One row for each camera that has sent a photo; writefile('porch.jpg', jpeg) saves it. Time is local time.
    SELECT camera,
           datetime(arrived_utc_us / 1000000, 'unixepoch', 'localtime') AS time,
           unixepoch('now') - arrived_utc_us / 1000000 AS age_seconds,
           width, -- pixels
           height,
           length(jpeg) AS bytes,
           jpeg
    FROM photo;

CREATE VIEW cameras AS
    -- Every camera that had a session or has a photo. Times are local time; connected and has_photo are 0 or 1.
    SELECT camera,
           datetime(min(first_utc_us) / 1000000, 'unixepoch', 'localtime') AS first_seen,
           datetime(max(last_utc_us) / 1000000, 'unixepoch', 'localtime') AS last_seen,
           max(connected) AS connected,
           sum(sessions) AS sessions, -- how many
           max(has_photo) AS has_photo
    FROM (SELECT camera, min(identified_utc_us) AS first_utc_us, max(alive_utc_us) AS last_utc_us,
                 max(ended_utc_us IS NULL) AS connected, count(*) AS sessions, 0 AS has_photo
          FROM session GROUP BY camera
          UNION ALL
          SELECT camera, arrived_utc_us, arrived_utc_us, 0, 0, 1 FROM photo)
    GROUP BY camera;
