/*
 * run_curves.h - what a run's accesses would have missed with every amount of memory, for its page.
 */
#ifndef MM_CLI_JUDGE_RUN_CURVES_H
#define MM_CLI_JUDGE_RUN_CURVES_H

#include "judge/curve.h"
#include "report/json_writer.h"
#include "users.h"

struct run_curves {
    uint64_t accesses; /* that they are of: the first of the run; 0: there are no curves */
    struct curve lru, opt;
};

/*
 * The streams of the run once more, an access of each thread in turn, of `accesses` in all; at most
 * a million. The workload must be fitted. Without memory there are no curves.
 */
void run_curves_make(struct run_curves *curves, const struct users_load *load, uint64_t accesses);
/* Into the object of a report, where there are curves: both at the same sizes. */
void run_curves_print(const struct run_curves *curves, struct json_writer *json);
void run_curves_free(struct run_curves *curves);

#endif
