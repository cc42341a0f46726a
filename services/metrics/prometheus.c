/* prometheus - see prometheus.h.
 *
 * A family is written as a whole, its HELP and TYPE first, so the walk is by family outside and by page inside: pages
 * are read in place while their owners write them, each value once.
 *
 * Invariants
 *   P1  names, units and types follow Prometheus' conventions: base units, `_total` for what only rises
 *   P2  a total is exported as long as its page is there, also when its process is not: else it would seem to be reset
 *   P3  a gauge whose process does not beat is no value of now, and is left out
 *   P4  texts from outside stand in label values only, escaped */
#include "prometheus.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* A worker of a service, while walking over all of them. */
struct worker_at {
    const char *service;
    const struct page_slot *slot; /* NULL before the first */
    size_t service_index;
    unsigned number;
};

static unsigned worker_count(const struct page *page)
{
    unsigned count = page != NULL ? atomic_load(&page->slot_count) : 0;

    return count <= SLOT_MAX ? count : SLOT_MAX; /* a page is another process's memory */
}

/* Moves on to the next worker of any service that has a page. */
static bool next_worker(const struct prometheus_view *view, struct worker_at *at)
{
    if (at->slot != NULL)
        at->number++;
    for (; at->service_index < view->service_count; at->service_index++, at->number = 0) {
        const struct page *page = view->services[at->service_index].page;

        if (at->number < worker_count(page)) {
            at->service = view->services[at->service_index].name;
            at->slot = &page->slots[at->number];
            return true;
        }
    }
    return false;
}

static bool beats(const struct prometheus_view *view, const struct page_slot *slot)
{
    return atomic_load(&slot->state) != SLOT_EMPTY &&
           atomic_load(&slot->heartbeat_mono_ms) + view->hang_ms >= view->now_mono_ms;
}

static bool serves(const struct prometheus_view *view, const struct page_slot *slot)
{
    return beats(view, slot) && atomic_load(&slot->state) == SLOT_ALIVE;
}

/* ---- writing ---- */

static void write_head(FILE *out, const char *name, const char *suffix, const char *type, const char *help)
{
    fprintf(out, "# HELP taghub_%s%s %s\n# TYPE taghub_%s%s %s\n", name, suffix, help, name, suffix, type);
}

/* Microseconds as seconds, exactly. */
static void write_seconds(FILE *out, uint64_t us)
{
    fprintf(out, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000, us % 1000000);
}

static void write_label_value(FILE *out, const char *text) /* P4 */
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

/* ---- the hub ---- */

static void write_build(FILE *out)
{
    write_head(out, "build_info", "", "gauge", "the version of the hub; always 1");
    fputs("taghub_build_info{version=\"" TAGHUB_VERSION "\"} 1\n", out);
}

static bool any_worker_serves(const struct prometheus_view *view, const struct page *page)
{
    bool any = false;

    for (unsigned i = 0; i < worker_count(page); i++)
        any |= serves(view, &page->slots[i]);
    return any;
}

static void write_services(FILE *out, const struct prometheus_view *view)
{
    write_head(out, "up", "", "gauge", "whether any worker of the service serves");
    for (size_t i = 0; i < view->service_count; i++)
        fprintf(out, "taghub_up{service=\"%s\"} %d\n", view->services[i].name,
                any_worker_serves(view, view->services[i].page));
    write_head(out, "start_time_seconds", "", "gauge", "when the service was started, since 1970");
    for (size_t i = 0; i < view->service_count; i++) {
        if (view->services[i].page == NULL)
            continue;
        fprintf(out, "taghub_start_time_seconds{service=\"%s\"} ", view->services[i].name);
        write_seconds(out, atomic_load(&view->services[i].page->started_utc_us));
    }
}

static void write_worker_value(FILE *out, const char *name, const char *suffix, const struct worker_at *at,
                               uint64_t value)
{
    fprintf(out, "taghub_%s%s{service=\"%s\",worker=\"%u\"} %" PRIu64 "\n", name, suffix, at->service, at->number,
            value);
}

static void write_workers(FILE *out, const struct prometheus_view *view)
{
    write_head(out, "worker_up", "", "gauge", "whether the worker serves");
    for (struct worker_at at = {0}; next_worker(view, &at);)
        write_worker_value(out, "worker_up", "", &at, serves(view, at.slot));
    write_head(out, "worker_restarts", "_total", "counter", "times the worker died and was started again");
    for (struct worker_at at = {0}; next_worker(view, &at);)
        write_worker_value(out, "worker_restarts", "_total", &at, atomic_load(&at.slot->restarts_count));
}

static void write_counters(FILE *out, const struct prometheus_view *view)
{
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        bool is_gauge = COUNTERS[i].kind == COUNTER_gauge;
        const char *suffix = is_gauge ? "" : "_total";

        write_head(out, COUNTERS[i].name, suffix, is_gauge ? "gauge" : "counter", COUNTERS[i].meaning);
        for (struct worker_at at = {0}; next_worker(view, &at);) {
            if (!is_gauge || beats(view, at.slot)) /* P2, P3 */
                write_worker_value(out, COUNTERS[i].name, suffix, &at, count_get(at.slot, (enum counter)i));
        }
    }
}

static uint64_t sum_refused(const struct page *page, enum reject reject)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < worker_count(page); i++)
        sum += atomic_load(&page->slots[i].refused[reject]);
    return sum;
}

