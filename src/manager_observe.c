/*
 * manager_observe.c - counters, pages, latencies, locks, fragmentation, tables, audit: the
 * looking half of memman.h.
 */
#include "engine/lists.h"
#include "manager.h"

#include "engine/heat.h"
#include "observe/fragmentation.h"
#include "observe/snapshot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STORE_COUNTERS_MAX 64u /* of all layers */

_Static_assert(MM_FREE_RUN_SIZES == FREE_RUN_SIZES, "sizes of free runs");
_Static_assert(MM_LATENCY_CLASSES == HISTOGRAM_CLASSES, "classes of latencies");

const char *mm_error_text(int error)
{
    switch (error) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        MM_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

const struct mm_options *mm_options_of(const mm *manager)
{
    return &manager->options;
}

size_t mm_counters(const mm *manager, struct mm_counter *ret_counters, size_t count)
{
    for (size_t i = 0; i < count && i < COUNTER_COUNT; i++) {
        ret_counters[i] = (struct mm_counter){counter_table[i].group, counter_table[i].key,
                                              counter_table[i].title,
                                              engine_counter(manager->engine, (enum counter)i)};
    }
    size_t more = count > COUNTER_COUNT ? count - COUNTER_COUNT : 0;
    struct store_counter own[STORE_COUNTERS_MAX];
    uint32_t stores = store_counters(&manager->engine->store, own, STORE_COUNTERS_MAX);
    for (size_t i = 0; i < more && i < MIN_OF(stores, STORE_COUNTERS_MAX); i++) {
        ret_counters[COUNTER_COUNT + i] =
            (struct mm_counter){"store", own[i].name, own[i].title, own[i].value};
    }
    return COUNTER_COUNT + MIN_OF(stores, STORE_COUNTERS_MAX);
}

void mm_pages(const mm *manager, struct mm_pages *ret_pages)
{
    uint64_t by_state[PFN_STATE_LIMIT];
    snapshot_states(manager->engine, by_state);
    *ret_pages = (struct mm_pages){
        .frames = manager->engine->config.frames,
        .zeroed = by_state[PFN_ZEROED],
        .free = by_state[PFN_FREE],
        .standby = by_state[PFN_STANDBY],
        .modified = by_state[PFN_MODIFIED],
        .active = by_state[PFN_ACTIVE],
        .transition = by_state[PFN_TRANSITION],
        .bad = by_state[PFN_BAD],
    };
    for (unsigned p = 0; p < STANDBY_PRIORITIES; p++) {
        ret_pages->standby_by_priority[p] =
            list_count(manager->engine, (enum list_id)(LIST_STANDBY + p));
    }
}

size_t mm_latencies(const mm *manager, struct mm_latency *ret_latencies, size_t count)
{
    for (size_t i = 0; i < count && i < LATENCY_COUNT; i++) {
        struct histogram_summary sum;
        snapshot_latency(manager->engine, (enum latency)i, &sum);
        ret_latencies[i] = (struct mm_latency){latency_table[i], sum.count, sum.mean, sum.p50,
                                               sum.p90,          sum.p99,   sum.p999, sum.max};
    }
    return LATENCY_COUNT;
}

void mm_latency_classes(const mm *manager, size_t index, uint64_t ret_counts[MM_LATENCY_CLASSES])
{
    memset(ret_counts, 0, MM_LATENCY_CLASSES * sizeof(ret_counts[0]));
    if (index < LATENCY_COUNT) {
        snapshot_latency_classes(manager->engine, (enum latency)index, ret_counts);
    }
}

bool mm_heat(const mm *manager, size_t index, struct mm_heat *ret_heat, uint64_t *ret_counts,
             size_t count)
{
    const struct engine *engine = manager->engine;
    if (index >= HEAT_KINDS || engine->config.heat == 0) {
        return false;
    }
    uint64_t stretches = ((engine->config.pages - 1) >> engine->heat_shift) + 1;
    *ret_heat = (struct mm_heat){index == HEAT_AHEAD ? "prefetched" : latency_table[index],
                                 (uint64_t)MM_PAGE_SIZE << engine->heat_shift, stretches};
    snapshot_heat(engine, (unsigned)index, ret_counts, (uint32_t)MIN_OF(count, stretches));
    return true;
}

size_t mm_phases(const mm *manager, struct mm_phase *ret_phases, size_t count)
{
    const size_t all = (size_t)FAULT_KINDS * FAULT_PHASES;
    for (size_t i = 0; i < count && i < all; i++) {
        enum latency fault = (enum latency)(i / FAULT_PHASES);
        enum fault_phase phase = (enum fault_phase)(i % FAULT_PHASES);
        struct phase_sums sums;
        snapshot_phase(manager->engine, fault, phase, &sums);
        ret_phases[i] = (struct mm_phase){latency_table[fault], phase_table[phase].key,
                                          phase_table[phase].title, sums.faults, sums.ns};
    }
    return all;
}

size_t mm_locks(const mm *manager, struct mm_lock_statistics *ret_locks, size_t count)
{
    for (size_t i = 0; i < count && i < RANK_COUNT; i++) {
        struct lock_sums sums;
        snapshot_locks(manager->engine, (enum lock_rank)i, &sums);
        ret_locks[i] = (struct mm_lock_statistics){rank_table[i].name, sums.acquired,
                                                   sums.contended, sums.wait_ns, sums.hold_ns};
    }
    return RANK_COUNT;
}

size_t mm_list_locks(const mm *manager, struct mm_lock_statistics *ret_locks, size_t count)
{
    for (size_t i = 0; i < count && i < LIST_COUNT; i++) {
        struct lock_sums sums;
        const char *name = snapshot_list_lock(manager->engine, (enum list_id)i, &sums);
        ret_locks[i] = (struct mm_lock_statistics){name, sums.acquired, sums.contended,
                                                   sums.wait_ns, sums.hold_ns};
    }
    return LIST_COUNT;
}

/* ---- fragmentation ---- */

static double ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? (double)NAN : (double)part / (double)whole;
}

