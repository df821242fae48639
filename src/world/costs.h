/*
 * costs.h - what things cost on a processor of the fibers world: the one table, with its sources.
 *
 * Exploring strategies use it only to let the virtual clock move. The timing strategy predicts
 * with it, and `./dev calibrate` holds the predictions against this machine. "bench": memman-bench
 * on two processors of a shared virtual machine (AMD EPYC, 2026), medians.
 */
#ifndef MM_WORLD_COSTS_H
#define MM_WORLD_COSTS_H

#include "contract/world.h"

/* Exploring: between two points. */
#define COST_STEP_NS 10u

/* An access to a word whose line this processor holds: a load, and a locked update. */
#define COST_LOAD_HIT_NS   1u /* L1 hit of 4 to 5 cycles, half hidden by the pipeline */
#define COST_STORE_HIT_NS  1u
#define COST_UPDATE_HIT_NS 6u /* locked instruction on a held line, 18 to 25 cycles (Fog, tables) */
/* The line comes from another processor: between cores of one socket, shared level 3. */
#define COST_LINE_MOVES_NS 60u
/* The line is nobody's: from memory. */
#define COST_LINE_FETCH_NS 90u

#define COST_PAUSE_NS  20u   /* one pause instruction; 40 to 140 cycles by processor */
#define COST_SWITCH_NS 1500u /* the operating system runs another thread on the processor */
#define COST_WAKE_NS   3000u /* futex wake of a sleeping thread until it runs */

/* Longest time a thread runs while others want its processor. */
#define COST_SLICE_NS 3000000u

/* By enum world_work. */
static const uint32_t cost_of_work_ns[WORLD_WORKS] = {
    [WORLD_ACCESS] = 40,      /* calibrate: a resident word anywhere in 8 MiB, not in a cache */
    [WORLD_COPY_PAGE] = 450,  /* bench: copy of a random page, quiet machine */
    [WORLD_CLEAR_PAGE] = 320, /* bench: clearing a random page, quiet machine */
    [WORLD_FENCE] = 8000,     /* membarrier, two processors; 130,000 were seen in a busy machine */
};

#endif
