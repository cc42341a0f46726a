/* token_watch - see token_watch.h.
 *
 * Why stat() and not inotify: a token file may be replaced by rename, reached through symbolic
 * links, or mounted anew. Asking what the path means now covers all of that, and once a second it
 * costs nothing.
 *
 * Invariants
 *   W1  the file is judged by what stat() said before it was read: a change in between shows at the
 *       next look
 */
#include "token_watch.h"

/* ctime moves with content, mode and owner, but only from one tick of the kernel to the next; the
 * others tell two changes within one tick apart. */
static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int token_watch_look(struct token_watch *watch, char ret_token[TOKEN_MAX + 1], struct conf_error *ret_error)
{
    struct stat now;
    int r;

    if (stat(watch->path, &now) < 0)
        now = (struct stat){0}; /* token_load() will say why */
    if (watch->has_looked && is_same_file(&now, &watch->seen))
        return 0;
    watch->has_looked = true;
    watch->seen = now; /* W1 */

    r = token_load(watch->path, ret_token, ret_error);
    return r < 0 ? r : 1;
}
