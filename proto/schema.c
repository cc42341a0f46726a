/* schema - the descriptors, expanded from messages.def. */
#include "schema.h"

/* Every list ends with an empty row, so that a message without fields is an array too. */
#define MESSAGE(id, msg, from, to, doc) static const struct field_desc FIELDS_##msg[] = {
#define FIELD(msg, kind, field, lo, hi, doc)                                                                           \
    {.name = #field,                                                                                                   \
     .type = FIELD_##kind,                                                                                             \
     .offset = offsetof(struct msg_##msg, field),                                                                      \
     .min = (lo),                                                                                                      \
     .max = (hi),                                                                                                      \
     .meaning = (doc)},
#define END(msg)                                                                                                       \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }                                                                                                                  \
    }                                                                                                                  \
    ;
#include "messages.def"

static const struct msg_desc MESSAGES[MSG_TYPE_COUNT] = {
#define MESSAGE(id, msg, sender, receiver, doc)                                                                        \
    [MSG_##msg] = {.name = #msg,                                                                                       \
                   .type = MSG_##msg,                                                                                  \
                   .from = (sender),                                                                                   \
                   .to = (receiver),                                                                                   \
                   .meaning = (doc),                                                                                   \
                   .size = sizeof(struct msg_##msg),                                                                   \
                   .fields = FIELDS_##msg,                                                                             \
                   .field_count = ARRAY_LEN(FIELDS_##msg) - 1},
#define FIELD(msg, kind, field, lo, hi, doc)
#define END(msg)
#include "messages.def"
};

const struct msg_desc *schema_message(uint64_t type)
{
    if (type >= MSG_TYPE_COUNT || MESSAGES[type].name == NULL)
        return NULL;
    return &MESSAGES[type];
}

const char *peer_name(enum peer_kind kind)
{
    switch (kind) {
    case PEER_GATEWAY:
        return "gateway";
    case PEER_INGEST:
        return "ingest";
    case PEER_FANOUT:
        return "fanout";
    case PEER_METRICS:
        return "metrics";
    case PEER_HISTORY:
        return "history";
    case PEER_CTL:
        return "taghubctl";
    case PEER_ALL:
        break;
    }
    return "unknown";
}

const char *session_end_name(enum session_end end)
{
    static const char *const NAMES[SESSION_END_COUNT] = {
#define SESSION_END(name, meaning) [SESSION_END_##name] = #name,
#include "session_end.def"
    };

    return (unsigned)end < SESSION_END_COUNT ? NAMES[end] : "unknown";
}

const char *reject_name(enum reject reject)
{
    static const char *const NAMES[REJECT_COUNT] = {
#define REJECT(name, meaning) [REJECT_##name] = #name,
#include "reject.def"
    };

    return (unsigned)reject < REJECT_COUNT ? NAMES[reject] : "unknown";
}
