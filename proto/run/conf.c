/* conf - where values come from, and who wins. What a value is, conf_text knows.
 *
 * Why one configuration for all processes: the parts of a hub must agree on sizes and places, and
 * an operator has one file to look at.
 *
 * Invariants
 *   F1  each source is applied whole before the next one: files, environment, command line
 *   F2  whatever is not understood stops the start, with a sentence that names its place
 *   F3  a struct hub_conf leaves here resolved and checked, or not at all
 */
#include "run/conf.h"

#include "run/conf_text.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define VARIABLE_PREFIX "TAGHUB_"
#define CONFIG_VARIABLE "TAGHUB_CONFIG"
#define CONFIG_OPTION   "--config"

/* Longest path this module passes through; what a key may hold is less. */
#define ROOM PATH_MAX

/* Names of files and folders are anybody's; one sentence stays one line. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

int conf_fail(struct conf_error *ret_error, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof(ret_error->text), format, arguments);
    va_end(arguments);
    make_printable(ret_error->text);
    return error;
}

/* ---- one key ---- */

static void note_origin(struct hub_conf *conf, const struct conf_row *row, const char *label)
{
    const size_t length = strlen(label);
    char *const origin = conf->origin[row - conf_rows()];

    if (length < CONF_ORIGIN_ROOM) {
        memcpy(origin, label, length + 1);
    } else { /* the end says more than the beginning: file and line */
        memcpy(origin, "...", 3);
        memcpy(origin + 3, label + length - (CONF_ORIGIN_ROOM - 4), CONF_ORIGIN_ROOM - 3);
    }
    make_printable(origin);
}

static int fail_unknown(const struct conf_place *place, const char *key, struct conf_error *ret_error)
{
    static const char *const WHAT[] = {
        [CONF_STYLE_FILE] = "unknown key",
        [CONF_STYLE_OPTION] = "unknown option",
        [CONF_STYLE_VARIABLE] = "unknown variable",
    };
    char quoted[2 * CONF_STYLED_ROOM];
    char nearest[CONF_STYLED_ROOM];
    char where[ROOM + 16] = "";
    bool is_close;

    conf_row_style(conf_row_nearest(key, place->style, &is_close), place->style, nearest);
    log_escape(quoted, sizeof(quoted), view_text(key), '\'');
    if (place->style == CONF_STYLE_FILE)
        snprintf(where, sizeof(where), "%.1024s:%u: ", place->name, place->line);
    return conf_fail(ret_error, -EINVAL,
                     is_close ? "%s%s %s; did you mean '%s'?" : "%s%s %s; the nearest known one is '%s'", where,
                     WHAT[place->style], quoted, nearest);
}

int conf_key_set(struct hub_conf *conf, const struct conf_place *place, const char *key, const char *value,
                 struct conf_error *ret_error)
{
    const struct conf_row *const row = conf_row_find(key, place->style);
    char reason[CONF_PROBLEM_ROOM];
    char styled[CONF_STYLED_ROOM];
    char label[ROOM + 16];

    if (row == NULL)
        return fail_unknown(place, key, ret_error);
    conf_row_style(row, place->style, styled);
    if (place->style == CONF_STYLE_FILE)
        snprintf(label, sizeof(label), "%.1024s:%u", place->name, place->line);
    else
        snprintf(label, sizeof(label), "%s", styled);

    if (conf_value_parse(row, value, place->folder, conf, reason) < 0) {
        if (place->style == CONF_STYLE_FILE)
            return conf_fail(ret_error, -EINVAL, "%s: %s: %s", label, styled, reason);
        return conf_fail(ret_error, -EINVAL, "%s: %s", label, reason);
    }
    note_origin(conf, row, label);
    return 0;
}

void conf_set_defaults(struct hub_conf *conf)
{
    char reason[CONF_PROBLEM_ROOM];

    memset(conf, 0, sizeof(*conf));
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        const struct conf_row *const row = &conf_rows()[i];

        if (row->name == NULL)
            continue;
        /* A default that its own row refuses stays zero and fails the test of the table. */
        conf_value_parse(row, row->preset, "/", conf, reason);
        note_origin(conf, row, "default");
    }
}

