/*
 * scaling.h - what more processors would do: the same work for each thread, on virtual processors.
 */
#ifndef MM_SIM_SCALING_H
#define MM_SIM_SCALING_H

#include "sim/options.h"

struct scaling {
    uint32_t cpus;
    uint64_t accesses, cpu_ns, elapsed_ns, hard_faults;
    char text[256]; /* why there is no result; empty: there is one */
};

/* `cpus` virtual processors and as many users; memory and frames are for each user. */
void scaling_run(const struct sim_options *options, uint32_t cpus, struct scaling *ret_scaling);

#endif
