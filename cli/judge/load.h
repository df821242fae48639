/*
 * load.h - what the threads of a run touch, as references: known from the seed, without the run.
 */
#ifndef MM_CLI_JUDGE_LOAD_H
#define MM_CLI_JUDGE_LOAD_H

#include "judge/references.h"
#include "users.h"

/*
 * The first `accesses` of all threads together, an access of each in turn; the workload must be
 * fitted. Pages are numbered in the order of their addresses. False: no memory, and there are none.
 */
bool load_references(const struct users_load *load, uint64_t accesses,
                     struct references *ret_references);

#endif
