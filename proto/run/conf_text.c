/* conf_text - the table of keys expanded, and each type of value from and to text.
 *
 * Why apart from conf.c: that file knows where values come from and who wins, this one what a
 * value is. A new type of value means: a row in config.def's comment, CONF_DECL_<type> in conf.h,
 * an enum constant, and a line in each switch below, which the compiler asks for.
 *
 * Invariants
 *   C1  conf_value_parse() accepts what conf_value_print() wrote, and gets the same value
 *   C2  a refused value changes nothing
 */
#include "run/conf_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#define ADDRESSES_MAX 8
/* Longest address with scope or prefix length, in brackets, with NUL. */
#define WORD_ROOM 80

static const struct conf_row ROWS[] = {
#define SECTION(id, heading, text) [CONF_SECTION_##id] = {.title = heading, .meaning = text},
#define CONF(key, kind, standard, lowest, highest, measure, text)                                                      \
    [CONF_KEY_##key] = {.name = #key,                                                                                  \
                        .type = CONF_TYPE_##kind,                                                                      \
                        .preset = standard,                                                                            \
                        .min = lowest,                                                                                 \
                        .max = highest,                                                                                \
                        .unit = measure,                                                                               \
                        .meaning = text,                                                                               \
                        .offset = offsetof(struct hub_conf, key)},
#include "run/config.def"
};

static const struct {
    const char *name;
    enum log_level level;
} LEVELS[] = {
    {"error", LOG_LEVEL_ERROR},
    {"warning", LOG_LEVEL_WARNING},
    {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG},
};

static const struct {
    const char *name;
    bool value;
} BOOLS[] = {
    {"true", true}, {"false", false}, {"yes", true}, {"no", false},
    {"on", true},   {"off", false},   {"1", true},   {"0", false},
};

const struct conf_row *conf_rows(void)
{
    return ROWS;
}

/* ---- names ---- */

const char *conf_row_style(const struct conf_row *row, enum conf_style style, char dst[CONF_STYLED_ROOM])
{
    static const char *const PREFIX[] = {
        [CONF_STYLE_FILE] = "",
        [CONF_STYLE_OPTION] = "--",
        [CONF_STYLE_VARIABLE] = "TAGHUB_",
    };
    size_t length = (size_t)snprintf(dst, CONF_STYLED_ROOM, "%s", PREFIX[style]);

    for (const char *from = row->name; *from != '\0' && length < CONF_STYLED_ROOM - 1; from++) {
        char letter = *from;

        if (style == CONF_STYLE_OPTION && letter == '_')
            letter = '-';
        if (style == CONF_STYLE_VARIABLE && letter >= 'a' && letter <= 'z')
            letter = (char)(letter - 'a' + 'A');
        dst[length++] = letter;
    }
    dst[length] = '\0';
    return dst;
}

const struct conf_row *conf_row_find(const char *name, enum conf_style style)
{
    char plain[CONF_STYLED_ROOM];
    char styled[CONF_STYLED_ROOM];
    const int length = snprintf(plain, sizeof(plain), "%s", name);

    if (length >= (int)sizeof(plain))
        return NULL;
    for (char *at = plain; style == CONF_STYLE_OPTION && *at != '\0'; at++) {
        if (*at == '_')
            *at = '-';
    }
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        if (ROWS[i].name != NULL && strcmp(conf_row_style(&ROWS[i], style, styled), plain) == 0)
            return &ROWS[i];
    }
    return NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance; both texts shorter than CONF_STYLED_ROOM. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t cost[CONF_STYLED_ROOM][CONF_STYLED_ROOM];
    const size_t a_length = strlen(a);
    const size_t b_length = strlen(b);

    for (size_t i = 0; i <= a_length; i++)
        cost[i][0] = i;
    for (size_t j = 0; j <= b_length; j++)
        cost[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        for (size_t j = 1; j <= b_length; j++) {
            const size_t change = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            cost[i][j] = least(change, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a_length][b_length];
}

/* A key that was cut off ("token" for token_file) is a slip of one step. */
static size_t name_distance(const char *given, const char *name)
{
    const size_t length = strlen(given);

    return length > 3 && strncmp(given, name, length) == 0 ? 1 : edit_distance(given, name);
}

const struct conf_row *conf_row_nearest(const char *name, enum conf_style style, bool *ret_is_close)
{
    const struct conf_row *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    char given[CONF_STYLED_ROOM];
    char styled[CONF_STYLED_ROOM];

    snprintf(given, sizeof(given), "%.*s", CONF_STYLED_ROOM - 1, name);
    for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
        size_t distance;

        if (ROWS[i].name == NULL)
            continue;
        distance = name_distance(given, conf_row_style(&ROWS[i], style, styled));
        if (distance < nearest_distance) {
            nearest = &ROWS[i];
            nearest_distance = distance;
        }
    }
    *ret_is_close = nearest_distance <= 1 + strlen(nearest->name) / 3;
    return nearest;
}

