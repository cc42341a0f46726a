/* conf_print - the table of keys as pages for people: --help, taghub.conf, check-config.
 *
 * Nothing here knows a key by name; a new row in config.def appears on every page.
 */
#include "run/conf_text.h"

#ifndef TAGHUB_VERSION
#define TAGHUB_VERSION "(unversioned build)"
#endif

#define PAGE_WIDTH 96

/* Words of a text, broken into lines of PAGE_WIDTH, each beginning with the indent. */
static void print_wrapped(FILE *out, const char *indent, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        const size_t word_length = strcspn(text, " ");

        if (column > 0 && column + 1 + word_length > PAGE_WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0)
            column = (size_t)fprintf(out, "%s", indent);
        else
            column += (size_t)fprintf(out, " ");
        column += (size_t)fprintf(out, "%.*s", (int)word_length, text);
        text += word_length;
        text += strspn(text, " ");
    }
    if (column > 0)
        fputc('\n', out);
}

/* "0..65535", "100..4500 ms", "true or false" */
static void describe_values(const struct conf_row *row, char *dst, size_t room)
{
    switch (row->type) {
    case CONF_TYPE_u32:
    case CONF_TYPE_u64:
    case CONF_TYPE_port:
        snprintf(dst, room, "%llu..%llu%s%s", (unsigned long long)row->min, (unsigned long long)row->max,
                 row->unit[0] == '\0' ? "" : " ", row->unit);
        return;
    case CONF_TYPE_bool:
        snprintf(dst, room, "true or false");
        return;
    case CONF_TYPE_path:
        snprintf(dst, room, "a path of at most %llu bytes", (unsigned long long)row->max);
        return;
    case CONF_TYPE_addrs:
        snprintf(dst, room, "IPv4 and IPv6 addresses");
        return;
    case CONF_TYPE_cidrs:
        snprintf(dst, room, "at most %d networks like 192.168.1.0/24", CONF_NETWORKS_MAX);
        return;
    case CONF_TYPE_level:
        snprintf(dst, room, "error, warning, info or debug");
        return;
    }
}

static void print_option(FILE *out, const struct conf_row *row)
{
    char option[CONF_STYLED_ROOM];
    char variable[CONF_STYLED_ROOM];
    char values[96];

    describe_values(row, values, sizeof(values));
    fprintf(out, "\n  %s=VALUE  (%s)\n", conf_row_style(row, CONF_STYLE_OPTION, option),
            conf_row_style(row, CONF_STYLE_VARIABLE, variable));
    print_wrapped(out, "      ", row->meaning);
    fprintf(out, "      default: %s; %s\n", row->preset[0] == '\0' ? "empty" : row->preset, values);
}

void conf_print_keys(FILE *out)
{
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        const struct conf_row *const row = &conf_rows()[i];

        if (row->name != NULL) {
            print_option(out, row);
            continue;
        }
        fprintf(out, "\n%s\n", row->title);
        print_wrapped(out, "  ", row->meaning);
    }
}

static void print_help(FILE *out, const char *program, const char *purpose)
{
    fprintf(out,
            "%s - %s\n\n"
            "usage: %s [--config=FILE] [--KEY=VALUE ...]\n"
            "       %s --help | --version\n\n"
            "Values come from " CONF_FILE " or the FILE of --config or TAGHUB_CONFIG,\n"
            "then from the files it includes, then from TAGHUB_* variables, then from options;\n"
            "later ones win. In a file the key is written with underscores: http_port = 5000\n",
            program, purpose, program, program);
    conf_print_keys(out);
}

void conf_print_asked(FILE *out, int asked, const char *program, const char *purpose)
{
    if (asked == CONF_ASKED_VERSION)
        fprintf(out, "%s %s\n", program, TAGHUB_VERSION);
    else
        print_help(out, program, purpose);
}

void conf_print_example(FILE *out)
{
    char values[96];

    fputs("# taghub.conf - every key with its default; remove the '#' in front of what you change.\n"
          "# Lines are 'key = value'. The environment (TAGHUB_HTTP_PORT) and the command line\n"
          "# (--http-port) win over this file, and so do the files it includes:\n"
          "#include conf.d/*.conf\n",
          out);
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        const struct conf_row *const row = &conf_rows()[i];

        if (row->name == NULL) {
            fprintf(out, "\n# ---- %s ----\n", row->title);
            print_wrapped(out, "# ", row->meaning);
            continue;
        }
        describe_values(row, values, sizeof(values));
        fputc('\n', out);
        print_wrapped(out, "# ", row->meaning);
        fprintf(out, "# (%s)\n", values);
        fprintf(out, row->preset[0] == '\0' ? "#%s =\n" : "#%s = %s\n", row->name, row->preset);
    }
}

void conf_print_effective(FILE *out, const struct hub_conf *conf)
{
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        const struct conf_row *const row = &conf_rows()[i];

        if (row->name == NULL) {
            fprintf(out, "%s# %s\n", i == 0 ? "" : "\n", row->title);
            continue;
        }
        fprintf(out, "%s = ", row->name);
        conf_value_print(out, row, conf);
        fprintf(out, "  # %s\n", conf->origin[i]);
    }
}
