/* history_verbs - what is in the database: its program, taghub-history, knows, and does it as a tool. So the database has
 * one owner, and these verbs work whether a hub runs or not. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services.h"
#include "spawn.h"
#include "verbs.h"

/* Becomes `taghub-history WORD ...`, with what is left of the command line. Returns only when that fails. */
static int become_history(const char *word, const struct args *args)
{
    const char *name = SERVICES[SERVICE_history].program;
    char program[PATH_MAX];
    char **words = calloc((size_t)args->count + 2, sizeof *words);

    if (words != NULL && spawn_find_program(name, program) == 0) {
        words[0] = program;
        words[1] = (char *)(uintptr_t)word;
        memcpy(&words[2], &args->at[1], (size_t)(args->count - 1) * sizeof *words);
        execv(program, words);
    }
    fprintf(stderr, "taghubctl: %s cannot be run: %s\n", name, strerror(words == NULL ? ENOMEM : errno));
    free(words);
    return EXIT_FAILURE;
}

int verb_history(struct args *args)
{
    return become_history("history", args);
}

int verb_photo(struct args *args)
{
    return become_history("photo", args);
}

int verb_backup(struct args *args)
{
    return become_history("backup", args);
}
