/* judge_fixture - a judge for each test, and the comparison of JSON by value. */
#ifndef TAGHUB_JUDGE_FIXTURE_H
#define TAGHUB_JUDGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "json_scan.h"
#include "judge.h"

#define TOKEN      "s3cret-of-the-tests"
#define ARRIVED_US UINT64_C(1750000000123456)
#define ARRIVED    "1750000000.123456"
#define ORIGIN     UINT64_C(77)
#define ADDRESS    "192.0.2.17"
#define FALLBACK   "camera-192.0.2.17"

#define AUTH_FAILED(error)                                                                                             \
    "{\"event\":\"auth_failed\",\"error\":\"" error                                                                    \
    "\",\"message\":\"Authentication required - check your auth_token\"}"
#define AUTH_MISSING AUTH_FAILED("Missing auth_token")
#define AUTH_INVALID AUTH_FAILED("Invalid auth_token")

static const struct judge_limits FIXTURE_LIMITS = {
    .depth_max_count = 64,
    .telemetry = {.tag_id_max = 65535, .angle_max_deg = 360, .length_max_cm = 100000},
};

static inline int fixture_setup(void **state)
{
    struct judge *judge;

    if (judge_new(&FIXTURE_LIMITS, TOKEN, &judge) < 0)
        return -1;
    *state = judge;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    judge_free(*state);
    return 0;
}

/* A message with everything set that does not matter to the case. */
static inline struct msg_device_text fixture_text(enum source source, enum role role, struct view text)
{
    return (struct msg_device_text){
        .seq = 5,
        .source = source,
        .role = role,
        .arrived_utc_us = ARRIVED_US,
        .address = ADDRESS,
        .fallback_name = FALLBACK,
        .typed = 1,
        .text = text,
    };
}

static inline cJSON *fixture_parse(struct view text)
{
    cJSON *json = cJSON_ParseWithLength((const char *)text.bytes, text.length);

    if (json == NULL)
        fail_msg("no JSON: %.*s", (int)text.length, (const char *)text.bytes);
    return json;
}

/* Both are valid by the strict scanner, and equal but for the order of members. */
static inline void assert_json_equal(struct view actual, const char *expected)
{
    struct json_error error;
    enum json_type type;
    cJSON *a, *e;

    if (json_check(actual, JSON_DEPTH_MAX, &type, &error) < 0)
        fail_msg("%s: %.*s", error.text, (int)actual.length, (const char *)actual.bytes);
    a = fixture_parse(actual);
    e = fixture_parse(view_text(expected));
    if (!cJSON_Compare(a, e, 1))
        fail_msg("got %.*s\nnot %s", (int)actual.length, (const char *)actual.bytes, expected);
    cJSON_Delete(a);
    cJSON_Delete(e);
}

/* A refusal: the member `first` if it is not NULL, and a sentence that contains some text. */
static inline void assert_refusal(struct view actual, const char *first, const char *first_value,
                                  const char *sentence_name, const char *sentence_part)
{
    cJSON *json = fixture_parse(actual);
    const char *sentence = cJSON_GetStringValue(cJSON_GetObjectItem(json, sentence_name));

    assert_int_equal(cJSON_GetArraySize(json), first == NULL ? 1 : 2);
    if (first != NULL)
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, first)), first_value);
    if (sentence == NULL || *sentence == '\0' || strstr(sentence, sentence_part) == NULL)
        fail_msg("%.*s does not say \"%s\"", (int)actual.length, (const char *)actual.bytes, sentence_part);
    cJSON_Delete(json);
}

#endif
