/* conf - the configuration of the whole hub: one struct, filled from one table (config.def).
 *
 * Sources, later ones win:
 *   1. the defaults of the table
 *   2. /etc/taghub/taghub.conf if it exists; or the file named by --config or TAGHUB_CONFIG, which
 *      must exist (an empty name: no file at all)
 *   3. the files named by its `include` lines, as a pattern that counts from the file's folder,
 *      sorted; the place of the line does not matter, and an included file includes no further one
 *   4. the environment, TAGHUB_HTTP_PORT=5000; a TAGHUB_ variable that is no key is an error
 *   5. the command line, --http-port=5000 or --http_port=5000
 *
 * A file holds lines `key = value`. `#` at the start of a line or after a blank begins a comment.
 *
 * After loading, every value is final: folders and token_file are absolute paths, gateway_workers
 * and ingest_workers are numbers of workers. Nobody has to look at a second key.
 */
#ifndef TAGHUB_RUN_CONF_H
#define TAGHUB_RUN_CONF_H

#include "run/log.h"
#include "view.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define CONF_FILE "/etc/taghub/taghub.conf"

#define CONF_NETWORKS_MAX 16
/* Where a value came from, "TAGHUB_HTTP_PORT" or "/etc/taghub/taghub.conf:12"; the end of it if long. */
#define CONF_ORIGIN_ROOM 96
/* Longest name of a process in conf_socket_path() and conf_page_path(). */
#define CONF_NAME_MAX 12

/** Networks of one kind each: an IPv4 network never matches an IPv6 address, nor the reverse. */
struct cidr_list {
    uint32_t count; /* 0 = everybody */
    struct cidr {
        uint8_t address[16]; /* network order; IPv4 uses the first 4 bytes */
        uint8_t bits;
        bool is_v6;
    } items[CONF_NETWORKS_MAX];
};

#define CONF_DECL_u32(name, max)   uint32_t name;
#define CONF_DECL_u64(name, max)   uint64_t name;
#define CONF_DECL_port(name, max)  uint16_t name;
#define CONF_DECL_bool(name, max)  bool name;
#define CONF_DECL_path(name, max)  char name[(max) + 1];
#define CONF_DECL_addrs(name, max) char name[(max) + 1]; /* walk with conf_addr_next() */
#define CONF_DECL_cidrs(name, max) struct cidr_list name;
#define CONF_DECL_level(name, max) enum log_level name;

/** One number for each row of the table, sections too, in its order. */
enum conf_row_id {
#define SECTION(id, title, text)                          CONF_SECTION_##id,
#define CONF(name, type, preset, min, max, unit, meaning) CONF_KEY_##name,
#include "run/config.def"
    CONF_ROW_COUNT
};

/** Every key by its name in the table; about 7 KiB, no pointers, so it may be copied. */
struct hub_conf {
#define SECTION(id, title, text)
#define CONF(name, type, preset, min, max, unit, meaning) CONF_DECL_##type(name, max)
#include "run/config.def"
    char origin[CONF_ROW_COUNT][CONF_ORIGIN_ROOM]; /* "default" or where the value was set */
};

/** One sentence, without a newline, fit for a log line and for a person. */
struct conf_error {
    char text[1536];
};

/* What conf_load() found asked for instead of a start. */
#define CONF_ASKED_HELP    1
#define CONF_ASKED_VERSION 2

/**
 * Load the configuration of this process: its files, environment and command line.
 *
 * argc, argv  as main() has them: argv[0] is skipped, all others must be options of this module
 *             (a program with words of its own takes them out first)
 * program     "taghub-ingest", for the sentence about a stray argument
 * ret_conf    written on 0
 * ret_error   written on errors
 * returns     0; CONF_ASKED_HELP or CONF_ASKED_VERSION (call conf_print_asked() and exit);
 *             -EINVAL for a bad key, value or combination; -errno of a file that cannot be read
 */
int conf_load(int argc, char **argv, const char *program, struct hub_conf *ret_conf, struct conf_error *ret_error);

/** What conf_load() takes from the process; for programs and tests that bring their own. */
struct conf_sources {
    const char *program;
    int argc;
    char *const *argv;
    char *const *environment; /* NAME=value, NULL-terminated; HOME and XDG_* are read here too */
    const char *default_file; /* read if it exists; NULL = none */
    bool is_system_user;      /* root and taghub keep things in /run and /var/lib */
    const char *home;         /* when HOME is not in the environment; may be NULL */
};

/** As conf_load(), from the given sources. Touches only the files that they name. */
int conf_load_sources(const struct conf_sources *sources, struct hub_conf *ret_conf, struct conf_error *ret_error);

/**
 * Print the help or version text that conf_load() said was asked for.
 *
 * purpose  one line: what this program is for
 */
void conf_print_asked(FILE *out, int asked, const char *program, const char *purpose);

/** All keys with option, variable, default, range, unit and meaning; the body of --help. */
void conf_print_keys(FILE *out);

/** A taghub.conf in which every key stands with its default, commented out. */
void conf_print_example(FILE *out);

/** The configuration in effect, `key = value  # where it came from`; itself a valid file. */
void conf_print_effective(FILE *out, const struct hub_conf *conf);

/**
 * <runtime_dir>/<name>.sock and <runtime_dir>/<name>.page.
 *
 * name     of a process, at most CONF_NAME_MAX bytes
 * room     of dst; sizeof(sun_path) is enough for a loaded configuration
 * returns  0 or -ENAMETOOLONG
 */
int conf_socket_path(const struct hub_conf *conf, const char *name, char *dst, size_t room);
int conf_page_path(const struct hub_conf *conf, const char *name, char *dst, size_t room);

/**
 * Walk over a list of addresses (conf->bind).
 *
 * cursor       starts at the text; moved behind the address that is returned
 * port         put into the address
 * ret_address  AF_INET or AF_INET6, with its length; written when 1 is returned
 * returns      1 for an address, 0 at the end, -EINVAL for a word that is no address (never for a
 *              loaded configuration)
 */
int conf_addr_next(const char **cursor, uint16_t port, struct sockaddr_storage *ret_address, socklen_t *ret_length);

/**
 * Whether a source may come in. ::ffff:192.0.2.1 counts as 192.0.2.1; an address that is neither
 * IPv4 nor IPv6 is in no network.
 */
bool conf_cidrs_allow(const struct cidr_list *networks, const struct sockaddr *source);

#endif