/* ---- lists of addresses and networks ---- */

/* The next word of a list with commas and blanks: 1, 0 at the end, -EINVAL for one that is too
 * long for anything (dst holds its beginning). */
static int next_word(const char **cursor, char dst[WORD_ROOM])
{
    static const char BETWEEN[] = ", \t";
    const char *const word = *cursor + strspn(*cursor, BETWEEN);
    const size_t length = strcspn(word, BETWEEN);

    *cursor = word + length;
    if (length == 0)
        return 0;
    snprintf(dst, WORD_ROOM, "%.*s", (int)least(length, WORD_ROOM - 1), word);
    return length < WORD_ROOM ? 1 : -EINVAL;
}

static int parse_address_v6(char *word, struct sockaddr_in6 *address)
{
    char *const scope = strchr(word, '%');

    if (scope != NULL) {
        *scope = '\0';
        address->sin6_scope_id = if_nametoindex(scope + 1);
        if (address->sin6_scope_id == 0)
            return -EINVAL;
    }
    address->sin6_family = AF_INET6;
    return inet_pton(AF_INET6, word, &address->sin6_addr) == 1 ? 0 : -EINVAL;
}

/* 192.0.2.1, 2001:db8::1, [2001:db8::1], fe80::1%eth0 */
static int parse_address(const char *text, uint16_t port, struct sockaddr_storage *ret_address, socklen_t *ret_length)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_port = htons(port)};
    char word[WORD_ROOM];
    const size_t length = (size_t)snprintf(word, sizeof(word), "%s", text);
    const bool in_brackets = length > 2 && word[0] == '[' && word[length - 1] == ']';

    memset(ret_address, 0, sizeof(*ret_address));
    if (inet_pton(AF_INET, word, &v4.sin_addr) == 1) {
        memcpy(ret_address, &v4, sizeof(v4));
        *ret_length = sizeof(v4);
        return 0;
    }
    if (in_brackets)
        word[length - 1] = '\0';
    if (parse_address_v6(word + in_brackets, &v6) < 0)
        return -EINVAL;
    memcpy(ret_address, &v6, sizeof(v6));
    *ret_length = sizeof(v6);
    return 0;
}

int conf_addr_next(const char **cursor, uint16_t port, struct sockaddr_storage *ret_address, socklen_t *ret_length)
{
    char word[WORD_ROOM];
    int r = next_word(cursor, word);

    if (r <= 0)
        return r;
    r = parse_address(word, port, ret_address, ret_length);
    return r < 0 ? r : 1;
}

/* Clear what lies behind the prefix, so that 192.168.1.7/24 means its network. */
static void mask_network(struct cidr *network)
{
    for (size_t i = 0; i < sizeof(network->address); i++) {
        const size_t first_bit = i * 8;

        if (first_bit >= network->bits)
            network->address[i] = 0;
        else if (network->bits - first_bit < 8)
            network->address[i] &= (uint8_t)(0xff00 >> (network->bits - first_bit));
    }
}

/* A source in the form that networks have: ::ffff:192.0.2.1 is 192.0.2.1. */
static void unmap_v4(struct cidr *network)
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

    if (!network->is_v6 || network->bits < 96 || memcmp(network->address, MAPPED, 12) != 0)
        return;
    memmove(network->address, network->address + 12, 4);
    memset(network->address + 4, 0, 12);
    network->bits = (uint8_t)(network->bits - 96);
    network->is_v6 = false;
}

static int parse_decimal(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            value = UINT64_MAX;
    }
    *ret_value = value;
    return 0;
}

static int parse_network(const char *text, struct cidr *ret_network)
{
    struct cidr network = {0};
    char word[WORD_ROOM];
    uint64_t bits;
    char *slash;

    snprintf(word, sizeof(word), "%s", text);
    slash = strchr(word, '/');
    if (slash != NULL)
        *slash = '\0';
    if (inet_pton(AF_INET, word, network.address) != 1) {
        if (inet_pton(AF_INET6, word, network.address) != 1)
            return -EINVAL;
        network.is_v6 = true;
    }

    bits = network.is_v6 ? 128 : 32;
    network.bits = (uint8_t)bits;
    if (slash != NULL) {
        if (parse_decimal(slash + 1, &bits) < 0 || bits > network.bits)
            return -EINVAL;
        network.bits = (uint8_t)bits;
    }
    mask_network(&network);
    unmap_v4(&network);
    *ret_network = network;
    return 0;
}

