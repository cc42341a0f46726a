#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define EXIT_CANNOT_RUN 2

bool ws_head_read(const uint8_t *bytes, size_t count, struct ws_head *ret_head)
{
    struct ws_head head = {.head_bytes = 2};
    size_t length_bytes = 0;

    if (count < 2)
        return false;
    head.is_final = bytes[0] & 0x80;
    head.opcode = bytes[0] & 0x0f;
    head.is_masked = bytes[1] & 0x80;
    head.payload_bytes = bytes[1] & 0x7f;
    if (head.payload_bytes >= 126) {
        length_bytes = head.payload_bytes == 126 ? 2 : 8;
        head.payload_bytes = 0;
    }
    if (count < 2 + length_bytes + (head.is_masked ? 4 : 0))
        return false;
    for (size_t i = 0; i < length_bytes; i++)
        head.payload_bytes = head.payload_bytes << 8 | bytes[2 + i];
    head.head_bytes += length_bytes;
    if (head.is_masked) {
        memcpy(head.mask, bytes + head.head_bytes, 4);
        head.head_bytes += 4;
    }
    *ret_head = head;
    return true;
}

size_t ws_head_write(uint8_t *ret_head, unsigned opcode, size_t payload_bytes, const uint8_t *mask)
{
    size_t at = 2, length_bytes = payload_bytes < 126 ? 0 : payload_bytes < 65536 ? 2 : 8;

    ret_head[0] = (uint8_t)(0x80 | opcode);
    ret_head[1] = length_bytes == 0 ? (uint8_t)payload_bytes : length_bytes == 2 ? 126 : 127;
    for (size_t i = length_bytes; i > 0; i--)
        ret_head[at++] = (uint8_t)(payload_bytes >> (8 * (i - 1)));
    if (mask == NULL)
        return at;
    ret_head[1] |= 0x80;
    memcpy(ret_head + at, mask, 4);
    return at + 4;
}

void ws_mask(uint8_t *to, const uint8_t *from, size_t count, const uint8_t mask[4])
{
    uint64_t wide, word;
    size_t i = 0;

    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    for (; i + 8 <= count; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    for (; i < count; i++)
        to[i] = from[i] ^ mask[i % 4];
}

void bytes_append(struct bytes *bytes, const void *more, size_t count)
{
    if (bytes->count + count > bytes->capacity) {
        bytes->capacity = 2 * (bytes->count + count);
        bytes->base = realloc(bytes->base, bytes->capacity);
        if (bytes->base == NULL)
            die("out of memory");
    }
    if (count > 0)
        memcpy(bytes->base + bytes->count, more, count);
    bytes->count += count;
}

void bytes_drop_front(struct bytes *bytes, size_t count)
{
    bytes->count -= count;
    if (bytes->count > 0)
        memmove(bytes->base, bytes->base + count, bytes->count);
}

uint64_t now_mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void *must_alloc(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (memory == NULL)
        die("out of memory");
    return memory;
}

int must_listen(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0)
        die("port %s: %s", port, strerror(errno));
    return fd;
}

void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_CANNOT_RUN);
}
