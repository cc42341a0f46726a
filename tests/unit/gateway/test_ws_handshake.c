/* Which upgrade requests are let through, and why the others are not. Each case takes the request
 * of the RFC's own example and changes one part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ws_handshake.h"

#define RFC_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define RFC_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define OTHER_KEY  "x3JJHMbDL1EzLkh9GBhXDw=="

enum part { METHOD, UPGRADE, CONNECTION, KEY, VERSION, PART_COUNT };

static const char *const EXAMPLE[PART_COUNT] = {
    [METHOD] = "GET", [UPGRADE] = "websocket", [CONNECTION] = "Upgrade", [KEY] = RFC_KEY, [VERSION] = "13",
};

struct handshake_case {
    const char *name;
    enum part part;
    const char *value; /* NULL: the header is absent */
    int status;
    const char *expected; /* the accept value with 101, else a part of the problem */
};

static const struct handshake_case CASES[] = {
    {"the example", METHOD, "GET", 101, RFC_ACCEPT},
    {"upgrade in mixed case", UPGRADE, "WebSocket", 101, RFC_ACCEPT},
    {"upgrade in a list", UPGRADE, "h2c, websocket", 101, RFC_ACCEPT},
    {"upgrade among empty items", UPGRADE, ",,websocket\t,", 101, RFC_ACCEPT},
    {"upgrade with blanks around", UPGRADE, " \twebsocket ", 101, RFC_ACCEPT},
    {"connection in mixed case", CONNECTION, "uPGRADE", 101, RFC_ACCEPT},
    {"connection last in a list", CONNECTION, "keep-alive, Upgrade", 101, RFC_ACCEPT},
    {"connection first in a list", CONNECTION, " Upgrade ,, close", 101, RFC_ACCEPT},
    {"version with blanks around", VERSION, " 13\t", 101, RFC_ACCEPT},
    {"key with blanks around", KEY, " " RFC_KEY "\t", 101, RFC_ACCEPT},
    {"another key", KEY, OTHER_KEY, 101, "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
    {"key of zero bytes", KEY, "AAAAAAAAAAAAAAAAAAAAAA==", 101, "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
    {"key whose unused bits are set", KEY, "dGhlIHNhbXBsZSBub25jZR==", 101, "Zgw8jYXtqX5qJr7MJ1Q/MqzeSRI="},

    {"POST", METHOD, "POST", 400, "GET"},
    {"method in lower case", METHOD, "get", 400, "GET"},
    {"no upgrade", UPGRADE, NULL, 400, "Upgrade: websocket"},
    {"empty upgrade", UPGRADE, "", 400, "Upgrade: websocket"},
    {"upgrade to something else", UPGRADE, "h2c", 400, "Upgrade: websocket"},
    {"upgrade only begins right", UPGRADE, "websocket2", 400, "Upgrade: websocket"},
    {"upgrade only ends right", UPGRADE, "a websocket", 400, "Upgrade: websocket"},
    {"upgrade is cut short", UPGRADE, "websocke", 400, "Upgrade: websocket"},
    {"no connection", CONNECTION, NULL, 400, "Connection: Upgrade"},
    {"connection without upgrade", CONNECTION, "keep-alive", 400, "Connection: Upgrade"},
    {"no version", VERSION, NULL, 426, "13"},
    {"empty version", VERSION, "", 426, "13"},
    {"older version", VERSION, "8", 426, "13"},
    {"version with more digits", VERSION, "130", 426, "13"},
    {"two versions", VERSION, "13,13", 426, "13"},
    {"no key", KEY, NULL, 400, "Sec-WebSocket-Key"},
    {"empty key", KEY, "", 400, "Sec-WebSocket-Key"},
    {"key of 15 bytes", KEY, "AAAAAAAAAAAAAAAAAAAA", 400, "Sec-WebSocket-Key"},
    {"key of 17 bytes", KEY, "AAAAAAAAAAAAAAAAAAAAAAA=", 400, "Sec-WebSocket-Key"},
    {"key of 18 bytes", KEY, "AAAAAAAAAAAAAAAAAAAAAAAA", 400, "Sec-WebSocket-Key"},
    {"key without padding", KEY, "dGhlIHNhbXBsZSBub25jZQ", 400, "Sec-WebSocket-Key"},
    {"key with a foreign digit", KEY, "dGhlIHNhbXBsZSBub25jZ*==", 400, "Sec-WebSocket-Key"},
    {"key in the URL alphabet", KEY, "dGhlIHNhbXBs-SBub25jZQ==", 400, "Sec-WebSocket-Key"},
    {"key with a blank inside", KEY, "dGhlIHNhbXBs SBub25jZQ==", 400, "Sec-WebSocket-Key"},
    {"key with early padding", KEY, "dGhlIHNhbXBs=SBub25jZQ==", 400, "Sec-WebSocket-Key"},
    {"two keys", KEY, RFC_KEY "," OTHER_KEY, 400, "Sec-WebSocket-Key"},
};

static struct view header(const char *text)
{
    return text ? view_text(text) : view_of(NULL, 0);
}

static struct ws_handshake request_of(const char *const parts[PART_COUNT])
{
    return (struct ws_handshake){.method = header(parts[METHOD]),
                                 .http_version = 0x0101,
                                 .upgrade = header(parts[UPGRADE]),
                                 .connection = header(parts[CONNECTION]),
                                 .key = header(parts[KEY]),
                                 .version = header(parts[VERSION])};
}

static void check_request(const char *name, const struct ws_handshake *request, int status, const char *expected)
{
    char accept[WS_ACCEPT_SIZE] = "untouched";
    const char *problem = "untouched";
    int got = ws_handshake_check(request, accept, &problem);

    if (got != status)
        fail_msg("%s: status %d, %s", name, got, problem);
    if (strcmp(status == 101 ? problem : accept, "untouched") != 0)
        fail_msg("%s: two answers", name);
    if (status == 101 ? strcmp(accept, expected) != 0 : !strstr(problem, expected))
        fail_msg("%s: accept %s, problem %s", name, accept, problem);
}

static void test_one_part_changed(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *parts[PART_COUNT];
        struct ws_handshake request;

        memcpy(parts, EXAMPLE, sizeof(parts));
        parts[CASES[i].part] = CASES[i].value;
        request = request_of(parts);
        check_request(CASES[i].name, &request, CASES[i].status, CASES[i].expected);
    }
}

static void test_http_version(void **unused)
{
    struct ws_handshake request = request_of(EXAMPLE);

    (void)unused;
    request.http_version = 0x0100;
    check_request("HTTP/1.0", &request, 400, "HTTP/1.1");
    request.http_version = 0x0009;
    check_request("HTTP/0.9", &request, 400, "HTTP/1.1");
    request.http_version = 0x0102;
    check_request("HTTP/1.2", &request, 101, RFC_ACCEPT);
}

/* An old client must learn which version is spoken, whatever else its dialect lacks. */
static void test_version_is_judged_before_the_key(void **unused)
{
    const char *const parts[PART_COUNT] = {[METHOD] = "GET", [UPGRADE] = "WebSocket", [CONNECTION] = "Upgrade"};
    struct ws_handshake request = request_of(parts);

    (void)unused;
    check_request("neither key nor version", &request, 426, "13");
}

static void test_wanted_looks_at_upgrade_only(void **unused)
{
    static const struct {
        const char *name, *upgrade;
        bool wanted;
    } cases[] = {
        {"absent", NULL, false},         {"empty", "", false},         {"other", "h2c", false},
        {"longer", "websockets", false}, {"plain", "websocket", true}, {"list", "h2c,WEBSOCKET", true},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct ws_handshake request = {.upgrade = header(cases[i].upgrade)};

        if (ws_handshake_wanted(&request) != cases[i].wanted)
            fail_msg("%s: wanted is not %d", cases[i].name, cases[i].wanted);
    }
}

/* Header values end where the next header begins, not with a NUL. */
static void test_values_are_not_terminated(void **unused)
{
    struct view *value;
    struct ws_handshake request = request_of(EXAMPLE);
    struct view *const values[] = {&request.method, &request.upgrade, &request.connection, &request.key,
                                   &request.version};

    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        value = values[i];
        value->bytes = memcpy(malloc(value->length), value->bytes, value->length);
    }
    check_request("exact copies", &request, 101, RFC_ACCEPT);
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        free((void *)values[i]->bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_part_changed),
        cmocka_unit_test(test_http_version),
        cmocka_unit_test(test_version_is_judged_before_the_key),
        cmocka_unit_test(test_wanted_looks_at_upgrade_only),
        cmocka_unit_test(test_values_are_not_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