static void write_refusals(FILE *out, const struct prometheus_view *view)
{
    write_head(out, "refused", "_total", "counter", "what came from outside and was refused, by reason");
    for (size_t i = 0; i < view->service_count; i++) {
        const struct page *page = view->services[i].page;

        for (unsigned reject = REJECT_none + 1; page != NULL && reject < REJECT_COUNT; reject++)
            fprintf(out, "taghub_refused_total{service=\"%s\",reason=\"%s\"} %" PRIu64 "\n", view->services[i].name,
                    reject_name((enum reject)reject), sum_refused(page, (enum reject)reject));
    }
}

/* ---- histograms ---- */

static void write_histogram(FILE *out, const char *name, const struct worker_at *at,
                            const struct page_histogram *histogram)
{
    char labels[64];
    uint64_t count = 0;

    snprintf(labels, sizeof labels, "service=\"%s\",worker=\"%u\"", at->service, at->number);
    for (unsigned i = 0; i < HISTOGRAM_BOUND_COUNT; i++) {
        count += atomic_load(&histogram->buckets[i]);
        fprintf(out, "taghub_%s_seconds_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, labels, HISTOGRAM_BOUNDS_US[i] / 1e6,
                count);
    }
    count += atomic_load(&histogram->buckets[HISTOGRAM_BOUND_COUNT]);
    fprintf(out, "taghub_%s_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
    fprintf(out, "taghub_%s_seconds_sum{%s} ", name, labels);
    write_seconds(out, atomic_load(&histogram->sum_us));
    fprintf(out, "taghub_%s_seconds_count{%s} %" PRIu64 "\n", name, labels, count);
}

/* Only a gateway worker sees both ends of a duration. */
static void write_histograms(FILE *out, const struct prometheus_view *view)
{
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
        write_head(out, HISTOGRAMS[i].name, "_seconds", "histogram", HISTOGRAMS[i].meaning);
        for (struct worker_at at = {0}; next_worker(view, &at);) {
            if (strcmp(at.service, peer_name(PEER_GATEWAY)) == 0)
                write_histogram(out, HISTOGRAMS[i].name, &at, &at.slot->histograms[i]);
        }
    }
}

/* ---- cameras ---- */

/* A camera's values, in the units in which they are exported. */
struct camera_sample {
    const char *name;
    bool has_interval; /* there is none before the second picture */
    double photos, fps, jitter_s, efficiency, age_s, photo_bytes;
};

static struct camera_sample sample_camera(const struct prometheus_view *view, const struct camera *camera)
{
    struct video_stats stats;

    camera_stats(camera, view->target_interval_ms, &stats);
    return (struct camera_sample){
        .name = camera->name,
        .has_interval = stats.interval_count > 0,
        .photos = (double)camera_photo_count(camera),
        .fps = stats.current_fps,
        .jitter_s = stats.jitter_s,
        .efficiency = stats.efficiency_percent / 100,
        .age_s = (double)(view->now_utc_us - camera_newest_utc_us(camera)) / 1e6,
        .photo_bytes = camera->window.frames[camera->window.count - 1].bytes,
    };
}

static const struct {
    const char *name, *type, *help;
    bool needs_interval;
    size_t offset; /* in struct camera_sample */
} CAMERA_FAMILIES[] = {
    {"camera_photos_total", "counter", "pictures of the camera", false, offsetof(struct camera_sample, photos)},
    {"camera_fps", "gauge", "pictures per second over the newest 10; stands still while none come", true,
     offsetof(struct camera_sample, fps)},
    {"camera_jitter_seconds", "gauge", "standard deviation of the newest 20 intervals between pictures", true,
     offsetof(struct camera_sample, jitter_s)},
    {"camera_efficiency_ratio", "gauge", "how well the camera keeps its target interval, 1 is perfect", true,
     offsetof(struct camera_sample, efficiency)},
    {"camera_photo_age_seconds", "gauge", "age of the newest picture", false, offsetof(struct camera_sample, age_s)},
    {"camera_photo_bytes", "gauge", "size of the newest picture", false, offsetof(struct camera_sample, photo_bytes)},
};

static void write_camera_family(FILE *out, size_t family, const struct camera_sample *samples, size_t count)
{
    write_head(out, CAMERA_FAMILIES[family].name, "", CAMERA_FAMILIES[family].type, CAMERA_FAMILIES[family].help);
    for (size_t i = 0; i < count; i++) {
        double value;

        if (CAMERA_FAMILIES[family].needs_interval && !samples[i].has_interval)
            continue;
        memcpy(&value, (const char *)&samples[i] + CAMERA_FAMILIES[family].offset, sizeof value);
        fprintf(out, "taghub_%s{camera=\"", CAMERA_FAMILIES[family].name);
        write_label_value(out, samples[i].name);
        fprintf(out, "\"} %.15g\n", value);
    }
}

static int write_cameras(FILE *out, const struct prometheus_view *view)
{
    struct camera_sample *samples = calloc(view->camera_count + 1, sizeof *samples); /* not even none is NULL */

    if (samples == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < view->camera_count; i++)
        samples[i] = sample_camera(view, view->cameras[i]);
    for (size_t i = 0; i < ARRAY_LEN(CAMERA_FAMILIES); i++)
        write_camera_family(out, i, samples, view->camera_count);
    free(samples);
    return 0;
}

/* ---- the whole ---- */

char *prometheus_text(const struct prometheus_view *view)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    bool failed;

    if (out == NULL)
        return NULL;
    write_build(out);
    write_services(out, view);
    write_workers(out, view);
    write_counters(out, view);
    write_refusals(out, view);
    write_histograms(out, view);
    failed = write_cameras(out, view) < 0;
    failed |= ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (!failed)
        return text;
    free(text);
    return NULL;
}
