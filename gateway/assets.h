/* assets - the pages and what belongs to them, in memory. */
#ifndef TAGHUB_ASSETS_H
#define TAGHUB_ASSETS_H

#include <stdbool.h>

#include "view.h"

struct asset {
    const char *type; /* Content-Type */
    struct view content;
};

/** Finds the file for a path without query. Returns whether there is one. */
bool assets_find(struct view path, struct asset *ret_asset);

#endif
