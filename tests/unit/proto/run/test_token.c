/* The token file: who may read it, what may stand in it, how it comes to be. */
#include "private_folder.h"
#include "run/token.h"

#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD "correct-horse-42"

static void write_token_file(const char *text, size_t length, mode_t mode)
{
    FILE *file;

    unlink("token"); /* the one before may be read-only */
    file = fopen("token", "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("token", mode), 0);
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void test_modes(void **state)
{
    static const struct {
        mode_t mode;
        int r;
    } CASES[] = {{0600, 0}, {0400, 0}, {0640, 0}, {0660, 0}, {0644, 0}, {0604, 0}, {0602, -EPERM}, {0666, -EPERM}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char token[TOKEN_MAX + 1];
        struct conf_error error = {0};

        write_token_file(GOOD "\n", sizeof(GOOD), CASES[i].mode);
        if (token_load("token", token, &error) != CASES[i].r)
            fail_msg("%04o: %s", CASES[i].mode, error.text);
        if (CASES[i].r == 0)
            assert_string_equal(token, GOOD);
        assert_int_equal(token_is_exposed("token"), (CASES[i].mode & 04) != 0);
    }
    write_token_file(GOOD, sizeof(GOOD) - 1, 0646);
    struct conf_error error;
    char token[TOKEN_MAX + 1];
    assert_int_equal(token_load("token", token, &error), -EPERM);
    assert_string_equal(error.text, "token: everybody may write the token file (mode 0646); 'chmod 600 token' "
                                    "mends that");
}

#define WAY_OUT "; 'taghubctl token new' makes a good one"

static void test_texts(void **state)
{
#define TEXT(literal) literal, sizeof(literal) - 1
    static const struct {
        const char *text;
        size_t length;
        int r;
        const char *sentence; /* without the way out */
    } CASES[] = {
        {TEXT("twelve-chars"), 0, NULL},
        {TEXT("twelve-chars\n"), 0, NULL},
        {TEXT("twelve-chars\r\n"), 0, NULL},
        {TEXT("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), 0, NULL},
        {TEXT(""), -EINVAL, "token: the token is empty"},
        {TEXT("\n"), -EINVAL, "token: the token is empty"},
        {TEXT("elevenchars\n"), -EINVAL, "token: the token must have 12 to 128 characters"},
        {TEXT("twelve-chars\n\n"), -EINVAL, "token: the token must be a single line"},
        {TEXT("twelve-chars\nsecond\n"), -EINVAL, "token: the token must be a single line"},
        {TEXT("twelve chars\n"), -EINVAL, "token: the token may hold only visible ASCII characters and no spaces"},
        {TEXT("twelve-chars \n"), -EINVAL, "token: the token may hold only visible ASCII characters and no spaces"},
        {TEXT("twelve-chars\0"), -EINVAL, "token: the token may hold only visible ASCII characters and no spaces"},
        {TEXT("twelve-ch\xc3\xa4rs\n"), -EINVAL,
         "token: the token may hold only visible ASCII characters and no spaces"},
    };
#undef TEXT

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char token[TOKEN_MAX + 1];
        struct conf_error error = {0};

        write_token_file(CASES[i].text, CASES[i].length, 0600);
        if (token_load("token", token, &error) != CASES[i].r)
            fail_msg("case %zu: %s", i, error.text);
        if (CASES[i].sentence != NULL) {
            char wanted[256];

            snprintf(wanted, sizeof(wanted), "%s" WAY_OUT, CASES[i].sentence);
            assert_string_equal(error.text, wanted);
        }
    }
}

static void test_longest(void **state)
{
    char text[1000];
    char token[TOKEN_MAX + 1];
    struct conf_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    write_token_file(text + 1, TOKEN_MAX, 0600);
    assert_int_equal(token_load("token", token, &error), 0);
    assert_int_equal(strlen(token), TOKEN_MAX);
    assert_memory_equal(token, text + 1, TOKEN_MAX);
    write_token_file(text + 1, TOKEN_MAX + 1, 0600);
    assert_int_equal(token_load("token", token, &error), -EINVAL);
    write_token_file(text, sizeof(text), 0600);
    assert_int_equal(token_load("token", token, &error), -EINVAL);
    assert_null(strstr(error.text, "abc"));
}

static void test_known_from_documentation(void **state)
{
    static const struct {
        const char *token;
        int r;
    } CASES[] = {
        {"your_auth_token", -EKEYREJECTED},
        {"YOUR-AUTH-TOKEN", -EKEYREJECTED},
        {"<your.auth.token>", -EKEYREJECTED},
        {"your_auth_token_here", -EKEYREJECTED},
        {"your_secret_token", -EKEYREJECTED},
        {"your-token-here", -EKEYREJECTED},
        {"<auth_token>", -EKEYREJECTED},
        {"<AUTH_TOKEN>", -EKEYREJECTED},
        {"change-me-please", -EKEYREJECTED},
        {"changemechangeme", -EKEYREJECTED},
        {"CHANGE_THIS_TOKEN", -EKEYREJECTED},
        {"replace-with-token", -EKEYREJECTED},
        {"123456789012", -EKEYREJECTED},
        {"XXXX-XXXX-XXXX", -EKEYREJECTED},
        {"************", -EKEYREJECTED},
        {"1234567890-my-garage", 0},
        {"my_auth_token_4711", 0},
        {"exchangemenot", 0},
        {"aaaaaaaaaaaa", 0},
        {"!$%&/()=?+~;:,", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char token[TOKEN_MAX + 1];
        struct conf_error error = {0};

        write_token_file(CASES[i].token, strlen(CASES[i].token), 0600);
        if (token_load("token", token, &error) != CASES[i].r)
            fail_msg("%s: '%s'", CASES[i].token, error.text);
        if (CASES[i].r != 0) {
            assert_string_equal(error.text, "token: this token is a placeholder that everybody knows from "
                                            "documentation" WAY_OUT);
            assert_int_equal(token_set("token", CASES[i].token, &error), -EKEYREJECTED);
        }
    }
}

static void test_what_is_no_file(void **state)
{
    char token[TOKEN_MAX + 1];
    struct conf_error error;

    (void)state;
    assert_int_equal(token_load("missing", token, &error), -ENOENT);
    assert_string_equal(error.text, "missing: there is no token file" WAY_OUT);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(token_load("folder", token, &error), -EINVAL);
    assert_string_equal(error.text, "folder: the token file is not a regular file");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(token_load("fifo", token, &error), -EINVAL); /* and does not wait for a writer */
    write_token_file(GOOD, sizeof(GOOD) - 1, 0600);
    assert_int_equal(symlink("token", "link"), 0);
    assert_int_equal(token_load("link", token, &error), 0);
}

static void test_create(void **state)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char first[TOKEN_MAX + 1];
    char second[TOKEN_MAX + 1];
    struct conf_error error;
    struct stat status;
    glob_t left = {0};

    (void)state;
    umask(0);
    assert_int_equal(token_create("made", false, &error), 0);
    umask(022);
    assert_int_equal(mode_of("made"), 0600);
    assert_int_equal(token_load("made", first, &error), 0);
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strspn(first, LETTERS), 32);

    assert_int_equal(token_create("made", false, &error), -EEXIST);
    assert_string_equal(error.text, "made: there is a token already; it was left alone");
    assert_int_equal(token_load("made", second, &error), 0);
    assert_string_equal(first, second);

    assert_int_equal(token_create("made", true, &error), 0);
    assert_int_equal(token_load("made", second, &error), 0);
    assert_string_not_equal(first, second);

    /* no leftovers of the temporary file */
    assert_int_equal(glob("made*", 0, NULL, &left), 0);
    assert_int_equal(left.gl_pathc, 1);
    globfree(&left);
    assert_int_equal(stat("made", &status), 0);
    assert_int_equal(status.st_nlink, 1);
    assert_int_equal(token_create("missing/token", false, &error), -ENOENT);
    assert_string_equal(error.text, "missing/token: No such file or directory");
}

static void test_replacing_keeps_the_group_that_reads(void **state)
{
    struct conf_error error;

    (void)state;
    write_token_file(GOOD, sizeof(GOOD) - 1, 0640);
    assert_int_equal(token_create("token", true, &error), 0);
    assert_int_equal(mode_of("token"), 0640);
    write_token_file(GOOD, sizeof(GOOD) - 1, 0666);
    assert_int_equal(token_set("token", GOOD, &error), 0);
    assert_int_equal(mode_of("token"), 0640); /* never wider than the group's reading */
}

static void test_root_gives_the_file_to_the_owner_of_the_folder(void **state)
{
    struct conf_error error;
    struct stat status;
    const uid_t owner = geteuid() == 0 ? 4711 : geteuid();

    (void)state;
    assert_int_equal(mkdir("owned", 0700), 0);
    if (geteuid() == 0)
        assert_int_equal(chown("owned", owner, 4712), 0);
    assert_int_equal(token_create("owned/token", false, &error), 0);
    assert_int_equal(stat("owned/token", &status), 0);
    assert_int_equal(status.st_uid, owner);
}

static void test_set(void **state)
{
    char token[TOKEN_MAX + 1];
    struct conf_error error;

    (void)state;
    assert_int_equal(token_set("chosen", GOOD, &error), 0);
    assert_int_equal(mode_of("chosen"), 0600);
    assert_int_equal(token_load("chosen", token, &error), 0);
    assert_string_equal(token, GOOD);
    assert_int_equal(token_set("chosen", "short", &error), -EINVAL);
    assert_null(strstr(error.text, "'short'"));
    assert_int_equal(token_set("chosen", GOOD "\n", &error), -EINVAL);
    assert_int_equal(token_load("chosen", token, &error), 0);
    assert_string_equal(token, GOOD);
}

static void test_equals(void **state)
{
    static const struct {
        const char *given;
        size_t length;
        const char *token;
        bool equal;
    } CASES[] = {
        {GOOD, sizeof(GOOD) - 1, GOOD, true},
        {GOOD, sizeof(GOOD), GOOD, false}, /* a NUL at the end is one character too many */
        {GOOD, sizeof(GOOD) - 2, GOOD, false},
        {"", 0, GOOD, false},
        {"Correct-horse-42", 16, GOOD, false},
        {"correct-horse-43", 16, GOOD, false},
        {"Bearer " GOOD, 7 + 16, GOOD, false},
        {"", 0, "", false},
    };
    char longest[TOKEN_MAX + 1] = "";
    char longer[TOKEN_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (token_equals(view_of(CASES[i].given, CASES[i].length), CASES[i].token) != CASES[i].equal)
            fail_msg("'%s' and '%s'", CASES[i].given, CASES[i].token);
    }
    assert_false(token_equals(view_of(NULL, 0), GOOD));
    memset(longest, 'a', TOKEN_MAX);
    memset(longer, 'a', sizeof(longer));
    assert_true(token_equals(view_of(longer, TOKEN_MAX), longest));
    assert_false(token_equals(view_of(longer, TOKEN_MAX + 1), longest));
    longer[TOKEN_MAX - 1] = 'b';
    assert_false(token_equals(view_of(longer, TOKEN_MAX), longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_known_from_documentation),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_replacing_keeps_the_group_that_reads),
        cmocka_unit_test(test_root_gives_the_file_to_the_owner_of_the_folder),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_equals),
    };

    return cmocka_run_group_tests(tests, enter_private_folder, leave_private_folder);
}
