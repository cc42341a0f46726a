/* taghub-history - remembers which cameras were connected, and each camera's newest picture.
 *
 * Why a process of its own: a database may stall on a disk, a lock or an administrator, and none of that may ever delay
 * a sighting. Nobody live waits for history. Gateway workers keep their sessions until history has committed them, and
 * tell them again to a history that begins anew; of pictures the newest counts. So it may die at any moment.
 *
 * What goes wrong with the file is not hidden: it is logged once, shown in the answers, tried again, and nothing is
 * overwritten that cannot be read.
 *
 * Invariants
 *   H1  only this process writes the database; people and tools may read it at any time
 *   H2  one thread, one loop, one handle, and no call that waits for somebody else's lock
 *   further ones: history.c (the bus), recorder.c (transactions), database.c (trouble), claims.c (who is lost)
 */
#include <signal.h>
#include <sys/stat.h>

#include "history.h"
#include "run/single.h"
#include "tool.h"

static int open_service(const struct hub_conf *conf, struct worker *worker, int *listen_fd, void **ret_service)
{
    struct history *history = NULL;
    int r = history_new(conf, worker, listen_fd, &history);

    *ret_service = history;
    return r;
}

static void close_service(void *service)
{
    history_free(service);
}

int main(int argc, char **argv)
{
    static const struct single HISTORY = {
        .name = "history",
        .program = "taghub-history",
        .purpose = "remembers sessions of cameras and their newest pictures",
        .kind = PEER_HISTORY,
        .check_handlers = history_handlers_check,
        .open = open_service,
        .close = close_service,
    };

    if (history_tool_is_asked(argc, argv))
        return history_tool_run(argc, argv);
    umask(0027);              /* the group may read the database, others nothing */
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is met as a full disk */
    return single_main(&HISTORY, argc, argv);
}
