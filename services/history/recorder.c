/* recorder - see recorder.h.
 *
 * All work is one row of steps, STEPS. It is run when something has waited long enough, when something is due by the
 * clock, and after trouble. Each step does what there is to do, and the first trouble ends the row; the step that had
 * it has kept its work and meets it again, so that trouble is over when a whole row has passed.
 *
 * Invariants
 *   R1  what is written leaves its queue after COMMIT, and only then anybody hears of it
 *   R2  no run takes long: each step has a bound, and what is left is done in the next turn of the loop
 *   R3  sessions never wait for pictures: they have transactions of their own, which come first. While the disk is full
 *       or the write-ahead log too long, sessions may still fit
 *   R4  a database that is not the one of before is told of every open session
 */
#include "recorder.h"

#include <stdlib.h>

#include "database.h"
#include "photo_queue.h"
#include "run/log.h"
#include "run/svc.h"

/* R2 */
#define SESSIONS_PER_COMMIT    1000u
#define PHOTO_BYTES_PER_COMMIT 4194304u
#define ORPHANS_PER_COMMIT     256u
#define ROWS_PER_TRIM          500u

#define LOOK_EVERY_MS  1000u /* at the files */
#define TOUCH_EVERY_MS 5000u /* how far the end of a session may be off after a crash */
#define TRIM_EVERY_MS  60000u

struct recorder {
    const struct hub_conf *conf;
    struct worker *worker;
    struct sessions *sessions;
    struct claims *claims;
    const struct recorder_events *events;
    void *user;
    struct database *database;
    struct photo_queue photos;
    bool wal_is_long, orphans_possible;
    enum store_trouble read_trouble; /* of the last reading; says nothing about writing */
    uint64_t look_due_mono_ms, touch_due_mono_ms, trim_due_mono_ms;
    struct deadline_list run_list; /* of run_deadline alone, so that its duration may change */
    struct deadline run_deadline;
};

static uint64_t now_mono_ms(const struct recorder *recorder)
{
    return loop_now_mono_ms(recorder->worker->loop);
}

static bool photos_can_be_written(const struct recorder *recorder)
{
    return recorder->photos.first != NULL && !recorder->wal_is_long;
}

bool recorder_can_write(const struct recorder *recorder)
{
    return sessions_first_waiting(recorder->sessions) != NULL || photos_can_be_written(recorder);
}

size_t recorder_waiting_bytes(const struct recorder *recorder)
{
    return sessions_waiting_bytes(recorder->sessions) + recorder->photos.bytes;
}

struct store *recorder_store(const struct recorder *recorder)
{
    return database_store(recorder->database);
}

enum store_trouble recorder_trouble(const struct recorder *recorder)
{
    return database_trouble(recorder->database);
}

/* ---- steps: files ---- */

static void measure(struct recorder *recorder)
{
    uint64_t database_bytes, wal_bytes;
    bool is_long;

    store_sizes(recorder_store(recorder), &database_bytes, &wal_bytes);
    count_set(recorder->worker->slot, COUNTER_database_bytes, database_bytes);
    count_set(recorder->worker->slot, COUNTER_wal_bytes, wal_bytes);
    is_long = wal_bytes > recorder->conf->history_wal_max_bytes;
    if (is_long && !recorder->wal_is_long)
        log_warn("wal_too_long", "wal_bytes=%llu reason=\"somebody keeps a transaction open; pictures wait\"",
                 (unsigned long long)wal_bytes);
    else if (!is_long && recorder->wal_is_long)
        log_info("wal_short_again", "wal_bytes=%llu", (unsigned long long)wal_bytes);
    recorder->wal_is_long = is_long;
}

/* SQLite's own checkpoints come with commits. Ours come by the clock: a reader may be gone when nothing is written. */
static void shorten_wal(struct recorder *recorder)
{
    measure(recorder);
    if (count_get(recorder->worker->slot, COUNTER_wal_bytes) <= recorder->conf->history_wal_max_bytes / 4)
        return;
    /* trouble shows with the next write, or in the size */
    store_checkpoint(recorder_store(recorder));
    measure(recorder);
}