static void fill_free_runs(const struct engine *engine, struct mm_fragmentation *ret)
{
    struct free_runs runs;
    slot_number slots = engine_slots(engine);
    free_runs_measure(engine->slot_bits, slots, engine->config.write_batch, &runs);
    for (unsigned i = 0; i < FREE_RUN_SIZES; i++) {
        ret->free_runs += runs.runs[i];
        ret->free_runs_by_size[i] = runs.runs[i];
        ret->free_slots_by_size[i] = runs.run_slots[i];
    }
    uint64_t retired = PFN_FIELD(engine, slots_retired);
    ret->slots = slots;
    ret->slots_used = slots - MIN_OF(slots, runs.slots + retired);
    ret->free_run_max = runs.longest;
    ret->free_for_batch = runs.whole;
    ret->unusable = ratio(runs.slots - runs.whole, runs.slots);
}

static void fill_order(const struct engine *engine, struct mm_fragmentation *ret)
{
    struct page_order order;
    page_order_measure(engine, &order);
    ret->pages = order.pages;
    ret->pages_reserved = order.pages_reserved;
    ret->pairs = order.pairs;
    ret->pairs_in_order = order.pairs_in_order;
    ret->contiguity = ratio(order.pairs_in_order, order.pairs);
}

void mm_fragmentation(const mm *manager, struct mm_fragmentation *ret_fragmentation)
{
    const struct engine *engine = manager->engine;
    struct histogram_summary batches;
    batch_writes_measure(engine, &batches);
    struct mm_fragmentation result = {
        .reads = engine_counter(engine, COUNT_IO_READS),
        .pages_read = engine_counter(engine, COUNT_IO_PAGES_READ),
        .writes = engine_counter(engine, COUNT_IO_WRITES),
        .pages_written = engine_counter(engine, COUNT_IO_PAGES_WRITTEN),
        .batches = batches.count,
        .batch_writes_p50 = batches.p50,
        .batch_writes_p99 = batches.p99,
        .batch_writes_max = batches.max,
        .pages_moved = engine_counter(engine, COUNT_DEFRAGMENTED),
    };
    result.pages_per_read = ratio(result.pages_read, result.reads);
    result.pages_per_write = ratio(result.pages_written, result.writes);
    result.write_amplification =
        ratio(result.pages_written + result.pages_moved, result.pages_written);
    fill_free_runs(engine, &result);
    fill_order(engine, &result);
    *ret_fragmentation = result;
}

size_t mm_slots(const mm *manager, uint64_t first, size_t count, uint64_t *ret_addresses)
{
    const struct engine *engine = manager->engine;
    uint64_t slots = engine_slots(engine), looked = 0;
    for (uint64_t slot = first; first > 0 && slot <= slots && looked < count; slot++) {
        page_number page = slot_owner_page(slots_owner(engine, (slot_number)slot));
        ret_addresses[looked++] =
            slots_in_use(engine, (slot_number)slot) && !slots_is_retired(engine, (slot_number)slot)
                ? manager->base + (uint64_t)page * MM_PAGE_SIZE
                : MM_SLOT_FREE;
    }
    return looked;
}

/* ---- audit ---- */

struct listener {
    mm_complaint *complaint;
    void *context;
};

