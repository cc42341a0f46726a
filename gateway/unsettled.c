/* unsettled - see unsettled.h.
 *
 * Invariants
 *   U1  window[seq & mask] is the entry with that number, for first_seq <= seq < next_seq; NULL when it has ended
 *   U2  seen entries form a list in ascending order: fanout delivers an origin's sightings in order, first copies
 *       before repeats
 *   U3  an entry leaves the store before its requester is told, so that the callback may add or abandon others
 */
#include "unsettled.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define WINDOW_FIRST 64u

struct unsettled_store {
    struct unsettled **window;
    uint64_t window_room; /* a power of two */
    uint64_t first_seq, unsent_seq, next_seq;
    struct unsettled *first_seen, *last_seen;
    uint64_t count;
    size_t bytes, bytes_max;
};

static struct unsettled **at(const struct unsettled_store *store, uint64_t seq)
{
    return &store->window[seq & (store->window_room - 1)];
}

struct unsettled_store *unsettled_store_new(size_t bytes_max)
{
    struct unsettled_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->window = calloc(WINDOW_FIRST, sizeof(struct unsettled *));
    if (store->window == NULL) {
        free(store);
        return NULL;
    }
    store->window_room = WINDOW_FIRST;
    store->first_seq = store->unsent_seq = store->next_seq = 1;
    store->bytes_max = bytes_max;
    return store;
}

void unsettled_store_free(struct unsettled_store *store)
{
    if (store == NULL)
        return;
    for (uint64_t i = 0; i < store->window_room; i++)
        free(store->window[i]);
    free(store->window);
    free(store);
}

static size_t cost(size_t text_bytes)
{
    return sizeof(struct unsettled) + text_bytes;
}

bool unsettled_has_room(const struct unsettled_store *store, size_t text_bytes)
{
    return store->bytes + cost(text_bytes) <= store->bytes_max;
}

static bool grow_window(struct unsettled_store *store)
{
    uint64_t room = store->window_room * 2;
    struct unsettled **window = calloc(room, sizeof(struct unsettled *));

    if (window == NULL)
        return false;
    for (uint64_t seq = store->first_seq; seq < store->next_seq; seq++)
        window[seq & (room - 1)] = *at(store, seq);
    free(store->window);
    store->window = window;
    store->window_room = room;
    return true;
}

static struct view copy_behind(uint8_t **end, struct view from)
{
    struct view copy = view_of(*end, from.length);

    if (from.length > 0)
        memcpy(*end, from.bytes, from.length);
    *end += from.length;
    return copy;
}

int unsettled_add(struct unsettled_store *store, const struct msg_device_text *message, const struct requester_ops *ops,
                  void *requester, struct unsettled **ret_entry)
{
    size_t content = message->text.length + message->authorization.length;
    struct unsettled *entry;
    uint8_t *end;

    if (!unsettled_has_room(store, content))
        return -ENOBUFS;
    if (store->next_seq - store->first_seq == store->window_room && !grow_window(store))
        return -ENOMEM;
    entry = calloc(1, cost(content));
    if (entry == NULL)
        return -ENOMEM;
    end = (uint8_t *)(entry + 1);
    entry->message = *message;
    entry->message.seq = store->next_seq++;
    entry->message.text = copy_behind(&end, message->text);
    entry->message.authorization = copy_behind(&end, message->authorization);
    entry->ops = ops;
    entry->requester = requester;
    entry->cost_bytes = cost(content);
    *at(store, entry->message.seq) = entry;
    store->count++;
    store->bytes += entry->cost_bytes;
    *ret_entry = entry;
    return 0;
}

void unsettled_abandon(struct unsettled *entry)
{
    entry->requester = NULL;
}

struct unsettled *unsettled_find(const struct unsettled_store *store, uint64_t seq)
{
    return seq >= store->first_seq && seq < store->next_seq ? *at(store, seq) : NULL;
}

