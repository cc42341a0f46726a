/* token - see token.h.
 *
 * Why a file and not a configuration key: configuration is shown, copied and mailed around; a
 * secret in a file of its own has one place, one mode and one owner.
 *
 * Invariants
 *   T1  what token_load() returns has passed judge_token(), and so has what is ever written
 *   T2  the file is replaced by rename or made by link: a reader sees an old or a new one, whole
 *   T3  no text made here contains a token
 */
#include "run/token.h"

#include "run/svc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAY_OUT          "'taghubctl token new' makes a good one"
#define NEW_TOKEN_LENGTH 32
/* Enough to tell a token with its line end from a file that is something else. */
#define FILE_ROOM (TOKEN_MAX + 64)

/* Placeholders that people leave standing, as letters and digits only and in lower case, so that
 * one row covers your_auth_token, <YOUR-AUTH-TOKEN> and "Your auth token". */
static const struct {
    const char *text;
    bool is_prefix; /* refuse whatever begins with it, "change-me-please" too */
} KNOWN[] = {
    {"changeme", true},          {"changethis", true},
    {"replaceme", true},         {"replacethis", true},
    {"replacewith", true},       {"insertyour", true},
    {"enteryour", true},         {"putyour", true},
    {"yourauth", true},          {"yoursecret", true},
    {"yoursecure", true},        {"yourtoken", true},
    {"yourpassword", true},      {"yourapikey", true},
    {"youraccesstoken", true},   {"youresp32", true},
    {"yourcamera", true},        {"yourdevice", true},
    {"authtoken", false},        {"authtokenhere", false},
    {"exampletoken", false},     {"defaulttoken", false},
    {"secrettoken", false},      {"mysecrettoken", false},
    {"supersecrettoken", false}, {"esp32authtoken", false},
    {"password1234", false},     {"passwordpassword", false},
    {"123456789012", false},     {"1234567890123", false},
    {"12345678901234", false},   {"123456789012345", false},
    {"1234567890123456", false}, {"12345678901234567890", false},
    {"0123456789ab", false},     {"0123456789abcdef", false},
    {"abcdefghijkl", false},     {"abcdefghijklmnopqrstuvwxyz", false},
};

__attribute__((format(printf, 3, 4))) static int refuse(struct conf_error *ret_error, int error, const char *format,
                                                        ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof(ret_error->text), format, arguments);
    va_end(arguments);
    return error;
}

static int refuse_errno(struct conf_error *ret_error, int error, const char *path)
{
    return refuse(ret_error, error, "%s: %s", path, strerror(-error));
}

/* ---- what is a token ---- */

/* "XXXX-XXXX-XXXX", "************", "<...........>" */
static bool is_filler(struct view token)
{
    for (size_t i = 0; i < token.length; i++) {
        if (strchr("xX*.-_#<>", token.bytes[i]) == NULL)
            return false;
    }
    return true;
}

static bool is_known(struct view token)
{
    char bare[TOKEN_MAX + 1];
    size_t length = 0;

    for (size_t i = 0; i < token.length; i++) {
        const uint8_t byte = token.bytes[i];

        if (byte >= 'A' && byte <= 'Z')
            bare[length++] = (char)(byte - 'A' + 'a');
        else if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'))
            bare[length++] = (char)byte;
    }
    bare[length] = '\0';

    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
        const bool equal = KNOWN[i].is_prefix ? strncmp(bare, KNOWN[i].text, strlen(KNOWN[i].text)) == 0
                                              : strcmp(bare, KNOWN[i].text) == 0;
        if (equal)
            return true;
    }
    return false;
}

/* T1. `where` is the file that the sentence names. */
static int judge_token(struct view token, const char *where, struct conf_error *ret_error)
{
    if (token.length == 0)
        return refuse(ret_error, -EINVAL, "%s: the token is empty; " WAY_OUT, where);
    for (size_t i = 0; i < token.length; i++) {
        if (token.bytes[i] == '\n')
            return refuse(ret_error, -EINVAL, "%s: the token must be a single line; " WAY_OUT, where);
        if (token.bytes[i] <= ' ' || token.bytes[i] > '~')
            return refuse(ret_error, -EINVAL,
                          "%s: the token may hold only visible ASCII characters and no spaces; " WAY_OUT, where);
    }
    if (token.length < TOKEN_MIN || token.length > TOKEN_MAX)
        return refuse(ret_error, -EINVAL, "%s: the token must have %d to %d characters; " WAY_OUT, where, TOKEN_MIN,
                      TOKEN_MAX);
    if (is_known(token) || is_filler(token))
        return refuse(ret_error, -EKEYREJECTED,
                      "%s: this token is a placeholder that everybody knows from documentation; " WAY_OUT, where);
    return 0;
}

/* ---- reading ---- */

static int check_file(int fd, const char *path, struct conf_error *ret_error)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return refuse_errno(ret_error, -errno, path);
    if (!S_ISREG(status.st_mode))
        return refuse(ret_error, -EINVAL, "%s: the token file is not a regular file", path);
    if ((status.st_mode & S_IWOTH) != 0)
        return refuse(ret_error, -EPERM,
                      "%s: everybody may write the token file (mode %04o); 'chmod 600 %s' mends that", path,
                      (unsigned)(status.st_mode & 07777), path);
    return 0;
}

