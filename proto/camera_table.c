/* camera_table - see camera_table.h. A hash of names, and a list in the order of arrival: a new value belongs at its
 * end but for a few places, when values of two sources cross. */
#include "camera_table.h"

#include <stdlib.h>

struct camera_table {
    struct camera_entry **buckets;
    uint32_t bucket_mask, count, cameras_max;
    uint64_t bytes, bytes_max;
    struct camera_entry *oldest, *newest;
    void (*free_value)(void *value);
};

struct camera_table *camera_table_new(uint32_t cameras_max, uint64_t bytes_max, void (*free_value)(void *value))
{
    struct camera_table *table = calloc(1, sizeof *table);
    uint32_t buckets = 64;

    while (buckets < cameras_max)
        buckets *= 2;
    if (table != NULL)
        table->buckets = calloc(buckets, sizeof(struct camera_entry *));
    if (table == NULL || table->buckets == NULL) {
        free(table);
        return NULL;
    }
    table->bucket_mask = buckets - 1;
    table->cameras_max = cameras_max;
    table->bytes_max = bytes_max;
    table->free_value = free_value;
    return table;
}

/* djb2 with xor: names are few and short */
static struct camera_entry **bucket(const struct camera_table *table, const char *name)
{
    uint32_t hash = 5381;

    while (*name != '\0')
        hash = hash * 33 ^ (uint8_t)*name++;
    return &table->buckets[hash & table->bucket_mask];
}

static void unlink_order(struct camera_table *table, struct camera_entry *entry)
{
    *(entry->older != NULL ? &entry->older->newer : &table->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &table->newest) = entry->older;
}

static void link_order(struct camera_table *table, struct camera_entry *entry)
{
    struct camera_entry *older = table->newest;

    while (older != NULL && older->arrived_utc_us > entry->arrived_utc_us)
        older = older->older;
    entry->older = older;
    entry->newer = older != NULL ? older->newer : table->oldest;
    *(older != NULL ? &older->newer : &table->oldest) = entry;
    *(entry->newer != NULL ? &entry->newer->older : &table->newest) = entry;
}

static void forget(struct camera_table *table, struct camera_entry *entry)
{
    struct camera_entry **slot = bucket(table, entry->name);

    while (*slot != entry)
        slot = &(*slot)->next_in_bucket;
    *slot = entry->next_in_bucket;
    unlink_order(table, entry);
    table->count--;
    table->bytes -= entry->value_bytes;
    table->free_value(entry->value);
    free(entry);
}

void camera_table_free(struct camera_table *table)
{
    if (table == NULL)
        return;
    while (table->oldest != NULL)
        forget(table, table->oldest);
    free(table->buckets);
    free(table);
}

struct camera_entry *camera_table_find(const struct camera_table *table, const char *name)
{
    struct camera_entry *entry = *bucket(table, name);

    while (entry != NULL && strcmp(entry->name, name) != 0)
        entry = entry->next_in_bucket;
    return entry;
}

static struct camera_entry *add(struct camera_table *table, const char *name)
{
    struct camera_entry *entry = calloc(1, sizeof *entry), **slot = bucket(table, name);

    if (entry == NULL)
        return NULL;
    strncpy(entry->name, name, NAME_BYTES_MAX);
    entry->next_in_bucket = *slot;
    *slot = entry;
    table->count++;
    return entry;
}

struct camera_entry *camera_table_put(struct camera_table *table, const char *name, uint64_t arrived_utc_us,
                                      void *value, size_t value_bytes, bool only_if_newer)
{
    struct camera_entry *entry = camera_table_find(table, name);

    if (value_bytes > table->bytes_max || (only_if_newer && entry != NULL && entry->arrived_utc_us > arrived_utc_us) ||
        (entry == NULL && (entry = add(table, name)) == NULL)) {
        table->free_value(value);
        return NULL;
    }
    if (entry->value != NULL) {
        unlink_order(table, entry);
        table->bytes -= entry->value_bytes;
        if (entry->value != value)
            table->free_value(entry->value);
    }
    entry->value = value;
    entry->value_bytes = value_bytes;
    entry->arrived_utc_us = arrived_utc_us;
    table->bytes += value_bytes;
    link_order(table, entry);
    while (table->count > table->cameras_max || table->bytes > table->bytes_max)
        forget(table, table->oldest == entry ? entry->newer : table->oldest);
    return entry;
}

struct camera_entry *camera_table_oldest(const struct camera_table *table)
{
    return table->oldest;
}

struct camera_entry *camera_table_newest(const struct camera_table *table)
{
    return table->newest;
}
