/* conf_file - configuration files: their lines, and the files they include.
 *
 * Apart from conf.c because text from a disk is the untrusted part: conf_file_parse() takes any
 * bytes at all, touches no file, and is what the fuzzer feeds.
 *
 * Invariants
 *   P1  a line is bounded, free of NUL, and understood whole or refused with its number
 *   P2  includes are one level deep and follow the text that names them
 */
#include "run/conf_text.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define BLANKS " \t\r"
#define ROOM   PATH_MAX

/* ---- a file's text ---- */

/* Without blanks around it, in place. */
static char *trim(char *text)
{
    size_t length;

    text += strspn(text, BLANKS);
    length = strlen(text);
    while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

static void cut_comment(char *line)
{
    for (char *at = strchr(line, '#'); at != NULL; at = strchr(at + 1, '#')) {
        if (at == line || at[-1] == ' ' || at[-1] == '\t') {
            *at = '\0';
            return;
        }
    }
}

/* What follows the word `include`, or NULL when the line is no include. */
static char *include_pattern(char *line)
{
    static const char WORD[] = "include";
    char *const after = line + strlen(WORD);

    if (strncmp(line, WORD, strlen(WORD)) != 0 || (*after != '\0' && strchr(BLANKS, *after) == NULL))
        return NULL;
    return *trim(after) == '=' ? NULL : trim(after);
}

static int note_include(struct conf_file *file, const char *pattern, unsigned line, struct conf_error *ret_error)
{
    if (file->is_included)
        return conf_fail(ret_error, -EINVAL, "%.1024s:%u: an included file cannot include another one", file->name,
                         line);
    if (pattern[0] == '\0')
        return conf_fail(ret_error, -EINVAL, "%.1024s:%u: include needs a file or a pattern, conf.d/*.conf", file->name,
                         line);
    if (file->includes_count == CONF_INCLUDES_MAX)
        return conf_fail(ret_error, -EINVAL, "%.1024s:%u: more than %d include lines", file->name, line,
                         CONF_INCLUDES_MAX);
    snprintf(file->includes[file->includes_count], sizeof(file->includes[0]), "%s", pattern);
    file->include_lines[file->includes_count++] = line;
    return 0;
}

static int parse_line(struct conf_file *file, struct view raw, unsigned number, struct hub_conf *conf,
                      struct conf_error *ret_error)
{
    const struct conf_place place = {CONF_STYLE_FILE, file->name, number, file->folder};
    char quoted[128];
    char text[CONF_LINE_MAX + 1];
    char *line;
    char *equals;
    char *pattern;

    if (raw.length > CONF_LINE_MAX)
        return conf_fail(ret_error, -EINVAL, "%.1024s:%u: the line is longer than %d bytes", file->name, number,
                         CONF_LINE_MAX);
    if (memchr(raw.bytes, '\0', raw.length) != NULL)
        return conf_fail(ret_error, -EINVAL, "%.1024s:%u: the line contains a NUL byte", file->name, number);
    memcpy(text, raw.bytes, raw.length);
    text[raw.length] = '\0';
    cut_comment(text);
    line = trim(text);
    if (*line == '\0')
        return 0;
    pattern = include_pattern(line);
    if (pattern != NULL)
        return note_include(file, pattern, number, ret_error);

    equals = strchr(line, '=');
    if (equals == NULL)
        return conf_fail(ret_error, -EINVAL, "%.1024s:%u: %s is not of the form 'key = value'", file->name, number,
                         log_escape(quoted, sizeof(quoted), view_text(line), '\''));
    *equals = '\0';
    return conf_key_set(conf, &place, trim(line), trim(equals + 1), ret_error);
}

int conf_file_parse(struct conf_file *file, struct view text, struct hub_conf *conf, struct conf_error *ret_error)
{
    unsigned number = 0;
    int r = 0;

    while (text.length > 0 && r == 0) {
        const uint8_t *const end = memchr(text.bytes, '\n', text.length);
        const size_t length = end == NULL ? text.length : (size_t)(end - text.bytes);
        const size_t step = end == NULL ? length : length + 1;

        r = parse_line(file, view_of(text.bytes, length), ++number, conf, ret_error);
        text = view_of(text.bytes + step, text.length - step);
    }
    return r;
}

/* ---- files ---- */

static int read_whole(const char *path, char **ret_text, size_t *ret_length)
{
    char *text = NULL;
    size_t length = 0;
    int fd;
    int r = 0;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    text = malloc(CONF_FILE_MAX_BYTES + 1);
    if (text == NULL)
        r = -ENOMEM;
    while (r == 0) {
        const ssize_t got = read(fd, text + length, CONF_FILE_MAX_BYTES + 1 - length);

        if (got < 0 && errno != EINTR)
            r = -errno;
        if (got > 0)
            length += (size_t)got;
        if (length > CONF_FILE_MAX_BYTES)
            r = -EFBIG;
        if (got == 0)
            break;
    }
    close(fd);
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_length = length;
    return 0;
}

/* The folder of a file as an absolute path. */
static int absolute_folder(const char *path, char dst[ROOM])
{
    const char *const slash = strrchr(path, '/');
    char cwd[ROOM] = "";
    int length;

    if (path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
        return -errno;
    if (slash == path)
        length = snprintf(dst, ROOM, "/");
    else if (slash == NULL)
        length = snprintf(dst, ROOM, "%s", cwd);
    else
        length = snprintf(dst, ROOM, "%s%s%.*s", cwd, path[0] == '/' ? "" : "/", (int)(slash - path), path);
    return length < ROOM ? 0 : -ENAMETOOLONG;
}

static int load_one_file(struct conf_file *file, struct hub_conf *conf, struct conf_error *ret_error)
{
    char *text = NULL;
    size_t length = 0;
    int r;

    r = read_whole(file->name, &text, &length);
    if (r == -EFBIG)
        return conf_fail(ret_error, r, "%.1024s: the file is larger than %d bytes", file->name, CONF_FILE_MAX_BYTES);
    if (r < 0)
        return conf_fail(ret_error, r, "%.1024s: %s", file->name, strerror(-r));
    r = conf_file_parse(file, view_of(text, length), conf, ret_error);
    free(text);
    return r;
}

/* The pattern with the folder of the including file in front, whose own name is no pattern. */
static int whole_pattern(const char *folder, const char *pattern, char dst[2 * ROOM])
{
    size_t length = 0;

    for (; pattern[0] != '/' && *folder != '\0'; folder++) {
        if (strchr("*?[]\\", *folder) != NULL)
            dst[length++] = '\\';
        dst[length++] = *folder;
    }
    return snprintf(dst + length, 2 * ROOM - length, "%s%s", pattern[0] == '/' ? "" : "/", pattern) <
                   (int)(2 * ROOM - length)
               ? 0
               : -ENAMETOOLONG;
}

/* glob() asks what to do about a folder it cannot read: one that is missing has no drop-ins. */
static int is_real_error(const char *path, int error)
{
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

static int load_includes(const struct conf_file *from, size_t index, struct hub_conf *conf,
                         struct conf_error *ret_error)
{
    const char *const pattern = from->includes[index];
    const bool is_pattern = strpbrk(pattern, "*?[") != NULL;
    struct conf_file *file = NULL;
    char whole[2 * ROOM];
    char folder[ROOM];
    glob_t found = {0};
    int r;

    r = whole_pattern(from->folder, pattern, whole);
    if (r == 0) {
        r = glob(whole, 0, is_real_error, &found);
        /* No drop-in is fine; a file that was named must be there. */
        r = r == GLOB_NOMATCH ? (is_pattern ? 0 : -ENOENT) : r == 0 ? 0 : -EIO;
    }
    if (r < 0) {
        conf_fail(ret_error, r, "%.1024s:%u: include %.256s: %s", from->name, from->include_lines[index], pattern,
                  strerror(-r));
        goto out;
    }
    file = calloc(1, sizeof(*file));
    if (file == NULL) {
        r = conf_fail(ret_error, -ENOMEM, "%.1024s: %s", from->name, strerror(ENOMEM));
        goto out;
    }
    for (size_t i = 0; i < found.gl_pathc && r == 0; i++) {
        r = absolute_folder(found.gl_pathv[i], folder);
        *file = (struct conf_file){.name = found.gl_pathv[i], .folder = folder, .is_included = true};
        if (r == 0)
            r = load_one_file(file, conf, ret_error);
        else
            conf_fail(ret_error, r, "%.1024s: %s", file->name, strerror(-r));
    }
out:
    free(file);
    globfree(&found);
    return r;
}

int conf_files_load(const char *path, struct hub_conf *conf, struct conf_error *ret_error)
{
    struct conf_file *const file = calloc(1, sizeof(*file));
    char folder[ROOM];
    int r;

    if (file == NULL)
        return conf_fail(ret_error, -ENOMEM, "%.1024s: %s", path, strerror(ENOMEM));
    r = absolute_folder(path, folder);
    if (r < 0) {
        conf_fail(ret_error, r, "%.1024s: %s", path, strerror(-r));
        goto out;
    }
    file->name = path;
    file->folder = folder;
    r = load_one_file(file, conf, ret_error);
    for (size_t i = 0; i < file->includes_count && r == 0; i++)
        r = load_includes(file, i, conf, ret_error);
out:
    free(file);
    return r;
}