static bool network_holds(const struct cidr *network, const struct cidr *source)
{
    struct cidr masked = *source;

    if (network->is_v6 != source->is_v6)
        return false;
    masked.bits = network->bits;
    mask_network(&masked);
    return memcmp(masked.address, network->address, sizeof(masked.address)) == 0;
}

bool conf_cidrs_allow(const struct cidr_list *networks, const struct sockaddr *source)
{
    struct cidr from = {0};

    if (networks->count == 0)
        return true;
    if (source->sa_family == AF_INET) {
        memcpy(from.address, &((const struct sockaddr_in *)source)->sin_addr, 4);
        from.bits = 32;
    } else if (source->sa_family == AF_INET6) {
        memcpy(from.address, &((const struct sockaddr_in6 *)source)->sin6_addr, 16);
        from.bits = 128;
        from.is_v6 = true;
        unmap_v4(&from);
    } else {
        return false;
    }
    for (uint32_t i = 0; i < networks->count; i++) {
        if (network_holds(&networks->items[i], &from))
            return true;
    }
    return false;
}

/* ---- values from text ---- */

/* "'99999' is ..."; always -EINVAL. */
__attribute__((format(printf, 3, 4))) static int problem(char dst[CONF_PROBLEM_ROOM], const char *value,
                                                         const char *format, ...)
{
    va_list arguments;
    size_t length;

    log_escape(dst, CONF_PROBLEM_ROOM / 2, view_text(value), '\'');
    length = strlen(dst);
    va_start(arguments, format);
    vsnprintf(dst + length, CONF_PROBLEM_ROOM - length, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int parse_number(const struct conf_row *row, const char *text, uint64_t *ret_value, char *why)
{
    uint64_t value;

    if (parse_decimal(text, &value) < 0)
        return problem(why, text, " is not a whole number");
    if (value < row->min || value > row->max)
        return problem(why, text, " is out of range %llu..%llu%s%s", (unsigned long long)row->min,
                       (unsigned long long)row->max, row->unit[0] == '\0' ? "" : " ", row->unit);
    *ret_value = value;
    return 0;
}

static int parse_bool(const char *text, bool *ret_value, char *why)
{
    for (size_t i = 0; i < ARRAY_LEN(BOOLS); i++) {
        if (strcmp(text, BOOLS[i].name) == 0) {
            *ret_value = BOOLS[i].value;
            return 0;
        }
    }
    return problem(why, text, " is neither true nor false");
}

static int parse_level(const char *text, enum log_level *ret_level, char *why)
{
    for (size_t i = 0; i < ARRAY_LEN(LEVELS); i++) {
        if (strcmp(text, LEVELS[i].name) == 0) {
            *ret_level = LEVELS[i].level;
            return 0;
        }
    }
    return problem(why, text, " is none of error, warning, info, debug");
}

/* Nothing of an earlier, longer value stays behind: equal configurations are equal bytes. */
static void put_text(const struct conf_row *row, char *dst, const char *text)
{
    memset(dst, 0, row->max + 1);
    memcpy(dst, text, strlen(text));
}

/* What a file cannot say: its lines lose the blanks at both ends, and a comment begins at " #". */
static bool has_lost_blank(const char *path)
{
    static const char BLANKS[] = " \t";
    const size_t length = strlen(path);

    if (length > 0 && (strchr(BLANKS, path[0]) != NULL || strchr(BLANKS, path[length - 1]) != NULL))
        return true;
    return strstr(path, " #") != NULL || strstr(path, "\t#") != NULL;
}

static int parse_path(const struct conf_row *row, const char *text, const char *folder, char *dst, char *why)
{
    char path[2 * CONF_LINE_MAX];
    size_t length;

    if (text[0] == '/' || text[0] == '\0')
        length = (size_t)snprintf(path, sizeof(path), "%s", text);
    else
        length = (size_t)snprintf(path, sizeof(path), "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, text);
    if (length > row->max)
        return problem(why, text, " is too long: a path may have %llu bytes", (unsigned long long)row->max);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    if (has_lost_blank(text) || has_lost_blank(path))
        return problem(why, text, " has a blank at one of its ends or before a '#'");
    put_text(row, dst, path);
    return 0;
}

static int parse_addrs(const struct conf_row *row, const char *text, char *dst, char *why)
{
    struct sockaddr_storage seen[ADDRESSES_MAX];
    const char *cursor = text;
    char word[WORD_ROOM];
    socklen_t length;
    size_t count = 0;
    int r;

    while ((r = next_word(&cursor, word)) != 0) {
        if (count == ARRAY_LEN(seen))
            return problem(why, text, " lists too many addresses: at most %zu", count);
        if (r < 0 || parse_address(word, 0, &seen[count], &length) < 0)
            return problem(why, word, " is not an IPv4 or IPv6 address");
        for (size_t i = 0; i < count; i++) {
            if (memcmp(&seen[i], &seen[count], sizeof(seen[i])) == 0)
                return problem(why, word, " is listed twice");
        }
        count++;
    }
    if (count == 0)
        return problem(why, text, " lists no address");
    if (strlen(text) > row->max)
        return problem(why, text, " is too long: %llu bytes at most", (unsigned long long)row->max);
    put_text(row, dst, text);
    return 0;
}

static int parse_cidrs(const char *text, struct cidr_list *ret_networks, char *why)
{
    struct cidr_list networks = {0};
    const char *cursor = text;
    char word[WORD_ROOM];
    int r;

    while ((r = next_word(&cursor, word)) != 0) {
        if (networks.count == CONF_NETWORKS_MAX)
            return problem(why, text, " lists too many networks: at most %d", CONF_NETWORKS_MAX);
        if (r < 0 || parse_network(word, &networks.items[networks.count]) < 0)
            return problem(why, word, " is not a network like 192.168.1.0/24");
        networks.count++;
    }
    *ret_networks = networks;
    return 0;
}

static bool has_control_character(const char *text)
{
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            return true;
    }
    return false;
}

int conf_value_parse(const struct conf_row *row, const char *text, const char *folder, struct hub_conf *conf,
                     char ret_problem[CONF_PROBLEM_ROOM])
{
    void *const field = (char *)conf + row->offset;
    uint64_t number;
    int r = 0;

    if (has_control_character(text))
        return problem(ret_problem, text, " contains a control character");
    switch (row->type) {
    case CONF_TYPE_u32:
        r = parse_number(row, text, &number, ret_problem);
        if (r == 0)
            *(uint32_t *)field = (uint32_t)number;
        return r;
    case CONF_TYPE_u64:
        return parse_number(row, text, field, ret_problem);
    case CONF_TYPE_port:
        r = parse_number(row, text, &number, ret_problem);
        if (r == 0)
            *(uint16_t *)field = (uint16_t)number;
        return r;
    case CONF_TYPE_bool:
        return parse_bool(text, field, ret_problem);
    case CONF_TYPE_path:
        return parse_path(row, text, folder, field, ret_problem);
    case CONF_TYPE_addrs:
        return parse_addrs(row, text, field, ret_problem);
    case CONF_TYPE_cidrs:
        return parse_cidrs(text, field, ret_problem);
    case CONF_TYPE_level:
        return parse_level(text, field, ret_problem);
    }
    return problem(ret_problem, text, " belongs to a key without a type");
}

/* ---- values to text ---- */

static void print_cidrs(FILE *out, const struct cidr_list *networks)
{
    char text[INET6_ADDRSTRLEN];

    for (uint32_t i = 0; i < networks->count; i++) {
        const struct cidr *const network = &networks->items[i];

        inet_ntop(network->is_v6 ? AF_INET6 : AF_INET, network->address, text, sizeof(text));
        fprintf(out, "%s%s/%u", i == 0 ? "" : ", ", text, network->bits);
    }
}

static const char *level_name(enum log_level level)
{
    for (size_t i = 0; i < ARRAY_LEN(LEVELS); i++) {
        if (LEVELS[i].level == level)
            return LEVELS[i].name;
    }
    return "?";
}

void conf_value_print(FILE *out, const struct conf_row *row, const struct hub_conf *conf)
{
    const void *const field = (const char *)conf + row->offset;

    switch (row->type) {
    case CONF_TYPE_u32:
        fprintf(out, "%u", *(const uint32_t *)field);
        break;
    case CONF_TYPE_u64:
        fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case CONF_TYPE_port:
        fprintf(out, "%u", *(const uint16_t *)field);
        break;
    case CONF_TYPE_bool:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case CONF_TYPE_path:
    case CONF_TYPE_addrs:
        fputs(field, out);
        break;
    case CONF_TYPE_cidrs:
        print_cidrs(out, field);
        break;
    case CONF_TYPE_level:
        fputs(level_name(*(const enum log_level *)field), out);
        break;
    }
}
