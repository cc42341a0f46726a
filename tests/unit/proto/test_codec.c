/* codec: every field of every message at its limits and beyond, and everything that is no message.
 *
 * The loops walk the descriptors, so a row added to messages.def is tested without a change here. */
#include "codec.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msgpack.h>

#include <cmocka.h>

/* How one field is packed by hand. Everything else than AT_... must be refused. */
enum how {
    AT_MIN,
    AT_MAX,
    BELOW,
    BEYOND,
    A_NIL,
    A_BOOL,
    A_DOUBLE,
    A_NEGATIVE,
    AN_ARRAY,
    A_MAP,
    AN_EXTENSION,
    A_NUMBER,
    A_STR,
    A_BIN,
    A_NUL,
    HOW_COUNT
};

static const char *const HOW_NAMES[HOW_COUNT] = {
    [AT_MIN] = "at its minimum",
    [AT_MAX] = "at its maximum",
    [BELOW] = "below its minimum",
    [BEYOND] = "beyond its maximum",
    [A_NIL] = "nil",
    [A_BOOL] = "a boolean",
    [A_DOUBLE] = "a double",
    [A_NEGATIVE] = "a negative number",
    [AN_ARRAY] = "an array",
    [A_MAP] = "a map",
    [AN_EXTENSION] = "an extension type",
    [A_NUMBER] = "a number instead",
    [A_STR] = "a string instead",
    [A_BIN] = "bytes instead",
    [A_NUL] = "a string with a NUL",
};

/* Content for the longest field and one byte more. */
static char *filler;

