/* camera_table - something per camera: its newest, for a bounded number of cameras and bytes.
 *
 * When a limit is reached the camera that has been silent longest is forgotten. */
#ifndef TAGHUB_CAMERA_TABLE_H
#define TAGHUB_CAMERA_TABLE_H

#include "schema.h"

struct camera_table;

/** One camera; owned by the table, valid until the next camera_table_put(). */
struct camera_entry {
    char name[NAME_BYTES_MAX + 1];
    uint64_t arrived_utc_us; /* of the value */
    void *value;             /* the table's; freed by free_value */
    size_t value_bytes;
    struct camera_entry *older, *newer;  /* by arrived_utc_us */
    struct camera_entry *next_in_bucket; /* private */
};

/**
 * free_value  called for every value that is replaced or forgotten
 * returns     NULL without memory
 */
struct camera_table *camera_table_new(uint32_t cameras_max, uint64_t bytes_max, void (*free_value)(void *value));
void camera_table_free(struct camera_table *table);

/** NULL when nothing is known of this camera. */
struct camera_entry *camera_table_find(const struct camera_table *table, const char *name);

/**
 * Makes `value` the camera's newest. Takes the value over in any case. The value that is there already may be given
 * again, when it was changed in place.
 *
 * only_if_newer  for what comes out of order (seeds): what is there stays when it arrived later. News replaces what is
 *                there whatever the clock says, because the clock may have been set back
 * returns        the camera's entry, or NULL when the value was refused: older, without memory, or over bytes_max
 */
struct camera_entry *camera_table_put(struct camera_table *table, const char *name, uint64_t arrived_utc_us,
                                      void *value, size_t value_bytes, bool only_if_newer);

/** The camera silent longest; follow `newer`. NULL when there is none. */
struct camera_entry *camera_table_oldest(const struct camera_table *table);
/** The camera heard last. */
struct camera_entry *camera_table_newest(const struct camera_table *table);

#endif
