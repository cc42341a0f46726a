/* log - see log.h for the form of a line.
 *
 * Why not syslog(3) or libsystemd: stderr is where systemd, a terminal and a test all look, and
 * one write(2) of one line cannot be torn apart by the lines of another process.
 *
 * Invariants
 *   L1  a line ends in exactly one newline and contains no other control character
 *   L2  a line is at most LOG_LINE_MAX bytes and leaves in one write(2)
 *   L3  errno is as it was, so that a caller may log first and report errno afterwards
 */
#include "run/log.h"

#include "run/svc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Both set by log_open() only: who we are does not change from line to line, and passing it
 * through every call would say nothing. */
static char self_name[32] = "taghub";
static enum log_level self_level = LOG_LEVEL_INFO;

static const char *level_word(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "ERROR";
    case LOG_LEVEL_WARNING:
        return "WARN ";
    case LOG_LEVEL_INFO:
        return "info ";
    case LOG_LEVEL_DEBUG:
        return "debug";
    }
    return "?";
}

static size_t print_prefix(char *line, size_t room, enum log_level level)
{
    struct timespec now;
    struct tm local;

    if (!isatty(STDERR_FILENO))
        return (size_t)snprintf(line, room, "<%d>%s: ", (int)level, self_name);

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    return (size_t)snprintf(line, room, "%02d:%02d:%02d.%03ld %s %s: ", local.tm_hour, local.tm_min, local.tm_sec,
                            now.tv_nsec / 1000000, level_word(level), self_name);
}

static void write_line(const char *line, size_t length)
{
    ssize_t written;

    do
        written = write(STDERR_FILENO, line, length);
    while (written < 0 && errno == EINTR);
    /* Anything else, a full pipe too, loses the line: a log must never stop a hub. */
}

/* Cut to what fits, replace what would break the line (L1) and end it. */
static size_t finish_line(char *line, size_t wanted)
{
    size_t length = wanted;

    if (length > LOG_LINE_MAX - 1) {
        length = LOG_LINE_MAX - 1;
        memcpy(line + length - 3, "...", 3);
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line[length++] = '\n';
    return length;
}

__attribute__((format(printf, 3, 0))) static void write_event(enum log_level level, const char *event,
                                                              const char *format, va_list arguments)
{
    char line[LOG_LINE_MAX + 1];
    const int saved_errno = errno;
    size_t length;
    int more;

    length = print_prefix(line, sizeof(line), level);
    length += (size_t)snprintf(line + length, sizeof(line) - length, "%.64s", event);
    more = vsnprintf(line + length, sizeof(line) - length, format, arguments);
    if (more > 0)
        length += (size_t)more;
    length = finish_line(line, length);
    write_line(line, length);
    errno = saved_errno;
}

void log_open(const char *name, enum log_level level)
{
    snprintf(self_name, sizeof(self_name), "%s", name);
    self_level = level;
}

bool log_wants(enum log_level level)
{
    return level <= self_level;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    va_list arguments;

    if (!log_wants(level))
        return;
    va_start(arguments, format);
    write_event(level, event, format, arguments);
    va_end(arguments);
}

/* The escaped form of one byte; returns its length, 1..4. */
static size_t escape_byte(char dst[5], uint8_t byte, char quote)
{
    static const char HEX[] = "0123456789abcdef";
    const char *const letter = byte == '\n' ? "n" : byte == '\r' ? "r" : byte == '\t' ? "t" : NULL;

    if (letter != NULL || byte == '\\' || byte == (uint8_t)quote) {
        dst[0] = '\\';
        dst[1] = letter != NULL ? *letter : (char)byte;
        return 2;
    }
    if (byte >= 0x20 && byte < 0x7f) {
        dst[0] = (char)byte;
        return 1;
    }
    dst[0] = '\\';
    dst[1] = 'x';
    dst[2] = HEX[byte >> 4];
    dst[3] = HEX[byte & 15];
    return 4;
}

const char *log_escape(char *dst, size_t room, struct view text, char quote)
{
    const size_t tail = sizeof("...'"); /* what must still fit after the last whole character */
    size_t length = 0;
    char escaped[5];

    assert(room >= 8);
    dst[length++] = quote;
    for (size_t i = 0; i < text.length; i++) {
        const size_t more = escape_byte(escaped, text.bytes[i], quote);

        if (length + more + tail > room) {
            memcpy(dst + length, "...", 3);
            length += 3;
            break;
        }
        memcpy(dst + length, escaped, more);
        length += more;
    }
    dst[length++] = quote;
    dst[length] = '\0';
    return dst;
}

const char *log_quote_view(char dst[LOG_QUOTE_ROOM], struct view value)
{
    return log_escape(dst, LOG_QUOTE_ROOM, value, '"');
}

const char *log_quote_text(char dst[LOG_QUOTE_ROOM], const char *value)
{
    return value == NULL ? "-" : log_quote_view(dst, view_text(value));
}

bool log_limit_allows(struct log_limit *limit, uint64_t now_mono_ms, uint64_t *ret_suppressed_count)
{
    uint64_t suppressed_count = 0;

    if (limit->second_mono_ms == 0 || now_mono_ms - limit->second_mono_ms >= 1000) {
        limit->second_mono_ms = now_mono_ms;
        limit->lines_count = 0;
        suppressed_count = limit->suppressed_count;
    }
    if (limit->lines_count >= limit->lines_per_s) {
        limit->suppressed_count++;
        return false;
    }
    limit->lines_count++;
    limit->suppressed_count -= suppressed_count;
    *ret_suppressed_count = suppressed_count;
    return true;
}

void log_limit_flush(struct log_limit *limit, enum log_level level, const char *event)
{
    if (limit->suppressed_count > 0)
        log_write(level, event, " suppressed=%llu", (unsigned long long)limit->suppressed_count);
    limit->suppressed_count = 0;
}

void log_write_limited(struct log_limit *limit, enum log_level level, const char *event, const char *format, ...)
{
    uint64_t suppressed_count;
    va_list arguments;

    if (!log_wants(level) || !log_limit_allows(limit, svc_mono_ms(), &suppressed_count))
        return;
    if (suppressed_count > 0)
        log_write(level, event, " suppressed=%llu", (unsigned long long)suppressed_count);
    va_start(arguments, format);
    write_event(level, event, format, arguments);
    va_end(arguments);
}