static int setup(void **state)
{
    (void)state;
    filler = malloc(PHOTO_BYTES_MAX + 1);
    if (filler == NULL)
        return -1;
    memset(filler, 'a', PHOTO_BYTES_MAX + 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(filler);
    return 0;
}

static int write_bytes(void *out, const char *from, size_t count)
{
    return bytes_append(out, from, count);
}

static void pack_sized(msgpack_packer *packer, const struct field_desc *field, uint64_t size)
{
    switch (field->type) {
    case FIELD_u64:
        msgpack_pack_uint64(packer, size);
        return;
    case FIELD_str:
        msgpack_pack_str(packer, size);
        msgpack_pack_str_body(packer, filler, size);
        return;
    case FIELD_blob:
        msgpack_pack_bin(packer, size);
        msgpack_pack_bin_body(packer, filler, size);
        return;
    }
}

static void pack_how(msgpack_packer *packer, const struct field_desc *field, enum how how)
{
    switch (how) {
    case AT_MIN:
        pack_sized(packer, field, field->min);
        return;
    case AT_MAX:
        pack_sized(packer, field, field->max);
        return;
    case BELOW:
        pack_sized(packer, field, field->min - 1);
        return;
    case BEYOND:
        pack_sized(packer, field, field->max + 1);
        return;
    case A_NIL:
        msgpack_pack_nil(packer);
        return;
    case A_BOOL:
        msgpack_pack_true(packer);
        return;
    case A_DOUBLE:
        msgpack_pack_double(packer, 1.0);
        return;
    case A_NEGATIVE:
        msgpack_pack_int64(packer, -1);
        return;
    case AN_ARRAY:
        msgpack_pack_array(packer, 1);
        pack_sized(packer, field, field->min);
        return;
    case A_MAP:
        msgpack_pack_map(packer, 0);
        return;
    case AN_EXTENSION:
        msgpack_pack_ext(packer, 4, 1);
        msgpack_pack_ext_body(packer, filler, 4);
        return;
    case A_NUMBER:
        msgpack_pack_uint64(packer, 1);
        return;
    case A_STR:
        msgpack_pack_str(packer, 2);
        msgpack_pack_str_body(packer, "12", 2);
        return;
    case A_BIN:
        msgpack_pack_bin(packer, 2);
        msgpack_pack_bin_body(packer, "12", 2);
        return;
    case A_NUL:
        msgpack_pack_str(packer, 3);
        msgpack_pack_str_body(packer, "a\0b", 3);
        return;
    case HOW_COUNT:
        break;
    }
}

/* The message with every field at its minimum, except one. */
static struct bytes pack_message(const struct msg_desc *desc, size_t special, enum how how)
{
    struct bytes out = {0};
    msgpack_packer packer;

    msgpack_packer_init(&packer, &out, write_bytes);
    msgpack_pack_array(&packer, desc->field_count + 1);
    msgpack_pack_uint64(&packer, desc->type);
    for (size_t i = 0; i < desc->field_count; i++)
        pack_how(&packer, &desc->fields[i], i == special ? how : AT_MIN);
    return out;
}

/* Whether this way of packing says something else than AT_MIN and AT_MAX do. */
static bool how_applies(const struct field_desc *field, enum how how)
{
    switch (how) {
    case BELOW:
        return field->min > 0;
    case BEYOND:
        return field->max < UINT64_MAX;
    case A_NUMBER:
        return field->type != FIELD_u64;
    case A_STR:
        return field->type != FIELD_str;
    case A_NUL:
        return field->type == FIELD_str && field->max >= 3;
    case A_BIN:
        return field->type != FIELD_blob;
    case AT_MIN:
    case AT_MAX:
    case A_NIL:
    case A_BOOL:
    case A_DOUBLE:
    case A_NEGATIVE:
    case AN_ARRAY:
    case A_MAP:
    case AN_EXTENSION:
        return true;
    case HOW_COUNT:
        break;
    }
    return false;
}

/* What a person is told, by what is wrong; NULL where the shape alone is refused. */
static const char *complaint(const struct field_desc *field, enum how how)
{
    static const char *const NOT_OF_TYPE[] = {
        [FIELD_u64] = "not a number", [FIELD_str] = "not a string", [FIELD_blob] = "not bytes"};

    switch (how) {
    case BELOW:
    case BEYOND:
        return field->type == FIELD_u64 ? "out of range" : "length out of range";
    case A_NUMBER:
    case A_STR:
    case A_BIN:
        return NOT_OF_TYPE[field->type];
    case A_NUL:
        return "has a NUL";
    case AT_MIN:
    case AT_MAX:
    case A_NIL:
    case A_BOOL:
    case A_DOUBLE:
    case A_NEGATIVE:
    case AN_ARRAY:
    case A_MAP:
    case AN_EXTENSION:
    case HOW_COUNT:
        break;
    }
    return NULL;
}

static void check_refusal(struct view content, const char *expected)
{
    struct codec_error error = {""};
    enum msg_type type;
    union msg_any msg;

    assert_int_equal(codec_decode(content, &type, &msg, &error), -EBADMSG);
    if (strcmp(error.text, expected) != 0)
        fail_msg("expected \"%s\", got \"%s\"", expected, error.text);
}

static void check_field(const struct msg_desc *desc, const struct field_desc *field, const union msg_any *msg,
                        uint64_t size, struct view content)
{
    const char *at = (const char *)msg + field->offset;
    struct view blob;
    uint64_t number;

    switch (field->type) {
    case FIELD_u64:
        memcpy(&number, at, sizeof number);
        if (number != size)
            fail_msg("%s.%s is another number", desc->name, field->name);
        return;
    case FIELD_str:
        assert_int_equal(strlen(at), size);
        assert_memory_equal(at, filler, size);
        return;
    case FIELD_blob:
        memcpy(&blob, at, sizeof blob);
        assert_int_equal(blob.length, size);
        assert_memory_equal(blob.bytes, filler, size);
        assert_true(blob.bytes >= content.bytes && blob.bytes + blob.length <= content.bytes + content.length);
        return;
    }
}

static void check_accepted(const struct msg_desc *desc, size_t special, enum how how, struct view content)
{
    struct codec_error error = {""};
    enum msg_type type = MSG_none;
    union msg_any msg;
    struct bytes again = {0};

    if (codec_decode(content, &type, &msg, &error) != 0)
        fail_msg("%s.%s %s: %s", desc->name, desc->fields[special].name, HOW_NAMES[how], error.text);
    assert_int_equal(type, desc->type);
    for (size_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];

        check_field(desc, field, &msg, i == special && how == AT_MAX ? field->max : field->min, content);
    }
    assert_int_equal(codec_encode(&again, type, &msg), 0);
    assert_int_equal(again.length, content.length);
    assert_memory_equal(bytes_begin(&again), content.bytes, content.length);
    bytes_done(&again);
}

