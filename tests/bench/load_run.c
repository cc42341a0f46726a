#include "load_run.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TURN_NS = 10 * NS_PER_MS,
    LINGER_NS = 100 * NS_PER_MS,
    HELD_MAX_S = 60,
    CONNECT_MAX_S = 30,
    STAMP_DIGITS = 8,
    TRICKLE_BYTES = 1024, /* a slow game reads so much in a second */
};

/* How messages go out. */
struct via {
    const char *name;
    enum conn_kind kind;
    bool reaches_games;
    bool is_answered_by_floor;
    void (*send)(struct run *run, struct conn *conn, uint64_t index);
};

static uint64_t healthy_count(const struct run *run)
{
    return run->options.games - run->options.slow;
}

/* ---- messages ---- */

/* The object of one sighting, padded to its size; `before` and `after` wrap it for a WebSocket. */
static void build_message(struct run *run, uint64_t index, const char *before, const char *after)
{
    const struct options *options = &run->options;
    unsigned sender = run->sender_of[index];
    /* an acknowledgement by UDP tells nothing but the tag */
    uint64_t tag = run->via->kind == CONN_UDP ? index : options->tags > 0 ? index % options->tags : 1;
    char text[320];
    int count = snprintf(text, sizeof text,
                         "%s{\"tag_id\":%llu,\"camera_name\":\"bench-%u\",\"seq\":%llu,\"t_ns\":%llu,\"pad\":\"",
                         before, (unsigned long long)tag, sender, (unsigned long long)index,
                         (unsigned long long)run->due_mono_ns[index]);
    size_t tail_bytes = 2 + strlen(after);

    run->message.count = 0;
    bytes_append(&run->message, text, (size_t)count);
    while (run->message.count + tail_bytes < options->size_bytes)
        bytes_append(&run->message, "x", 1);
    bytes_append(&run->message, "\"}", 2);
    bytes_append(&run->message, after, strlen(after));
}

static void send_text(struct run *run, struct conn *conn, uint64_t index)
{
    build_message(run, index, "{\"event\":\"apriltag_data\",\"data\":", "}");
    net_send_frame(&run->net, conn, WS_TEXT, run->message.base, run->message.count, false);
}

static void send_datagram(struct run *run, struct conn *conn, uint64_t index)
{
    build_message(run, index, "", "");
    net_send(&run->net, conn, run->message.base, run->message.count);
}