/* The first is done in every run: what is written to a file that has been deleted is lost. */
static enum store_trouble look_at_files(struct recorder *recorder)
{
    database_check_file(recorder->database);
    if (now_mono_ms(recorder) < recorder->look_due_mono_ms)
        return STORE_FINE;
    recorder->look_due_mono_ms = now_mono_ms(recorder) + LOOK_EVERY_MS;
    if (recorder_store(recorder) != NULL)
        shorten_wal(recorder);
    return STORE_FINE;
}

static enum store_trouble open_database(struct recorder *recorder)
{
    bool is_new;
    enum store_trouble trouble = database_open(recorder->database, &is_new);

    if (trouble != STORE_FINE || !is_new)
        return trouble;
    sessions_all_wait(recorder->sessions); /* R4 */
    recorder->orphans_possible = true;
    recorder->trim_due_mono_ms = 0;
    measure(recorder);
    return STORE_FINE;
}

/* ---- steps: what waits ---- */

static enum store_trouble commit(struct recorder *recorder, enum store_trouble trouble)
{
    if (trouble == STORE_FINE)
        trouble = store_commit(recorder_store(recorder));
    count_add(recorder->worker->slot, trouble == STORE_FINE ? COUNTER_commits : COUNTER_commit_failures, 1);
    return trouble;
}

static enum store_trouble put_session(const struct recorder *recorder, const struct session *session,
                                      uint64_t now_utc_us)
{
    struct store_session row = session_row(session);

    if (row.ended_utc_us == 0)
        row.alive_utc_us = claims_alive_utc_us(recorder->claims, session->holder, now_utc_us);
    return store_put_session(recorder_store(recorder), &row);
}

static enum store_trouble write_sessions(struct recorder *recorder)
{
    const struct session *each = sessions_first_waiting(recorder->sessions);
    uint64_t now_utc_us = svc_utc_us(), count = 0;
    enum store_trouble trouble;

    if (each == NULL)
        return STORE_FINE;
    trouble = store_begin(recorder_store(recorder));
    for (; each != NULL && count < SESSIONS_PER_COMMIT && trouble == STORE_FINE; each = each->next_waiting, count++)
        trouble = put_session(recorder, each, now_utc_us);
    trouble = commit(recorder, trouble);
    if (trouble != STORE_FINE)
        return trouble;
    count_add(recorder->worker->slot, COUNTER_sessions_stored, count);
    for (; count > 0; count--) { /* R1 */
        recorder->events->stored(recorder->user, sessions_first_waiting(recorder->sessions));
        sessions_pop_waiting(recorder->sessions);
    }
    return STORE_FINE;
}

static enum store_trouble put_photo(const struct recorder *recorder, const struct msg_photo *photo)
{
    const struct store_photo row = {
        .camera = photo->camera,
        .arrived_utc_us = photo->arrived_utc_us,
        .width = (uint32_t)photo->width,
        .height = (uint32_t)photo->height,
        .jpeg = photo->jpeg.bytes,
        .jpeg_bytes = photo->jpeg.length,
    };

    return store_put_photo(recorder_store(recorder), &row);
}

static enum store_trouble write_photos(struct recorder *recorder)
{
    const struct queued_photo *each = recorder->photos.first;
    enum store_trouble trouble;
    uint64_t count = 0;
    size_t bytes = 0;

    if (!photos_can_be_written(recorder))
        return STORE_FINE;
    trouble = store_begin(recorder_store(recorder));
    for (; each != NULL && bytes < PHOTO_BYTES_PER_COMMIT && trouble == STORE_FINE; each = each->next, count++) {
        trouble = put_photo(recorder, &each->photo);
        bytes += each->photo.jpeg.length;
    }
    trouble = commit(recorder, trouble);
    if (trouble != STORE_FINE)
        return trouble;
    count_add(recorder->worker->slot, COUNTER_photos_stored, count);
    for (; count > 0; count--) /* R1 */
        photo_queue_pop(&recorder->photos);
    measure(recorder);
    return STORE_FINE;
}