static void check_how(const struct msg_desc *desc, size_t index, enum how how)
{
    const struct field_desc *field = &desc->fields[index];
    struct bytes packed;
    struct view content;

    if (!how_applies(field, how))
        return;
    packed = pack_message(desc, index, how);
    content = view_of(bytes_begin(&packed), packed.length);
    if (how == AT_MIN || how == AT_MAX) {
        check_accepted(desc, index, how, content);
    } else if (complaint(field, how) != NULL) {
        char expected[160];

        snprintf(expected, sizeof expected, "%s.%s: %s", desc->name, field->name, complaint(field, how));
        check_refusal(content, expected);
    } else {
        check_refusal(content, "frame: not one flat array of numbers, strings and bytes");
    }
    bytes_done(&packed);
}

static void test_every_field_of_every_message(void **state)
{
    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);

        if (desc == NULL)
            continue;
        for (size_t i = 0; i < desc->field_count; i++) {
            for (enum how how = AT_MIN; how < HOW_COUNT; how++)
                check_how(desc, i, how);
        }
    }
}

static void test_number_of_fields(void **state)
{
    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);
        char expected[160];

        if (desc == NULL)
            continue;
        snprintf(expected, sizeof expected, "%s: wrong number of fields", desc->name);
        for (size_t count = 0; count <= 14; count++) {
            struct bytes out = {0};
            msgpack_packer packer;

            if (count == desc->field_count)
                continue;
            msgpack_packer_init(&packer, &out, write_bytes);
            msgpack_pack_array(&packer, count + 1);
            msgpack_pack_uint64(&packer, type);
            for (size_t i = 0; i < count; i++) {
                if (i < desc->field_count)
                    pack_how(&packer, &desc->fields[i], AT_MIN);
                else
                    msgpack_pack_uint64(&packer, 1);
            }
            check_refusal(view_of(bytes_begin(&out), out.length), expected);
            bytes_done(&out);
        }
    }
}

/* Every prefix in memory of exactly its size: a sanitizer sees a step beyond the end. */
static void test_truncated_at_every_byte(void **state)
{
    (void)state;
    for (uint64_t type = 1; type < MSG_TYPE_COUNT; type++) {
        const struct msg_desc *desc = schema_message(type);
        struct bytes packed;

        if (desc == NULL)
            continue;
        packed = pack_message(desc, SIZE_MAX, AT_MIN);
        for (size_t length = 0; length < packed.length; length++) {
            uint8_t *exact = malloc(length > 0 ? length : 1);

            memcpy(exact, bytes_begin(&packed), length);
            check_refusal(view_of(exact, length), "frame: not one flat array of numbers, strings and bytes");
            free(exact);
        }
        assert_int_equal(bytes_append(&packed, "\0", 1), 0);
        check_refusal(view_of(bytes_begin(&packed), packed.length),
                      "frame: not one flat array of numbers, strings and bytes");
        bytes_done(&packed);
    }
}

#define FLAT "frame: not one flat array of numbers, strings and bytes"

