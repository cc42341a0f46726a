-- From version 1 (sessions only) to version 2: each camera's newest photo. Frozen: databases that went this way exist.

CREATE TABLE photo (
    -- The newest photo of each camera; view latest_photos has the time readable.
    camera TEXT NOT NULL PRIMARY KEY,
    arrived_utc_us INTEGER NOT NULL, -- microseconds since 1970-01-01 UTC
    width INTEGER NOT NULL,          -- pixels, as the file says; 0 = it does not
    height INTEGER NOT NULL,
    jpeg BLOB NOT NULL               -- the file, as the camera sent it
) STRICT;

CREATE INDEX photo_arrived ON photo (arrived_utc_us);

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

DROP VIEW cameras;

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

PRAGMA user_version = 2;
