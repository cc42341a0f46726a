/* private_folder - setup and teardown of a group of tests that may leave files: an empty folder, the current one. */
#ifndef TAGHUB_TEST_PRIVATE_FOLDER_H
#define TAGHUB_TEST_PRIVATE_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int enter_private_folder(void **state)
{
    static char folder[] = "/tmp/taghub-unit-XXXXXX";

    *state = mkdtemp(folder);
    return *state == NULL || chdir(folder) < 0 ? -1 : 0;
}

static inline int leave_private_folder(void **state)
{
    return chdir("/") < 0 || nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0 ? -1 : 0;
}

#endif
