/* taghub-metrics - knows how fast every camera sends, and tells all that is counted.
 *
 * Why a process of its own: nobody live waits for statistics, so nobody shall wait for their making either, nor lose a
 * connection to a bug in them. While it is away its endpoints answer 503 and everything else goes on.
 *
 * It keeps a few numbers per camera and no file. The gateway workers remember the newest pictures' numbers of each
 * camera; one that meets a new metrics tells them again, so windows and counts are what they were.
 *
 * What is counted elsewhere it reads, when asked, from the pages that all processes share: it works also for those that
 * hang, and costs them nothing.
 *
 * Invariants: metrics.c (answers), cameras.c (counts), prometheus.c (names).
 */
#include "metrics.h"
#include "run/single.h"

static int open_service(const struct hub_conf *conf, struct worker *worker, int *listen_fd, void **ret_service)
{
    struct metrics *metrics = NULL;
    int r = metrics_new(conf, worker, listen_fd, &metrics);

    *ret_service = metrics;
    return r;
}

static void close_service(void *service)
{
    metrics_free(service);
}

int main(int argc, char **argv)
{
    static const struct single METRICS = {
        .name = "metrics",
        .program = "taghub-metrics",
        .purpose = "knows how fast every camera sends, and tells all that is counted",
        .kind = PEER_METRICS,
        .check_handlers = metrics_handlers_check,
        .open = open_service,
        .close = close_service,
    };

    return single_main(&METRICS, argc, argv);
}
