/* load - cameras and games that measure a server: a hub, the floor, or bare HTTP.
 *
 *   load KEY=VALUE...        the keys are in OPTIONS below
 *
 * Prints ready=1 once everybody is connected and warm, and at the end one line of key=value. Exit status: 0 all arrived, 1
 * something was lost, doubled, reordered, changed or refused, 2 it could not run.
 *
 * The server's CPU time counts from the first message to the last delivery, the latency from the moment a message was due,
 * or, without a rate, from its send() to the recv() of the game. One thread, 127.0.0.1 only, bounded in count and time.
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load_run.h"

enum { LIMIT_S = 120 };

struct option {
    const char *key;
    size_t at;
    bool is_text;
};

#define NUMBER(key, member)                                                                                            \
    {                                                                                                                  \
        key, offsetof(struct options, member), false                                                                   \
    }
#define TEXT(key, member)                                                                                              \
    {                                                                                                                  \
        key, offsetof(struct options, member), true                                                                    \
    }

static const struct option OPTIONS[] = {
    NUMBER("port", port),
    NUMBER("http_port", http_port),
    NUMBER("udp_port", udp_port),
    NUMBER("hub", is_hub),
    NUMBER("games", games),
    NUMBER("slow", slow),
    NUMBER("senders", senders),
    NUMBER("tags", tags),
    NUMBER("together", together),
    NUMBER("rate", rate),
    NUMBER("window", window),
    NUMBER("warmup", warmup),
    NUMBER("count", count),
    NUMBER("size", size_bytes),
    NUMBER("duration_ms", duration_ms),
    NUMBER("stall_ms", stall_ms),
    NUMBER("stamp_at", stamp_at),
    NUMBER("held", is_held),
    TEXT("via", via),
    TEXT("token", token),
    TEXT("pids", pids),
    TEXT("picture", picture),
};

static void set_option(struct options *options, const char *argument)
{
    size_t key_bytes = strcspn(argument, "=");

    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        const struct option *option = &OPTIONS[i];
        void *place = (char *)options + option->at;
        const char *value = argument + key_bytes + 1;

        if (strlen(option->key) != key_bytes || strncmp(option->key, argument, key_bytes) != 0)
            continue;
        if (option->is_text)
            *(const char **)place = value;
        else
            *(uint64_t *)place = strtoull(value, NULL, 10);
        return;
    }
    die("unknown: %s", argument);
}

static void print_number(const char *key, uint64_t value)
{
    printf("%s=%llu ", key, (unsigned long long)value);
}

/* Returns whether there is one. */
static bool print_faults(const struct faults *faults)
{
    print_number("lost", faults->lost);
    print_number("doubled", faults->doubled);
    print_number("reordered", faults->reordered);
    print_number("altered", faults->altered);
    print_number("refused", faults->refused);
    print_number("closed", faults->closed);
    print_number("bad_status", faults->bad_status);
    print_number("errors", faults->errors);
    return faults->lost + faults->doubled + faults->reordered + faults->altered + faults->refused + faults->closed +
               faults->bad_status + faults->errors >
           0;
}

int main(int argc, char **argv)
{
    static struct run run;
    bool is_faulty;

    run.options = (struct options){.is_hub = 1, .together = 128, .size_bytes = 300, .stall_ms = 5000, .senders = 1};
    run.options.via = "ws";
    run.options.token = run.options.pids = run.options.picture = "";
    for (int i = 1; i < argc; i++)
        set_option(&run.options, argv[i]);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    alarm(LIMIT_S);
    run_measure(&run);
    print_number("sent", run.sent - run.options.warmup);
    print_number("acked", run.acked);
    print_number("delivered", run.delivered);
    print_number("cpu_ns", run.meter.cpu_ns);
    print_number("busiest_cpu_ns", run.meter.busiest_cpu_ns);
    print_number("wall_ns", run.meter.wall_ns);
    print_number("connect_ns", run.connect_ns);
    print_number("p50_ns", histogram_percentile(&run.latency_ns, 50));
    print_number("p99_ns", histogram_percentile(&run.latency_ns, 99));
    is_faulty = print_faults(&run.faults);
    putchar('\n');
    return is_faulty ? EXIT_FAILURE : EXIT_SUCCESS;
}
