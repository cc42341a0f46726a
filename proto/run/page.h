/* page - what the workers of one service share: who is alive, heartbeats, counters.
 *
 * A file in the runtime directory that is mapped by the master, inherited by the workers, and read by taghubctl
 * without disturbing anybody. Each field has one writer: a slot belongs to its worker while that lives, and to the
 * master before and after. Everything is an atomic word, so a reader never sees a torn value. */
#ifndef TAGHUB_RUN_PAGE_H
#define TAGHUB_RUN_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "schema.h"

enum counter {
#define COUNTER(name, kind, meaning) COUNTER_##name,
#include "counters.def"
    COUNTER_COUNT
};

enum counter_kind { COUNTER_gauge, COUNTER_total };

struct counter_desc {
    const char *name;
    enum counter_kind kind;
    const char *meaning;
};

/** The rows of counters.def, in the order of enum counter. */
extern const struct counter_desc COUNTERS[COUNTER_COUNT];

enum histogram {
#define HISTOGRAM(name, meaning) HISTOGRAM_##name,
#include "histograms.def"
    HISTOGRAM_COUNT
};

struct histogram_desc {
    const char *name;
    const char *meaning;
};

/** The rows of histograms.def, in the order of enum histogram. */
extern const struct histogram_desc HISTOGRAMS[HISTOGRAM_COUNT];

#define HISTOGRAM_BOUND_COUNT 14
/** Upper bounds of the buckets, inclusive; one more bucket holds what is above them all. */
extern const uint32_t HISTOGRAM_BOUNDS_US[HISTOGRAM_BOUND_COUNT];

/** Not cumulative: each bucket holds what is above the bound before it. */
struct page_histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BOUND_COUNT + 1];
    _Atomic uint64_t sum_us;
};

enum slot_state {
    SLOT_EMPTY,    /* no process */
    SLOT_STARTING, /* forked; takes nobody in yet */
    SLOT_ALIVE,    /* serves; a settled sighting must have reached it */
    SLOT_LEAVING,  /* stops; takes nobody in any more */
};

/* How far a worker is that was told to park; the workers of a service take each step together. */
enum park_stage {
    PARK_NOT,
    PARK_SERVES,   /* told to, and still serves everybody */
    PARK_FINISHED, /* what was under way when it was told has ended; it serves on, for the others' sake */
    PARK_QUIET,    /* it takes nothing in any more, and all that it took in is settled: it may park */
};

struct page_slot {
    _Atomic uint32_t state; /* enum slot_state */
    _Atomic int32_t pid;
    _Atomic uint64_t incarnation;
    _Atomic uint64_t heartbeat_mono_ms;
    _Atomic uint64_t started_utc_us;
    _Atomic uint64_t restarts_count;
    _Atomic uint32_t park_stage; /* enum park_stage */
    _Atomic uint32_t links;      /* PAGE_LINK() of each that is usable; a gateway's only */
    _Atomic uint64_t counters[COUNTER_COUNT];
    _Atomic uint64_t refused[REJECT_COUNT];
    struct page_histogram histograms[HISTOGRAM_COUNT];
};

struct page {
    uint32_t magic, version;
    char service[16];
    _Atomic int32_t master_pid;
    _Atomic uint32_t slot_count;
    _Atomic uint64_t started_utc_us;
    _Atomic uint32_t udp_lease; /* number + 1 of the worker that reads datagrams, 0 when free */
    struct page_slot slots[SLOT_MAX];
};

/**
 * Makes the page of this process and puts it at `path` (NULL: memory only), in place of an older one.
 * returns 0 with *ret_page, to be given back with page_free(); -errno
 */
int page_create(const char *path, const char *service, unsigned slot_count, struct page **ret_page);

/** Maps somebody's page to read. returns 0; -errno; -EPROTO when it is not a page of this version */
int page_open(const char *path, const struct page **ret_page);
void page_free(const struct page *page);

/** Bit n: slot n is SLOT_ALIVE. */
uint64_t page_alive_mask(const struct page *page);

/** Is every slot that is alive at this stage or beyond? All of them PARK_QUIET: no message is on its way to any. */
bool page_all_at(const struct page *page, enum park_stage stage);

/** Sum of a counter over all slots that have a process; totals of workers that died stay in their slot. */
uint64_t page_sum(const struct page *page, enum counter counter);

/**
 * The accept gate: may worker `slot` take one more, when the living workers shall have the same `gauge` within `slack`?
 */
bool page_gate(const struct page *page, unsigned slot, enum counter gauge, uint64_t slack);

/** The bit of a link in page_slot.links. */
#define PAGE_LINK(service, lane) ((uint32_t)(service) << (8 * (lane)))

static inline void page_set_link(struct page_slot *slot, uint32_t link, bool is_usable)
{
    if (is_usable)
        atomic_fetch_or(&slot->links, link);
    else
        atomic_fetch_and(&slot->links, ~link);
}

static inline void count_add(struct page_slot *slot, enum counter counter, uint64_t more)
{
    /* one writer: no locked instruction is needed */
    uint64_t value = atomic_load_explicit(&slot->counters[counter], memory_order_relaxed);

    atomic_store_explicit(&slot->counters[counter], value + more, memory_order_relaxed);
}

static inline void count_set(struct page_slot *slot, enum counter counter, uint64_t value)
{
    atomic_store_explicit(&slot->counters[counter], value, memory_order_relaxed);
}

static inline uint64_t count_get(const struct page_slot *slot, enum counter counter)
{
    return atomic_load_explicit(&slot->counters[counter], memory_order_relaxed);
}

static inline void count_refused(struct page_slot *slot, enum reject reject)
{
    uint64_t value = atomic_load_explicit(&slot->refused[reject], memory_order_relaxed);

    atomic_store_explicit(&slot->refused[reject], value + 1, memory_order_relaxed);
}

/** Counts one duration between two dates; as 0 when the clock was set back in between. */
void count_duration(struct page_slot *slot, enum histogram histogram, uint64_t from_utc_us, uint64_t to_utc_us);

#endif
