/* Log lines: their form on a pipe and on a terminal, quoting, cutting, limiting. */
#include "run/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr as a test sees it. A datagram is one write(2), so a torn line would show. */
struct capture {
    int saved_fd;
    int reading_fd;
};

static void capture_begin(struct capture *capture)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
    fflush(stderr);
    capture->saved_fd = dup(STDERR_FILENO);
    capture->reading_fd = pair[0];
    dup2(pair[1], STDERR_FILENO);
    close(pair[1]);
}

/* The next line, or "" when none was written. */
static const char *capture_line(const struct capture *capture, char line[2 * LOG_LINE_MAX])
{
    const ssize_t got = read(capture->reading_fd, line, 2 * LOG_LINE_MAX - 1);

    line[got < 0 ? 0 : got] = '\0';
    return line;
}

static void capture_end(struct capture *capture)
{
    dup2(capture->saved_fd, STDERR_FILENO);
    close(capture->saved_fd);
    close(capture->reading_fd);
}

#define assert_next_line(capture, wanted)                                                                              \
    do {                                                                                                               \
        char got_line[2 * LOG_LINE_MAX];                                                                               \
        assert_string_equal(capture_line(capture, got_line), wanted);                                                  \
    } while (0)

static void test_form(void **state)
{
    struct capture capture;

    (void)state;
    log_open("ingest", LOG_LEVEL_DEBUG);
    capture_begin(&capture);
    errno = ENOSPC;
    log_warn("sighting_rejected", "camera=%s field=%s", log_quote("porch"), "x_cm");
    assert_int_equal(errno, ENOSPC);
    assert_next_line(&capture, "<4>ingest: sighting_rejected camera=\"porch\" field=x_cm\n");
    log_error("exit", "step=%s", "listen");
    assert_next_line(&capture, "<3>ingest: exit step=listen\n");
    log_info("ready");
    assert_next_line(&capture, "<6>ingest: ready\n");
    log_debug("frame", "bytes=%d", 17);
    assert_next_line(&capture, "<7>ingest: frame bytes=17\n");
    log_open("a_name_of_more_than_thirty_one_bytes", LOG_LEVEL_DEBUG);
    log_info("ready");
    assert_next_line(&capture, "<6>a_name_of_more_than_thirty_one_: ready\n");
    capture_end(&capture);
}

static int count_evaluations(int *count)
{
    return ++*count;
}

static void test_levels(void **state)
{
    static const struct {
        const char *name;
        enum log_level level;
        bool error, warning, info, debug;
    } CASES[] = {
        {"error", LOG_LEVEL_ERROR, true, false, false, false},
        {"warning", LOG_LEVEL_WARNING, true, true, false, false},
        {"info", LOG_LEVEL_INFO, true, true, true, false},
        {"debug", LOG_LEVEL_DEBUG, true, true, true, true},
    };
    struct capture capture;
    int evaluations_count = 0;

    (void)state;
    capture_begin(&capture);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        log_open("p", CASES[i].level);
        log_error("e");
        log_warn("e");
        log_info("e");
        log_debug("e", "n=%d", count_evaluations(&evaluations_count));
        if (CASES[i].error)
            assert_next_line(&capture, "<3>p: e\n");
        if (CASES[i].warning)
            assert_next_line(&capture, "<4>p: e\n");
        if (CASES[i].info)
            assert_next_line(&capture, "<6>p: e\n");
        if (CASES[i].debug)
            assert_next_line(&capture, "<7>p: e n=1\n");
        assert_next_line(&capture, "");
    }
    assert_int_equal(evaluations_count, 1); /* only when the line was wanted */
    capture_end(&capture);
}

static void test_a_line_is_one_line(void **state)
{
    struct capture capture;

    (void)state;
    log_open("p", LOG_LEVEL_INFO);
    capture_begin(&capture);
    log_warn("e", "unquoted=%s", "a\n<3>p: forged\r\x1b[31m\x7f");
    assert_next_line(&capture, "<4>p: e unquoted=a?<3>p: forged??[31m?\n");
    log_warn("e", "camera=%s", log_quote("a\n<3>p: forged"));
    assert_next_line(&capture, "<4>p: e camera=\"a\\n<3>p: forged\"\n");
    capture_end(&capture);
}

