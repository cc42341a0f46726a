/* ingest - judges what comes from outside.
 *
 * Why a process of its own: it reads the JSON and the pictures of strangers, and it alone needs the
 * token to do so. The gateway, which faces the network, holds no secret; ingest, which holds it,
 * has no network socket. A crash here costs nothing: the gateway still has the message and sends it
 * to whoever comes next.
 *
 * Invariants
 *   M1  the master reads no byte from outside; a worker has its own loop, links and judge
 *       (ingest_worker.c)
 *   M2  a configuration or token that cannot work stops the start with EX_CONFIG, since starting
 *       again would not help
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "ingest_worker.h"
#include "relay.h"
#include "run/conf.h"
#include "run/log.h"
#include "run/page.h"
#include "run/prefork.h"
#include "run/svc.h"
#include "run/token.h"

#define PROGRAM "taghub-ingest"
#define PURPOSE "Checks what cameras and games send; started by taghubctl run or by systemd."

struct ingest {
    struct hub_conf conf;
    char token[TOKEN_MAX + 1];
    struct page *page;
    int listen_fd;
};

static int run_worker(void *user, unsigned number, int master_fd)
{
    struct ingest *ingest = user;
    struct ingest_worker_conf conf = {
        .hub = &ingest->conf,
        .page = ingest->page,
        .listen_fd = &ingest->listen_fd,
        .token = ingest->token,
    };
    int r = ingest_worker_run(&conf, number, master_fd);

    explicit_bzero(ingest->token, sizeof ingest->token);
    page_free(ingest->page);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_workers(struct ingest *ingest)
{
    const struct prefork_conf prefork = {
        .worker_count = ingest->conf.ingest_workers,
        .page = ingest->page,
        .hang_ms = ingest->conf.worker_hang_ms,
        .stop_ms = ingest->conf.stop_deadline_ms,
        .worker_main = run_worker,
        .user = ingest,
    };

    log_info("start", "version=%s workers=%u", TAGHUB_VERSION, prefork.worker_count);
    return prefork_run(&prefork);
}

/* The page shows this process to taghubctl. */
static int make_page(struct ingest *ingest)
{
    char path[sizeof((struct sockaddr_un){0}.sun_path)];
    int r = conf_page_path(&ingest->conf, "ingest", path, sizeof path);

    return r < 0 ? r : page_create(path, "ingest", ingest->conf.ingest_workers, &ingest->page);
}

static int listen_on_socket(struct ingest *ingest)
{
    char path[sizeof((struct sockaddr_un){0}.sun_path)];
    int r = conf_socket_path(&ingest->conf, "ingest", path, sizeof path);

    if (r < 0)
        return r;
    r = svc_listen(path);
    if (r < 0)
        return r;
    ingest->listen_fd = r;
    return 0;
}

int main(int argc, char **argv)
{
    struct ingest ingest = {.listen_fd = -1};
    struct conf_error error = {""};
    int failure = EX_CONFIG; /* M2: of the steps that only somebody's hand can mend */
    const char *step;
    int r;

    log_open("ingest", LOG_LEVEL_INFO);

    step = "config";
    r = conf_load(argc, argv, PROGRAM, &ingest.conf, &error);
    if (r < 0)
        goto out;
    if (r > 0) {
        conf_print_asked(stdout, r, PROGRAM, PURPOSE);
        goto out;
    }
    log_open("ingest", ingest.conf.log_level);

    step = "token";
    r = token_load(ingest.conf.token_file, ingest.token, &error);
    if (r < 0)
        goto out;

    failure = EXIT_FAILURE;
    step = "handlers";
    if (relay_check_handlers() != NULL) {
        snprintf(error.text, sizeof error.text, "%s is not handled as messages.def says", relay_check_handlers());
        r = -ENOSYS;
        goto out;
    }

    step = "limits";
    r = svc_raise_nofile();
    if (r < 0)
        goto out;
    svc_tune_malloc();

    step = "listen";
    r = listen_on_socket(&ingest);
    if (r < 0)
        goto out;

    step = "page";
    r = make_page(&ingest);
    if (r < 0)
        goto out;

    step = "run";
    r = run_workers(&ingest); /* 0 after SIGTERM */
out:
    if (r < 0)
        log_error("exit", "step=%s error=%s", step, error.text[0] != '\0' ? error.text : strerror(-r));
    page_free(ingest.page);
    if (ingest.listen_fd >= 0)
        close(ingest.listen_fd);
    explicit_bzero(ingest.token, sizeof ingest.token);
    return r < 0 ? failure : EXIT_SUCCESS;
}
