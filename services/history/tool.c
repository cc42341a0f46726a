/* tool - see tool.h. The way to the database; what is done with it is in tool_verbs.c.
 *
 * Why it is this program: storage/ has one user, and the tool knows the same versions of the database as the service.
 */
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "run/conf.h"
#include "tool_verbs.h"

#define PROGRAM "taghub-history"

static const struct verb {
    const char *name, *usage, *help;
    int (*run)(struct args *args);
} VERBS[] = {
    {"history", "history [--camera NAME] [--since WHEN] [--limit N] [--json | --csv]",
     "list sessions of cameras, the newest last: of one camera; since a time such as 30m, 2h, 3d\n"
     "or \"2025-06-15 14:00\"; at most N (50; 0 = all)",
     tool_history},
    {"photo", "photo CAMERA FILE", "save a camera's newest picture; FILE - is standard output", tool_photo},
    {"backup", "backup FILE",
     "copy the database, whole and consistent, also while the hub runs. To go back to the copy:\n"
     "stop the hub, copy it over history.db, remove history.db-wal and -shm, start the hub",
     tool_backup},
};

/* ---- telling ---- */

static void complain(const char *format, va_list arguments, const char *ending)
{
    fprintf(stderr, PROGRAM ": ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "%s\n", ending);
}

int tool_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(format, arguments, "");
    va_end(arguments);
    return EXIT_FAILURE;
}

int tool_usage_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(format, arguments, "; see " PROGRAM " history --help");
    va_end(arguments);
    return EXIT_USAGE;
}

static void print_help(void)
{
    printf(PROGRAM " - looks into the database of a hub, running or not\n\n");
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++) {
        const char *line = VERBS[i].help;

        printf("  " PROGRAM " %s\n", VERBS[i].usage);
        for (size_t length; *line != '\0'; line += length + (line[length] == '\n')) {
            length = strcspn(line, "\n");
            printf("      %.*s\n", (int)length, line);
        }
    }
    printf("\nSettings, of which state_dir matters:\n");
    conf_print_keys(stdout);
}

/* ---- opening ---- */

static int open_store(const char *path, struct store **ret_store)
{
    const struct store_conf conf = {.path = path, .is_read_only = true};
    enum store_trouble trouble;
    char why[256];

    if (access(path, F_OK) < 0)
        return tool_fail(errno == ENOENT ? "%s does not exist: no hub has run with this state_dir yet" : "%s: %s", path,
                         strerror(errno));
    trouble = store_open(&conf, ret_store, why);
    if (trouble == STORE_READ_ONLY) /* reading begins by making the -shm */
        return tool_fail("%s; while no hub runs, only its user and root can read it", why);
    return trouble == STORE_FINE ? 0 : tool_fail("%s", why);
}

int tool_open_store(struct args *args, struct store **ret_store)
{
    const char *stray = args_take_word(args);
    struct hub_conf conf;
    struct conf_error error;
    char path[PATH_MAX];

    if (stray != NULL)
        return tool_usage_error("'%s' is a word too many", stray);
    if (conf_load(args->count, args->at, PROGRAM, &conf, &error) != 0) {
        tool_fail("%s", error.text);
        return EX_CONFIG;
    }
    snprintf(path, sizeof path, "%s/history.db", conf.state_dir);
    return open_store(path, ret_store);
}

/* ---- public ---- */

bool history_tool_is_asked(int argc, char **argv)
{
    return argc > 1 && argv[1][0] != '-';
}

int history_tool_run(int argc, char **argv)
{
    struct args args = {.count = argc, .at = argv};
    bool wants_help = args_take_flag(&args, "--help") | args_take_flag(&args, "-h");
    bool wants_version = args_take_flag(&args, "--version");
    const char *name = args_take_word(&args);

    if (wants_version) {
        printf(PROGRAM " %s\n", TAGHUB_VERSION);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LEN(VERBS) && !wants_help; i++) {
        if (name != NULL && strcmp(VERBS[i].name, name) == 0)
            return VERBS[i].run(&args);
    }
    if (!wants_help)
        return tool_usage_error("'%s' is none of history, photo, backup", name);
    print_help();
    return EXIT_SUCCESS;
}
