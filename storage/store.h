/* store - history.db: camera sessions and each camera's newest photo, in SQLite.
 *
 * Knows no socket and no message of the bus. One handle, one thread. No call waits for somebody else's lock: it returns
 * STORE_BUSY, and the caller tries again later. Functions that take an `each` stop when it returns false; it may not
 * call the store.
 */
#ifndef TAGHUB_STORE_H
#define TAGHUB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/** What can be wrong with a database. Every function that can fail returns one of these. */
enum store_trouble {
    STORE_FINE,
    STORE_BUSY,      /* another program holds a lock: try again */
    STORE_FULL,      /* no room on the disk */
    STORE_READ_ONLY, /* file, folder or file system may not be written */
    STORE_CORRUPT,   /* not a database, or a damaged one */
    STORE_FOREIGN,   /* of another program, or of a newer version of this one; nothing was touched */
    STORE_BROKEN,    /* anything else: input/output errors, no memory, no such folder */
    STORE_TROUBLE_COUNT
};

/** Word for logs and JSON: "fine", "busy", "full", "read_only", "corrupt", "foreign", "broken"; never NULL. */
const char *store_trouble_name(enum store_trouble trouble);

struct store_conf {
    const char *path;  /* of history.db; borrowed while opening */
    bool is_sync_full; /* PRAGMA synchronous=FULL instead of NORMAL */
    bool
        is_read_only; /* for tools: nothing is created, migrated or changed, and who is busy is waited for, up to 5 s */
};

/**
 * Opens the database, creates it when there is none (mode 0644 less the umask), and brings an older one up to date.
 * What is damaged inside is noticed when it is read.
 *
 * returns  STORE_FINE with *ret_store; else the trouble, with *ret_store NULL
 * ret_why  256 bytes: one sentence with the path, for the log; written unless STORE_FINE
 */
enum store_trouble store_open(const struct store_conf *conf, struct store **ret_store, char ret_why[256]);
/** Rolls an open transaction back. Accepts NULL. */
void store_close(struct store *store);

/** One sentence about the last call that did not return STORE_FINE; valid until the next call. */
const char *store_why(const struct store *store);

/**
 * Renames a corrupt database, with its -wal and -shm, out of the way: history.db.corrupt-YYYYMMDD-HHMMSS, local time;
 * of two in one second the second one gets -2. Nothing is overwritten or deleted. No store of this path may be open.
 *
 * ret_name  where it is now
 * returns   STORE_FINE, or what kept it in its place
 */
enum store_trouble store_set_aside(const char *path, char *ret_name, size_t room);

/* ---- transactions ---- */

enum store_trouble store_begin(struct store *store);
enum store_trouble store_commit(struct store *store);
/** Also after a failed commit; harmless without a transaction. */
void store_rollback(struct store *store);

/* ---- sessions ---- */

/** Times are microseconds of UTC. Texts are NUL-terminated UTF-8, borrowed. */
struct store_session {
    uint64_t origin, number; /* together the name of a session: where it began */
    const char *camera;      /* 1..128 bytes */
    const char *address;     /* of the camera, without port */
    const char *transport;   /* "websocket" */
    uint16_t port;           /* of the hub */
    uint64_t identified_utc_us;
    uint64_t alive_utc_us; /* last known to be connected; the end when it has ended */
    uint64_t ended_utc_us; /* 0 while it is open */
    const char *end;       /* why it ended; "none" while it is open */
};

/** Writes a session as it stands, over what is known of it: the newest word counts, also over store_end_unclaimed(). */
enum store_trouble store_put_session(struct store *store, const struct store_session *session);

/** One (origin, number). */
struct store_session_id {
    uint64_t origin, number;
};

/** Says of an open session that it is alive at this time. Harmless when it is not open. */
enum store_trouble store_touch_session(struct store *store, struct store_session_id id, uint64_t now_utc_us);

/** The open sessions, for a caller that compares them with those that are claimed. */
enum store_trouble store_each_open(struct store *store, bool (*each)(void *user, struct store_session_id id),
                                   void *user);

/** Ends an open session with the time when it was last known alive. Harmless when it is not open. */
enum store_trouble store_end_unclaimed(struct store *store, struct store_session_id id, const char *end);

/** Which sessions store_each_session() tells of: open ones first, then the newest end first. */
struct store_session_query {
    bool is_ended_only;
    const char *camera;    /* NULL: all */
    uint64_t since_utc_us; /* those that were last known alive after this */
    uint64_t max_count;    /* 0: no limit */
};

enum store_trouble store_each_session(struct store *store, const struct store_session_query *query,
                                      bool (*each)(void *user, const struct store_session *session), void *user);

/* ---- photos ---- */

struct store_photo {
    const char *camera; /* 1..128 bytes */
    uint64_t arrived_utc_us;
    uint32_t width, height; /* pixels */
    const void *jpeg;       /* the file; borrowed */
    size_t jpeg_bytes;
};

/** Replaces the camera's photo, unless the one that is there arrived later. */
enum store_trouble store_put_photo(struct store *store, const struct store_photo *photo);
/** Every camera's photo, the oldest first. */
enum store_trouble store_each_photo(struct store *store, bool (*each)(void *user, const struct store_photo *photo),
                                    void *user);
/** One camera's photo; each is not called when there is none. */
enum store_trouble store_find_photo(struct store *store, const char *camera,
                                    bool (*each)(void *user, const struct store_photo *photo), void *user);

/* ---- upkeep ---- */

/** What is kept. */
struct store_retention {
    uint64_t oldest_utc_us;      /* what ended or arrived before this goes */
    uint64_t sessions_max_count; /* then the oldest of more than these; open ones stay */
    uint64_t photos_max_count;   /* the cameras silent longest lose theirs */
};

/**
 * Deletes at most delete_max rows that are not to be kept, in a transaction of its own.
 *
 * ret_deleted  how many; as many as delete_max means that there may be more
 */
enum store_trouble store_trim(struct store *store, const struct store_retention *retention, uint64_t delete_max,
                              uint64_t *ret_deleted);

/**
 * Moves what the write-ahead log holds into the database, as far as nobody else's transaction is in the way, and
 * empties the log when all of it was moved.
 *
 * returns  STORE_BUSY when something was in the way: the log stays as long as it is
 */
enum store_trouble store_checkpoint(struct store *store);

/** Sizes of the files in bytes; 0 for one that is not there. */
void store_sizes(const struct store *store, uint64_t *ret_database_bytes, uint64_t *ret_wal_bytes);

/**
 * A consistent copy while others write. The copy is a database of its own, in a single file of mode 0600. It is made in
 * one go, which takes some seconds for a gigabyte.
 *
 * path     must not exist yet
 * returns  STORE_FINE; STORE_BROKEN when it exists (see store_why()); on errors nothing is left at path
 */
enum store_trouble store_backup(struct store *store, const char *path);

#endif