/* ---- environment and command line ---- */

static const char *variable(const struct conf_sources *sources, const char *name)
{
    const size_t length = strlen(name);

    for (char *const *at = sources->environment; *at != NULL; at++) {
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at + length + 1;
    }
    return NULL;
}

static int load_environment(const struct conf_sources *sources, const char *folder, struct hub_conf *conf,
                            struct conf_error *ret_error)
{
    const struct conf_place place = {.style = CONF_STYLE_VARIABLE, .folder = folder};
    char name[CONF_LINE_MAX];
    int r = 0;

    for (char *const *at = sources->environment; *at != NULL && r == 0; at++) {
        const size_t length = strcspn(*at, "=");

        if (strncmp(*at, VARIABLE_PREFIX, strlen(VARIABLE_PREFIX)) != 0 || (*at)[length] == '\0')
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name) - 1), *at);
        if (strcmp(name, CONFIG_VARIABLE) != 0)
            r = conf_key_set(conf, &place, name, *at + length + 1, ret_error);
    }
    return r;
}

/* --config=FILE or --config FILE; *index moves over a second word. NULL when it is neither. */
static const char *config_option(const struct conf_sources *sources, int *index)
{
    const char *const word = sources->argv[*index];
    const size_t length = strlen(CONFIG_OPTION);

    if (strncmp(word, CONFIG_OPTION, length) != 0)
        return NULL;
    if (word[length] == '=')
        return word + length + 1;
    if (word[length] != '\0' || *index + 1 >= sources->argc)
        return NULL;
    return sources->argv[++*index];
}

static int load_option(const struct conf_sources *sources, const char *word, const char *folder, struct hub_conf *conf,
                       struct conf_error *ret_error)
{
    const struct conf_place place = {.style = CONF_STYLE_OPTION, .folder = folder};
    const char *const equals = strchr(word, '=');
    const struct conf_row *row;
    char name[CONF_LINE_MAX];
    char quoted[128];
    size_t length;

    if (strncmp(word, "--", 2) != 0)
        return conf_fail(ret_error, -EINVAL, "unexpected argument %s; '%s --help' lists what there is",
                         log_escape(quoted, sizeof(quoted), view_text(word), '\''), sources->program);
    if (strcmp(word, CONFIG_OPTION) == 0)
        return conf_fail(ret_error, -EINVAL, CONFIG_OPTION ": needs a value, as in " CONFIG_OPTION "=" CONF_FILE);

    length = equals == NULL ? strlen(word) : (size_t)(equals - word);
    snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name) - 1), word);
    row = conf_row_find(name, CONF_STYLE_OPTION);
    if (row != NULL && equals == NULL)
        return conf_fail(ret_error, -EINVAL, "%s: needs a value, as in %s=%s", name, name, row->preset);
    return conf_key_set(conf, &place, name, equals == NULL ? "" : equals + 1, ret_error);
}

static int load_options(const struct conf_sources *sources, const char *folder, struct hub_conf *conf,
                        struct conf_error *ret_error)
{
    int r = 0;

    for (int i = 1; i < sources->argc && r == 0; i++) {
        if (config_option(sources, &i) == NULL)
            r = load_option(sources, sources->argv[i], folder, conf, ret_error);
    }
    return r;
}

/* The file of this start; NULL = none. Only the default one may be missing. */
static const char *choose_file(const struct conf_sources *sources)
{
    const char *chosen = variable(sources, CONFIG_VARIABLE);

    for (int i = 1; i < sources->argc; i++) {
        const char *const named = config_option(sources, &i);

        if (named != NULL)
            chosen = named;
    }
    if (chosen != NULL)
        return chosen[0] == '\0' ? NULL : chosen;
    if (sources->default_file == NULL || (access(sources->default_file, F_OK) < 0 && errno == ENOENT))
        return NULL;
    return sources->default_file;
}

