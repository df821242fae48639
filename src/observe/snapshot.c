/*
 * snapshot.c - sums over threads, counts of lists.
 */
#include "observe/snapshot.h"

#include "engine/heat.h"

#include <string.h>

const struct counter_row counter_table[COUNTER_COUNT] = {
#define X(id, group, key, title) {group, key, title},
    COUNTERS(X)
#undef X
};

const char *const latency_table[LATENCY_COUNT] = {
#define X(id, name) name,
    LATENCIES(X)
#undef X
};

const struct phase_row phase_table[FAULT_PHASES] = {
#define X(id, key, title) {key, title},
    PHASES(X)
#undef X
};

const struct rank_row rank_table[RANK_COUNT] = {
#define X(id, name, guards) {name, guards},
    LOCK_RANKS(X)
#undef X
};

static uint64_t load_relaxed(const _Atomic uint64_t *value)
{
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)value, memory_order_relaxed);
}

uint64_t snapshot_move(const struct engine *engine, enum move_why why)
{
    uint64_t sum = 0;
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        sum += load_relaxed(&engine->threads[t].moves[why]);
    }
    return sum;
}

void snapshot_states(const struct engine *engine, uint64_t ret_by_state[PFN_STATE_LIMIT])
{
    memset(ret_by_state, 0, PFN_STATE_LIMIT * sizeof(ret_by_state[0]));
    for (frame_number frame = 0; frame < engine->config.frames; frame++) {
        ret_by_state[pfn_state(pfn_load(&engine->pfns[frame]))]++;
    }
}

void snapshot_latency(const struct engine *engine, enum latency latency,
                      struct histogram_summary *ret_summary)
{
    struct histogram sum = {0};
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        histogram_add(&sum, &engine->threads[t].latencies[latency]);
    }
    histogram_summarize(&sum, ret_summary);
}

void snapshot_latency_classes(const struct engine *engine, enum latency latency,
                              uint64_t counts[HISTOGRAM_CLASSES])
{
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        histogram_add_classes(&engine->threads[t].latencies[latency], counts);
    }
}

void snapshot_heat(const struct engine *engine, unsigned kind, uint64_t *ret_counts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ret_counts[i] = 0;
        for (uint32_t t = 0; t < engine->config.threads; t++) {
            ret_counts[i] += load_relaxed(&heat_of(engine, t, kind)[i]);
        }
    }
}

void snapshot_phase(const struct engine *engine, enum latency fault, enum fault_phase phase,
                    struct phase_sums *ret_sums)
{
    *ret_sums = (struct phase_sums){0};
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        ret_sums->faults += load_relaxed(&engine->threads[t].phase_faults[fault]);
        ret_sums->ns += load_relaxed(&engine->threads[t].phase_ns[fault][phase]);
    }
}

static void add_class(const struct engine *engine, uint32_t class, struct lock_sums *sums)
{
    for (uint32_t t = 0; t < engine->config.threads; t++) {
        const struct lock_counts *counts = &engine->threads[t].locks[class];
        sums->acquired += load_relaxed(&counts->acquired);
        sums->contended += load_relaxed(&counts->contended);
        sums->wait_ns += load_relaxed(&counts->wait_ns);
        sums->hold_ns += load_relaxed(&counts->hold_ns);
    }
}

void snapshot_locks(const struct engine *engine, enum lock_rank rank, struct lock_sums *ret_sums)
{
    *ret_sums = (struct lock_sums){0};
    for (uint32_t class = 0; class < LOCK_CLASSES; class ++) {
        if (lock_rank_of(class) == rank) {
            add_class(engine, class, ret_sums);
        }
    }
}

const char *snapshot_list_lock(const struct engine *engine, enum list_id list,
                               struct lock_sums *ret_sums)
{
    static const char *const names[LIST_COUNT] = {
        [LIST_ZEROED] = "zeroed",         [LIST_FREE] = "free",
        [LIST_MODIFIED] = "modified",     [LIST_BAD] = "bad",
        [LIST_STANDBY] = "standby 0",     [LIST_STANDBY + 1] = "standby 1",
        [LIST_STANDBY + 2] = "standby 2", [LIST_STANDBY + 3] = "standby 3",
        [LIST_STANDBY + 4] = "standby 4", [LIST_STANDBY + 5] = "standby 5",
        [LIST_STANDBY + 6] = "standby 6", [LIST_STANDBY + 7] = "standby 7",
    };
    *ret_sums = (struct lock_sums){0};
    add_class(engine, (uint32_t)RANK_COUNT + list, ret_sums);
    return names[list];
}
