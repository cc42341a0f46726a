/* make_seeds FOLDER - seeds for fuzz_codec and fuzz_frame, made from messages.def.
 *
 * For each message: every field at its minimum, and one field at a time at its maximum, one beyond, missing, and of a
 * wrong type. They go to FOLDER/codec and FOLDER/frame; a frame seed has a first byte in front that says in which pieces
 * the stream comes. Contents that would be large stand there with their true length in front and nothing behind it:
 * a fuzzer learns from small files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <msgpack.h>

#include "bytes.h"
#include "frame.h"

#define CONTENT_BYTES_MAX 256u

enum variant { AT_MIN, AT_MAX, BEYOND, MISSING, WRONG_TYPE, VARIANT_COUNT };

static const char *const VARIANT_NAMES[VARIANT_COUNT] = {
    [AT_MIN] = "min", [AT_MAX] = "max", [BEYOND] = "beyond", [MISSING] = "missing", [WRONG_TYPE] = "type"};

static int write_bytes(void *out, const char *from, size_t count)
{
    return bytes_append(out, from, count);
}

static void pack_sized(msgpack_packer *packer, const struct field_desc *field, uint64_t size)
{
    static const char CONTENT[CONTENT_BYTES_MAX] = "{\"event\":\"ping\"}";
    size_t written = size <= CONTENT_BYTES_MAX ? (size_t)size : 0;

    switch (field->type) {
    case FIELD_u64:
        msgpack_pack_uint64(packer, size);
        return;
    case FIELD_str:
        msgpack_pack_str(packer, (size_t)size);
        for (size_t i = 0; i < written; i++)
            msgpack_pack_str_body(packer, "a", 1);
        return;
    case FIELD_blob:
        msgpack_pack_bin(packer, (size_t)size);
        if (written > 0)
            msgpack_pack_bin_body(packer, CONTENT, written);
        return;
    }
}

static void pack_field(msgpack_packer *packer, const struct field_desc *field, enum variant variant)
{
    switch (variant) {
    case AT_MIN:
        pack_sized(packer, field, field->min);
        return;
    case AT_MAX:
        pack_sized(packer, field, field->max);
        return;
    case BEYOND: /* below where nothing is above */
        pack_sized(packer, field, field->max < UINT64_MAX ? field->max + 1 : field->min - 1);
        return;
    case WRONG_TYPE:
        if (field->type == FIELD_u64)
            msgpack_pack_str(packer, 0);
        else
            msgpack_pack_uint64(packer, 1);
        return;
    case MISSING:
    case VARIANT_COUNT:
        return;
    }
}

static void pack_message(struct bytes *out, const struct msg_desc *desc, size_t special, enum variant variant)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, write_bytes);
    msgpack_pack_array(&packer, desc->field_count + 1 - (variant == MISSING));
    msgpack_pack_uint64(&packer, desc->type);
    for (size_t i = 0; i < desc->field_count; i++)
        pack_field(&packer, &desc->fields[i], i == special ? variant : AT_MIN);
}

static int write_file(const char *folder, const char *kind, const char *name, struct view content)
{
    char path[4096];
    FILE *file;
    size_t written;

    if ((size_t)snprintf(path, sizeof path, "%s/%s/%s", folder, kind, name) >= sizeof path)
        return -ENAMETOOLONG;
    file = fopen(path, "wb");
    if (file == NULL)
        return -errno;
    written = fwrite(content.bytes, 1, content.length, file);
    return fclose(file) == 0 && written == content.length ? 0 : -EIO;
}

/* The seed of a stream: pieces of seven bytes, and the frame twice. */
static int write_frame_seed(const char *folder, const char *name, struct view content)
{
    const uint8_t header[] = {(uint8_t)(content.length >> 24), (uint8_t)(content.length >> 16),
                              (uint8_t)(content.length >> 8), (uint8_t)content.length};
    struct bytes out = {0};
    int r = bytes_append(&out, "\x06", 1);

    for (int i = 0; i < 2 && r == 0; i++) {
        r = bytes_append(&out, header, sizeof header);
        if (r == 0)
            r = bytes_append(&out, content.bytes, content.length);
    }
    if (r == 0)
        r = write_file(folder, "frame", name, view_of(bytes_begin(&out), out.length));
    bytes_done(&out);
    return r;
}

static int write_seed(const char *folder, const struct msg_desc *desc, size_t special, enum variant variant)
{
    struct bytes packed = {0};
    struct view content;
    char name[128];
    int r;

    pack_message(&packed, desc, special, variant);
    content = view_of(bytes_begin(&packed), packed.length);
    snprintf(name, sizeof name, "%s.%s.%s", desc->name,
             special < desc->field_count ? desc->fields[special].name : "all", VARIANT_NAMES[variant]);
    r = write_file(folder, "codec", name, content);
    if (r == 0 && variant == AT_MIN)
        r = write_frame_seed(folder, name, content);
    bytes_done(&packed);
    return r;
}

static int write_message_seeds(const char *folder, const struct msg_desc *desc)
{
    int r = write_seed(folder, desc, SIZE_MAX, AT_MIN);

    for (size_t i = 0; i < desc->field_count; i++) {
        for (enum variant variant = AT_MAX; variant < VARIANT_COUNT && r == 0; variant++)
            r = write_seed(folder, desc, i, variant);
    }
    return r;
}

static int make_folder(const char *parent, const char *name)
{
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", parent, name) >= sizeof path)
        return -ENAMETOOLONG;
    return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int main(int argc, char **argv)
{
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: make_seeds FOLDER\n");
        return EXIT_FAILURE;
    }
    r = make_folder(argv[1], "codec");
    if (r == 0)
        r = make_folder(argv[1], "frame");
    for (uint64_t type = 1; type < MSG_TYPE_COUNT && r == 0; type++) {
        if (schema_message(type) != NULL)
            r = write_message_seeds(argv[1], schema_message(type));
    }
    if (r < 0)
        fprintf(stderr, "make_seeds: %s: %s\n", argv[1], strerror(-r));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
