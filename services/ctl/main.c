/* taghubctl - the one program people type: runs a hub, looks at it, keeps its token and its
 * configuration.
 *
 * Why a program of its own: a hub on a machine without systemd needs somebody to start, watch and
 * stop its services (run), and everything else here must work without them. It parses nothing from
 * the network.
 *
 * Each verb is a function in a file of its own; this table is all that knows their names. */
#include <stdlib.h>

#include "suggest.h"
#include "verbs.h"

static const struct verb {
    const char *name;
    const char *usage;
    const char *help;
    verb_function function;
    bool takes_settings; /* --http-port=5000 and the like */
} VERBS[] = {
    {"run", "run",
     "run the whole hub in the foreground until Ctrl-C: start the services, restart what dies,\n"
     "print where cameras and games find it. The first start makes a token",
     verb_run, true},
    {"status", "status [--json] [--interval MS]",
     "what runs, how it is, and how much passes through it. Looks twice, MS milliseconds apart\n"
     "(500). Exit status: 0 all is well, 1 something is away or hangs",
     verb_status, true},
    {"reload", "reload",
     "have the gateway take over its configuration and its program anew, without losing a\n"
     "connection: tell it, and wait up to 10 s until other workers serve. Exit status: 0 they do,\n"
     "1 it refused (its log says why) or is late",
     verb_reload, true},
    {"restart", "restart SERVICE",
     "have one service of a running hub (history, metrics, fanout, ingest or gateway) end and\n"
     "start again, and wait up to 10 s until all of it serves",
     verb_restart, true},
    {"token", "token show | new | ensure | set [VALUE]",
     "print the token that cameras must show; make a new random one, or one only if there is none;\n"
     "or set one of your own, 12 to 128 visible characters, from standard input. Avoid VALUE: what\n"
     "stands on a command line is seen by every user of the machine in ps and stays in the shell's\n"
     "history",
     verb_token, true},
    {"history", "history [--camera NAME] [--since WHEN] [--limit N] [--json | --csv]",
     "the sessions of cameras, newest last (50). WHEN is 30m, 2h, 3d or a local date, with a time\n"
     "if you like: '2025-06-15 14:00'",
     verb_history, true},
    {"photo", "photo CAMERA FILE",
     "write a camera's newest picture, as it is in the database, to a file; '-' is standard output", verb_photo, true},
    {"backup", "backup FILE", "write a consistent copy of the database, also while the hub runs. FILE must not exist",
     verb_backup, true},
    {"check-config", "check-config",
     "print every setting in effect and where it came from; or what is wrong, with exit\n"
     "status 78",
     verb_check_config, true},
    {"example-config", "example-config", "print a commented taghub.conf", verb_example_config, false},
    {"protocol", "protocol", "print what the services say to each other, as Markdown", verb_protocol, false},
};

static void print_indented(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        fprintf(out, "      %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_verb(FILE *out, const struct verb *verb)
{
    fprintf(out, "  taghubctl %s\n", verb->usage);
    print_indented(out, verb->help);
}

static void print_help(FILE *out)
{
    fprintf(out, "taghubctl - run a hub for AprilTag cameras and games, and look at it\n\n");
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++)
        print_verb(out, &VERBS[i]);
    fprintf(out, "\n  taghubctl VERB --help lists the settings it takes; taghubctl --version\n");
}

static void print_verb_help(FILE *out, const struct verb *verb)
{
    print_verb(out, verb);
    if (!verb->takes_settings)
        return;
    fprintf(out, "\nSettings, from a file, the environment or the command line:\n");
    conf_print_keys(out);
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(VERBS); i++) {
        if (strcmp(VERBS[i].name, name) == 0)
            return &VERBS[i];
    }
    return NULL;
}

static const char *name_at(size_t index)
{
    return VERBS[index].name;
}

static int complain_about_verb(const char *name)
{
    const char *nearest = suggest_nearest(name, name_at, ARRAY_LEN(VERBS));

    if (nearest != NULL)
        return verb_usage_error("there is no verb '%s', did you mean '%s'", name, nearest);
    return verb_usage_error("there is no verb '%s'", name);
}

int main(int argc, char **argv)
{
    struct args args = {.count = argc, .at = argv};
    bool wants_help = args_take_flag(&args, "--help") | args_take_flag(&args, "-h");
    bool wants_version = args_take_flag(&args, "--version");
    const char *name = args_take_word(&args);
    const struct verb *verb = name == NULL ? NULL : find_verb(name);

    if (wants_version) {
        printf("taghubctl %s\n", TAGHUB_VERSION);
        return EXIT_SUCCESS;
    }
    if (name == NULL && !wants_help) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (name != NULL && verb == NULL)
        return complain_about_verb(name);
    if (!wants_help)
        return verb->function(&args);
    if (verb != NULL)
        print_verb_help(stdout, verb);
    else
        print_help(stdout);
    return EXIT_SUCCESS;
}