static void send_post(struct run *run, struct conn *conn, uint64_t index)
{
    char head[256];
    struct bytes *out = &run->net.frame;
    int count;

    build_message(run, index, "", "");
    count = snprintf(head, sizeof head,
                     "POST /apriltag HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     run->options.token, run->message.count);
    out->count = 0;
    bytes_append(out, head, (size_t)count);
    bytes_append(out, run->message.base, run->message.count);
    net_send(&run->net, conn, out->base, out->count);
}

static void send_get(struct run *run, struct conn *conn, uint64_t index)
{
    static const char REQUEST[] = "GET /photo HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

    (void)index;
    net_send(&run->net, conn, REQUEST, strlen(REQUEST));
}

static void send_picture(struct run *run, struct conn *conn, uint64_t index)
{
    char stamp[STAMP_DIGITS + 1];

    snprintf(stamp, sizeof stamp, "%08u", (unsigned)index);
    memcpy(run->picture.base + run->options.stamp_at, stamp, STAMP_DIGITS);
    net_send_frame(&run->net, conn, WS_BINARY, run->picture.base, run->picture.count, true);
}

static const struct via VIAS[] = {
    {"ws", CONN_CAMERA, true, false, send_text},        {"post", CONN_HTTP, true, true, send_post},
    {"udp", CONN_UDP, true, false, send_datagram},      {"get", CONN_HTTP, false, true, send_get},
    {"frames", CONN_CAMERA, false, true, send_picture},
};

static const struct via *find_via(const char *name)
{
    for (size_t i = 0; i < sizeof VIAS / sizeof *VIAS; i++)
        if (strcmp(VIAS[i].name, name) == 0)
            return &VIAS[i];
    die("via %s", name);
}

static bool is_answered(const struct run *run)
{
    return run->options.is_hub || run->via->is_answered_by_floor;
}

/* ---- pace ---- */

static uint64_t next_due_ns(const struct run *run)
{
    return run->phase_mono_ns + (run->sent - run->phase_first) * NS_PER_S / run->rate;
}

static bool may_send(const struct run *run, uint64_t now_ns)
{
    if (run->sent == run->limit)
        return false;
    if (run->via->kind == CONN_HTTP && run->idle_count == 0)
        return false;
    if (run->window > 0 && run->sent - run->completed >= run->window)
        return false;
    return run->rate == 0 || now_ns >= next_due_ns(run);
}

static void send_next(struct run *run, uint64_t now_ns)
{
    uint64_t index = run->sent;
    unsigned sender = (unsigned)(index % run->options.senders);

    if (run->via->kind == CONN_HTTP)
        sender = run->idle[--run->idle_count];
    run->in_progress[sender] = index;
    run->sender_of[index] = sender;
    run->due_mono_ns[index] = run->rate > 0 ? next_due_ns(run) : now_ns;
    run->missing[index] = (uint32_t)((run->via->reaches_games ? healthy_count(run) : 0) + is_answered(run));
    run->sent++;
    run->via->send(run, &run->senders[sender], index);
}

static void on_event(void *user)
{
    struct run *run = user;
    uint64_t now_ns = now_mono_ns();

    if (run->end_mono_ns != 0 && now_ns > run->end_mono_ns && run->limit > run->sent)
        run->limit = run->sent;
    while (may_send(run, now_ns))
        send_next(run, now_ns);
}

/* ---- what comes back ---- */

static void count_down(struct run *run, uint64_t index)
{
    run->progress_mono_ns = now_mono_ns();
    if (--run->missing[index] > 0)
        return;
    run->completed++;
    if (run->completed == run->sent && run->sent == run->limit && run->is_metered)
        meter_end(&run->meter);
}

static bool find_number(const char *text, size_t count, const char *name, uint64_t *ret_value)
{
    const char *found = memmem(text, count, name, strlen(name)), *end = text + count;
    uint64_t value = 0;

    if (found == NULL)
        return false;
    found += strlen(name);
    while (found < end && *found == ' ')
        found++;
    if (found == end || *found < '0' || *found > '9')
        return false;
    for (; found < end && *found >= '0' && *found <= '9'; found++)
        value = value * 10 + (uint64_t)(*found - '0');
    *ret_value = value;
    return true;
}

static void on_sighting(struct run *run, const struct conn *game, const char *text, size_t count)
{
    uint64_t now_ns = now_mono_ns(), index, due_ns, bit, *next;

    if (!find_number(text, count, "\"seq\":", &index)) {
        run->faults.errors++;
        return;
    }
    if (!find_number(text, count, "\"t_ns\":", &due_ns) || index >= run->sent || due_ns != run->due_mono_ns[index] ||
        (run->via->kind != CONN_UDP && count < run->options.size_bytes * 9 / 10)) {
        run->faults.altered++;
        return;
    }
    bit = index * run->options.games + game->number;
    if (run->seen[bit / 8] & 1 << bit % 8) {
        run->faults.doubled++;
        return;
    }
    run->seen[bit / 8] |= (uint8_t)(1 << bit % 8);
    next = &run->next[game->number * run->options.senders + run->sender_of[index]];
    run->faults.reordered += index < *next;
    *next = index + 1;
    if (run->is_metered) {
        histogram_add(&run->latency_ns, now_ns > due_ns ? now_ns - due_ns : 0);
        run->delivered++;
    }
    count_down(run, index);
}

static void on_ack(struct run *run, uint64_t index)
{
    if (index >= run->sent || run->is_acked[index]) {
        run->faults.errors++;
        return;
    }
    run->is_acked[index] = true;
    run->acked += run->is_metered;
    count_down(run, index);
}

/* On a WebSocket answers keep the order of what they answer, and messages go round. */
static void on_next_ack(struct run *run, const struct conn *camera)
{
    on_ack(run, run->acks_of[camera->number]++ * run->options.senders + camera->number);
}

static void on_text(void *user, struct conn *conn, const char *text, size_t count)
{
    static const char ACK[] = "\"apriltag_ack\"";
    struct run *run = user;
    bool is_ack = memmem(text, count, ACK, strlen(ACK)) != NULL;
    uint64_t tag;

    if (conn->kind == CONN_GAME)
        on_sighting(run, conn, text, count);
    else if (is_ack && conn->kind == CONN_CAMERA)
        on_next_ack(run, conn);
    else if (is_ack && find_number(text, count, "\"tag_id\":", &tag))
        on_ack(run, tag);
    else
        run->faults.errors++;
}

static void on_pong(void *user, struct conn *conn)
{
    struct run *run = user;

    if (run->via->kind == CONN_CAMERA && !run->via->reaches_games)
        on_next_ack(run, conn);
}

static void on_reply(void *user, struct conn *conn, unsigned status, const uint8_t *body, size_t count)
{
    struct run *run = user;
    bool is_get = !run->via->reaches_games;

    run->idle[run->idle_count++] = conn->number;
    if (status != 200)
        run->faults.bad_status++;
    else if (is_get && (count != run->picture.count || memcmp(body, run->picture.base, count) != 0))
        run->faults.altered++;
    else
        on_ack(run, run->in_progress[conn->number]);
}

static const struct net_events EVENTS = {on_text, on_pong, on_reply, on_event};

/* ---- phases ---- */

static void let_slow_read(struct run *run, uint64_t now_ns)
{
    if (run->options.slow == 0 || now_ns < run->trickle_mono_ns)
        return;
    run->trickle_mono_ns = now_ns + NS_PER_S;
    for (uint64_t i = healthy_count(run); i < run->options.games; i++)
        net_trickle(&run->net, &run->games[i], TRICKLE_BYTES);
}

static void turn(struct run *run)
{
    uint64_t now_ns = now_mono_ns(), wait_ns = TURN_NS;

    if (run->rate > 0 && run->sent < run->limit) {
        uint64_t due_ns = next_due_ns(run);

        wait_ns = due_ns <= now_ns ? 0 : due_ns - now_ns < wait_ns ? due_ns - now_ns : wait_ns;
    }
    net_turn(&run->net, wait_ns);
    let_slow_read(run, now_ns);
}

/* Sends up to `limit` and waits until all is complete, or nothing more comes. */
static void run_phase(struct run *run, uint64_t limit, uint64_t rate, uint64_t window)
{
    run->phase_first = run->sent;
    run->limit = limit;
    run->rate = rate;
    run->window = window;
    run->phase_mono_ns = run->progress_mono_ns = now_mono_ns();
    while (run->completed < run->limit) {
        turn(run);
        if (now_mono_ns() - run->progress_mono_ns > run->options.stall_ms * NS_PER_MS)
            break;
    }
    run->rate = 0;
}

static void connect_all(struct run *run, struct conn *conns, uint64_t count, uint16_t port)
{
    uint64_t begun = 0, before = run->net.open_count + run->net.refused;
    uint64_t begin_ns = now_mono_ns();

    for (;;) {
        uint64_t settled = run->net.open_count + run->net.refused + run->net.closed - before;

        for (; begun < count && begun - settled < run->options.together; begun++)
            net_connect(&run->net, &conns[begun], port);
        if (settled >= count)
            break;
        if (now_mono_ns() - begin_ns > (uint64_t)CONNECT_MAX_S * NS_PER_S)
            die("%llu of %llu have connected", (unsigned long long)settled, (unsigned long long)count);
        net_turn(&run->net, TURN_NS);
    }
    run->connect_ns = now_mono_ns() - begin_ns;
}

static void hold(struct run *run)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    uint64_t end_ns = now_mono_ns() + (uint64_t)HELD_MAX_S * NS_PER_S;

    puts("ready=1");
    fflush(stdout);
    while (run->options.is_held && poll(&input, 1, 0) == 0 && now_mono_ns() < end_ns)
        turn(run);
}

