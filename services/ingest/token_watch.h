/* token_watch - notices that the token file was changed, so that a new token needs no restart.
 *
 * Looking costs one stat(2) as long as nothing changed. Whoever owns the watch decides how often it
 * looks, and logs what is found. */
#ifndef TAGHUB_TOKEN_WATCH_H
#define TAGHUB_TOKEN_WATCH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "run/token.h"

/** Start as {.path = ...}; the path is borrowed. The other fields are private. */
struct token_watch {
    const char *path;
    bool has_looked;
    struct stat seen; /* all zero while there is no file */
};

/**
 * Look once. The first look always reads the file.
 *
 * ret_token  written when 1 is returned, as token_load() does; may be the same token as before
 * ret_error  written on errors: one sentence, without the token
 * returns    1 when the file was changed and is good; 0 when it is as it was at the last look, good
 *            or bad
 * errors     those of token_load(), once per change of the file
 */
int token_watch_look(struct token_watch *watch, char ret_token[TOKEN_MAX + 1], struct conf_error *ret_error);

#endif
