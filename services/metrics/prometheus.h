/* prometheus - everything that is counted, in the text format 0.0.4 of Prometheus.
 *
 * What is exported comes from the tables of proto (counters.def, reject.def, histograms.def) and from those in
 * prometheus.c; README.md lists the names. Pure: pages, cameras and clocks are given. */
#ifndef TAGHUB_PROMETHEUS_H
#define TAGHUB_PROMETHEUS_H

#include "cameras.h"
#include "run/page.h"

#define PROMETHEUS_SERVICES_MAX 8u

/** What is looked at; all borrowed. */
struct prometheus_view {
    size_t service_count;
    struct {
        const char *name;
        const struct page *page; /* NULL: it is down */
    } services[PROMETHEUS_SERVICES_MAX];
    const struct camera *const *cameras;
    size_t camera_count;
    uint32_t target_interval_ms; /* see video_stats_compute() */
    uint32_t hang_ms;            /* a worker is up while its heartbeat is not older */
    uint64_t now_mono_ms, now_utc_us;
};

/** returns the text, for free(); NULL without memory */
char *prometheus_text(const struct prometheus_view *view);

#endif
