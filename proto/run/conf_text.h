/* conf_text - the table of keys as data, values as text, files as lines: what conf.c, conf_text.c,
 * conf_file.c and conf_print.c share with each other and with the tests. Everybody else includes
 * run/conf.h.
 */
#ifndef TAGHUB_RUN_CONF_TEXT_H
#define TAGHUB_RUN_CONF_TEXT_H

#include "run/conf.h"

enum conf_type {
    CONF_TYPE_u32,
    CONF_TYPE_u64,
    CONF_TYPE_port,
    CONF_TYPE_bool,
    CONF_TYPE_path,
    CONF_TYPE_addrs,
    CONF_TYPE_cidrs,
    CONF_TYPE_level,
};

/** A row of config.def. A section has a title, no name, and its text as meaning. */
struct conf_row {
    const char *title;
    const char *name;
    enum conf_type type;
    const char *preset;
    uint64_t min;
    uint64_t max;
    const char *unit;
    const char *meaning;
    size_t offset; /* in struct hub_conf */
};

/** The table, CONF_ROW_COUNT rows, indexed by enum conf_row_id. */
const struct conf_row *conf_rows(void);

/* Names by which a key is known: http_port, --http-port, TAGHUB_HTTP_PORT. */
enum conf_style { CONF_STYLE_FILE, CONF_STYLE_OPTION, CONF_STYLE_VARIABLE };

/* Room of any key's name in any style, with NUL. */
#define CONF_STYLED_ROOM 64

/** Write a key's name in that style; returns dst. */
const char *conf_row_style(const struct conf_row *row, enum conf_style style, char dst[CONF_STYLED_ROOM]);

/** The row of a key by its name in that style; options match with underscores too. NULL if none. */
const struct conf_row *conf_row_find(const char *name, enum conf_style style);

/**
 * The row whose name in that style is nearest: the fewest letters added, dropped, changed or
 * swapped with their neighbour, or only its end missing. Only the first CONF_STYLED_ROOM - 1 bytes of name are looked at.
 *
 * ret_is_close  near enough that a slip of the pen explains it
 */
const struct conf_row *conf_row_nearest(const char *name, enum conf_style style, bool *ret_is_close);

/* Room of the reason that conf_value_parse() gives. */
#define CONF_PROBLEM_ROOM 512

/**
 * Read a value and store it.
 *
 * folder       absolute; what a relative path counts from
 * ret_problem  on -EINVAL: "'99999' is out of range 0..65535", which follows the name of the key
 * returns      0 or -EINVAL; conf is unchanged then
 */
int conf_value_parse(const struct conf_row *row, const char *text, const char *folder, struct hub_conf *conf,
                     char ret_problem[CONF_PROBLEM_ROOM]);

/** Print a value as conf_value_parse() reads it. */
void conf_value_print(FILE *out, const struct conf_row *row, const struct hub_conf *conf);

/* Where a value stands. */
struct conf_place {
    enum conf_style style;
    const char *name;   /* of the file, as errors show it; not used by other styles */
    unsigned line;      /* in the file, from 1 */
    const char *folder; /* absolute; what relative paths count from */
};

/**
 * Store a value under a key and note where it came from.
 *
 * key      in the style of the place
 * returns  0; -EINVAL for an unknown key or a bad value, with ret_error
 */
int conf_key_set(struct hub_conf *conf, const struct conf_place *place, const char *key, const char *value,
                 struct conf_error *ret_error);

/** Write a sentence into ret_error; returns error. */
int conf_fail(struct conf_error *ret_error, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** All defaults as the table has them; nothing is resolved yet. */
void conf_set_defaults(struct hub_conf *conf);

/* A file that is being read, and what was found in it. */
#define CONF_INCLUDES_MAX   8
#define CONF_LINE_MAX       1024
#define CONF_FILE_MAX_BYTES (1024 * 1024)

struct conf_file {
    const char *name;   /* as errors show it */
    const char *folder; /* absolute; for relative paths and includes */
    bool is_included;   /* then it may not include */
    uint32_t includes_count;
    char includes[CONF_INCLUDES_MAX][CONF_LINE_MAX + 1];
    uint32_t include_lines[CONF_INCLUDES_MAX];
};

/**
 * Apply a configuration file's text. Includes are noted in file, not followed.
 *
 * returns  0 or -EINVAL with ret_error, which begins with "NAME:LINE: "
 */
int conf_file_parse(struct conf_file *file, struct view text, struct hub_conf *conf, struct conf_error *ret_error);

/**
 * Apply a file and then what it includes.
 *
 * path     must exist
 * returns  0; -EINVAL for what stands in a file; -EFBIG; -errno of open and read; with ret_error
 */
int conf_files_load(const char *path, struct hub_conf *conf, struct conf_error *ret_error);

#endif
