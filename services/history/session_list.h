/* session_list - sessions as a table for people, as CSV and as JSON. Columns are those of view connection_history. */
#ifndef TAGHUB_SESSION_LIST_H
#define TAGHUB_SESSION_LIST_H

#include <stdio.h>

#include "store.h"

enum session_list_format {
    SESSION_LIST_TABLE, /* aligned; nothing in it can control a terminal */
    SESSION_LIST_CSV,   /* RFC 4180, with a header */
    SESSION_LIST_JSON,  /* an array, with times also as seconds since 1970 UTC */
};

/** Zero-initialise; free with session_list_done(). */
struct session_list {
    struct store_session *items; /* their texts are owned */
    size_t count, room;
};

void session_list_done(struct session_list *list);

/** Appends a copy. The last one added is printed first. Returns 0 or -ENOMEM. */
int session_list_add(struct session_list *list, const struct store_session *session);

/** Whether it was written is for the caller to see, in the state of `out`. */
void session_list_print(const struct session_list *list, enum session_list_format format, FILE *out);

/**
 * Writes a text as a terminal may have it: control characters, and bytes that are no UTF-8, as \xNN.
 *
 * out      NULL: only to be counted
 * returns  columns, each character counted as one
 */
size_t print_plainly(FILE *out, const char *text);

/** "2025-06-15 14:00:00", local; empty for 0, which stands for no time. */
#define LOCAL_TIME_ROOM 32
void local_time_format(uint64_t utc_us, char ret_text[LOCAL_TIME_ROOM]);

#endif
