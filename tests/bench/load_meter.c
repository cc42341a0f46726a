#include "load_meter.h"

#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum { OCTAVE_BITS = 6, OCTAVE_STEPS = 1 << OCTAVE_BITS };

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec spent;

    if (clock_gettime(clock, &spent) < 0)
        die("a process of the server has ended");
    return (uint64_t)spent.tv_sec * NS_PER_S + (uint64_t)spent.tv_nsec;
}

void meter_init(struct meter *meter, const char *pids)
{
    char *rest;

    *meter = (struct meter){0};
    while (*pids != '\0') {
        pid_t pid = (pid_t)strtol(pids, &rest, 10);

        if (rest == pids || meter->count == METER_PROCESSES_MAX ||
            clock_getcpuclockid(pid, &meter->clocks[meter->count++]) != 0)
            die("no processes: %s", pids);
        pids = rest + strspn(rest, ",");
    }
}

void meter_begin(struct meter *meter)
{
    for (size_t i = 0; i < meter->count; i++)
        meter->begin_cpu_ns[i] = cpu_ns(meter->clocks[i]);
    meter->begin_mono_ns = now_mono_ns();
}

void meter_end(struct meter *meter)
{
    meter->wall_ns = now_mono_ns() - meter->begin_mono_ns;
    meter->cpu_ns = meter->busiest_cpu_ns = 0;
    for (size_t i = 0; i < meter->count; i++) {
        uint64_t spent_ns = cpu_ns(meter->clocks[i]) - meter->begin_cpu_ns[i];

        meter->cpu_ns += spent_ns;
        if (spent_ns > meter->busiest_cpu_ns)
            meter->busiest_cpu_ns = spent_ns;
    }
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    unsigned octave = value < OCTAVE_STEPS ? 0 : 63 - OCTAVE_BITS - (unsigned)__builtin_clzll(value);
    uint64_t step = value < OCTAVE_STEPS ? value : (octave + 1) * OCTAVE_STEPS + ((value >> octave) - OCTAVE_STEPS);

    histogram->steps[step]++;
    histogram->count++;
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned percent)
{
    uint64_t wanted = histogram->count * percent / 100, passed = 0;

    for (uint64_t step = 0; step < HISTOGRAM_STEPS; step++) {
        passed += histogram->steps[step];
        if (passed > wanted) {
            uint64_t octave = step / OCTAVE_STEPS;

            return octave == 0 ? step : (OCTAVE_STEPS + step % OCTAVE_STEPS) << (octave - 1);
        }
    }
    return 0;
}
