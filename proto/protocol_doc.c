/* protocol_doc - see protocol_doc.h. Walks the descriptors like the codec does, so the document cannot disagree with the
 * program; a test compares PROTOCOL.md with what comes out of here. */
#include "protocol_doc.h"

#include <inttypes.h>

#include "frame.h"
#include "run/page.h"

/* The tables without descriptors: only this document needs the meanings. */
static const char *const REJECT_MEANINGS[REJECT_COUNT] = {
#define REJECT(name, meaning) [REJECT_##name] = (meaning),
#include "reject.def"
};

static const char *const SESSION_END_MEANINGS[SESSION_END_COUNT] = {
#define SESSION_END(name, meaning) [SESSION_END_##name] = (meaning),
#include "session_end.def"
};

static const char *const TYPE_NAMES[] = {[FIELD_u64] = "u64", [FIELD_str] = "str", [FIELD_blob] = "blob"};

/* Borders of types are known by their names, not by their digits. */
static void print_limit(FILE *out, uint64_t value)
{
    if (value == UINT64_MAX)
        fputs("2^64-1", out);
    else if (value == INT64_MAX)
        fputs("2^63-1", out);
    else if (value == UINT32_MAX)
        fputs("2^32-1", out);
    else
        fprintf(out, "%" PRIu64, value);
}

static void print_range(FILE *out, const struct field_desc *field)
{
    print_limit(out, field->min);
    if (field->max != field->min) {
        fputs("..", out);
        print_limit(out, field->max);
    }
    if (field->type != FIELD_u64)
        fputs(" bytes", out);
}

static void print_peers(FILE *out, unsigned peers)
{
    const char *separator = "";

    if (peers == PEER_ALL) {
        fputs("everybody", out);
        return;
    }
    for (unsigned bit = 1; bit <= PEER_ALL; bit <<= 1) {
        if ((peers & bit) == 0)
            continue;
        fprintf(out, "%s%s", separator, peer_name((enum peer_kind)bit));
        separator = ", ";
    }
}

static void print_message(FILE *out, const struct msg_desc *desc)
{
    fprintf(out, "\n### %d %s\n\n", (int)desc->type, desc->name);
    print_peers(out, desc->from);
    fputs(" → ", out);
    print_peers(out, desc->to);
    fprintf(out, ": %s.\n", desc->meaning);
    if (desc->field_count == 0) {
        fputs("\nNo fields.\n", out);
        return;
    }
    fputs("\n| field | type | range | meaning |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];

        fprintf(out, "| `%s` | %s | ", field->name, TYPE_NAMES[field->type]);
        print_range(out, field);
        fprintf(out, " | %s |\n", field->meaning);
    }
}

static void print_peer_kinds(FILE *out)
{
    fputs("\n## Kinds of peers\n\n| kind | name |\n|---|---|\n", out);
    for (unsigned bit = 1; bit <= PEER_ALL; bit <<= 1)
        fprintf(out, "| %u | %s |\n", bit, peer_name((enum peer_kind)bit));
}

static void print_rejects(FILE *out)
{
    fputs("\n## Reasons for a refusal\n\n"
          "They travel in `verdict` by number, and stand in logs and statistics by name.\n\n"
          "| number | name | meaning |\n|---|---|---|\n",
          out);
    for (unsigned i = 0; i < REJECT_COUNT; i++)
        fprintf(out, "| %u | %s | %s |\n", i, reject_name((enum reject)i), REJECT_MEANINGS[i]);
}

static void print_session_ends(FILE *out)
{
    fputs("\n## Why a session ends\n\n"
          "They travel in `session` by number, and stand in history.db by name.\n\n"
          "| number | name | meaning |\n|---|---|---|\n",
          out);
    for (unsigned i = 0; i < SESSION_END_COUNT; i++)
        fprintf(out, "| %u | %s | %s |\n", i, session_end_name((enum session_end)i), SESSION_END_MEANINGS[i]);
}

static void print_histograms(FILE *out)
{
    fputs("\n## Durations\n\n"
          "Counted per worker in the shared page of its service, as distributions.\n\n"
          "| name | meaning |\n|---|---|\n",
          out);
    for (unsigned i = 0; i < HISTOGRAM_COUNT; i++)
        fprintf(out, "| %s | %s |\n", HISTOGRAMS[i].name, HISTOGRAMS[i].meaning);
}

static void print_counters(FILE *out)
{
    fputs("\n## Counters\n\n"
          "Kept per worker in the shared page of its service. A total only rises while the process "
          "lives, a gauge is a "
          "value of now.\n\n"
          "| name | kind | meaning |\n|---|---|---|\n",
          out);
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        fprintf(out, "| %s | %s | %s |\n", COUNTERS[i].name, COUNTERS[i].kind == COUNTER_total ? "total" : "gauge",
                COUNTERS[i].meaning);
}

void protocol_doc_print(FILE *out)
{
    fprintf(out,
            "# The bus\n\n"
            "<!-- Generated from messages.def and the other tables beside it. Do not edit: run `make "
            "docs`. -->\n\n"
            "How the processes of taghub talk to each other, version %u. Unix stream sockets; a "
            "frame is a length of %u "
            "bytes, big-endian, at most %u, and then one flat msgpack array: the id of the message "
            "and its fields in "
            "this order. A `u64` is an unsigned number, a `str` is text without NUL, a `blob` is "
            "any bytes; the range "
            "of a number is one of values, the others' one of lengths. A frame that is anything "
            "else ends the link.\n\n"
            "The first message of both ends is `hello`; ends of different versions refuse each "
            "other. A message is "
            "accepted only from the kinds of peers that may send it.\n\n"
            "## Messages\n",
            BUS_VERSION, FRAME_HEADER_BYTES, FRAME_BYTES_MAX);
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        if (schema_message(type) != NULL)
            print_message(out, schema_message(type));
    }
    print_peer_kinds(out);
    print_rejects(out);
    print_session_ends(out);
    print_counters(out);
    print_histograms(out);
}
