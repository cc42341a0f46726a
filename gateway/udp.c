/* udp - see udp.h.
 *
 * Invariants
 *   D1  nothing is answered to a datagram that was refused: its sender's address cannot be trusted
 *   D2  an acknowledgement leaves within udp_ack_deadline_ms of the arrival, or not at all
 *   D3  it comes from the address that the datagram was sent to: on a machine with several, a client or a firewall
 *       between may take nothing else
 */
#include "udp.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/log.h"
#include "run/svc.h"

#define BATCH         32u   /* datagrams of one system call */
#define SOURCES       1024u /* a power of two: addresses whose rate is known */
#define ACK_BYTES_MAX 255   /* what a camera reads */

/* A bucket of tokens that fills with udp_rate_per_s and holds one second's worth. */
struct rate_bucket {
    char address[ADDRESS_BYTES_MAX + 1];
    uint64_t tokens_milli, filled_mono_ms;
};

struct udp_door {
    struct udp *udp;
    struct watch *watch;
};

/* To which of our addresses a datagram was sent: IP_PKTINFO or IPV6_PKTINFO, as the kernel reads and writes it. */
union local_address {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* A datagram whose fate is open. */
struct udp_wait {
    struct udp *udp;
    struct udp_door *door;
    struct sockaddr_storage peer;
    socklen_t peer_length;
    union local_address local;
    size_t local_length; /* 0: unknown, the kernel chooses */
    struct unsettled *text;
    struct deadline deadline;
    struct udp_wait *next, **slot;
};

struct udp {
    const struct hub_conf *conf;
    struct worker *worker;
    struct uplink *uplink;
    struct net_sockets sockets;
    struct udp_door doors[ARRAY_LEN(((struct net_sockets *)0)->fds)];
    bool reading, stopped, paused;
    struct udp_wait *waits;
    struct deadline_list ack_list;
    struct rate_bucket sources[SOURCES];
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    struct sockaddr_storage peers[BATCH];
    union local_address locals[BATCH];
    uint8_t *buffers; /* BATCH times text_max_bytes + 1 */
};

static void wait_free(struct udp_wait *wait)
{
    if (wait->text != NULL)
        unsettled_abandon(wait->text);
    deadline_disarm(&wait->deadline);
    *wait->slot = wait->next;
    if (wait->next != NULL)
        wait->next->slot = wait->slot;
    free(wait);
}

static void too_late(struct deadline *deadline) /* D2 */
{
    struct udp_wait *wait = H2O_STRUCT_FROM_MEMBER(struct udp_wait, deadline, deadline);

    count_refused(wait->udp->worker->slot, REJECT_deadline);
    wait_free(wait);
}

static void refused(void *requester, const struct msg_verdict *verdict) /* D1 */
{
    struct udp_wait *wait = requester;

    (void)verdict;
    wait->text = NULL;
    wait_free(wait);
}

static void send_ack(struct udp_wait *wait, char *ack, size_t length)
{
    struct iovec piece = {.iov_base = ack, .iov_len = length};
    struct msghdr datagram = {.msg_name = &wait->peer,
                              .msg_namelen = wait->peer_length,
                              .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = wait->local_length > 0 ? &wait->local : NULL,
                              .msg_controllen = wait->local_length};

    sendmsg(watch_fd(wait->door->watch), &datagram, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void settled(void *requester, const struct unsettled *entry)
{
    struct udp_wait *wait = requester;
    uint64_t arrived = entry->message.arrived_utc_us;
    char ack[ACK_BYTES_MAX + 1];
    int length = snprintf(ack, sizeof ack,
                          "{\"event\":\"apriltag_ack\",\"status\":\"received\",\"tag_id\":%s,"
                          "\"server_timestamp\":%" PRIu64 ".%06" PRIu64 "}",
                          entry->tag, arrived / 1000000, arrived % 1000000);

    wait->text = NULL;
    if (length > 0 && length <= ACK_BYTES_MAX && wait->door->watch != NULL)
        send_ack(wait, ack, (size_t)length);
    wait_free(wait);
}

static const struct requester_ops OPS = {.verdict = refused, .settled = settled};

/* ---- limits ---- */

static struct rate_bucket *find_source(struct udp *udp, const char *address)
{
    uint32_t hash = 5381;
    struct rate_bucket *source;

    for (const char *at = address; *at != '\0'; at++)
        hash = hash * 33 ^ (uint8_t)*at;
    source = &udp->sources[hash & (SOURCES - 1)];
    if (strcmp(source->address, address) != 0) { /* new, or another one with this hash: a full bucket */
        memcpy(source->address, address, strlen(address) + 1);
        source->tokens_milli = UINT64_C(1000) * udp->conf->udp_rate_per_s;
        source->filled_mono_ms = loop_now_mono_ms(udp->worker->loop);
    }
    return source;
}

static bool within_rate(struct udp *udp, const char *address)
{
    struct rate_bucket *source = find_source(udp, address);
    uint64_t now = loop_now_mono_ms(udp->worker->loop), full = UINT64_C(1000) * udp->conf->udp_rate_per_s;

    source->tokens_milli += (now - source->filled_mono_ms) * udp->conf->udp_rate_per_s;
    source->filled_mono_ms = now;
    if (source->tokens_milli > full)
        source->tokens_milli = full;
    if (source->tokens_milli < 1000)
        return false;
    source->tokens_milli -= 1000;
    return true;
}

/* ---- reading ---- */

static enum reject judge_source(struct udp *udp, const struct sockaddr *peer, const char *address, size_t length)
{
    if (length > udp->conf->text_max_bytes)
        return REJECT_too_large;
    if (!conf_cidrs_allow(&udp->conf->udp_allow_networks, peer))
        return REJECT_network;
    return within_rate(udp, address) ? REJECT_none : REJECT_rate;
}

/* D3. The interface is left to routing, as it is for every other packet to that peer. */
static void keep_local_address(struct udp_wait *wait, const struct msghdr *datagram)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(datagram);
    struct in_pktinfo v4;
    struct in6_pktinfo v6;

    if (header == NULL || datagram->msg_controllen > sizeof wait->local)
        return;
    memcpy(&wait->local, header, datagram->msg_controllen);
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
        memcpy(&v4, CMSG_DATA(header), sizeof v4);
        v4.ipi_ifindex = 0;
        memcpy(CMSG_DATA(&wait->local.header), &v4, sizeof v4);
        wait->local_length = datagram->msg_controllen;
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
        memcpy(&v6, CMSG_DATA(header), sizeof v6);
        v6.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(&wait->local.header), &v6, sizeof v6);
        if (!IN6_IS_ADDR_MULTICAST(&v6.ipi6_addr)) /* nobody can speak from such an address */
            wait->local_length = datagram->msg_controllen;
    }
}

