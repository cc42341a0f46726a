/* taghub-gateway - the one process that clients touch.
 *
 * The master binds the ports, forks the workers and looks after them; it parses no byte from the network. A worker
 * terminates HTTP, WebSocket and UDP, stamps what arrives, keeps it until it is settled, and carries the news to games.
 * It knows no JSON rule and no secret: ingest judges, fanout distributes.
 *
 * Invariants
 *   G1  every worker inherits every listener; a worker that dies refuses nobody
 *   G2  a client is answered by one worker at a time; workers meet on the bus and in the shared page alone
 *   G3  listeners and parked sessions outlive this process: they lie in the supervisor's descriptor store, or are handed
 *       to the program that takes this one's place
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway.h"
#include "parking.h"
#include "run/log.h"
#include "run/prefork.h"
#include "run/svc.h"

#define EXIT_CONFIG 78 /* as sysexits.h has it: starting again would not help */

/* Names of descriptors, here and in the store. */
static const char HTTP[] = "http", WS[] = "ws", UDP[] = "udp", PARK_WRITE[] = "park-write", PARK_READ[] = "park-read";

struct master {
    struct hub_conf conf;
    struct page *page;
    struct gateway_sockets sockets;
    int argc;
    char **argv;
    char program[PATH_MAX]; /* as it was started: what lies there later may be a newer one */
};

static int run_worker(void *user, unsigned number, int master_fd)
{
    struct master *master = user;
    int r = gateway_run(&master->conf, master->page, &master->sockets, number, master_fd);

    if (r < 0)
        log_error("exit", "worker=%u error=%s", number, strerror(-r));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- sockets ---- */

static struct net_sockets take_all(struct svc_fds *fds, const char *name)
{
    struct net_sockets taken = {0};
    int fd;

    while (taken.count < ARRAY_LEN(taken.fds) && (fd = svc_fds_take(fds, name)) >= 0)
        taken.fds[taken.count++] = fd;
    return taken;
}

/* Opens what the configuration wants, with what is there already of `former`; what is left of that is not wanted. */
static int open_ports(const struct hub_conf *conf, struct gateway_sockets *former, struct gateway_sockets *ret_sockets)
{
    struct net_error error;
    int r = net_open(conf->bind, conf->http_port, SOCK_STREAM, "http_port", &former->http, &ret_sockets->http, &error);

    if (r == 0)
        r = net_open(conf->bind, conf->ws_port, SOCK_STREAM, "ws_port", &former->ws, &ret_sockets->ws, &error);
    if (r == 0)
        r = net_open(conf->bind, conf->udp_port, SOCK_DGRAM, "udp_port", &former->udp, &ret_sockets->udp, &error);
    if (r < 0)
        log_error("bind_failed", "reason=%s", log_quote(error.text));
    return r;
}

static void close_ports(struct gateway_sockets *sockets)
{
    net_close(&sockets->http);
    net_close(&sockets->ws);
    net_close(&sockets->udp);
}

static void store(const char *name, const int *fds, size_t count)
{
    int r = svc_store_fds(name, fds, count);

    if (r < 0)
        log_warn("not_stored", "sockets=%s error=%s", name, strerror(-r));
}

/* G3 */
static void store_sockets(const struct gateway_sockets *sockets)
{
    store(HTTP, sockets->http.fds, sockets->http.count);
    store(WS, sockets->ws.fds, sockets->ws.count);
    store(UDP, sockets->udp.fds, sockets->udp.count);
    store(PARK_WRITE, &sockets->park_write_fd, 1);
    store(PARK_READ, &sockets->park_read_fd, 1);
}

/* What this process was given, in place of what it would have to make. */
static int open_sockets(struct master *master)
{
    struct gateway_sockets former = {0};
    struct svc_fds fds;
    bool is_changed;
    int r = svc_listen_fds(&fds);

    if (r < 0)
        return r;
    former.http = take_all(&fds, HTTP);
    former.ws = take_all(&fds, WS);
    former.udp = take_all(&fds, UDP);
    master->sockets.park_write_fd = svc_fds_take(&fds, PARK_WRITE);
    master->sockets.park_read_fd = svc_fds_take(&fds, PARK_READ);
    svc_fds_done(&fds);
    if (master->sockets.park_write_fd < 0 || master->sockets.park_read_fd < 0)
        r = parking_new(&master->sockets.park_write_fd, &master->sockets.park_read_fd);
    if (r == 0)
        r = open_ports(&master->conf, &former, &master->sockets);
    is_changed = former.http.count + former.ws.count + former.udp.count > 0;
    close_ports(&former);
    if (r < 0)
        return r;
    if (is_changed) {
        svc_forget_fds(HTTP);
        svc_forget_fds(WS);
        svc_forget_fds(UDP);
    }
    store_sockets(&master->sockets);
    return 0;
}

/* ---- reload ---- */

static struct gateway_sockets duplicates(const struct gateway_sockets *sockets)
{
    struct gateway_sockets copy = *sockets;
    struct net_sockets *all[] = {&copy.http, &copy.ws, &copy.udp};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (unsigned k = 0; k < all[i]->count; k++)
            all[i]->fds[k] = fcntl(all[i]->fds[k], F_DUPFD_CLOEXEC, 0);
    }
    return copy;
}