static void test_long_lines_are_cut(void **state)
{
    char text[3 * LOG_LINE_MAX];
    char line[2 * LOG_LINE_MAX];
    struct capture capture;
    size_t whole_length;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_open("p", LOG_LEVEL_INFO);
    capture_begin(&capture);

    log_warn("e", "text=%s", text);
    capture_line(&capture, line);
    assert_int_equal(strlen(line), LOG_LINE_MAX);
    assert_string_equal(line + LOG_LINE_MAX - 5, "x...\n");

    whole_length = LOG_LINE_MAX - strlen("<4>p: e text=\n");
    log_warn("e", "text=%.*s", (int)whole_length, text);
    capture_line(&capture, line);
    assert_int_equal(strlen(line), LOG_LINE_MAX);
    assert_string_equal(line + LOG_LINE_MAX - 5, "xxxx\n");

    log_warn("e", "text=%.*s", (int)whole_length + 1, text);
    capture_line(&capture, line);
    assert_int_equal(strlen(line), LOG_LINE_MAX);
    assert_string_equal(line + LOG_LINE_MAX - 5, "x...\n");
    capture_end(&capture);
}

static void test_quote(void **state)
{
    static const struct {
        const char *name;
        struct view text;
        const char *quoted;
    } CASES[] = {
        {"plain", {(const uint8_t *)"porch", 5}, "\"porch\""},
        {"empty", {NULL, 0}, "\"\""},
        {"quote and backslash", {(const uint8_t *)"a\"b\\c'", 6}, "\"a\\\"b\\\\c'\""},
        {"line ends", {(const uint8_t *)"\n\r\t", 3}, "\"\\n\\r\\t\""},
        {"NUL and escape", {(const uint8_t *)"\0\x1b\x7f", 3}, "\"\\x00\\x1b\\x7f\""},
        {"UTF-8", {(const uint8_t *)"\xc3\xa4", 2}, "\"\\xc3\\xa4\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *const quoted = log_quote(CASES[i].text);

        if (strcmp(quoted, CASES[i].quoted) != 0)
            fail_msg("%s: %s", CASES[i].name, quoted);
    }
}

static void test_quote_kinds_in_one_call(void **state)
{
    char array[] = "array";
    char *const pointer = array;
    const char *const nothing = NULL;
    char line[128];

    (void)state;
    snprintf(line, sizeof(line), "%s %s %s %s %s", log_quote(array), log_quote(pointer), log_quote("literal"),
             log_quote(view_of("view!", 4)), log_quote(nothing));
    assert_string_equal(line, "\"array\" \"array\" \"literal\" \"view\" -");
}

static void test_quote_is_bounded(void **state)
{
    uint8_t bytes[LOG_QUOTE_ROOM];
    char small[8];
    size_t lengths_seen = 0;

    (void)state;
    memset(bytes, 'n', sizeof(bytes));
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        const char *const quoted = log_quote(view_of(bytes, length));
        const bool is_cut = strlen(quoted) != length + 2;

        assert_true(strlen(quoted) < LOG_QUOTE_ROOM);
        assert_int_equal(quoted[0], '"');
        assert_int_equal(quoted[strlen(quoted) - 1], '"');
        if (is_cut)
            assert_string_equal(quoted + strlen(quoted) - 4, "...\"");
        lengths_seen += !is_cut;
    }
    assert_true(lengths_seen > 128); /* a camera's name is never cut */

    assert_string_equal(log_escape(small, sizeof(small), view_text("\x01\x02"), '\''), "'...'");
    assert_string_equal(log_escape(small, sizeof(small), view_text("abc'd"), '\''), "'ab...'");
}

