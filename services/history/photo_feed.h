/* photo_feed - gives every stored picture back to a fanout, as fast as it takes them. */
#ifndef TAGHUB_PHOTO_FEED_H
#define TAGHUB_PHOTO_FEED_H

#include "bus_link.h"
#include "store.h"

struct photo_feed;

/** link is borrowed; incarnation is ours. Sends nothing yet. NULL without memory. */
struct photo_feed *photo_feed_new(struct bus_link *link, uint64_t incarnation);
void photo_feed_free(struct photo_feed *feed);

/**
 * Sends the next pictures, and after the last one seed_end. To be called until it is over: when the link has taken
 * some, and now and then.
 *
 * store    NULL: there is nothing to give, only seed_end
 * returns  STORE_FINE, or why reading failed: then the rest is given up, but for STORE_BUSY
 */
enum store_trouble photo_feed_pump(struct photo_feed *feed, struct store *store);
bool photo_feed_is_over(const struct photo_feed *feed);

#endif
