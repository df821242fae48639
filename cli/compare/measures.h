/*
 * measures.h - what is compared of each run: figures for one access, out of its report.
 */
#ifndef MM_CLI_COMPARE_MEASURES_H
#define MM_CLI_COMPARE_MEASURES_H

#include <stdbool.h>

#include "compare/interval.h"

/* X(id, JSON key, the sum of these values of a report, factor): for one access. */
#define MEASURES(X)                                                                                \
    X(WALL, "wall_ns", "seconds", 1e9)                                                             \
    X(CPU, "cpu_ns", "cpu_seconds.users cpu_seconds.workers", 1e9)                                 \
    X(CPU_USERS, "cpu_users_ns", "cpu_seconds.users", 1e9)                                         \
    X(CPU_WORKERS, "cpu_workers_ns", "cpu_seconds.workers", 1e9)                                   \
    X(LOCK_WAIT, "lock_wait_ns", "locks.*.wait_ns", 1)                                             \
    X(HARD, "hard", "faults.hard", 1)                                                              \
    X(TRANSITION, "transition", "faults.transition", 1)                                            \
    X(DEMAND_ZERO, "demand_zero", "faults.demand_zero", 1)                                         \
    X(WRITE_PROTECT, "write_protect", "faults.write_protect", 1)                                   \
    X(TRIMMED, "trimmed", "moves.trimmed_clean moves.trimmed_dirty", 1)                            \
    X(FLUSHES, "flushes", "machine.flushes", 1)                                                    \
    X(PAGES_READ, "pages_read", "io.pages_read", 1)                                                \
    X(PAGES_WRITTEN, "pages_written", "io.pages_written", 1)                                       \
    X(IOS, "ios", "io.reads io.writes", 1)

enum measure {
#define X(id, key, values, factor) MEASURE_##id,
    MEASURES(X)
#undef X
        MEASURE_COUNT
};
extern const char *const measure_keys[MEASURE_COUNT];

/* One run. */
struct sample {
    double value[MEASURE_COUNT];
    unsigned place; /* in its round, from 1 */
};

/* One figure of one configuration, over the rounds. */
struct finding {
    double median;
    struct interval ratio; /* of the pairs, this to the first configuration in the same round */
    bool compared;         /* false: the first configuration has rounds with 0 */
};

/* False if a value is missing. */
bool sample_read(const char *report, struct sample *ret_sample);

/* `first` and `own` are of the same rounds, in the same order; `room` holds as many doubles. */
void finding_make(const struct sample first[], const struct sample own[], unsigned rounds,
                  enum measure measure, double room[], struct finding *ret_finding);

#endif
