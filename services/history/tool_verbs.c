/* tool_verbs - see tool_verbs.h. */
#include "tool_verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session_list.h"
#include "view.h"
#include "when.h"

#define LIMIT_PRESET 50

static int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    return tool_fail("standard output: %s", strerror(errno));
}

/* ---- history ---- */

static int parse_limit(const char *text, uint64_t *ret_count)
{
    char *end;

    errno = 0;
    *ret_count = strtoull(text, &end, 10);
    return text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ? -EINVAL : 0;
}

/* The options of `history`. 0, or the exit status. */
static int take_query(struct args *args, struct store_session_query *query, enum session_list_format *format)
{
    const char *since = NULL, *limit = NULL;
    bool is_json = args_take_flag(args, "--json"), is_csv = args_take_flag(args, "--csv");

    if (args_take_value(args, "--camera", &query->camera) < 0 || args_take_value(args, "--since", &since) < 0 ||
        args_take_value(args, "--limit", &limit) < 0)
        return tool_usage_error("--camera, --since and --limit need a value");
    if (is_json && is_csv)
        return tool_usage_error("--json or --csv, not both");
    if (since != NULL && when_parse(since, time(NULL), &query->since_utc_us) < 0)
        return tool_usage_error("--since: '%s' is no time", since);
    query->max_count = LIMIT_PRESET;
    if (limit != NULL && parse_limit(limit, &query->max_count) < 0)
        return tool_usage_error("--limit: '%s' is no number", limit);
    *format = is_json ? SESSION_LIST_JSON : is_csv ? SESSION_LIST_CSV : SESSION_LIST_TABLE;
    return 0;
}

static bool add_session(void *user, const struct store_session *session)
{
    if (session_list_add(user, session) < 0)
        abort();
    return true;
}

int tool_history(struct args *args)
{
    struct store_session_query query = {.camera = NULL};
    struct session_list list = {.items = NULL};
    enum session_list_format format = SESSION_LIST_TABLE;
    struct store *store = NULL;
    int status = take_query(args, &query, &format);

    if (status == 0)
        status = tool_open_store(args, &store);
    if (status != 0)
        return status;
    if (store_each_session(store, &query, add_session, &list) != STORE_FINE)
        status = tool_fail("%s", store_why(store));
    store_close(store); /* before writing, which may take as long as the reader of a pipe likes */
    if (status == 0) {
        session_list_print(&list, format, stdout);
        status = finish_output();
    }
    session_list_done(&list);
    return status;
}

/* ---- photo ---- */

static int write_all(int fd, struct view bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(fd, bytes.bytes, bytes.length);

        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0)
            bytes = view_of(bytes.bytes + written, bytes.length - (size_t)written);
    }
    return 0;
}

/* A device or a pipe is written to; it is not for us to put a file in its place. */
static int write_special(const char *path, struct view bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : write_all(fd, bytes);

    if (fd >= 0)
        close(fd);
    return r;
}

/* Who looks at the path sees the old file or the new one, whole. */
static int write_regular(const char *path, struct view bytes)
{
    mode_t mask = umask(0);
    char temp[PATH_MAX];
    int fd, r;

    umask(mask);
    if (snprintf(temp, sizeof temp, "%s.XXXXXX", path) >= (int)sizeof temp)
        return -ENAMETOOLONG;
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = write_all(fd, bytes);
    if (r == 0 && fchmod(fd, 0666 & ~mask) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temp);
    return r;
}

static int write_picture(const char *path, struct view bytes)
{
    struct stat status;

    if (strcmp(path, "-") == 0)
        return isatty(STDOUT_FILENO) ? -EINVAL : write_all(STDOUT_FILENO, bytes);
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return write_special(path, bytes);
    return write_regular(path, bytes);
}

struct saving {
    const char *path;
    bool is_found;
    int result;
};

static bool save_photo(void *user, const struct store_photo *photo)
{
    struct saving *saving = user;
    char arrived[LOCAL_TIME_ROOM];

    saving->is_found = true;
    saving->result = write_picture(saving->path, view_of(photo->jpeg, photo->jpeg_bytes));
    if (saving->result == 0) {
        local_time_format(photo->arrived_utc_us, arrived);
        print_plainly(stderr, photo->camera);
        fprintf(stderr, ": %" PRIu32 "x%" PRIu32 ", %zu bytes, of %s\n", photo->width, photo->height, photo->jpeg_bytes,
                arrived);
    }
    return false;
}

static bool print_name(void *user, const struct store_photo *photo)
{
    size_t *count = user;

    fputs((*count)++ == 0 ? "; there are pictures of " : ", ", stderr);
    print_plainly(stderr, photo->camera);
    return true;
}

static int complain_about_camera(struct store *store, const char *camera)
{
    size_t count = 0;

    fprintf(stderr, "taghub-history: there is no picture of ");
    print_plainly(stderr, camera);
    store_each_photo(store, print_name, &count);
    fputs(count == 0 ? ", nor of any other camera\n" : "\n", stderr);
    return EXIT_FAILURE;
}

int tool_photo(struct args *args)
{
    const char *camera = args_take_word(args);
    struct saving saving = {.path = args_take_word(args)};
    struct store *store = NULL;
    int status;

    if (saving.path == NULL)
        return tool_usage_error("photo needs a CAMERA and a FILE");
    status = tool_open_store(args, &store);
    if (status != 0)
        return status;
    if (store_find_photo(store, camera, save_photo, &saving) != STORE_FINE)
        status = tool_fail("%s", store_why(store));
    else if (!saving.is_found)
        status = complain_about_camera(store, camera);
    else if (saving.result == -EINVAL && strcmp(saving.path, "-") == 0)
        status = tool_fail("standard output is a terminal, and a picture no text");
    else if (saving.result < 0)
        status = tool_fail("%s: %s", saving.path, strerror(-saving.result));
    store_close(store);
    return status;
}

/* ---- backup ---- */

int tool_backup(struct args *args)
{
    const char *path = args_take_word(args);
    struct store *store = NULL;
    struct stat file;
    int status;

    if (path == NULL)
        return tool_usage_error("backup needs a FILE");
    status = tool_open_store(args, &store);
    if (status != 0)
        return status;
    if (store_backup(store, path) != STORE_FINE)
        status = tool_fail("%s", store_why(store));
    else if (stat(path, &file) == 0)
        fprintf(stderr, "%s: %lld bytes\n", path, (long long)file.st_size);
    store_close(store);
    return status;
}
