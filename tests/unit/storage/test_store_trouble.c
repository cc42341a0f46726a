/* test_store_trouble - what each result code of SQLite, and each errno behind one, means to us. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "store_internal.h"

static const struct {
    const char *name;
    int code, system_errno;
    enum store_trouble trouble;
} CODES[] = {
    {"ok", SQLITE_OK, 0, STORE_FINE},
    {"row", SQLITE_ROW, 0, STORE_FINE},
    {"done", SQLITE_DONE, 0, STORE_FINE},
    {"busy", SQLITE_BUSY, 0, STORE_BUSY},
    {"busy with recovery", SQLITE_BUSY_RECOVERY, 0, STORE_BUSY},
    {"busy with a snapshot", SQLITE_BUSY_SNAPSHOT, 0, STORE_BUSY},
    {"busy, waited", SQLITE_BUSY_TIMEOUT, 0, STORE_BUSY},
    {"locked", SQLITE_LOCKED, 0, STORE_BUSY},
    {"locked by another", SQLITE_LOCKED_SHAREDCACHE, 0, STORE_BUSY},
    {"lost race for the log", SQLITE_PROTOCOL, 0, STORE_BUSY},
    {"full", SQLITE_FULL, 0, STORE_FULL},
    {"write without room", SQLITE_IOERR_WRITE, ENOSPC, STORE_FULL},
    {"write beyond a quota", SQLITE_IOERR_WRITE, EDQUOT, STORE_FULL},
    {"write beyond a limit", SQLITE_IOERR_WRITE, EFBIG, STORE_FULL},
    {"log index without room", SQLITE_IOERR_SHMSIZE, ENOSPC, STORE_FULL},
    {"create without room", SQLITE_CANTOPEN, ENOSPC, STORE_FULL},
    {"read only", SQLITE_READONLY, 0, STORE_READ_ONLY},
    {"read only, recovery", SQLITE_READONLY_RECOVERY, 0, STORE_READ_ONLY},
    {"read only, no lock", SQLITE_READONLY_CANTLOCK, 0, STORE_READ_ONLY},
    {"read only, rollback", SQLITE_READONLY_ROLLBACK, 0, STORE_READ_ONLY},
    {"read only, no log index", SQLITE_READONLY_CANTINIT, 0, STORE_READ_ONLY},
    {"read only folder", SQLITE_READONLY_DIRECTORY, 0, STORE_READ_ONLY},
    {"moved away", SQLITE_READONLY_DBMOVED, 0, STORE_BROKEN},
    {"permission", SQLITE_PERM, 0, STORE_READ_ONLY},
    {"open without permission", SQLITE_CANTOPEN, EACCES, STORE_READ_ONLY},
    {"open on read-only file system", SQLITE_CANTOPEN, EROFS, STORE_READ_ONLY},
    {"delete without permission", SQLITE_IOERR_DELETE, EPERM, STORE_READ_ONLY},
    {"open without folder", SQLITE_CANTOPEN, ENOENT, STORE_BROKEN},
    {"open a folder", SQLITE_CANTOPEN_ISDIR, EISDIR, STORE_BROKEN},
    {"corrupt", SQLITE_CORRUPT, 0, STORE_CORRUPT},
    {"corrupt index", SQLITE_CORRUPT_INDEX, 0, STORE_CORRUPT},
    {"corrupt sequence", SQLITE_CORRUPT_SEQUENCE, 0, STORE_CORRUPT},
    {"no database", SQLITE_NOTADB, 0, STORE_CORRUPT},
    {"corrupt file system", SQLITE_IOERR_CORRUPTFS, EIO, STORE_CORRUPT},
    {"wrong checksum", SQLITE_IOERR_DATA, 0, STORE_CORRUPT},
    {"read", SQLITE_IOERR_READ, EIO, STORE_BROKEN},
    {"flush", SQLITE_IOERR_FSYNC, EIO, STORE_BROKEN},
    {"memory", SQLITE_NOMEM, 0, STORE_BROKEN},
    {"memory, an old errno about", SQLITE_NOMEM, ENOSPC, STORE_BROKEN},
    {"constraint", SQLITE_CONSTRAINT_NOTNULL, 0, STORE_BROKEN},
    {"error", SQLITE_ERROR, 0, STORE_BROKEN},
    {"misuse", SQLITE_MISUSE, 0, STORE_BROKEN},
    {"a code of the future", 99, 0, STORE_BROKEN},
};

static void codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        if (store_trouble_of_code(CODES[i].code, CODES[i].system_errno) != CODES[i].trouble)
            fail_msg("%s: %s", CODES[i].name,
                     store_trouble_name(store_trouble_of_code(CODES[i].code, CODES[i].system_errno)));
    }
}

static void names(void **state)
{
    static const char *const NAMES[] = {"fine", "busy", "full", "read_only", "corrupt", "foreign", "broken"};

    (void)state;
    assert_int_equal(ARRAY_LEN(NAMES), STORE_TROUBLE_COUNT);
    for (int i = 0; i < STORE_TROUBLE_COUNT; i++)
        assert_string_equal(store_trouble_name((enum store_trouble)i), NAMES[i]);
    assert_string_equal(store_trouble_name((enum store_trouble)99), "broken");
}

int main(void)
{
    const struct CMUnitTest CASES[] = {
        {.name = "each code has its trouble", .test_func = codes},
        {.name = "each trouble has a name", .test_func = names},
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
