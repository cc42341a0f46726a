/* ws_handshake - may this HTTP request become a WebSocket, and what is the proof to answer with? */
#ifndef TAGHUB_WS_HANDSHAKE_H
#define TAGHUB_WS_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "view.h"

#define WS_ACCEPT_SIZE 29 /* 28 characters of Sec-WebSocket-Accept and the terminating NUL */

/**
 * The parts of a request that the handshake looks at, all borrowed. A header that is absent has
 * NULL bytes; one that came in several lines is given as one value, the lines joined by commas.
 */
struct ws_handshake {
    struct view method;
    uint16_t http_version; /* major in the high byte, minor in the low one: 0x0101 is HTTP/1.1 */
    struct view upgrade;
    struct view connection;
    struct view key;     /* Sec-WebSocket-Key */
    struct view version; /* Sec-WebSocket-Version */
};

/** True when the request asks for a WebSocket at all, well or badly: its Upgrade names websocket. */
bool ws_handshake_wanted(const struct ws_handshake *request);

/**
 * Judge an upgrade request by RFC 6455 section 4.2.1. Host, Origin, User-Agent, extensions and
 * subprotocols play no part.
 *
 * ret_accept   value of Sec-WebSocket-Accept, NUL-terminated; written only with 101
 * ret_problem  a static sentence for the client; written only when the answer is not 101
 * returns      the HTTP status to answer with:
 *              101  go ahead
 *              400  not a WebSocket handshake; the problem says why
 *              426  not version 13; the caller adds `Sec-WebSocket-Version: 13`
 *              500  the crypto library could not compute the proof
 */
int ws_handshake_check(const struct ws_handshake *request, char ret_accept[WS_ACCEPT_SIZE], const char **ret_problem);

#endif