bool token_is_exposed(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

static int read_file(int fd, char dst[FILE_ROOM], size_t *ret_length)
{
    size_t length = 0;

    while (length < FILE_ROOM) {
        const ssize_t got = read(fd, dst + length, FILE_ROOM - length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    *ret_length = length;
    return 0;
}

int token_load(const char *path, char ret_token[TOKEN_MAX + 1], struct conf_error *ret_error)
{
    char text[FILE_ROOM];
    size_t length = 0;
    int fd;
    int r;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold the start up */
    if (fd < 0 && errno == ENOENT) {
        r = refuse(ret_error, -ENOENT, "%s: there is no token file; " WAY_OUT, path);
        goto out;
    }
    if (fd < 0) {
        r = refuse_errno(ret_error, -errno, path);
        goto out;
    }
    r = check_file(fd, path, ret_error);
    if (r < 0)
        goto out;
    r = read_file(fd, text, &length);
    if (r < 0) {
        refuse_errno(ret_error, r, path);
        goto out;
    }

    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (length > 0 && text[length - 1] == '\r')
        length--;
    r = judge_token(view_of(text, length), path, ret_error);
    if (r < 0)
        goto out;
    memset(ret_token, 0, TOKEN_MAX + 1);
    memcpy(ret_token, text, length);
out:
    explicit_bzero(text, sizeof(text));
    if (fd >= 0)
        close(fd);
    return r;
}

/* ---- writing ---- */

static int folder_of(const char *path, char dst[PATH_MAX])
{
    const char *const slash = strrchr(path, '/');

    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    if (slash == NULL)
        snprintf(dst, PATH_MAX, ".");
    else
        snprintf(dst, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return 0;
}

/* The service must be able to read what root writes: keep the old file's owner and the group's
 * right to read, or give a new file to the owner of its folder. */
static int pass_ownership(int fd, const char *path, const char *folder)
{
    struct stat status;
    mode_t mode = 0600;

    if (stat(path, &status) == 0)
        mode |= status.st_mode & S_IRGRP;
    else if (stat(folder, &status) < 0)
        return -errno;
    if (geteuid() == 0 && fchown(fd, status.st_uid, status.st_gid) < 0)
        return -errno;
    return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int write_line(int fd, const char *value)
{
    char line[TOKEN_MAX + 2];
    const int length = snprintf(line, sizeof(line), "%s\n", value);
    ssize_t written;

    do
        written = write(fd, line, (size_t)length);
    while (written < 0 && errno == EINTR);
    explicit_bzero(line, sizeof(line));
    if (written < 0)
        return -errno;
    if (written != length)
        return -ENOSPC; /* so short a write is cut by nothing but a full disk */
    return fsync(fd) < 0 ? -errno : 0;
}

/* Put the finished file in its place (T2) and the new name on disk. */
static int publish(const char *temp, const char *path, const char *folder, bool replace)
{
    int folder_fd;
    int r = 0;

    if (replace ? rename(temp, path) < 0 : link(temp, path) < 0)
        return -errno;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0)
        return -errno;
    if (fsync(folder_fd) < 0)
        r = -errno;
    close(folder_fd);
    return r;
}

static int write_token(const char *path, const char *value, bool replace, struct conf_error *ret_error)
{
    char folder[PATH_MAX];
    char temp[PATH_MAX + 16] = "";
    int fd = -1;
    int r;

    r = folder_of(path, folder);
    if (r < 0)
        goto out;
    snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
    fd = mkostemp(temp, O_CLOEXEC); /* 0600 from the start */
    if (fd < 0) {
        r = -errno;
        temp[0] = '\0';
        goto out;
    }
    r = pass_ownership(fd, path, folder);
    if (r < 0)
        goto out;
    r = write_line(fd, value);
    if (r < 0)
        goto out;
    r = publish(temp, path, folder, replace);
out:
    if (fd >= 0)
        close(fd);
    if (temp[0] != '\0')
        unlink(temp); /* gone already after a rename */
    if (r == -EEXIST)
        refuse(ret_error, r, "%s: there is a token already; it was left alone", path);
    else if (r < 0)
        refuse_errno(ret_error, r, path);
    return r;
}

int token_create(const char *path, bool replace, struct conf_error *ret_error)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char value[NEW_TOKEN_LENGTH + 1];
    uint64_t bits = 0;
    int r;

    for (size_t i = 0; i < NEW_TOKEN_LENGTH; i++) {
        if (i % 8 == 0)
            bits = svc_random_u64();
        value[i] = LETTERS[bits & 63];
        bits >>= 6;
    }
    value[NEW_TOKEN_LENGTH] = '\0';
    r = write_token(path, value, replace, ret_error);
    explicit_bzero(value, sizeof(value));
    return r;
}

int token_set(const char *path, const char *value, struct conf_error *ret_error)
{
    int r = judge_token(view_text(value), path, ret_error);

    return r < 0 ? r : write_token(path, value, true, ret_error);
}

bool token_equals(struct view given, const char *token)
{
    const size_t token_length = strnlen(token, TOKEN_MAX);
    volatile unsigned difference = given.length != token_length;

    /* volatile and a fixed number of rounds: no early way out for the compiler to find */
    for (size_t i = 0; i < TOKEN_MAX; i++) {
        const unsigned theirs = i < given.length ? given.bytes[i] : 0;
        const unsigned ours = i < token_length ? (uint8_t)token[i] : 0;

        difference |= theirs ^ ours;
    }
    return difference == 0 && token_length > 0;
}
