/* single - see single.h. */
#include "run/single.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "run/log.h"
#include "run/svc.h"

static int make_page(const struct single *what, const struct hub_conf *conf, struct page **ret_page)
{
    char path[sizeof((struct sockaddr_un){0}.sun_path)];
    int r = conf_page_path(conf, what->name, path, sizeof path);

    return r < 0 ? r : page_create(path, what->name, 1, ret_page);
}

static int listen_on_socket(const struct single *what, const struct hub_conf *conf)
{
    char path[sizeof((struct sockaddr_un){0}.sun_path)];
    int r = conf_socket_path(conf, what->name, path, sizeof path);

    return r < 0 ? r : svc_listen(path);
}

static int serve(const struct single *what, const struct hub_conf *conf, const char **ret_step)
{
    struct page *page = NULL;
    struct worker worker = {0};
    void *service = NULL;
    int listen_fd = -1, r;

    *ret_step = "handlers";
    r = what->check_handlers() == NULL ? 0 : -ENOSYS;
    if (r < 0)
        goto out;

    *ret_step = "page";
    r = make_page(what, conf, &page);
    if (r < 0)
        goto out;

    *ret_step = "listen";
    r = listen_fd = listen_on_socket(what, conf);
    if (r < 0)
        goto out;

    *ret_step = "worker";
    r = worker_init(&worker, what->kind, page, 0, -1);
    if (r < 0)
        goto out;

    *ret_step = "open";
    r = what->open(conf, &worker, &listen_fd, &service);
    if (r < 0)
        goto out;

    *ret_step = "run";
    worker_is_alive(&worker); /* true only now: a connect is answered */
    r = worker_run(&worker);  /* 0 after SIGTERM */
out:
    what->close(service);
    worker_done(&worker);
    page_free(page);
    if (listen_fd >= 0)
        close(listen_fd);
    return r;
}

int single_main(const struct single *what, int argc, char **argv)
{
    struct hub_conf conf;
    struct conf_error error;
    const char *step = "";
    int r;

    log_open(what->name, LOG_LEVEL_INFO);
    r = conf_load(argc, argv, what->program, &conf, &error);
    if (r > 0) {
        conf_print_asked(stdout, r, what->program, what->purpose);
        return EXIT_SUCCESS;
    }
    if (r < 0) {
        log_error("bad_config", "reason=%s", log_quote(error.text));
        return EX_CONFIG;
    }
    log_open(what->name, conf.log_level);
    svc_tune_malloc();
    r = serve(what, &conf, &step);
    if (r < 0)
        log_error("exit", "step=%s error=%s", step, strerror(-r));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