static int find_asked(const struct conf_sources *sources)
{
    for (int i = 1; i < sources->argc; i++) {
        if (strcmp(sources->argv[i], "--help") == 0 || strcmp(sources->argv[i], "-h") == 0)
            return CONF_ASKED_HELP;
        if (strcmp(sources->argv[i], "--version") == 0)
            return CONF_ASKED_VERSION;
    }
    return 0;
}

static int load_all(const struct conf_sources *sources, struct hub_conf *conf, struct conf_error *ret_error)
{
    const char *const file = choose_file(sources);
    char cwd[ROOM];
    int r = 0;

    if (getcwd(cwd, sizeof(cwd)) == NULL)
        return conf_fail(ret_error, -errno, "the current directory: %s", strerror(errno));
    conf_set_defaults(conf);
    if (file != NULL)
        r = conf_files_load(file, conf, ret_error);
    if (r == 0)
        r = load_environment(sources, cwd, conf, ret_error);
    if (r == 0)
        r = load_options(sources, cwd, conf, ret_error);
    return r;
}

/* ---- from what was said to what is meant ---- */

/* Fill a path that was left empty; the format's texts together make the path. */
__attribute__((format(printf, 4, 5))) static int fill_path(char *path, size_t room, struct conf_error *ret_error,
                                                           const char *format, ...)
{
    va_list arguments;
    int length;

    if (path[0] != '\0')
        return 0;
    va_start(arguments, format);
    length = vsnprintf(path, room, format, arguments);
    va_end(arguments);
    return length < (int)room
               ? 0
               : conf_fail(ret_error, -EINVAL, "the path '%.64s...' is longer than %zu bytes", path, room - 1);
}

/* An XDG folder; "" when it is unset, or relative, which the XDG specification says to ignore. */
static const char *xdg_folder(const struct conf_sources *sources, const char *name)
{
    const char *const folder = variable(sources, name);

    return folder != NULL && folder[0] == '/' ? folder : "";
}

/* Never below /tmp: there, another user may have made the folder first. */
static int resolve_user_folders(const struct conf_sources *sources, struct hub_conf *conf, struct conf_error *ret_error)
{
    const char *const runtime = xdg_folder(sources, "XDG_RUNTIME_DIR");
    const char *const state = xdg_folder(sources, "XDG_STATE_HOME");
    const char *home = variable(sources, "HOME");
    int r;

    if (home == NULL || home[0] != '/')
        home = sources->home;
    if (home == NULL &&
        ((runtime[0] == '\0' && conf->runtime_dir[0] == '\0') || (state[0] == '\0' && conf->state_dir[0] == '\0')))
        return conf_fail(ret_error, -EINVAL, "this user has no home directory: set runtime_dir and state_dir");

    if (runtime[0] != '\0')
        r = fill_path(conf->runtime_dir, sizeof(conf->runtime_dir), ret_error, "%s/taghub", runtime);
    else
        r = fill_path(conf->runtime_dir, sizeof(conf->runtime_dir), ret_error, "%s/.local/state/taghub/run", home);
    if (r < 0)
        return r;
    if (state[0] != '\0')
        return fill_path(conf->state_dir, sizeof(conf->state_dir), ret_error, "%s/taghub", state);
    return fill_path(conf->state_dir, sizeof(conf->state_dir), ret_error, "%s/.local/state/taghub", home);
}

static int resolve(const struct conf_sources *sources, struct hub_conf *conf, struct conf_error *ret_error)
{
    int r = 0;

    if (sources->is_system_user) {
        r = fill_path(conf->runtime_dir, sizeof(conf->runtime_dir), ret_error, "/run/taghub");
        if (r == 0)
            r = fill_path(conf->state_dir, sizeof(conf->state_dir), ret_error, "/var/lib/taghub");
    } else {
        r = resolve_user_folders(sources, conf, ret_error);
    }
    if (r == 0)
        r = fill_path(conf->token_file, sizeof(conf->token_file), ret_error, "%s/token", conf->state_dir);
    if (conf->gateway_workers == 0)
        conf->gateway_workers = conf->workers;
    if (conf->ingest_workers == 0)
        conf->ingest_workers = conf->workers;
    return r;
}