/* ---- the whole ---- */

static char *identify_text(const struct run *run, enum conn_kind kind, unsigned number)
{
    char text[512];

    if (kind == CONN_GAME)
        snprintf(text, sizeof text,
                 "{\"event\":\"identify\",\"data\":{\"type\":\"gdevelop\",\"game_name\":\"bench-%u\"}}", number);
    else
        snprintf(
            text, sizeof text,
            "{\"event\":\"identify\",\"data\":{\"type\":\"esp32\",\"camera_name\":\"bench-%u\",\"auth_token\":\"%s\"}}",
            number, run->options.token);
    return strdup(text);
}

static struct conn *make_conns(struct run *run, uint64_t count, enum conn_kind kind)
{
    struct conn *conns = must_alloc(count, sizeof *conns);

    for (unsigned i = 0; i < count; i++) {
        conns[i] = (struct conn){.kind = kind, .number = i, .path = "/"};
        conns[i].is_slow = kind == CONN_GAME && i >= healthy_count(run);
        if (run->options.is_hub)
            conns[i].identify = identify_text(run, kind, i);
        else if (kind == CONN_CAMERA)
            conns[i].path = "/pub";
    }
    return conns;
}

static void load_picture(struct run *run)
{
    FILE *file = fopen(run->options.picture, "rb");
    char part[4096];
    size_t count;

    if (file == NULL)
        die("no picture: %s", run->options.picture);
    while ((count = fread(part, 1, sizeof part, file)) > 0)
        bytes_append(&run->picture, part, count);
    fclose(file);
    if (run->options.stamp_at + STAMP_DIGITS > run->picture.count)
        die("the picture has no room for its number");
}

