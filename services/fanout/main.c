/* taghub-fanout - carries every sighting, picture and command to every gateway worker.
 *
 * Why a process of its own: it is the one place where the order of things is made, and it knows what a newcomer needs.
 * It judges nothing and touches no network. All it keeps is state that the gateway workers can give back to it: after
 * a crash it asks them, and nobody notices more than a pause.
 *
 * Invariants: fanout.c (the stream), photos.c (pictures).
 */
#include "fanout.h"
#include "run/single.h"

static int open_service(const struct hub_conf *conf, struct worker *worker, int *listen_fd, void **ret_service)
{
    struct fanout *fanout = NULL;
    int r = fanout_new(conf, worker, listen_fd, &fanout);

    *ret_service = fanout;
    return r;
}

static void close_service(void *service)
{
    fanout_free(service);
}

int main(int argc, char **argv)
{
    static const struct single FANOUT = {
        .name = "fanout",
        .program = "taghub-fanout",
        .purpose = "carries every sighting to every game",
        .kind = PEER_FANOUT,
        .check_handlers = fanout_handlers_check,
        .open = open_service,
        .close = close_service,
    };

    return single_main(&FANOUT, argc, argv);
}