/* What no single row can say. */
static int check_together(const struct hub_conf *conf, struct conf_error *ret_error)
{
    const size_t runtime_dir_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - (sizeof("/.sock") + CONF_NAME_MAX);

    if (strlen(conf->runtime_dir) > runtime_dir_max)
        return conf_fail(
            ret_error, -EINVAL, "runtime_dir (%s): '%s' has %zu bytes, and a socket in it may have no more than %zu",
            conf->origin[CONF_KEY_runtime_dir], conf->runtime_dir, strlen(conf->runtime_dir), runtime_dir_max);
    if (conf->http_port != 0 && conf->http_port == conf->ws_port)
        return conf_fail(ret_error, -EINVAL, "http_port (%s) and ws_port (%s) are both %u",
                         conf->origin[CONF_KEY_http_port], conf->origin[CONF_KEY_ws_port], conf->ws_port);
    if (conf->http_port == 0 && conf->ws_port == 0 && conf->udp_port == 0)
        return conf_fail(ret_error, -EINVAL, "http_port, ws_port and udp_port are all 0: there is nothing to serve");
    if (conf->photo_memory_bytes < conf->photo_max_bytes)
        return conf_fail(ret_error, -EINVAL,
                         "photo_memory_bytes (%s) is below photo_max_bytes (%s): one photo would not fit",
                         conf->origin[CONF_KEY_photo_memory_bytes], conf->origin[CONF_KEY_photo_max_bytes]);
    if (conf->bus_queue_max_bytes < conf->photo_max_bytes + UINT64_C(65536))
        return conf_fail(ret_error, -EINVAL,
                         "bus_queue_max_bytes (%s) is too small for a photo of photo_max_bytes (%s): "
                         "%llu or more are needed",
                         conf->origin[CONF_KEY_bus_queue_max_bytes], conf->origin[CONF_KEY_photo_max_bytes],
                         conf->photo_max_bytes + 65536ULL);
    return 0;
}

/* ---- public ---- */

int conf_load_sources(const struct conf_sources *sources, struct hub_conf *ret_conf, struct conf_error *ret_error)
{
    struct hub_conf conf;
    int r;

    r = find_asked(sources);
    if (r != 0)
        return r;
    r = load_all(sources, &conf, ret_error);
    if (r == 0)
        r = resolve(sources, &conf, ret_error);
    if (r == 0)
        r = check_together(&conf, ret_error);
    if (r == 0)
        *ret_conf = conf;
    return r;
}

int conf_load(int argc, char **argv, const char *program, struct hub_conf *ret_conf, struct conf_error *ret_error)
{
    const struct passwd *const user = getpwuid(geteuid());
    const struct conf_sources sources = {
        .program = program,
        .argc = argc,
        .argv = argv,
        .environment = environ,
        .default_file = CONF_FILE,
        .is_system_user = geteuid() == 0 || (user != NULL && strcmp(user->pw_name, "taghub") == 0),
        .home = user != NULL ? user->pw_dir : NULL,
    };

    return conf_load_sources(&sources, ret_conf, ret_error);
}

static int path_in_runtime_dir(const struct hub_conf *conf, const char *name, const char *ending, char *dst,
                               size_t room)
{
    if (strlen(name) > CONF_NAME_MAX)
        return -ENAMETOOLONG;
    return snprintf(dst, room, "%s/%s%s", conf->runtime_dir, name, ending) < (int)room ? 0 : -ENAMETOOLONG;
}

int conf_socket_path(const struct hub_conf *conf, const char *name, char *dst, size_t room)
{
    return path_in_runtime_dir(conf, name, ".sock", dst, room);
}

int conf_page_path(const struct hub_conf *conf, const char *name, char *dst, size_t room)
{
    return path_in_runtime_dir(conf, name, ".page", dst, room);
}
