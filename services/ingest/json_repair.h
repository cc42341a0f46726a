/* json_repair - a second chance for text with single-quoted strings, as some games send it. */
#ifndef TAGHUB_INGEST_JSON_REPAIR_H
#define TAGHUB_INGEST_JSON_REPAIR_H

#include "view.h"

/** Room that is always enough for the repaired form of a text. */
#define JSON_REPAIR_ROOM(length) (2 * (length) + 2)

/**
 * Rewrite single-quoted strings as double-quoted ones and copy everything else.
 *
 * Inside a single-quoted string `"` becomes `\"`, `\'` becomes `'`, other escapes are kept.
 * Inside a double-quoted string nothing changes, a `'` there is an apostrophe. The result is not
 * validated: it is JSON only if the text was JSON but for its quotes, so check it as strictly as
 * any other text. Meant for a text that failed that check: one that passes it has nothing to
 * repair.
 *
 * text        borrowed; any bytes
 * dst, room   where the result goes, no terminating NUL, not overlapping the text; room in bytes
 * ret_length  bytes of the result, at most JSON_REPAIR_ROOM(text.length)
 * returns     0
 * errors      -ENOENT  no single-quoted string: nothing to repair
 *             -E2BIG   does not fit
 *             After an error the contents of dst are undefined.
 */
int json_repair_quotes(struct view text, char *dst, size_t room, size_t *ret_length);

#endif