static void prepare(struct run *run)
{
    const struct options *options = &run->options;
    uint64_t indexes = options->warmup + options->count;

    run->via = find_via(options->via);
    if (options->slow > options->games || (options->senders == 0 && indexes > 0))
        die("nobody to send, or too many slow games");
    net_init(&run->net, &EVENTS, run);
    meter_init(&run->meter, options->pids);
    if (!run->via->reaches_games)
        load_picture(run);
    run->due_mono_ns = must_alloc(indexes, sizeof *run->due_mono_ns);
    run->sender_of = must_alloc(indexes, sizeof *run->sender_of);
    run->missing = must_alloc(indexes, sizeof *run->missing);
    run->is_acked = must_alloc(indexes, sizeof *run->is_acked);
    run->seen = must_alloc(indexes * options->games / 8 + 1, 1);
    run->next = must_alloc(options->games * options->senders, sizeof *run->next);
    run->acks_of = must_alloc(options->senders, sizeof *run->acks_of);
    run->in_progress = must_alloc(options->senders, sizeof *run->in_progress);
    run->idle = must_alloc(options->senders, sizeof *run->idle);
    run->games = make_conns(run, options->games, CONN_GAME);
    run->senders = make_conns(run, options->senders, run->via->kind);
}

static void connect_everybody(struct run *run)
{
    const struct options *options = &run->options;
    uint64_t sender_port = run->via->kind == CONN_UDP    ? options->udp_port
                           : run->via->kind == CONN_HTTP ? options->http_port
                                                         : options->port;

    connect_all(run, run->games, options->games, (uint16_t)options->port);
    if (options->senders > 0)
        connect_all(run, run->senders, options->senders, (uint16_t)sender_port);
    for (unsigned i = 0; i < options->senders; i++)
        run->idle[run->idle_count++] = i;
}

/* What no game got although its sender was told that all have it, and what got no answer. A datagram may be lost as long as
 * nobody was told otherwise. */
static void count_lost(struct run *run)
{
    for (uint64_t index = 0; index < run->sent; index++) {
        bool is_promised = run->is_acked[index] || run->via->kind != CONN_UDP;

        if (run->missing[index] > 0 && is_promised)
            run->faults.lost += run->missing[index];
    }
    run->faults.refused = run->net.refused;
    run->faults.closed = run->net.closed;
}

/* What comes once more comes late. */
static void linger(struct run *run)
{
    uint64_t end_ns = now_mono_ns() + LINGER_NS;

    while (now_mono_ns() < end_ns)
        turn(run);
}

void run_measure(struct run *run)
{
    const struct options *options = &run->options;

    prepare(run);
    connect_everybody(run);
    run_phase(run, options->warmup, 0, 1);
    hold(run);
    if (run->completed < run->sent) {
        run->faults.errors++; /* not even one at a time: there is nothing to measure */
    } else if (options->count > 0) {
        run->is_metered = true;
        if (options->duration_ms > 0)
            run->end_mono_ns = now_mono_ns() + options->duration_ms * NS_PER_MS;
        meter_begin(&run->meter);
        run_phase(run, options->warmup + options->count, options->rate, options->window);
        if (run->meter.wall_ns == 0) /* what is missing will not come; or the time was over when all was there */
            meter_end(&run->meter);
        linger(run);
    }
    count_lost(run);
}
