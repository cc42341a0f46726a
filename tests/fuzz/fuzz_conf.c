/* Configuration text, any bytes at all: refused in one printable sentence, or accepted, and then
 * the page of the effective configuration is a file of the same configuration. */
#include "run/conf_text.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int parse(struct view text, struct hub_conf *ret_conf, struct conf_error *ret_error)
{
    struct conf_file file = {.name = "taghub.conf", .folder = "/etc/taghub"};

    memset(ret_error, 0, sizeof(*ret_error));
    conf_set_defaults(ret_conf);
    return conf_file_parse(&file, text, ret_conf, ret_error);
}

static void check_sentence(const char *text)
{
    assert(strncmp(text, "taghub.conf:", 12) == 0);
    assert(strlen(text) < sizeof(((struct conf_error *)NULL)->text) - 1); /* not cut */
    for (; *text != '\0'; text++)
        assert(*text >= ' ' && *text <= '~');
}

static void check_round_trip(const struct hub_conf *conf)
{
    struct hub_conf again;
    struct conf_error error;
    char *page = NULL;
    size_t page_length = 0;
    FILE *const out = open_memstream(&page, &page_length);

    assert(out != NULL);
    conf_print_effective(out, conf);
    fclose(out);
    assert(parse(view_of(page, page_length), &again, &error) == 0);
    assert(memcmp(conf, &again, offsetof(struct hub_conf, origin)) == 0);
    free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct hub_conf conf;
    struct conf_error error;

    if (parse(view_of(bytes, length), &conf, &error) < 0)
        check_sentence(error.text);
    else
        check_round_trip(&conf);
    return 0;
}
