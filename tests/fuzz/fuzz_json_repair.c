/* Any text: the repair fits its room, is done once, and undoes the single quotes of a game. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "json_repair.h"
#include "json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What a game does to valid JSON: quotes become apostrophes. Returns the length; at most twice. */
static size_t quote_singly(struct view text, char *dst)
{
    size_t used = 0;
    int in_string = 0;

    for (size_t i = 0; i < text.length; i++) {
        char byte = (char)text.bytes[i];

        if (byte == '"') {
            in_string = !in_string;
            dst[used++] = '\'';
        } else if (in_string && byte == '\'') {
            dst[used++] = '\\';
            dst[used++] = '\'';
        } else if (in_string && byte == '\\') {
            i++;
            if (text.bytes[i] != '"')
                dst[used++] = '\\';
            dst[used++] = (char)text.bytes[i];
        } else {
            dst[used++] = byte;
        }
    }
    return used;
}

static void verify_valid_text(struct view text)
{
    size_t single_room = 2 * text.length + 1, room = JSON_REPAIR_ROOM(single_room), length = 0;
    char *single = malloc(single_room), *repaired = malloc(room);
    size_t single_length;
    int r;

    assert(single != NULL && repaired != NULL);
    assert(json_repair_quotes(text, repaired, room, &length) == -ENOENT);
    single_length = quote_singly(text, single);
    r = json_repair_quotes(view_of(single, single_length), repaired, room, &length);
    if (memchr(text.bytes, '"', text.length) == NULL)
        assert(r == -ENOENT);
    else
        assert(r == 0 && view_equals(view_of(repaired, length), text));
    free(repaired);
    free(single);
}

static void verify_repair(struct view text)
{
    size_t room = JSON_REPAIR_ROOM(text.length), length = 0, exact_length = 0;
    char *repaired = malloc(room), *exact;
    int r;

    assert(repaired != NULL);
    r = json_repair_quotes(text, repaired, room, &length);
    assert(r == 0 || r == -ENOENT);
    if (r == 0) {
        assert(length > 0 && length <= room);
        exact = malloc(length);
        assert(exact != NULL);
        assert(json_repair_quotes(text, exact, length, &exact_length) == 0);
        assert(view_equals(view_of(repaired, length), view_of(exact, exact_length)));
        assert(json_repair_quotes(text, exact, length - 1, &exact_length) == -E2BIG);
        free(exact);
        exact = malloc(JSON_REPAIR_ROOM(length));
        assert(exact != NULL);
        assert(json_repair_quotes(view_of(repaired, length), exact, JSON_REPAIR_ROOM(length), &exact_length) ==
               -ENOENT);
        free(exact);
    }
    free(repaired);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct view text = view_of(bytes, length);
    struct json_error error;
    enum json_type type;

    verify_repair(text);
    if (json_check(text, JSON_DEPTH_MAX, &type, &error) == 0)
        verify_valid_text(text);
    return 0;
}
