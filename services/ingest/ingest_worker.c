/* ingest_worker - see ingest_worker.h.
 *
 * A worker is a loop, a relay on it, and a look at the token file every second.
 *
 * Invariants
 *   V1  a worker that serves knows the newest good token: the master's may be old when a worker is
 *       started in place of another
 *   V2  a token file that has become bad changes nothing, and is reported once
 */
#include "ingest_worker.h"

#include <string.h>

#include "relay.h"
#include "run/log.h"
#include "run/worker.h"
#include "token_watch.h"

#define TICKS_PER_S (1000u / WORKER_TICK_MS)

struct ingest_worker {
    struct worker worker;
    struct relay *relay;
    struct token_watch token_watch;
    unsigned ticks_count;
};

/* Returns whether the file has changed for the good. */
static bool renew_token(struct ingest_worker *self)
{
    char token[TOKEN_MAX + 1];
    struct conf_error error;
    int r = token_watch_look(&self->token_watch, token, &error);

    if (r < 0) /* V2 */
        log_warn("token_not_renewed", "worker=%u kept=old error=%s", self->worker.number, error.text);
    if (r > 0)
        r = relay_set_token(self->relay, token) == 0;
    explicit_bzero(token, sizeof token);
    return r > 0;
}

static void on_tick(void *user)
{
    struct ingest_worker *self = user;

    relay_tick(self->relay);
    self->ticks_count++;
    if (self->ticks_count % TICKS_PER_S == 0 && renew_token(self))
        log_info("token_renewed", "worker=%u", self->worker.number);
}

int ingest_worker_run(const struct ingest_worker_conf *conf, unsigned number, int master_fd)
{
    struct ingest_worker self = {.token_watch = {.path = conf->hub->token_file}};
    const char *step;
    int r;

    step = "worker";
    r = worker_init(&self.worker, PEER_INGEST, conf->page, number, master_fd);
    if (r < 0)
        goto out;

    step = "relay";
    r = relay_new(&self.worker, conf->hub, conf->listen_fd, conf->token, &self.relay);
    if (r < 0)
        goto out;
    renew_token(&self); /* V1 */
    self.worker.on_tick = on_tick;
    self.worker.user = &self;

    worker_is_alive(&self.worker); /* also without fanout: who identifies or pings is answered */
    step = "run";
    r = worker_run(&self.worker);
out:
    if (r < 0)
        log_error("exit", "worker=%u step=%s error=%s", number, step, strerror(-r));
    relay_free(self.relay);
    worker_done(&self.worker);
    return r;
}
