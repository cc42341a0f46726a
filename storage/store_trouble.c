/* store_trouble - from SQLite's many result codes to the few things that can be done about them. */
#include "store_internal.h"

#include <errno.h>

static const char *const NAMES[STORE_TROUBLE_COUNT] = {
    [STORE_FINE] = "fine",           [STORE_BUSY] = "busy",       [STORE_FULL] = "full",
    [STORE_READ_ONLY] = "read_only", [STORE_CORRUPT] = "corrupt", [STORE_FOREIGN] = "foreign",
    [STORE_BROKEN] = "broken",
};

/* An extended code has its family, the primary code, in its low byte. Codes that are not here mean STORE_BROKEN. */
static const struct {
    int code;
    enum store_trouble trouble;
} CODES[] = {
    {SQLITE_OK, STORE_FINE},
    {SQLITE_ROW, STORE_FINE},
    {SQLITE_DONE, STORE_FINE},
    {SQLITE_BUSY, STORE_BUSY},
    {SQLITE_LOCKED, STORE_BUSY},
    {SQLITE_PROTOCOL, STORE_BUSY}, /* a race of several that open the log, lost too often */
    {SQLITE_FULL, STORE_FULL},
    {SQLITE_READONLY, STORE_READ_ONLY},
    {SQLITE_READONLY_DBMOVED, STORE_BROKEN}, /* the file is not at its path any more */
    {SQLITE_PERM, STORE_READ_ONLY},
    {SQLITE_CORRUPT, STORE_CORRUPT},
    {SQLITE_NOTADB, STORE_CORRUPT},
    {SQLITE_IOERR_CORRUPTFS, STORE_CORRUPT},
    {SQLITE_IOERR_DATA, STORE_CORRUPT},
};

static const struct {
    int system_errno;
    enum store_trouble trouble;
} ERRNOS[] = {
    {ENOSPC, STORE_FULL},      {EDQUOT, STORE_FULL},     {EFBIG, STORE_FULL},
    {EACCES, STORE_READ_ONLY}, {EPERM, STORE_READ_ONLY}, {EROFS, STORE_READ_ONLY},
};

const char *store_trouble_name(enum store_trouble trouble)
{
    return trouble < STORE_TROUBLE_COUNT ? NAMES[trouble] : NAMES[STORE_BROKEN];
}

enum store_trouble store_trouble_of_errno(int system_errno)
{
    for (size_t i = 0; i < ARRAY_LEN(ERRNOS); i++) {
        if (ERRNOS[i].system_errno == system_errno)
            return ERRNOS[i].trouble;
    }
    return STORE_BROKEN;
}

static bool find_code(int code, enum store_trouble *ret_trouble)
{
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        if (CODES[i].code == code) {
            *ret_trouble = CODES[i].trouble;
            return true;
        }
    }
    return false;
}

enum store_trouble store_trouble_of_code(int code, int system_errno)
{
    int family = code & 0xff;
    enum store_trouble trouble;

    if (find_code(code, &trouble) || find_code(family, &trouble))
        return trouble;
    if (family == SQLITE_IOERR || family == SQLITE_CANTOPEN)
        return store_trouble_of_errno(system_errno);
    return STORE_BROKEN;
}
