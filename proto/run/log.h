/* log - one line per event on stderr, for journald and for people.
 *
 * A line is a level journald understands, the process name, an event name, then key=value pairs:
 *
 *     <4>ingest: sighting_rejected camera="porch" field=x_cm reason=range
 *
 * On a terminal the `<4>` becomes a clock time and a word. Library code never logs: the
 * process-level function that decides what to do about a failure logs it, once. A token and the
 * bytes of a photo are never logged.
 */
#ifndef TAGHUB_RUN_LOG_H
#define TAGHUB_RUN_LOG_H

#include "view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are those of syslog(3), because journald reads them. */
enum log_level {
    LOG_LEVEL_ERROR = 3,   /* someone must act */
    LOG_LEVEL_WARNING = 4, /* refused or degraded, but carrying on */
    LOG_LEVEL_INFO = 6,    /* start, stop, configuration */
    LOG_LEVEL_DEBUG = 7,   /* detail per message */
};

/* Longest line in bytes with its newline; what does not fit is cut and ends in "...". */
#define LOG_LINE_MAX 2048

/* Room of one quoted text, with quotes, escapes and NUL. A 128-byte camera name of plain
 * characters fits; what does not fit is cut and ends in "...". */
#define LOG_QUOTE_ROOM 288

/**
 * Name this process in its log lines and say from which level on they are written.
 *
 * name   "ingest"; copied, at most 31 bytes. Call again after fork() to name a worker.
 * level  LOG_LEVEL_DEBUG writes everything
 *
 * Before the first call the name is "taghub" and the level LOG_LEVEL_INFO.
 */
void log_open(const char *name, enum log_level level);

/** Whether a line of this level would be written. */
bool log_wants(enum log_level level);

/**
 * Write one line, in one write(2). errno is kept; a line that stderr does not take is lost.
 *
 * event   one word, snake_case: what happened
 * format  printf-like pairs, "camera=%s field=%s"; may be left out in the macros. Texts from
 *         outside go through log_quote(). A control character that slips in is written as '?'.
 */
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, " " __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_LEVEL_WARNING, event, " " __VA_ARGS__)
#define log_info(event, ...)  log_write(LOG_LEVEL_INFO, event, " " __VA_ARGS__)
/* The arguments are evaluated only when the line is wanted: it stands on hot paths. */
#define log_debug(event, ...)                                                                                          \
    do {                                                                                                               \
        if (log_wants(LOG_LEVEL_DEBUG))                                                                                \
            log_write(LOG_LEVEL_DEBUG, event, " " __VA_ARGS__);                                                        \
    } while (0)

void log_write(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

/**
 * A text from outside as it may stand in a log line: in double quotes, escaped, bounded.
 *
 * value    a struct view, a char * or a const char *; NULL is written as `-`
 * returns  const char *, alive until the end of the enclosing block. Each use has its own
 *          storage, so one call may hold several.
 */
#define log_quote(value)                                                                                               \
    _Generic((value), struct view: log_quote_view, char *: log_quote_text, const char *: log_quote_text)(\
        (char[LOG_QUOTE_ROOM]){""}, (value))

const char *log_quote_view(char dst[LOG_QUOTE_ROOM], struct view value);
const char *log_quote_text(char dst[LOG_QUOTE_ROOM], const char *value);

/**
 * Escape a text into dst: `\n \r \t \\`, the quote itself, and `\xNN` for other control characters
 * and for bytes above 0x7e (a log may not show what its reader cannot type).
 *
 * quote    '"' or '\'', put around the text
 * room     at least 8 bytes, 6 of them for the quotes, "..." and NUL; a text whose escaped form is
 *          longer than the rest is cut between characters and ends in "..."
 * returns  dst, NUL-terminated
 */
const char *log_escape(char *dst, size_t room, struct view text, char quote);

/**
 * Keeps a stranger from filling the journal: a budget of lines for one place in the code. It
 * lives in an object of its caller (a worker, a listener) and starts as LOG_LIMIT(lines per second).
 */
struct log_limit {
    uint32_t lines_per_s;
    uint32_t lines_count;      /* written in the running second */
    uint64_t second_mono_ms;   /* when the running second began */
    uint64_t suppressed_count; /* not written and not yet told */
};

#define LOG_LIMIT(lines) ((struct log_limit){.lines_per_s = (lines)})

/**
 * As log_write(), but at most limit->lines_per_s lines a second. The first line of a later
 * second is preceded by one that tells how many were suppressed:
 *
 *     <4>gateway: udp_rejected suppressed=312
 */
#define log_limited(limit, level, event, ...) log_write_limited(limit, level, event, " " __VA_ARGS__)

void log_write_limited(struct log_limit *limit, enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/**
 * Tell what is still untold, for a timer or for the end of the process: when nobody calls
 * log_limited() again, the last suppressed lines would stay unmentioned.
 */
void log_limit_flush(struct log_limit *limit, enum log_level level, const char *event);

/**
 * The decision behind log_limited(), with the clock as a parameter.
 *
 * ret_suppressed_count  lines to report before this one, taken off the limit; 0 = none.
 *                       Written only when the answer is true.
 * returns               whether this line may be written; if not, it has been counted
 */
bool log_limit_allows(struct log_limit *limit, uint64_t now_mono_ms, uint64_t *ret_suppressed_count);

#endif
