/* judge - who may say what, and what is made of it.
 *
 * Five doors lead into the hub (enum source). They differ in how a sender proves who it is, in
 * what a text may look like, and in the shape of a refusal; what is behind them, telemetry, is the
 * same for all. The doors for text have files of their own (judge_websocket.c, judge_http.c,
 * judge_udp.c); what they share is in hearing.c.
 */
#include "judge.h"

#include <errno.h>
#include <stdlib.h>

#include "hearing.h"
#include "jpeg.h"

/* Whether the sender may show pictures; if not, it is refused. */
static bool may_show_pictures(const struct hearing *h, const struct msg_device_photo *photo)
{
    if (h->source != SOURCE_WEBSOCKET)
        return hearing_passes_authorization(h, photo->authorization);
    if (photo->role == ROLE_CAMERA)
        return true;
    hearing_refuse_auth(h, REJECT_auth_missing);
    return false;
}

int judge_new(const struct judge_limits *limits, const char *token, struct judge **ret_judge)
{
    struct judge *judge = calloc(1, sizeof(*judge));
    int r;

    if (judge == NULL)
        return -ENOMEM;
    judge->limits = *limits;
    r = judge_set_token(judge, token);
    if (r < 0)
        goto out;
    *ret_judge = judge;
    judge = NULL;
out:
    judge_free(judge);
    return r;
}

void judge_free(struct judge *judge)
{
    if (judge == NULL)
        return;
    explicit_bzero(judge->token, sizeof(judge->token));
    free(judge);
}

int judge_set_token(struct judge *judge, const char *token)
{
    size_t length = strlen(token);

    if (length == 0 || length > TOKEN_MAX)
        return -EINVAL;
    memset(judge->token, 0, sizeof(judge->token));
    memcpy(judge->token, token, length);
    return 0;
}

void judge_text(struct judge *judge, const struct msg_device_text *text, uint64_t origin, struct judged *ret)
{
    const struct hearing h = {
        .judge = judge, .source = (enum source)text->source, .origin = origin, .text = text, .ret = ret};

    *ret = (struct judged){.kind = JUDGED_VERDICT, .verdict = {.seq = text->seq}};
    switch (h.source) {
    case SOURCE_WEBSOCKET:
        judge_websocket(&h);
        break;
    case SOURCE_HTTP_TAG:
        judge_http_tag(&h);
        break;
    case SOURCE_HTTP_INTERVAL:
        judge_http_interval(&h);
        break;
    case SOURCE_UDP:
        judge_datagram(&h);
        break;
    case SOURCE_HTTP_PHOTO: /* pictures come another way; this one is none */
        hearing_refuse(&h, REJECT_not_jpeg, "Not a JPEG image");
        break;
    case SOURCE_COUNT:
        break;
    }
}

void judge_photo(struct judge *judge, const struct msg_device_photo *photo, uint64_t origin, struct judged *ret)
{
    const struct hearing h = {.judge = judge, .source = (enum source)photo->source, .origin = origin, .ret = ret};
    bool is_websocket = h.source == SOURCE_WEBSOCKET;
    uint16_t width, height;

    *ret = (struct judged){.kind = JUDGED_VERDICT, .verdict = {.seq = photo->seq}};
    if (is_websocket && photo->jpeg.length == 0)
        return; /* an empty message is ignored, whoever sends it */
    if (!may_show_pictures(&h, photo))
        return;
    if (photo->jpeg.length == 0) {
        hearing_refuse(&h, REJECT_empty, "No data received");
        return;
    }
    if (jpeg_size(photo->jpeg, &width, &height) < 0) {
        hearing_refuse(&h, REJECT_not_jpeg, "Not a JPEG image");
        return;
    }

    ret->kind = JUDGED_PHOTO;
    ret->photo = (struct msg_photo){
        .origin = origin,
        .seq = photo->seq,
        .arrived_utc_us = photo->arrived_utc_us,
        .width = width,
        .height = height,
        .jpeg = photo->jpeg,
    };
    memcpy(ret->photo.camera, photo->camera, sizeof(ret->photo.camera));
}
