/* renew_verbs - reload and restart: a signal to the main process that a service's page names, and then the page is
 * watched until others serve. So they need no channel to whoever supervises, and work with systemd as with `run`. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "renewal.h"
#include "run/svc.h"
#include "suggest.h"
#include "verbs.h"

#define LOOK_MS 20

static int fail(const char *name, const char *what)
{
    fprintf(stderr, "taghubctl: %s: %s\n", name, what);
    return EXIT_FAILURE;
}

static int fail_without_service(const struct hub_conf *conf, const char *name, int error)
{
    if (error == 0 || error == -ENOENT)
        fprintf(stderr, "taghubctl: %s does not run: there is no hub in %s\n", name, conf->runtime_dir);
    else
        fprintf(stderr, "taghubctl: %s: its page in %s cannot be read: %s\n", name, conf->runtime_dir,
                strerror(-error));
    return EXIT_FAILURE;
}

static enum renewal await(enum renewal_kind kind, const struct hub_conf *conf, enum service service,
                          const struct service_sample *before, struct service_sample *ret_now)
{
    enum renewal so_far;

    do {
        poll(NULL, 0, LOOK_MS);
        sample_service(conf, service, ret_now);
        so_far = renewal_judge(kind, before, ret_now, svc_mono_ms() - before->taken_mono_ms);
    } while (so_far == RENEWAL_UNDER_WAY);
    return so_far;
}

static int renew(enum renewal_kind kind, const struct hub_conf *conf, enum service service, int signal_number)
{
    const char *name = SERVICES[service].name;
    struct service_sample before, now;

    sample_service(conf, service, &before);
    if (!renewal_is_possible(&before))
        return fail_without_service(conf, name, before.error);
    if (kill(before.pid, signal_number) < 0)
        return errno == ESRCH ? fail_without_service(conf, name, 0) : fail(name, strerror(errno));
    switch (await(kind, conf, service, &before, &now)) {
    case RENEWAL_UNDER_WAY:
    case RENEWAL_DONE:
        break;
    case RENEWAL_REFUSED:
        return fail(name, "refused or not taken: see its log");
    case RENEWAL_LATE:
        return fail(name, "it does not serve again after 10 s: see its log, and 'taghubctl status'");
    }
    printf("%s: %s after %u ms, workers=%u pid=%d\n", name, kind == RENEWAL_RELOAD ? "reloaded" : "restarted",
           (unsigned)(now.taken_mono_ms - before.taken_mono_ms), now.worker_count, (int)now.pid);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int verb_reload(struct args *args)
{
    struct hub_conf conf;
    int status = verb_load_conf(args, &conf);

    return status != 0 ? status : renew(RENEWAL_RELOAD, &conf, SERVICE_gateway, SIGHUP);
}

static const char *name_at(size_t index)
{
    return SERVICES[index].name;
}

static int complain_about_service(const char *name)
{
    const char *nearest = suggest_nearest(name, name_at, SERVICE_COUNT);

    if (nearest != NULL)
        return verb_usage_error("restart: there is no service '%s', did you mean '%s'", name, nearest);
    return verb_usage_error("restart: there is no service '%s'", name);
}

int verb_restart(struct args *args)
{
    const char *name = args_take_word(args);
    struct hub_conf conf;
    int status;

    if (name == NULL)
        return verb_usage_error("restart: say which service");
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (strcmp(SERVICES[i].name, name) != 0)
            continue;
        status = verb_load_conf(args, &conf);
        return status != 0 ? status : renew(RENEWAL_RESTART, &conf, (enum service)i, SERVICES[i].restart_signal);
    }
    return complain_about_service(name);
}
