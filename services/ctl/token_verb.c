/* token_verb - shows, makes and sets the camera token. The rules for tokens are those of
 * run/token.h. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/svc.h"
#include "run/token.h"
#include "verbs.h"

static int fail(const struct conf_error *error)
{
    fprintf(stderr, "taghubctl: %s\n", error->text);
    return EXIT_FAILURE;
}

/* The usual place may not be there yet when the token is made before the first start. */
static void make_state_dir(const struct hub_conf *conf)
{
    size_t length = strlen(conf->state_dir);

    if (strncmp(conf->token_file, conf->state_dir, length) == 0 && conf->token_file[length] == '/')
        svc_make_folder(conf->state_dir, 0700); /* what is wrong with it, writing the token will tell */
}

static int show(const struct hub_conf *conf, const char *value)
{
    char token[TOKEN_MAX + 1];
    struct conf_error error;

    (void)value;
    if (token_load(conf->token_file, token, &error) < 0)
        return fail(&error);
    printf("%s\n", token);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int tell_changed(const struct hub_conf *conf)
{
    printf("The new token is in %s.\nA running hub takes it within a second; every camera must be "
           "given it.\n",
           conf->token_file);
    return EXIT_SUCCESS;
}

static int make(const struct hub_conf *conf, const char *value)
{
    struct conf_error error;

    (void)value;
    make_state_dir(conf);
    if (token_create(conf->token_file, true, &error) < 0)
        return fail(&error);
    return tell_changed(conf);
}

/* For who installs a hub, for the first time or again. */
static int ensure(const struct hub_conf *conf, const char *value)
{
    struct conf_error error;
    int r;

    (void)value;
    make_state_dir(conf);
    r = token_create(conf->token_file, false, &error);
    if (r == -EEXIST)
        return EXIT_SUCCESS;
    return r < 0 ? fail(&error) : tell_changed(conf);
}

/* One line, without its end. Longer than any token is enough to be refused. */
static int read_value(char *dst, size_t room)
{
    if (isatty(STDIN_FILENO)) {
        fprintf(stderr, "The new token, then Enter: ");
        fflush(stderr);
    }
    if (fgets(dst, (int)room, stdin) == NULL)
        return -EINVAL;
    dst[strcspn(dst, "\r\n")] = '\0';
    return 0;
}

static int set(const struct hub_conf *conf, const char *value)
{
    char line[2 * TOKEN_MAX];
    struct conf_error error;
    int r;

    if (value == NULL) {
        if (read_value(line, sizeof line) < 0)
            return verb_usage_error("token set: there is no token on standard input");
        value = line;
    }
    make_state_dir(conf);
    r = token_set(conf->token_file, value, &error);
    explicit_bzero(line, sizeof line);
    return r < 0 ? fail(&error) : tell_changed(conf);
}

static const struct {
    const char *name;
    int (*act)(const struct hub_conf *conf, const char *value);
} ACTIONS[] = {
    {"show", show},
    {"new", make},
    {"ensure", ensure},
    {"set", set},
};

int verb_token(struct args *args)
{
    const char *name = args_take_word(args), *value = NULL;
    struct hub_conf conf;
    int status;

    if (name == NULL)
        return verb_usage_error("token: say what to do: show, new, ensure or set");
    if (strcmp(name, "set") == 0)
        value = args_take_word(args);
    for (size_t i = 0; i < ARRAY_LEN(ACTIONS); i++) {
        if (strcmp(ACTIONS[i].name, name) != 0)
            continue;
        status = verb_load_conf(args, &conf);
        return status != 0 ? status : ACTIONS[i].act(&conf, value);
    }
    return verb_usage_error("token: '%s' is not one of show, new, ensure, set", name);
}
