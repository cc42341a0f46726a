/* wire - what the load and the floor share: frames of RFC 6455, buffers, sockets of this machine, and an end for what cannot
 * go on. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum ws_opcode { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

enum { WS_HEAD_MAX_BYTES = 14, NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

struct ws_head {
    unsigned opcode;
    bool is_final, is_masked;
    uint8_t mask[4];
    size_t head_bytes, payload_bytes;
};

struct bytes {
    uint8_t *base;
    size_t count, capacity;
};

/* Whether the head is complete. */
bool ws_head_read(const uint8_t *bytes, size_t count, struct ws_head *ret_head);

/* Writes the head of a whole message, masked when there is a mask; returns its length. */
size_t ws_head_write(uint8_t *ret_head, unsigned opcode, size_t payload_bytes, const uint8_t *mask);

/* Masks, and unmasks; `to` and `from` may be the same. */
void ws_mask(uint8_t *to, const uint8_t *from, size_t count, const uint8_t mask[4]);

void bytes_append(struct bytes *bytes, const void *more, size_t count);
void bytes_drop_front(struct bytes *bytes, size_t count);

uint64_t now_mono_ns(void);
void *must_alloc(size_t count, size_t size);

/* A socket that listens at 127.0.0.1; ends the program when there is none. */
int must_listen(const char *port);

/* As many descriptors as this process may have. */
void raise_descriptor_limit(void);

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
