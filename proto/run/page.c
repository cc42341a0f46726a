/* page - see page.h. The file is made beside its place and renamed, so a reader maps a whole page or the old one. */
#include "run/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/svc.h"

#define PAGE_MAGIC   0x54484742u /* THGB */
#define PAGE_VERSION 4u
#define PAGE_MODE    0640 /* whatever the umask: the group may look */

const struct counter_desc COUNTERS[COUNTER_COUNT] = {
#define COUNTER(row, sort, doc) [COUNTER_##row] = {.name = #row, .kind = COUNTER_##sort, .meaning = (doc)},
#include "counters.def"
};

const struct histogram_desc HISTOGRAMS[HISTOGRAM_COUNT] = {
#define HISTOGRAM(row, doc) [HISTOGRAM_##row] = {.name = #row, .meaning = (doc)},
#include "histograms.def"
};

const uint32_t HISTOGRAM_BOUNDS_US[HISTOGRAM_BOUND_COUNT] = {100,   200,   500,    1000,   2000,   5000,    10000,
                                                             20000, 50000, 100000, 200000, 500000, 1000000, 5000000};

static int open_backing(const char *path, char *temporary, size_t room)
{
    if (path == NULL)
        return memfd_create("taghub-page", MFD_CLOEXEC);
    if ((size_t)snprintf(temporary, room, "%s.new", path) >= room) {
        errno = ENAMETOOLONG;
        return -1;
    }
    unlink(temporary);
    return open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, PAGE_MODE);
}

int page_create(const char *path, const char *service, unsigned slot_count, struct page **ret_page)
{
    char temporary[256];
    int fd = open_backing(path, temporary, sizeof temporary);
    struct page *page = MAP_FAILED;
    int r = 0;

    if (fd < 0)
        return -errno;
    if (fchmod(fd, PAGE_MODE) < 0 || ftruncate(fd, sizeof *page) < 0)
        r = -errno;
    else
        page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (r == 0 && page == MAP_FAILED)
        r = -errno;
    close(fd);
    if (r < 0)
        return r;
    page->magic = PAGE_MAGIC;
    page->version = PAGE_VERSION;
    snprintf(page->service, sizeof page->service, "%s", service);
    atomic_store(&page->master_pid, getpid());
    atomic_store(&page->slot_count, slot_count);
    atomic_store(&page->started_utc_us, svc_utc_us());
    if (path != NULL && rename(temporary, path) < 0) {
        r = -errno;
        unlink(temporary);
        page_free(page);
        return r;
    }
    *ret_page = page;
    return 0;
}

int page_open(const char *path, const struct page **ret_page)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct page *page;
    struct stat status;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || status.st_size != (off_t)sizeof *page) {
        close(fd);
        return -EPROTO;
    }
    page = mmap(NULL, sizeof *page, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return -errno;
    if (page->magic != PAGE_MAGIC || page->version != PAGE_VERSION || page->slot_count > SLOT_MAX) {
        page_free(page);
        return -EPROTO;
    }
    *ret_page = page;
    return 0;
}

void page_free(const struct page *page)
{
    if (page != NULL)
        munmap((void *)(uintptr_t)page, sizeof *page);
}

uint64_t page_alive_mask(const struct page *page)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < page->slot_count; i++)
        mask |= (uint64_t)(atomic_load(&page->slots[i].state) == SLOT_ALIVE) << i;
    return mask;
}

bool page_all_at(const struct page *page, enum park_stage stage)
{
    for (unsigned i = 0; i < page->slot_count; i++) {
        const struct page_slot *slot = &page->slots[i];

        if (atomic_load(&slot->state) == SLOT_ALIVE && atomic_load(&slot->park_stage) < stage)
            return false;
    }
    return true;
}

uint64_t page_sum(const struct page *page, enum counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < page->slot_count; i++)
        sum += count_get(&page->slots[i], counter);
    return sum;
}

bool page_gate(const struct page *page, unsigned slot, enum counter gauge, uint64_t slack)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < page->slot_count; i++) {
        if (i != slot && atomic_load(&page->slots[i].state) == SLOT_ALIVE) {
            uint64_t theirs = count_get(&page->slots[i], gauge);

            least = theirs < least ? theirs : least;
        }
    }
    return least == UINT64_MAX || count_get(&page->slots[slot], gauge) <= least + slack;
}

void count_duration(struct page_slot *slot, enum histogram histogram, uint64_t from_utc_us, uint64_t to_utc_us)
{
    struct page_histogram *counts = &slot->histograms[histogram];
    uint64_t us = to_utc_us > from_utc_us ? to_utc_us - from_utc_us : 0;
    unsigned at = 0;

    while (at < HISTOGRAM_BOUND_COUNT && us > HISTOGRAM_BOUNDS_US[at])
        at++;
    /* one writer, as in count_add() */
    atomic_store_explicit(&counts->buckets[at], atomic_load_explicit(&counts->buckets[at], memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&counts->sum_us, atomic_load_explicit(&counts->sum_us, memory_order_relaxed) + us,
                          memory_order_relaxed);
}
