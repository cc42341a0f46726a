/* json_repair - single quotes to double quotes, by tokens.
 *
 * Replacing every quote character would also hit the apostrophe in "it's". So the text is read as
 * strings and what lies between them: a quote character opens a string only between strings, and
 * only the same character closes it. Everything that is wrong beside the quotes stays wrong and
 * is found by the strict check that follows.
 *
 * Invariants
 *   R1  each byte is read once, in order, and gives at most two bytes
 *   R2  a text in which only double quotes open strings is never rewritten
 */
#include "json_repair.h"

#include <errno.h>
#include <stdbool.h>

/* `quote` is the character that closes the open string, 0 between strings. */
struct repair {
    char quote;
    bool has_single;
};

/* Rewrite an escape, a backslash and the byte behind it. */
static size_t repair_escape(const struct repair *repair, char escaped, char dst[2])
{
    if (repair->quote == '\'' && escaped == '\'') {
        dst[0] = '\'';
        return 1;
    }
    dst[0] = '\\';
    dst[1] = escaped;
    return 2;
}

/* Rewrite one byte that belongs to no escape. */
static size_t repair_byte(struct repair *repair, char byte, char dst[2])
{
    dst[0] = byte;
    if (repair->quote == 0 && (byte == '"' || byte == '\'')) {
        repair->quote = byte;
        repair->has_single |= byte == '\'';
        dst[0] = '"';
    } else if (repair->quote != 0 && byte == repair->quote) {
        repair->quote = 0;
        dst[0] = '"';
    } else if (repair->quote == '\'' && byte == '"') {
        dst[0] = '\\';
        dst[1] = '"';
        return 2;
    }
    return 1;
}

int json_repair_quotes(struct view text, char *dst, size_t room, size_t *ret_length)
{
    struct repair repair = {0};
    size_t used = 0;

    for (size_t i = 0; i < text.length; i++) {
        char byte = (char)text.bytes[i], piece[2];
        size_t length;

        if (repair.quote != 0 && byte == '\\' && i + 1 < text.length)
            length = repair_escape(&repair, (char)text.bytes[++i], piece);
        else
            length = repair_byte(&repair, byte, piece);
        if (length > room - used)
            return -E2BIG;
        memcpy(dst + used, piece, length);
        used += length;
    }
    if (!repair.has_single)
        return -ENOENT;
    *ret_length = used;
    return 0;
}
