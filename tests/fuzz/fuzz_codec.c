/* Whatever is decoded is within its ranges, borrows from the payload, and comes out of the encoder as the same message;
 * whatever is not has a reason that names something. The encoder's own asserts check the ranges. */
#include <stdlib.h>

#include "codec.h"

#define DEMAND(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare_field(const struct field_desc *field, const char *one, const char *two, struct view payload)
{
    struct view blob_one, blob_two;

    switch (field->type) {
    case FIELD_u64:
        DEMAND(memcmp(one, two, sizeof(uint64_t)) == 0);
        return;
    case FIELD_str:
        DEMAND(strlen(one) <= field->max && strcmp(one, two) == 0);
        return;
    case FIELD_blob:
        memcpy(&blob_one, one, sizeof blob_one);
        memcpy(&blob_two, two, sizeof blob_two);
        DEMAND(view_equals(blob_one, blob_two));
        DEMAND(blob_one.length == 0 ||
               (blob_one.bytes >= payload.bytes && blob_one.bytes + blob_one.length <= payload.bytes + payload.length));
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static union msg_any msg, again;
    struct view payload = view_of(data, size);
    struct codec_error error = {""};
    struct bytes out = {0}, out_again = {0};
    enum msg_type type, type_again;
    const struct msg_desc *desc;

    if (codec_decode(payload, &type, &msg, &error) != 0) {
        DEMAND(strstr(error.text, ": ") != NULL);
        return 0;
    }
    desc = schema_message(type);
    DEMAND(desc != NULL);
    DEMAND(codec_encode(&out, type, &msg) == 0);
    DEMAND(out.length <= size); /* ours is the shortest form */
    DEMAND(codec_decode(view_of(bytes_begin(&out), out.length), &type_again, &again, &error) == 0);
    DEMAND(type_again == type);
    for (size_t i = 0; i < desc->field_count; i++)
        compare_field(&desc->fields[i], (const char *)&msg + desc->fields[i].offset,
                      (const char *)&again + desc->fields[i].offset, payload);
    DEMAND(codec_encode(&out_again, type, &again) == 0);
    DEMAND(view_equals(view_of(bytes_begin(&out), out.length), view_of(bytes_begin(&out_again), out_again.length)));
    bytes_done(&out);
    bytes_done(&out_again);
    return 0;
}
