/*
 * shrink.h - a failing world made small: fewer threads, operations, frames, mechanisms and steps.
 */
#ifndef MM_SIM_SHRINK_H
#define MM_SIM_SHRINK_H

#include "sim/sim.h"

/* Told of each world that is smaller and still fails so. */
typedef void shrink_progress(void *context, const struct sim_options *options, uint64_t tries);

/*
 * `options` are drawn and fail with `kind`. Become the smallest found that fails with the same
 * kind; what is left given is what its seed does not draw anyway. 0 or -errno.
 */
int shrink(struct sim_options *options, const char *kind, shrink_progress *progress, void *context,
           struct sim_result *ret_result);

#endif