static void take_datagram(struct udp_door *door, const struct mmsghdr *datagram)
{
    struct udp *udp = door->udp;
    struct msg_device_text message = {.source = SOURCE_UDP,
                                      .arrived_utc_us = svc_utc_us(),
                                      .typed = 1,
                                      .text = view_of(datagram->msg_hdr.msg_iov->iov_base, datagram->msg_len)};
    enum reject reject;
    struct udp_wait *wait;

    net_address_text(datagram->msg_hdr.msg_name, message.address);
    count_add(udp->worker->slot, COUNTER_datagrams, 1);
    if (message.address[0] == '\0')
        return;
    reject = judge_source(udp, datagram->msg_hdr.msg_name, message.address, datagram->msg_len);
    if (reject != REJECT_none) {
        count_refused(udp->worker->slot, reject);
        return;
    }
    net_camera_name(message.address, message.fallback_name);
    wait = calloc(1, sizeof *wait);
    if (wait == NULL)
        return;
    if (uplink_submit(udp->uplink, &message, &OPS, wait, &wait->text) < 0) {
        count_refused(udp->worker->slot, REJECT_overload);
        free(wait);
        return;
    }
    wait->udp = udp;
    wait->door = door;
    memcpy(&wait->peer, datagram->msg_hdr.msg_name, datagram->msg_hdr.msg_namelen);
    wait->peer_length = datagram->msg_hdr.msg_namelen;
    keep_local_address(wait, &datagram->msg_hdr);
    wait->deadline.fire = too_late;
    wait->next = udp->waits;
    wait->slot = &udp->waits;
    if (wait->next != NULL)
        wait->next->slot = &wait->next;
    udp->waits = wait;
    deadline_arm(udp->worker->loop, &udp->ack_list, &wait->deadline);
}

