/* token - the secret every camera of this hub shows: its file, its making, its comparison.
 *
 * The file holds one line of 12 to 128 visible ASCII characters without spaces, and is not for
 * everybody's eyes. There is no default token; the first start makes one. No error sentence
 * quotes a token, so all of them may be logged.
 */
#ifndef TAGHUB_RUN_TOKEN_H
#define TAGHUB_RUN_TOKEN_H

#include "run/conf.h"
#include "view.h"

#include <stdbool.h>

#define TOKEN_MIN 12 /* characters */
#define TOKEN_MAX 128

/**
 * Read and judge the token file.
 *
 * path       of a regular file; a symbolic link to one is fine
 * ret_token  NUL-terminated, padded with NULs
 * ret_error  one sentence that names the file and the way out
 * returns    0; -ENOENT when there is no file; -EPERM when everybody may write it; -EINVAL
 *            when it is not one line of fit characters; -EKEYREJECTED for a placeholder known
 *            from documentation; other -errno of open and read
 */
int token_load(const char *path, char ret_token[TOKEN_MAX + 1], struct conf_error *ret_error);

/** May everybody on this machine read it? Worth a warning, not a refusal. */
bool token_is_exposed(const char *path);

/**
 * Write a new random token: 32 characters of A-Z a-z 0-9 - _, 192 bits from the kernel.
 *
 * The file appears whole or not at all, is on disk on return, and has mode 0600. Made by root, it
 * belongs to the owner of its folder, so that the service can read it.
 *
 * replace  false: an existing file is left alone. true: it is replaced, and owner, group and
 *          group's reading right stay as they were.
 * returns  0; -EEXIST when there is a file and replace is false (of two that start at once one
 *          sees this: load the file then); other -errno, with ret_error
 */
int token_create(const char *path, bool replace, struct conf_error *ret_error);

/**
 * Write a chosen token, replacing the one there is, in the same careful way.
 *
 * value    borrowed
 * returns  0; -EINVAL, -EKEYREJECTED as token_load(); other -errno, with ret_error
 */
int token_set(const char *path, const char *value, struct conf_error *ret_error);

/**
 * Whether somebody knows the token. Takes the same time wherever the two differ.
 *
 * given    of any length, from the network
 * token    as token_load() gave it; an empty token equals nothing
 */
bool token_equals(struct view given, const char *token);

#endif