/* ---- steps: upkeep ---- */

struct orphans {
    const struct claims *claims;
    struct store_session_id ids[ORPHANS_PER_COMMIT];
    size_t count;
};

static bool collect_orphan(void *user, struct store_session_id id)
{
    struct orphans *orphans = user;

    if (claims_is_orphan(orphans->claims, id.origin, id.number))
        orphans->ids[orphans->count++] = id;
    return orphans->count < ORPHANS_PER_COMMIT;
}

static enum store_trouble end_orphans(struct recorder *recorder)
{
    struct orphans orphans = {.claims = recorder->claims};
    struct store *store = recorder_store(recorder);
    enum store_trouble trouble;

    if (!recorder->orphans_possible)
        return STORE_FINE;
    trouble = store_each_open(store, collect_orphan, &orphans);
    if (trouble != STORE_FINE)
        return trouble;
    recorder->orphans_possible = orphans.count > 0; /* then it looks again */
    if (orphans.count == 0)
        return STORE_FINE;
    trouble = store_begin(store);
    for (size_t i = 0; i < orphans.count && trouble == STORE_FINE; i++)
        trouble = store_end_unclaimed(store, orphans.ids[i], session_end_name(SESSION_END_hub_restart));
    return commit(recorder, trouble);
}

static enum store_trouble touch_sessions(struct recorder *recorder)
{
    const struct sessions *sessions = recorder->sessions;
    struct store *store = recorder_store(recorder);
    enum store_trouble trouble = STORE_FINE;
    const uint64_t now_utc_us = svc_utc_us();

    if (now_mono_ms(recorder) < recorder->touch_due_mono_ms)
        return STORE_FINE;
    if (sessions_open_count(sessions) > 0) {
        trouble = store_begin(store);
        for (const struct session *each = sessions_next(sessions, NULL); each != NULL && trouble == STORE_FINE;
             each = sessions_next(sessions, each)) {
            if (session_is_there(each))
                trouble = store_touch_session(store, each->id, now_utc_us);
        }
        trouble = commit(recorder, trouble);
    }
    if (trouble == STORE_FINE)
        recorder->touch_due_mono_ms = now_mono_ms(recorder) + TOUCH_EVERY_MS;
    return trouble;
}

static enum store_trouble trim(struct recorder *recorder)
{
    const uint64_t keep_us = (uint64_t)recorder->conf->history_keep_days * 86400 * 1000000;
    const uint64_t now_utc_us = svc_utc_us();
    const struct store_retention retention = {
        .oldest_utc_us = now_utc_us > keep_us ? now_utc_us - keep_us : 0,
        .sessions_max_count = recorder->conf->history_keep_sessions_count,
        .photos_max_count = recorder->conf->cameras_max_count,
    };
    enum store_trouble trouble;
    uint64_t deleted_count = 0;

    if (now_mono_ms(recorder) < recorder->trim_due_mono_ms)
        return STORE_FINE;
    trouble = store_trim(recorder_store(recorder), &retention, ROWS_PER_TRIM, &deleted_count);
    if (trouble == STORE_FINE && deleted_count < ROWS_PER_TRIM) /* else at the next tick */
        recorder->trim_due_mono_ms = now_mono_ms(recorder) + TRIM_EVERY_MS;
    return trouble;
}

/* ---- running ---- */

static enum store_trouble (*const STEPS[])(struct recorder *recorder) = {
    look_at_files, open_database, write_sessions, write_photos, end_orphans, touch_sessions, trim,
};

static bool has_work(const struct recorder *recorder)
{
    return recorder_can_write(recorder) || recorder->orphans_possible;
}

static void run_in(struct recorder *recorder, uint32_t ms)
{
    recorder->run_list.duration_ms = ms;
    deadline_arm(recorder->worker->loop, &recorder->run_list, &recorder->run_deadline);
}

