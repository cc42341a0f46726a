/* codec - walks descriptors, so that messages.def stays the only list.
 *
 * Invariants
 *   C1  msgpack-c sees a payload only after check_flat(): one array of scalars whose lengths fit the frame. So it
 *       allocates for at most FIELDS_MAX objects, whatever the peer wrote.
 *   C2  *ret_msg is written field by field and is meaningless unless codec_decode returns 0.
 */
#include "codec.h"

#include <assert.h>
#include <errno.h>
#include <msgpack.h>
#include <stdio.h>

#define FIELDS_MAX 16u /* one more than a fixarray holds, and the id is one of those */

static int write_bytes(void *out, const char *from, size_t count)
{
    return bytes_append(out, from, count);
}

static int pack_blob(msgpack_packer *packer, struct view blob)
{
    int r = msgpack_pack_bin(packer, blob.length);

    return r != 0 || blob.length == 0 ? r : msgpack_pack_bin_body(packer, blob.bytes, blob.length);
}

static int pack_field(msgpack_packer *packer, const struct field_desc *field, const void *at)
{
    uint64_t number;
    struct view blob;
    size_t length;

    switch (field->type) {
    case FIELD_u64:
        memcpy(&number, at, sizeof number);
        assert(number >= field->min && number <= field->max);
        return msgpack_pack_uint64(packer, number);
    case FIELD_str:
        length = strlen(at);
        assert(length >= field->min && length <= field->max);
        return msgpack_pack_str(packer, length) || msgpack_pack_str_body(packer, at, length);
    case FIELD_blob:
        memcpy(&blob, at, sizeof blob);
        assert(blob.length >= field->min && blob.length <= field->max);
        return pack_blob(packer, blob);
    }
    return -1;
}

int codec_encode(struct bytes *out, enum msg_type type, const void *msg)
{
    const struct msg_desc *desc = schema_message(type);
    size_t length_before = out->length;
    msgpack_packer packer;
    int failed;

    assert(desc != NULL && desc->field_count + 1 < FIELDS_MAX);
    msgpack_packer_init(&packer, out, write_bytes);
    failed = msgpack_pack_array(&packer, desc->field_count + 1) || msgpack_pack_uint64(&packer, type);
    for (size_t i = 0; i < desc->field_count && !failed; i++)
        failed = pack_field(&packer, &desc->fields[i], (const char *)msg + desc->fields[i].offset);
    if (failed) {
        out->length = length_before;
        return -ENOMEM;
    }
    return 0;
}

/* Length of the element at `at`: header plus content; 0 when it is not a scalar of the codec or does not fit. */
static size_t element_length(const uint8_t *at, size_t left)
{
    size_t header, content = 0;
    uint8_t tag;

    if (left == 0)
        return 0;
    tag = at[0];
    if (tag <= 0x7f)
        return 1;
    if (tag >= 0xa0 && tag <= 0xbf) { /* fixstr */
        header = 1;
        content = tag & 0x1f;
    } else if (tag >= 0xcc && tag <= 0xcf) { /* uint 8..64 */
        header = 1u + (1u << (tag - 0xcc));
    } else {
        unsigned width; /* bytes of the length that follows */

        if (tag >= 0xc4 && tag <= 0xc6) /* bin 8..32 */
            width = 1u << (tag - 0xc4);
        else if (tag >= 0xd9 && tag <= 0xdb) /* str 8..32 */
            width = 1u << (tag - 0xd9);
        else
            return 0;
        header = 1u + width;
        if (left < header)
            return 0;
        for (unsigned i = 0; i < width; i++)
            content = content << 8 | at[1 + i];
    }
    return left >= header && left - header >= content ? header + content : 0;
}

/* One fixarray of scalars that fills the payload to its last byte. */
static bool check_flat(struct view payload)
{
    size_t at = 1;

    if (payload.length == 0 || (payload.bytes[0] & 0xf0) != 0x90)
        return false;
    for (unsigned i = 0; i < (payload.bytes[0] & 0x0fu); i++) {
        size_t length = element_length(payload.bytes + at, payload.length - at);

        if (length == 0)
            return false;
        at += length;
    }
    return at == payload.length;
}

static const char *unpack_field(const struct field_desc *field, const msgpack_object *from, void *to)
{
    struct view blob;

    switch (field->type) {
    case FIELD_u64:
        if (from->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return "not a number";
        if (from->via.u64 < field->min || from->via.u64 > field->max)
            return "out of range";
        memcpy(to, &from->via.u64, sizeof(uint64_t));
        return NULL;
    case FIELD_str:
        if (from->type != MSGPACK_OBJECT_STR)
            return "not a string";
        if (from->via.str.size < field->min || from->via.str.size > field->max)
            return "length out of range";
        if (from->via.str.size > 0) { /* the pointer of an empty one may be NULL */
            if (memchr(from->via.str.ptr, 0, from->via.str.size) != NULL)
                return "has a NUL";
            memcpy(to, from->via.str.ptr, from->via.str.size);
        }
        ((char *)to)[from->via.str.size] = '\0';
        return NULL;
    case FIELD_blob:
        if (from->type != MSGPACK_OBJECT_BIN)
            return "not bytes";
        if (from->via.bin.size < field->min || from->via.bin.size > field->max)
            return "length out of range";
        blob = view_of(from->via.bin.ptr, from->via.bin.size);
        memcpy(to, &blob, sizeof blob);
        return NULL;
    }
    return "of no known type";
}

static int refuse(struct codec_error *error, const char *message, const char *field, const char *why)
{
    snprintf(error->text, sizeof error->text, "%s%s%s: %s", message, *field ? "." : "", field, why);
    return -EBADMSG;
}

static int unpack_message(const msgpack_object_array *array, enum msg_type *ret_type, union msg_any *ret_msg,
                          struct codec_error *ret_error)
{
    const struct msg_desc *desc;

    if (array->size == 0 || array->ptr[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return refuse(ret_error, "frame", "", "does not begin with a message id");
    desc = schema_message(array->ptr[0].via.u64);
    if (desc == NULL)
        return refuse(ret_error, "frame", "", "unknown message id");
    if (array->size != desc->field_count + 1)
        return refuse(ret_error, desc->name, "", "wrong number of fields");
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        const char *why = unpack_field(field, &array->ptr[i + 1], (char *)ret_msg + field->offset);

        if (why != NULL)
            return refuse(ret_error, desc->name, field->name, why);
    }
    *ret_type = desc->type;
    return 0;
}

int codec_decode(struct view payload, enum msg_type *ret_type, union msg_any *ret_msg, struct codec_error *ret_error)
{
    msgpack_zone zone;
    msgpack_object object;
    size_t offset = 0;
    int r;

    if (!check_flat(payload))
        return refuse(ret_error, "frame", "", "not one flat array of numbers, strings and bytes");
    if (!msgpack_zone_init(&zone, FIELDS_MAX * sizeof(msgpack_object)))
        return -ENOMEM;
    /* the variant that takes our zone borrows strings and bytes from the payload */
    if (msgpack_unpack((const char *)payload.bytes, payload.length, &offset, &zone, &object) < 0 ||
        object.type != MSGPACK_OBJECT_ARRAY)
        r = refuse(ret_error, "frame", "", "not msgpack");
    else
        r = unpack_message(&object.via.array, ret_type, ret_msg, ret_error);
    msgpack_zone_destroy(&zone);
    return r;
}
