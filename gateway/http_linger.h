/* http_linger - the polite end of a connection whose request was answered before it had come in whole.
 *
 * A socket that is closed while bytes lie unread in it, or still come, makes the kernel send a reset. The client then
 * fails in the middle of its sending and may never see the reply that tells it why. So the connection lives on for a
 * moment without being served: the client is told that nothing follows, and what it sends is thrown away. */
#ifndef TAGHUB_HTTP_LINGER_H
#define TAGHUB_HTTP_LINGER_H

#include "run/loop.h"

struct http_lingers;

/** The loop is borrowed and must outlive it. NULL without memory. */
struct http_lingers *http_lingers_new(struct loop *loop);
/** Cuts those that are left. Accepts NULL. */
void http_lingers_free(struct http_lingers *lingers);

/**
 * Ends a connection as soon as the client has, after 3 s at the latest, or at once when too many linger already.
 *
 * fd       a duplicate of the connection's descriptor, to which nobody writes any more; taken over, -1 afterwards
 */
void http_linger(struct http_lingers *lingers, int *fd);

#endif
