/*
 * zipf.h - ranks 1..count with probability proportional to rank^-theta, exactly, in constant time.
 *
 * Any theta > 0, also 1 and more; no table and no sum over the ranks.
 */
#ifndef MM_CLI_WORKLOAD_ZIPF_H
#define MM_CLI_WORKLOAD_ZIPF_H

#include "base/random.h"

struct zipf {
    double theta;
    uint64_t count;
    double integral_first; /* H(1.5) - h(1) */
    double integral_last;  /* H(count + 0.5) */
    double shortcut;       /* accept without another integral when rank - x <= shortcut */
};

void zipf_init(struct zipf *zipf, uint64_t count, double theta);
uint64_t zipf_rank(const struct zipf *zipf, struct random_generator *random);

#endif
