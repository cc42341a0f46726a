/* config_verbs - the verbs that only print: configuration and protocol; and what all verbs share to
 * complain about a command line. */
#include <stdarg.h>
#include <stdlib.h>

#include "protocol_doc.h"
#include "verbs.h"

int verb_load_conf(struct args *args, struct hub_conf *ret_conf)
{
    const char *stray = args_take_word(args);
    struct conf_error error;

    if (stray != NULL)
        return verb_usage_error("unexpected argument '%s'", stray);
    if (conf_load(args->count, args->at, "taghubctl", ret_conf, &error) == 0)
        return 0;
    fprintf(stderr, "taghubctl: %s\n", error.text);
    return EXIT_CONFIG;
}

int verb_usage_error(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "taghubctl: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; 'taghubctl --help' lists what there is\n");
    return EXIT_USAGE;
}

int verb_expect_nothing(const struct args *args)
{
    return args->count > 1 ? verb_usage_error("unexpected argument '%s'", args->at[1]) : 0;
}

static int flushed(FILE *out)
{
    return fflush(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int verb_check_config(struct args *args)
{
    struct hub_conf conf;
    int status = verb_load_conf(args, &conf);

    if (status != 0)
        return status;
    conf_print_effective(stdout, &conf);
    return flushed(stdout);
}

int verb_example_config(struct args *args)
{
    int status = verb_expect_nothing(args);

    if (status != 0)
        return status;
    conf_print_example(stdout);
    return flushed(stdout);
}

int verb_protocol(struct args *args)
{
    int status = verb_expect_nothing(args);

    if (status != 0)
        return status;
    protocol_doc_print(stdout);
    return flushed(stdout);
}
