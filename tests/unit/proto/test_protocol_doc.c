/* PROTOCOL.md is what the tables say. With --print this program is the generator behind `make docs`. */
#include "protocol_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "view.h"

#define PATH "proto/PROTOCOL.md"

static char *generate(size_t *ret_length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_length);

    assert_non_null(out);
    protocol_doc_print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_the_file_is_up_to_date(void **state)
{
    size_t length, line = 1;
    char *text = generate(&length);
    FILE *file = fopen(PATH, "rb");

    (void)state;
    if (file == NULL)
        fail_msg("%s is missing: run the tests in the root of the tree, and `make docs` there", PATH);
    for (size_t i = 0; i <= length; i++) {
        if (fgetc(file) != (i < length ? (unsigned char)text[i] : EOF))
            fail_msg("%s differs from the tables in line %zu: run `make docs`", PATH, line);
        line += text[i] == '\n';
    }
    fclose(file);
    free(text);
}

static void test_everything_is_in_it(void **state)
{
    static const char *const PARTS[] = {
        "### 1 hello\n",
        "### 16 seed_end\n",
        "\nNo fields.\n",
        "gateway → ingest: ",
        "| `version` | u64 | 0..2^32-1 | ",
        "| `incarnation` | u64 | 1..2^64-1 | ",
        "| `arrived_utc_us` | u64 | 0..2^63-1 | ",
        "| `jpeg` | blob | 4..16777216 bytes | ",
        "| 0 | none | accepted |\n",
        "| queued_bytes | gauge | ",
        "| polls | total | ",
    };
    size_t length;
    char *text = generate(&length);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++) {
        if (strstr(text, PARTS[i]) == NULL)
            fail_msg("not in the document: %s", PARTS[i]);
    }
    assert_null(strstr(text, "(null)"));
    assert_null(strstr(text, "unknown |")); /* a name that is missing */
    free(text);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "the file is up to date", .test_func = test_the_file_is_up_to_date},
        {.name = "everything is in it", .test_func = test_everything_is_in_it},
    };

    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        protocol_doc_print(stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return cmocka_run_group_tests(CASES, NULL, NULL);
}
