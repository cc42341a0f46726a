/* schema - the files *.sql, built in as they stand, so that what people read is what is run.
 *
 * The assembler reads them: paths count from the root of the tree, where the build runs.
 */
#include "store_internal.h"

#include <assert.h>

#define EMBED(symbol, path)                                                                                            \
    __asm__(".section .rodata\n"                                                                                       \
            ".hidden " #symbol "\n"                                                                                    \
            ".global " #symbol "\n" #symbol ":\n"                                                                      \
            ".incbin \"" path "\"\n"                                                                                   \
            ".byte 0\n"                                                                                                \
            ".previous\n");                                                                                            \
    extern const char symbol[]

EMBED(store_schema, "storage/schema.sql");
EMBED(store_migration_2, "storage/migrations/0002_photos.sql");

const char *store_migration(int from_version)
{
    static const char *const FROM[STORE_VERSION] = {
        [0] = store_schema, /* there was nothing */
        [1] = store_migration_2,
    };

    assert(from_version >= 0 && from_version < STORE_VERSION);
    return FROM[from_version];
}