static void test_shapes(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t length;
        const char *refusal;
    } CASES[] = {
#define BYTES(text) text, sizeof(text) - 1
        {"nothing", BYTES(""), FLAT},
        {"an empty array", BYTES("\x90"), "frame: does not begin with a message id"},
        {"no array", BYTES("\x01"), FLAT},
        {"a map", BYTES("\x81\x10\x01"), FLAT},
        {"array 16", BYTES("\xdc\x00\x01\x10"), FLAT},
        {"array 32", BYTES("\xdd\x00\x00\x00\x01\x10"), FLAT},
        {"array 32 that promises four thousand million", BYTES("\xdd\xff\xff\xff\xff\x10"), FLAT},
        {"array 16 inside", BYTES("\x91\xdc\xff\xff"), FLAT},
        {"arrays in arrays", BYTES("\x91\x91\x91\x91\x91\x91\x10"), FLAT},
        {"map 32 inside", BYTES("\x92\x10\xdf\xff\xff\xff\xff"), FLAT},
        {"str 32 longer than the frame", BYTES("\x92\x10\xdb\xff\xff\xff\xff\x61"), FLAT},
        {"bin 32 longer than the frame", BYTES("\x92\x10\xc6\xff\xff\xff\xff\x61"), FLAT},
        {"bin 8 one longer than the frame", BYTES("\x92\x10\xc4\x02\x61"), FLAT},
        {"fixext", BYTES("\x92\x10\xd4\x01\x61"), FLAT},
        {"ext 32", BYTES("\x92\x10\xc9\xff\xff\xff\xff\x01"), FLAT},
        {"never used tag", BYTES("\x92\x10\xc1"), FLAT},
        {"float 32", BYTES("\x92\x11\xca\x3f\x80\x00\x00"), FLAT},
        {"signed number", BYTES("\x92\x11\xd0\x01"), FLAT},
        {"two arrays", BYTES("\x91\x10\x91\x10"), FLAT},
        {"id is a string", BYTES("\x91\xa1\x61"), "frame: does not begin with a message id"},
        {"id is bytes", BYTES("\x91\xc4\x01\x10"), "frame: does not begin with a message id"},
        {"id 0", BYTES("\x91\x00"), "frame: unknown message id"},
        {"unknown id", BYTES("\x91\x7f"), "frame: unknown message id"},
        {"id beyond 32 bits", BYTES("\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x10"), "frame: unknown message id"},
        {"largest id", BYTES("\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "frame: unknown message id"},
#undef BYTES
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint8_t *exact = malloc(CASES[i].length + 1);

        print_message("    %s\n", CASES[i].name);
        memcpy(exact, CASES[i].bytes, CASES[i].length);
        check_refusal(view_of(exact, CASES[i].length), CASES[i].refusal);
        free(exact);
    }
}

/* A number may be packed wider than needed; what it says counts. */
static void test_wide_numbers_are_numbers(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t length;
    } CASES[] = {
        {"uint 8", "\x92\xcc\x0d\xcc\x05", 5},
        {"uint 16", "\x92\x0d\xcd\x00\x05", 5},
        {"uint 32", "\x92\x0d\xce\x00\x00\x00\x05", 7},
        {"uint 64", "\x92\x0d\xcf\x00\x00\x00\x00\x00\x00\x00\x05", 11},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct codec_error error;
        enum msg_type type;
        union msg_any msg;

        print_message("    %s\n", CASES[i].name);
        assert_int_equal(codec_decode(view_of(CASES[i].bytes, CASES[i].length), &type, &msg, &error), 0);
        assert_int_equal(type, MSG_alive);
        assert_int_equal(msg.alive.slots, 5);
    }
}

/* Bytes from a seeded generator, and real messages with some of their bytes changed. Whatever is accepted must
 * be within its ranges; the encoder's asserts say so. */
static void test_random_bytes(void **state)
{
    (void)state;
    srandom(2);
    for (int round = 0; round < 200000; round++) {
        const struct msg_desc *desc = schema_message((uint64_t)random() % MSG_TYPE_COUNT);
        struct bytes bytes = {0}, again = {0};
        struct codec_error error;
        enum msg_type type;
        union msg_any msg;

        if (desc != NULL && round % 4 != 0)
            bytes = pack_message(desc, SIZE_MAX, AT_MIN);
        else
            assert_int_equal(bytes_append(&bytes, filler, (size_t)random() % 40), 0);
        for (int i = random() % 6; i >= 0 && bytes.length > 0; i--)
            bytes_begin(&bytes)[(size_t)random() % bytes.length] = (uint8_t)random();
        if (codec_decode(view_of(bytes_begin(&bytes), bytes.length), &type, &msg, &error) == 0) {
            assert_int_equal(codec_encode(&again, type, &msg), 0);
        }
        bytes_done(&again);
        bytes_done(&bytes);
    }
}

static void test_our_own_values_out_of_range_abort(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        struct bytes out = {0};
        struct msg_ask ask = {.request = 0};

        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        codec_encode(&out, MSG_ask, &ask);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    static const struct CMUnitTest CASES[] = {
        {.name = "every field of every message", .test_func = test_every_field_of_every_message},
        {.name = "number of fields", .test_func = test_number_of_fields},
        {.name = "truncated at every byte", .test_func = test_truncated_at_every_byte},
        {.name = "shapes that are no message", .test_func = test_shapes},
        {.name = "wide numbers are numbers", .test_func = test_wide_numbers_are_numbers},
        {.name = "random bytes", .test_func = test_random_bytes},
        {.name = "our own value out of range aborts", .test_func = test_our_own_values_out_of_range_abort},
    };

    return cmocka_run_group_tests(CASES, setup, teardown);
}