static void prepare_batch(struct udp *udp)
{
    size_t room = udp->conf->text_max_bytes + 1; /* one more shows that a datagram was longer */

    for (unsigned i = 0; i < BATCH; i++) {
        udp->pieces[i] = (struct iovec){.iov_base = udp->buffers + i * room, .iov_len = room};
        udp->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &udp->peers[i],
                                                        .msg_namelen = sizeof udp->peers[i],
                                                        .msg_iov = &udp->pieces[i],
                                                        .msg_iovlen = 1,
                                                        .msg_control = &udp->locals[i],
                                                        .msg_controllen = sizeof udp->locals[i]}};
    }
}

static void pause_reading(struct udp *udp, bool paused)
{
    for (unsigned i = 0; i < udp->sockets.count; i++) {
        if (udp->doors[i].watch == NULL)
            continue;
        if (paused)
            watch_pause(udp->doors[i].watch);
        else
            watch_resume(udp->doors[i].watch);
    }
    udp->paused = paused;
}

static void on_readable(void *user)
{
    struct udp_door *door = user;
    struct udp *udp = door->udp;
    int count;

    if (!uplink_has_room(udp->uplink, (size_t)BATCH * udp->conf->text_max_bytes)) {
        pause_reading(udp, true); /* the kernel's buffer holds them for a moment */
        return;
    }
    prepare_batch(udp);
    count = recvmmsg(watch_fd(door->watch), udp->messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        take_datagram(door, &udp->messages[i]);
}

void udp_room(struct udp *udp)
{
    if (udp->paused)
        pause_reading(udp, false);
}

/* ---- the lease ---- */

static void begin_reading(struct udp *udp)
{
    udp->reading = true;
    log_info("udp_lease", "worker=%u", udp->worker->number);
    for (unsigned i = 0; i < udp->sockets.count; i++) {
        int fd = fcntl(udp->sockets.fds[i], F_DUPFD_CLOEXEC, 0);

        udp->doors[i].udp = udp;
        udp->doors[i].watch = fd >= 0 ? watch_new(udp->worker->loop, fd, on_readable, &udp->doors[i]) : NULL;
        if (fd >= 0 && udp->doors[i].watch == NULL)
            close(fd);
    }
}

void udp_tick(struct udp *udp)
{
    uint32_t nobody = 0;

    if (udp->reading || udp->stopped || udp->sockets.count == 0)
        return;
    if (atomic_compare_exchange_strong(&udp->worker->page->udp_lease, &nobody, udp->worker->number + 1))
        begin_reading(udp);
}

void udp_stop(struct udp *udp)
{
    uint32_t mine = udp->worker->number + 1;

    udp->stopped = true;
    if (!udp->reading)
        return;
    for (unsigned i = 0; i < udp->sockets.count; i++)
        if (udp->doors[i].watch != NULL)
            watch_pause(udp->doors[i].watch); /* open still: acknowledgements may be due */
    atomic_compare_exchange_strong(&udp->worker->page->udp_lease, &mine, 0);
}

struct udp *udp_new(const struct hub_conf *conf, struct worker *worker, struct uplink *uplink,
                    const struct net_sockets *sockets)
{
    struct udp *udp = calloc(1, sizeof *udp);

    if (udp == NULL)
        return NULL;
    udp->buffers = malloc((size_t)BATCH * (conf->text_max_bytes + 1));
    if (udp->buffers == NULL) {
        free(udp);
        return NULL;
    }
    udp->conf = conf;
    udp->worker = worker;
    udp->uplink = uplink;
    udp->sockets = *sockets;
    loop_add_deadlines(worker->loop, &udp->ack_list, conf->udp_ack_deadline_ms);
    return udp;
}

void udp_free(struct udp *udp)
{
    if (udp == NULL)
        return;
    while (udp->waits != NULL)
        wait_free(udp->waits);
    loop_remove_deadlines(udp->worker->loop, &udp->ack_list);
    for (unsigned i = 0; i < udp->sockets.count; i++)
        watch_free(udp->doors[i].watch);
    free(udp->buffers);
    free(udp);
}