static void tell(void *context, const struct audit_complaint *found)
{
    const struct listener *listener = context;
    char text[256];
    int length = snprintf(text, sizeof(text), "%s: expected %llu, found %llu", found->what,
                          (unsigned long long)found->expected, (unsigned long long)found->found);
    if (found->frame != FRAME_NONE) {
        length +=
            snprintf(text + length, sizeof(text) - (size_t)length, ", frame %u", found->frame);
    }
    if (found->page != PAGE_NONE) {
        length += snprintf(text + length, sizeof(text) - (size_t)length, ", page %u", found->page);
    }
    if (found->slot != SLOT_NONE) {
        snprintf(text + length, sizeof(text) - (size_t)length, ", slot %u", found->slot);
    }
    if (listener->complaint != NULL) {
        listener->complaint(listener->context, text);
    }
}

/* The Linux machine's file holds a page exactly where a frame does: the budget, in bytes. */
static void audit_file(mm *manager, const struct listener *listener, struct audit_result *result)
{
    for (page_number page = 0; page < manager->engine->config.pages; page++) {
        enum pte_form form = pte_form(pte_load(&manager->engine->ptes[page]));
        bool expected = form == PTE_VALID || form == PTE_TRANSITION;
        bool found = linux_has_content(manager->linux_machine, page);
        result->checks++;
        if (expected != found) {
            result->violations++;
            tell((void *)(uintptr_t)listener,
                 &(struct audit_complaint){"the file holds a page where a frame does", FRAME_NONE,
                                           page, SLOT_NONE, expected, found});
        }
    }
}

void mm_audit(mm *manager, mm_complaint *complaint, void *context, struct mm_audit *ret_audit)
{
    struct audit_result result;
    struct listener listener = {complaint, context};
    struct manager_guard guard;
    manager_guard_begin(manager, &guard);
    engine_audit(manager->engine, tell, &listener, &result);
    if (manager->linux_machine != NULL) {
        audit_file(manager, &listener, &result);
    }
    manager_guard_end(&guard);
    *ret_audit = (struct mm_audit){result.checks, result.violations};
}

/* The content of a page whose frame still holds it. */
static int peek_frame(mm *manager, page_number page, frame_number frame, void *ret_page)
{
    if (manager->soft != NULL) {
        memcpy(ret_page, soft_frame(manager->soft, frame), MM_PAGE_SIZE);
        return MM_OK;
    }
    return linux_peek(manager->linux_machine, page, ret_page) == 0 ? MM_OK : MM_ERROR_IN_PAGE;
}

int mm_peek(mm *manager, uint64_t address, void *ret_page, enum mm_page_form *ret_form)
{
    uint64_t offset = address - manager->base;
    if (address < manager->base || offset >= manager->options.memory_bytes) {
        return MM_ERROR_ADDRESS;
    }
    page_number page = (page_number)(offset / MM_PAGE_SIZE);
    pte_word word = pte_load(&manager->engine->ptes[page]);
    switch (pte_form(word)) {
    case PTE_VALID:
    case PTE_TRANSITION:
        *ret_form = pte_form(word) == PTE_VALID ? MM_FORM_VALID : MM_FORM_TRANSITION;
        return peek_frame(manager, page, pte_frame(word), ret_page);
    case PTE_PAGE_FILE:
        *ret_form = MM_FORM_PAGE_FILE;
        /* Frozen: no queue is in use. */
        return store_read_page(&manager->engine->store, 0, pte_slot(word), ret_page) == 0
                   ? MM_OK
                   : MM_ERROR_IN_PAGE;
    case PTE_DECOMMITTED:
        *ret_form = MM_FORM_NOT_COMMITTED;
        return MM_OK;
    default:
        *ret_form = word == 0 && space_inherited(manager->engine, page) == PROTECTION_DECOMMIT
                        ? MM_FORM_NOT_COMMITTED
                        : MM_FORM_DEMAND_ZERO;
        memset(ret_page, 0, MM_PAGE_SIZE);
        return MM_OK;
    }
}

/* ---- the tables ---- */

bool mm_state_info(size_t index, struct mm_state_info *ret_info)
{
    if (index >= STATE_COUNT) {
        return false;
    }
    const struct state_row *row = &state_table[index];
    *ret_info = (struct mm_state_info){row->name, row->meaning, row->list};
    return true;
}

bool mm_move_info(size_t index, struct mm_move_info *ret_info)
{
    if (index >= WHY_COUNT) {
        return false;
    }
    const struct move_row *row = &move_table[index];
    *ret_info = (struct mm_move_info){state_name(row->from), state_name(row->to), row->why,
                                      row->meaning, row->locks};
    return true;
}

bool mm_rank_info(size_t index, struct mm_rank_info *ret_info)
{
    if (index >= RANK_COUNT) {
        return false;
    }
    *ret_info =
        (struct mm_rank_info){rank_table[index].name, rank_table[index].guards, (unsigned)index};
    return true;
}
