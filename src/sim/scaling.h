/*
 * scaling.h - what more processors would do: the same work for each thread, on virtual processors.
 */
#ifndef MM_SIM_SCALING_H
#define MM_SIM_SCALING_H

#include "sim/options.h"
#include "sim/places.h"

struct scaling {
    uint32_t cpus;
    uint64_t accesses, cpu_ns, elapsed_ns, hard_faults;
    /* The cache line whose moves between processors took longest; empty: none moved. */
    char costliest[PLACE_BYTES];
    uint64_t costliest_ns; /* of cpu_ns */
    char text[256];        /* why there is no result; empty: there is one */
};

/* Does the option change the prediction? */
bool scaling_reads(enum sim_option option);
/* How large the page file must be, in pages; 0: it is large enough. */
uint64_t scaling_pages_needed(const struct sim_options *options, uint32_t cpus);

/* `cpus` virtual processors and as many users; memory and frames are for each user. */
void scaling_run(const struct sim_options *options, uint32_t cpus, struct scaling *ret_scaling);

#endif
