/* ws_handshake - the checks of RFC 6455 section 4.2.1, and the proof of section 4.2.2.
 *
 * Why here and not in the HTTP library: it upgrades whatever carries a Sec-WebSocket-Key. A broken
 * client then sees a connection that opens and fails later; a clear refusal is kinder. The values
 * come in as views, so that every rule is tested without a server.
 *
 * Kind where the RFC lets us be: lists in any order with blanks and empty items, any letter case in
 * tokens, and a key whose unused last bits are not zero. Everything else is refused.
 */
#include "ws_handshake.h"

#include <openssl/evp.h>
#include <strings.h>

#define KEY_LENGTH    24 /* 16 bytes in base64: 22 digits and two '=' */
#define KEY_DIGITS    22
#define DIGEST_BYTES  20
#define HTTP_1_1      0x0101
#define PROOF_SUFFIX  "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* fixed by the RFC */
#define SUFFIX_LENGTH (sizeof(PROOF_SUFFIX) - 1)

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct view trim(struct view text)
{
    while (text.length > 0 && is_blank(text.bytes[0])) {
        text.bytes++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.bytes[text.length - 1]))
        text.length--;
    return text;
}

/* Cut the first item off a comma-separated list. */
static struct view next_item(struct view *list)
{
    const uint8_t *comma = memchr(list->bytes, ',', list->length);
    size_t length = comma ? (size_t)(comma - list->bytes) : list->length;
    struct view item = view_of(list->bytes, length);
    size_t skip = comma ? length + 1 : length;

    *list = view_of(list->bytes + skip, list->length - skip);
    return trim(item);
}

static bool list_has_token(struct view list, const char *token)
{
    size_t token_length = strlen(token);

    while (list.length > 0) {
        struct view item = next_item(&list);

        if (item.length == token_length && strncasecmp((const char *)item.bytes, token, token_length) == 0)
            return true;
    }
    return false;
}

static bool is_base64_digit(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '+' || byte == '/';
}

static bool key_is_valid(struct view key)
{
    if (key.length != KEY_LENGTH)
        return false;
    for (size_t i = 0; i < KEY_DIGITS; i++)
        if (!is_base64_digit(key.bytes[i]))
            return false;
    return key.bytes[KEY_DIGITS] == '=' && key.bytes[KEY_DIGITS + 1] == '=';
}

/* The rule of a GET that asks for a WebSocket which the request breaks; NULL if none. */
static const char *request_problem(const struct ws_handshake *request)
{
    if (!view_equals(request->method, view_text("GET")))
        return "a WebSocket handshake needs the method GET";
    if (request->http_version < HTTP_1_1)
        return "a WebSocket handshake needs HTTP/1.1";
    if (!ws_handshake_wanted(request))
        return "a WebSocket handshake needs the header Upgrade: websocket";
    if (!list_has_token(request->connection, "upgrade"))
        return "a WebSocket handshake needs the header Connection: Upgrade";
    return NULL;
}

static bool prove(struct view key, char ret_accept[WS_ACCEPT_SIZE])
{
    uint8_t text[KEY_LENGTH + SUFFIX_LENGTH];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int digest_bytes = 0;

    memcpy(text, key.bytes, KEY_LENGTH);
    memcpy(text + KEY_LENGTH, PROOF_SUFFIX, SUFFIX_LENGTH);
    if (EVP_Digest(text, sizeof(text), digest, &digest_bytes, EVP_sha1(), NULL) != 1 || digest_bytes != DIGEST_BYTES)
        return false;
    EVP_EncodeBlock((unsigned char *)ret_accept, digest, DIGEST_BYTES); /* writes the NUL as well */
    return true;
}

bool ws_handshake_wanted(const struct ws_handshake *request)
{
    return list_has_token(request->upgrade, "websocket");
}

int ws_handshake_check(const struct ws_handshake *request, char ret_accept[WS_ACCEPT_SIZE], const char **ret_problem)
{
    const char *problem = request_problem(request);
    struct view key = trim(request->key);
    int status = 400;

    if (problem)
        goto refuse;
    status = 426;
    problem = "only WebSocket version 13 is spoken here";
    if (!view_equals(trim(request->version), view_text("13")))
        goto refuse;
    status = 400;
    problem = "Sec-WebSocket-Key is not 16 bytes in base64";
    if (!key_is_valid(key))
        goto refuse;
    status = 500;
    problem = "the WebSocket handshake could not be computed";
    if (!prove(key, ret_accept))
        goto refuse;
    return 101;
refuse:
    *ret_problem = problem;
    return status;
}