static void had_trouble(struct recorder *recorder, enum store_trouble trouble)
{
    run_in(recorder, database_had_trouble(recorder->database, trouble, now_mono_ms(recorder)));
}

static void run(struct recorder *recorder)
{
    enum store_trouble trouble = STORE_FINE;

    deadline_disarm(&recorder->run_deadline);
    for (size_t i = 0; i < ARRAY_LEN(STEPS) && trouble == STORE_FINE; i++)
        trouble = STEPS[i](recorder);
    if (trouble != STORE_FINE) {
        had_trouble(recorder, trouble);
    } else {
        database_is_fine(recorder->database, now_mono_ms(recorder));
        if (has_work(recorder))
            run_in(recorder, 0); /* R2 */
    }
    recorder->events->progress(recorder->user);
}

static void run_now(struct deadline *deadline)
{
    run(H2O_STRUCT_FROM_MEMBER(struct recorder, run_deadline, deadline));
}

void recorder_wake(struct recorder *recorder)
{
    while (recorder->photos.first != NULL &&
           recorder_waiting_bytes(recorder) > recorder->conf->history_queue_max_bytes) {
        photo_queue_pop(&recorder->photos);
        count_add(recorder->worker->slot, COUNTER_photos_dropped, 1);
    }
    if (!deadline_is_armed(&recorder->run_deadline)) /* after trouble it is */
        run_in(recorder, recorder->conf->history_commit_ms);
}

void recorder_take_photo(struct recorder *recorder, const struct msg_photo *photo)
{
    if (photo_queue_put(&recorder->photos, photo) < 0)
        count_add(recorder->worker->slot, COUNTER_photos_dropped, 1);
    recorder_wake(recorder);
}

void recorder_review_claims(struct recorder *recorder)
{
    recorder->orphans_possible = true;
    recorder_wake(recorder);
}

void recorder_tick(struct recorder *recorder)
{
    uint64_t now = now_mono_ms(recorder);

    if (database_trouble(recorder->database) == STORE_FINE &&
        (now >= recorder->look_due_mono_ms || now >= recorder->touch_due_mono_ms || now >= recorder->trim_due_mono_ms))
        run(recorder);
}

void recorder_run(struct recorder *recorder)
{
    recorder->touch_due_mono_ms = 0;
    do
        run(recorder);
    while (has_work(recorder) && database_trouble(recorder->database) == STORE_FINE);
}

void recorder_note_read(struct recorder *recorder, enum store_trouble trouble)
{
    if (trouble == STORE_CORRUPT) {
        had_trouble(recorder, trouble);
        trouble = STORE_FINE; /* what is read next is another database */
    } else if (trouble != recorder->read_trouble && trouble != STORE_FINE) {
        log_error("history_unreadable", "trouble=%s reason=%s", store_trouble_name(trouble),
                  log_quote(store_why(recorder_store(recorder))));
    } else if (trouble != recorder->read_trouble) {
        log_info("history_readable");
    }
    recorder->read_trouble = trouble;
}

/* ---- the whole ---- */

struct recorder *recorder_new(const struct hub_conf *conf, struct worker *worker, struct sessions *sessions,
                              struct claims *claims, const struct recorder_events *events, void *user)
{
    struct recorder *recorder = calloc(1, sizeof *recorder);

    if (recorder != NULL)
        recorder->database = database_new(conf);
    if (recorder == NULL || recorder->database == NULL) {
        free(recorder);
        return NULL;
    }
    recorder->conf = conf;
    recorder->worker = worker;
    recorder->sessions = sessions;
    recorder->claims = claims;
    recorder->events = events;
    recorder->user = user;
    recorder->run_deadline.fire = run_now;
    loop_add_deadlines(worker->loop, &recorder->run_list, 0);
    return recorder;
}

void recorder_free(struct recorder *recorder)
{
    if (recorder == NULL)
        return;
    deadline_disarm(&recorder->run_deadline);
    loop_remove_deadlines(recorder->worker->loop, &recorder->run_list);
    photo_queue_done(&recorder->photos);
    database_free(recorder->database);
    free(recorder);
}
