/* test_store_photo - each camera's newest photo. */
#include "place.h"

#define TOLD_ROOM 256

struct told {
    char text[TOLD_ROOM]; /* "camera:seconds after T0:bytes " */
    size_t count, stop_after;
    const void *jpeg; /* what the last one must hold; NULL = any */
};

static bool tell(void *user, const struct store_photo *photo)
{
    struct told *told = user;
    size_t length = strlen(told->text);

    snprintf(told->text + length, sizeof told->text - length, "%s:%u:%zu ", photo->camera,
             (unsigned)((photo->arrived_utc_us - T0) / S), photo->jpeg_bytes);
    assert_int_equal(photo->width, 640);
    assert_int_equal(photo->height, 480);
    if (told->jpeg != NULL)
        assert_memory_equal(photo->jpeg, told->jpeg, photo->jpeg_bytes);
    return ++told->count != told->stop_after;
}

static enum store_trouble put_photo(struct place *place, const char *camera, uint64_t seconds, const void *jpeg,
                                    size_t bytes)
{
    return store_put_photo(place->store, &(struct store_photo){.camera = camera,
                                                               .arrived_utc_us = T0 + seconds * S,
                                                               .width = 640,
                                                               .height = 480,
                                                               .jpeg = jpeg,
                                                               .jpeg_bytes = bytes});
}

static void assert_all(struct place *place, const char *expected)
{
    struct told told = {.count = 0};

    assert_fine(store_each_photo(place->store, tell, &told));
    assert_string_equal(told.text, expected);
}

static void the_newest_stays(void **state)
{
    struct place *place = *state;

    assert_fine(put_photo(place, "porch", 5, "jpeg5", 5));
    assert_fine(put_photo(place, "yard", 3, "jpeg", 4));
    assert_all(place, "yard:3:4 porch:5:5 ");
    assert_fine(put_photo(place, "porch", 4, "older4", 6));
    assert_all(place, "yard:3:4 porch:5:5 ");
    assert_fine(put_photo(place, "porch", 5, "same555", 7)); /* as new: the later word */
    assert_all(place, "yard:3:4 porch:5:7 ");
    assert_fine(put_photo(place, "yard", 9, "newer999", 8));
    assert_all(place, "porch:5:7 yard:9:8 ");
}

static void telling_stops(void **state)
{
    struct place *place = *state;
    struct told told = {.stop_after = 1};

    assert_all(place, "");
    assert_fine(put_photo(place, "porch", 5, "jpeg", 4));
    assert_fine(put_photo(place, "yard", 3, "jpeg", 4));
    assert_fine(store_each_photo(place->store, tell, &told));
    assert_string_equal(told.text, "yard:3:4 ");
}

static void one_camera(void **state)
{
    struct place *place = *state;
    struct told told = {.jpeg = "\xff\xd8\0\0"};

    assert_fine(put_photo(place, "porch", 5, "\xff\xd8\0\0", 4));
    assert_fine(put_photo(place, "yard", 3, "jpeg", 4));
    assert_fine(store_find_photo(place->store, "porch", tell, &told));
    assert_string_equal(told.text, "porch:5:4 ");
    assert_fine(store_find_photo(place->store, "nobody", tell, &told));
    assert_int_equal(told.count, 1);
}

static void large(void **state)
{
    enum { BYTES = 4194304 };
    struct place *place = *state;
    uint8_t *jpeg = malloc(BYTES);
    struct told told = {.jpeg = jpeg};

    assert_non_null(jpeg);
    for (size_t i = 0; i < BYTES; i++)
        jpeg[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_fine(put_photo(place, "porch", 5, jpeg, BYTES));
    assert_fine(store_find_photo(place->store, "porch", tell, &told));
    assert_string_equal(told.text, "porch:5:4194304 ");
    free(jpeg);
}

static void busy(void **state)
{
    struct place *place = *state;

    place->other = open_raw(PLACE_DB);
    run_sql(place->other, "BEGIN IMMEDIATE");
    assert_int_equal(put_photo(place, "porch", 5, "jpeg", 4), STORE_BUSY);
    assert_all(place, "");
    run_sql(place->other, "ROLLBACK");
    assert_fine(put_photo(place, "porch", 5, "jpeg", 4));
}

int main(void)
{
    const struct CMUnitTest CASES[] = {
        CASE_OF("the newest of each camera stays", place_setup_open, the_newest_stays),
        CASE_OF("telling stops", place_setup_open, telling_stops),
        CASE_OF("one camera", place_setup_open, one_camera),
        CASE_OF("the largest picture", place_setup_open, large),
        CASE_OF("busy", place_setup_open, busy),
    };

    return cmocka_run_group_tests(CASES, NULL, NULL);
}