struct unsettled *unsettled_next_unsent(const struct unsettled_store *store)
{
    for (uint64_t seq = store->unsent_seq; seq < store->next_seq; seq++) {
        if (*at(store, seq) != NULL)
            return *at(store, seq);
    }
    return NULL;
}

void unsettled_sent(struct unsettled_store *store, struct unsettled *entry)
{
    entry->sent = true;
    store->unsent_seq = entry->message.seq + 1;
}

uint64_t unsettled_go_back(struct unsettled_store *store)
{
    uint64_t count = 0;

    for (uint64_t seq = store->first_seq; seq < store->unsent_seq; seq++) {
        struct unsettled *entry = *at(store, seq);

        if (entry != NULL) {
            count += entry->sent;
            entry->sent = false;
        }
    }
    store->unsent_seq = store->first_seq;
    return count;
}

/* Takes the entry out (U3); the caller frees it. */
static void take_out(struct unsettled_store *store, struct unsettled *entry)
{
    *at(store, entry->message.seq) = NULL;
    store->count--;
    store->bytes -= entry->cost_bytes;
    while (store->first_seq < store->next_seq && *at(store, store->first_seq) == NULL)
        store->first_seq++;
    if (store->unsent_seq < store->first_seq)
        store->unsent_seq = store->first_seq;
}

void unsettled_saw(struct unsettled_store *store, struct unsettled *entry, const struct msg_sighting *sighting)
{
    if (entry->seen)
        return;
    assert(store->last_seen == NULL || store->last_seen->message.seq < entry->message.seq); /* U2 */
    entry->seen = true;
    entry->named = sighting->named != 0;
    memcpy(entry->camera, sighting->camera, sizeof entry->camera);
    memcpy(entry->tag, sighting->tag, sizeof entry->tag);
    if (store->last_seen != NULL)
        store->last_seen->next_seen = entry;
    else
        store->first_seen = entry;
    store->last_seen = entry;
}

const struct unsettled *unsettled_first_seen(const struct unsettled_store *store)
{
    return store->first_seen;
}

uint64_t unsettled_settle(struct unsettled_store *store, uint64_t up_to_seq)
{
    uint64_t count = 0;

    while (store->first_seen != NULL && store->first_seen->message.seq <= up_to_seq) {
        struct unsettled *entry = store->first_seen;

        store->first_seen = entry->next_seen;
        if (store->first_seen == NULL)
            store->last_seen = NULL;
        take_out(store, entry);
        count++;
        if (entry->requester != NULL)
            entry->ops->settled(entry->requester, entry);
        free(entry);
    }
    return count;
}

/* A message that was accepted once may be refused when it is judged again: the token was changed in between. */
static void unlink_seen(struct unsettled_store *store, const struct unsettled *entry)
{
    struct unsettled **slot = &store->first_seen, *before = NULL;

    while (*slot != NULL && *slot != entry) {
        before = *slot;
        slot = &(*slot)->next_seen;
    }
    if (*slot == NULL)
        return;
    *slot = entry->next_seen;
    if (store->last_seen == entry)
        store->last_seen = before;
}

void unsettled_withdraw(struct unsettled_store *store, struct unsettled *entry)
{
    if (entry->seen)
        unlink_seen(store, entry);
    take_out(store, entry);
    free(entry);
}

void unsettled_end_verdict(struct unsettled_store *store, struct unsettled *entry, const struct msg_verdict *verdict)
{
    if (entry->seen)
        unlink_seen(store, entry);
    take_out(store, entry);
    if (entry->requester != NULL)
        entry->ops->verdict(entry->requester, verdict);
    free(entry);
}

void unsettled_end_command(struct unsettled_store *store, struct unsettled *entry,
                           const struct msg_command_result *result)
{
    take_out(store, entry);
    if (entry->requester != NULL && entry->ops->command_result != NULL)
        entry->ops->command_result(entry->requester, result);
    free(entry);
}

uint64_t unsettled_count(const struct unsettled_store *store)
{
    return store->count;
}

size_t unsettled_bytes(const struct unsettled_store *store)
{
    return store->bytes;
}