static void test_limit_decisions(void **state)
{
    static const struct {
        uint64_t now_mono_ms;
        bool allowed;
        uint64_t suppressed_count;
    } STEPS[] = {
        {5000, true, 0}, {5001, true, 0},  {5002, false, 0}, {5999, false, 0}, {6000, true, 2},
        {6001, true, 0}, {6002, false, 0}, {9000, true, 1},  {9001, true, 0},
    };
    struct log_limit limit = LOG_LIMIT(2);
    struct log_limit none = LOG_LIMIT(0);
    uint64_t suppressed_count;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++) {
        suppressed_count = 0;
        if (log_limit_allows(&limit, STEPS[i].now_mono_ms, &suppressed_count) != STEPS[i].allowed ||
            suppressed_count != STEPS[i].suppressed_count)
            fail_msg("step %zu: suppressed %llu", i, (unsigned long long)suppressed_count);
    }
    assert_false(log_limit_allows(&none, 1, &suppressed_count));
    assert_false(log_limit_allows(&none, 5000, &suppressed_count));
    assert_int_equal(none.suppressed_count, 2); /* counted until somebody tells */
}

static void test_limited_lines(void **state)
{
    struct log_limit limit = LOG_LIMIT(1);
    struct capture capture;

    (void)state;
    log_open("p", LOG_LEVEL_INFO);
    capture_begin(&capture);
    for (int i = 0; i < 5; i++)
        log_limited(&limit, LOG_LEVEL_WARNING, "refused", "n=%d", i);
    assert_next_line(&capture, "<4>p: refused n=0\n");
    assert_next_line(&capture, "");

    limit.second_mono_ms -= 1000; /* as if the second were over */
    log_limited(&limit, LOG_LEVEL_WARNING, "refused", "n=%d", 5);
    assert_next_line(&capture, "<4>p: refused suppressed=4\n");
    assert_next_line(&capture, "<4>p: refused n=5\n");

    log_limited(&limit, LOG_LEVEL_WARNING, "refused");
    log_limited(&limit, LOG_LEVEL_DEBUG, "refused"); /* unwanted, so not counted */
    log_limit_flush(&limit, LOG_LEVEL_WARNING, "refused");
    assert_next_line(&capture, "<4>p: refused suppressed=1\n");
    log_limit_flush(&limit, LOG_LEVEL_WARNING, "refused");
    assert_next_line(&capture, "");
    capture_end(&capture);
}

static void test_a_full_pipe_loses_the_line_and_nothing_else(void **state)
{
    const int saved_fd = dup(STDERR_FILENO);
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    log_open("p", LOG_LEVEL_INFO);
    for (int i = 0; i < 10000; i++)
        log_info("flood", "n=%d", i);
    dup2(saved_fd, STDERR_FILENO);
    close(saved_fd);
    close(ends[0]);
    close(ends[1]);
}

static void test_terminal_form(void **state)
{
    const int saved_fd = dup(STDERR_FILENO);
    char line[256];
    int master_fd;
    int terminal_fd;
    ssize_t got;

    (void)state;
    assert_int_equal(openpty(&master_fd, &terminal_fd, NULL, NULL, NULL), 0);
    dup2(terminal_fd, STDERR_FILENO);
    log_open("ingest", LOG_LEVEL_INFO);
    log_warn("sighting_rejected", "field=%s", "x_cm");
    dup2(saved_fd, STDERR_FILENO);
    close(saved_fd);
    got = read(master_fd, line, sizeof(line) - 1);
    assert_true(got > 0);
    line[got] = '\0';
    /* 12:34:56.789 */
    assert_int_equal(line[2], ':');
    assert_int_equal(line[5], ':');
    assert_int_equal(line[8], '.');
    assert_string_equal(line + 12, " WARN  ingest: sighting_rejected field=x_cm\r\n");
    close(terminal_fd);
    close(master_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_a_line_is_one_line),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_quote_kinds_in_one_call),
        cmocka_unit_test(test_quote_is_bounded),
        cmocka_unit_test(test_limit_decisions),
        cmocka_unit_test(test_limited_lines),
        cmocka_unit_test(test_a_full_pipe_loses_the_line_and_nothing_else),
        cmocka_unit_test(test_terminal_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
