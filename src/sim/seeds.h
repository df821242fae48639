/*
 * seeds.h - many worlds, in child processes: one for each processor, so that a crash names its seed
 * and takes nobody with it.
 */
#ifndef MM_SIM_SEEDS_H
#define MM_SIM_SEEDS_H

#include "sim/sim.h"

/* Told of each world in whatever order they end. False: enough, no more. */
typedef bool seeds_report(void *context, const struct sim_result *result);

/*
 * Run the worlds `first` to `last`, all with the options that are given in `options`. Every 100th
 * is run twice, and a difference is a failure. 0 or -errno: the system gave no processes.
 */
int seeds_run(const struct sim_options *options, uint64_t first, uint64_t last, struct trace *trace,
              seeds_report *report, void *context);

#endif
