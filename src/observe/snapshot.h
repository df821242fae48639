/*
 * snapshot.h - what can be seen of an engine from outside: sums over threads, counts of lists.
 * Looks, never touches; may be called at any time from any thread.
 */
#ifndef MM_OBSERVE_SNAPSHOT_H
#define MM_OBSERVE_SNAPSHOT_H

#include "base/histogram.h"
#include "engine/counters.h"
#include "engine/engine.h"

struct counter_row {
    const char *group, *key, *title;
};
extern const struct counter_row counter_table[COUNTER_COUNT];
extern const char *const latency_table[LATENCY_COUNT];

struct rank_row {
    const char *name, *guards;
};
extern const struct rank_row rank_table[RANK_COUNT];

/* How often any thread made the move. */
uint64_t snapshot_move(const struct engine *engine, enum move_why why);
/* Frames by state; a frame that is on its way may be counted as it was a moment ago. */
void snapshot_states(const struct engine *engine, uint64_t ret_by_state[PFN_STATE_LIMIT]);
void snapshot_latency(const struct engine *engine, enum latency latency,
                      struct histogram_summary *ret_summary);
/* Adds to the counts (histogram.h). */
void snapshot_latency_classes(const struct engine *engine, enum latency latency,
                              uint64_t counts[HISTOGRAM_CLASSES]);
/* What there was of one kind in the first `count` stretches of memory (heat.h). */
void snapshot_heat(const struct engine *engine, unsigned kind, uint64_t *ret_counts,
                   uint32_t count);

struct phase_row {
    const char *key, *title;
};
extern const struct phase_row phase_table[FAULT_PHASES];

/* So many faults of the kind were timed by phase, and this they took in the phase, in ns. */
struct phase_sums {
    uint64_t faults, ns;
};
void snapshot_phase(const struct engine *engine, enum latency fault, enum fault_phase phase,
                    struct phase_sums *ret_sums);

struct lock_sums {
    uint64_t acquired, contended, wait_ns, hold_ns;
};
void snapshot_locks(const struct engine *engine, enum lock_rank rank, struct lock_sums *ret_sums);
/* Of the locks of rank LIST one; returns the list's name. */
const char *snapshot_list_lock(const struct engine *engine, enum list_id list,
                               struct lock_sums *ret_sums);

#endif
