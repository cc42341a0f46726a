/* run - the verb that runs a whole hub in the foreground: everything that must be there before the
 * first service is started, in order. The rest is supervisor.c.
 *
 * Services read the same configuration files as we do; what our own command line said is put into
 * the environment, so that they and everything they start hear it too. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "banner.h"
#include "run/svc.h"
#include "run/token.h"
#include "spawn.h"
#include "supervisor.h"
#include "verbs.h"

#define VARIABLE_PREFIX "TAGHUB_"

/* --http-port=5000 becomes TAGHUB_HTTP_PORT=5000; conf_load() knew every option. */
static int export_option(const char *option, const char *value)
{
    size_t length = strcspn(option, "=");
    char name[sizeof VARIABLE_PREFIX + 64] = VARIABLE_PREFIX;
    size_t used = strlen(name);

    for (size_t i = 0; i < length && used < sizeof name - 1; i++)
        name[used++] = option[i] == '-' ? '_' : (char)toupper((unsigned char)option[i]);
    return setenv(name, value, 1) < 0 ? -errno : 0;
}

static int export_options(const struct args *args)
{
    int r = 0;

    for (int i = 1; i < args->count && r == 0; i++) {
        const char *option = args->at[i] + strlen("--");
        const char *equals = strchr(option, '=');

        if (equals != NULL)
            r = export_option(option, equals + 1);
        else if (i + 1 < args->count) /* --config FILE is the only one of two words */
            r = export_option(option, args->at[++i]);
    }
    return r;
}

static int make_folder(const char *key, const char *path)
{
    int r = svc_make_folder(path, 0700);

    if (r == -EPERM)
        log_error("folder_unsafe",
                  "%s=%s: it belongs to somebody else or everybody may write in it; make it yours "
                  "alone (chmod o-w), or set %s",
                  key, log_quote(path), key);
    else if (r < 0)
        log_error("folder_failed", "%s=%s error=%s", key, log_quote(path), log_quote(strerror(-r)));
    return r;
}

/*
 * One supervisor per runtime directory. The lock is the kernel's and ends with this process, so
 * none is left behind by a crash, and the kernel also knows who holds it.
 *
 * returns the locked descriptor, to be kept open; -errno, logged
 */
static int lock_runtime_dir(const struct hub_conf *conf)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[sizeof conf->runtime_dir + sizeof "/taghubctl.lock"];
    int fd, r;

    snprintf(path, sizeof path, "%s/taghubctl.lock", conf->runtime_dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        r = -errno;
        log_error("lock_failed", "path=%s error=%s", log_quote(path), log_quote(strerror(-r)));
        return r;
    }
    if (fcntl(fd, F_SETLK, &lock) == 0)
        return fd;
    r = -errno;
    if ((r == -EACCES || r == -EAGAIN) && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        log_error("already_running",
                  "pid=%d runtime_dir=%s: a hub runs there; stop it, or set runtime_dir and the ports", (int)lock.l_pid,
                  log_quote(conf->runtime_dir));
    else
        log_error("lock_failed", "path=%s error=%s", log_quote(path), log_quote(strerror(-r)));
    close(fd);
    return r;
}

/* There is a fit token when this returns 0; the first start makes one. */
static int ensure_token(const struct hub_conf *conf)
{
    char token[TOKEN_MAX + 1];
    struct conf_error error;
    int r = token_create(conf->token_file, false, &error);

    if (r == 0)
        log_info("token_made", "file=%s: cameras must show it; 'taghubctl token show' prints it",
                 log_quote(conf->token_file));
    if (r == -EEXIST)
        r = token_load(conf->token_file, token, &error);
    explicit_bzero(token, sizeof token);
    if (r < 0)
        log_error("token_unfit", "%s", error.text);
    else if (token_is_exposed(conf->token_file))
        log_warn("token_exposed", "file=%s: everybody on this machine may read it; 'chmod 600' mends that",
                 log_quote(conf->token_file));
    return r;
}

static int find_programs(struct supervisor_conf *conf)
{
    int r = 0;

    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        int found = spawn_find_program(SERVICES[i].program, conf->programs[i]);

        if (found < 0)
            log_error("program_missing", "program=%s: it is neither beside taghubctl nor in PATH; 'make' builds it",
                      SERVICES[i].program);
        r = found < 0 ? found : r;
    }
    return r;
}

static void announce(const struct hub_conf *conf)
{
    struct ifaddrs *interfaces = NULL;
    struct banner_hosts hosts;

    if (getifaddrs(&interfaces) < 0)
        interfaces = NULL; /* named addresses can still be told */
    banner_find_hosts(conf->bind, interfaces, &hosts);
    banner_print(stdout, conf, &hosts);
    fflush(stdout);
    if (interfaces != NULL)
        freeifaddrs(interfaces);
}

static int run_hub(const struct hub_conf *hub)
{
    struct supervisor_conf conf = {.hub = hub, .on_ready = announce};
    int lock_fd = -1, status = EXIT_CONFIG;

    /* The state directory may lie above the runtime directory, and is the more private one. */
    if (make_folder("state_dir", hub->state_dir) < 0 || make_folder("runtime_dir", hub->runtime_dir) < 0)
        goto out;
    status = EXIT_FAILURE;
    lock_fd = lock_runtime_dir(hub);
    if (lock_fd < 0)
        goto out;
    status = EXIT_CONFIG;
    if (ensure_token(hub) < 0)
        goto out;
    status = EXIT_FAILURE;
    if (find_programs(&conf) < 0)
        goto out;
    status = supervisor_run(&conf);
out:
    if (lock_fd >= 0)
        close(lock_fd);
    return status;
}

int verb_run(struct args *args)
{
    struct hub_conf conf;
    int status = verb_load_conf(args, &conf);

    if (status != 0)
        return status;
    log_open("taghubctl", conf.log_level);
    spawn_prepare();
    if (export_options(args) < 0) {
        log_error("environment_failed", "error=%s", log_quote(strerror(ENOMEM)));
        return EXIT_FAILURE;
    }
    return run_hub(&conf);
}
