/* load_meter - what the processes of a server cost, and how long things took. */
#ifndef BENCH_LOAD_METER_H
#define BENCH_LOAD_METER_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { METER_PROCESSES_MAX = 64, HISTOGRAM_STEPS = 64 * 64 };

struct meter {
    size_t count;
    clockid_t clocks[METER_PROCESSES_MAX];
    uint64_t begin_cpu_ns[METER_PROCESSES_MAX];
    uint64_t begin_mono_ns;
    uint64_t wall_ns, cpu_ns, busiest_cpu_ns; /* of the window, once it has ended */
};

/* Log-linear: 64 steps in every octave, so a value is told within 1.6 %. */
struct histogram {
    uint64_t steps[HISTOGRAM_STEPS];
    uint64_t count;
};

/* `pids` are separated by commas; all threads of these processes count, and nobody else's. */
void meter_init(struct meter *meter, const char *pids);
void meter_begin(struct meter *meter);
void meter_end(struct meter *meter);

void histogram_add(struct histogram *histogram, uint64_t value);
uint64_t histogram_percentile(const struct histogram *histogram, unsigned percent);

#endif