/* Nothing is changed by a configuration that cannot work. */
static int may_reload(void *user)
{
    struct master *master = user;
    struct gateway_sockets former = duplicates(&master->sockets), trial = {0};
    struct hub_conf conf;
    struct conf_error error;
    int r = conf_load(master->argc, master->argv, "taghub-gateway", &conf, &error);

    if (r == 0)
        r = open_ports(&conf, &former, &trial);
    else
        log_error("reload_refused", "reason=%s", log_quote(error.text));
    close_ports(&former);
    close_ports(&trial);
    if (r == 0)
        log_info("reload", "program=%s", master->program);
    return r;
}

static void add_fds(struct svc_fds *fds, const char *name, const int *from, unsigned count)
{
    for (unsigned i = 0; i < count && fds->count < SVC_FDS_MAX; i++) {
        fds->items[fds->count].fd = from[i];
        memcpy(fds->items[fds->count].name, name, strlen(name) + 1);
        fds->count++;
    }
}

/* Returns only when that fails: then the supervisor starts it, with what is in the store. */
static int become_newer(const struct master *master)
{
    const struct gateway_sockets *sockets = &master->sockets;
    struct svc_fds fds = {0};
    int r;

    add_fds(&fds, HTTP, sockets->http.fds, sockets->http.count);
    add_fds(&fds, WS, sockets->ws.fds, sockets->ws.count);
    add_fds(&fds, UDP, sockets->udp.fds, sockets->udp.count);
    add_fds(&fds, PARK_WRITE, &sockets->park_write_fd, 1);
    add_fds(&fds, PARK_READ, &sockets->park_read_fd, 1);
    r = svc_exec_with_fds(master->program, master->argv, &fds);
    log_error("exit", "step=reload program=%s error=%s", master->program, strerror(-r));
    return EXIT_FAILURE;
}

/* ---- the master ---- */

static int run_workers(struct master *master)
{
    struct prefork_conf prefork = {.worker_count = master->conf.gateway_workers != 0 ? master->conf.gateway_workers
                                                                                     : master->conf.workers,
                                   .page = NULL,
                                   .hang_ms = master->conf.worker_hang_ms,
                                   .stop_ms = master->conf.stop_deadline_ms,
                                   .worker_main = run_worker,
                                   .may_reload = may_reload,
                                   .user = master};
    char path[256];
    int r = conf_page_path(&master->conf, "gateway", path, sizeof path);

    if (r == 0)
        r = page_create(path, "gateway", prefork.worker_count, &master->page);
    if (r < 0) {
        log_error("exit", "step=page error=%s", strerror(-r));
        return EXIT_FAILURE;
    }
    prefork.page = master->page;
    r = prefork_run(&prefork);
    if (r < 0)
        log_error("exit", "step=workers error=%s", strerror(-r));
    if (r == PREFORK_RELOAD)
        return become_newer(master);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int find_program(char program[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", program, PATH_MAX - 1);

    program[length > 0 ? length : 0] = '\0';
    return length > 0 ? 0 : -errno;
}

int main(int argc, char **argv)
{
    static struct master master; /* large, and inherited by every worker */
    struct conf_error error;
    int r;

    svc_tune_malloc();
    log_open("gateway", LOG_LEVEL_INFO);
    master.argc = argc;
    master.argv = argv;
    r = conf_load(argc, argv, "taghub-gateway", &master.conf, &error);
    if (r > 0) {
        conf_print_asked(stdout, r, "taghub-gateway", "HTTP, WebSocket and UDP for cameras and games");
        return EXIT_SUCCESS;
    }
    if (r < 0) {
        log_error("bad_config", "reason=%s", log_quote(error.text));
        return EXIT_CONFIG;
    }
    log_open("gateway", master.conf.log_level);
    svc_raise_nofile();
    r = find_program(master.program);
    if (r == 0)
        r = open_sockets(&master);
    if (r < 0)
        r = EXIT_CONFIG;
    else
        r = run_workers(&master);
    close_ports(&master.sockets);
    page_free(master.page);
    return r;
}
