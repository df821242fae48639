/*
 * pin.c - frames that are kept from paging: pages pinned, frames taken out of service.
 *
 * A pin is a count in the frame's word that the trimmer honours. Only pages of the working set are
 * pinned, under region and frame lock, so a pinned page is valid and stays so; one pinned for
 * writing is modified and mapped writable. Some frames always stay unpinned, or nobody else could
 * fault.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"
#include "engine/lists.h"

static uint32_t pin_limit(const struct engine *engine)
{
    uint32_t frames = frames_in_service(engine);
    uint32_t kept = MAX_OF(frames / 8, 1) + MUTANT(PIN_REFUSED_TOO_EARLY);
    return MUTANT(PIN_TAKES_ALL) ? frames : frames - MIN_OF(frames, kept);
}

/* One more pinned frame, if there may be one. */
static bool charge_pin(struct engine *engine)
{
    if (atomic_fetch_add_explicit(&engine->pinned, 1, memory_order_seq_cst) < pin_limit(engine)) {
        return true;
    }
    atomic_fetch_sub_explicit(&engine->pinned, 1, memory_order_relaxed);
    return false;
}

/* Region lock held, the PTE is valid and lets through what is wanted. */
static enum pin_result pin_frame(struct engine *engine, struct thread *self, frame_number frame)
{
    enum pin_result result = PIN_DONE;
    frame_lock(engine, self, frame);
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    MUST_FRAME(engine, frame, pfn_state(word) == PFN_ACTIVE);
    if (pfn_pins(word) == PFN_PINS_MAX || (pfn_pins(word) == 0 && !charge_pin(engine))) {
        result = PIN_LIMIT;
    } else {
        frame_update(engine, frame, word + PFN_PIN_ONE);
    }
    frame_unlock(engine, self, frame);
    return result;
}

/*
 * A late trimmer would unmap the page under the pin: a system call would not find it. No other can
 * begin once the page is pinned, so this ends.
 */
static void wait_for_trimmers(struct engine *engine, frame_number frame)
{
    const struct pfn *pfn = frame_pfn(engine, frame);
    for (unsigned round = 0;; round++) {
        pfn_word word = pfn_load(pfn);
        if (pfn_references(word) <= (word & PFN_WRITING ? 1u : 0u) ||
            MUTANT(PIN_BEFORE_LATE_UNMAP)) {
            return;
        }
        world_pause(round, engine->config.backoff);
    }
}

/* The pinned page may have lost its mapping to an unmap of pages around it: map it once more. */
static void pin_mapping(struct engine *engine, struct thread *self, page_number page)
{
    for (unsigned round = 0; atomic_load_explicit(&engine->near_unmaps, memory_order_seq_cst) != 0;
         round++) {
        world_pause(round, engine->config.backoff);
    }
    region_lock(engine, self, page);
    pte_word word = pte_load(&engine->ptes[page]);
    struct machine_map map = {page, pte_frame(word), (word & PTE_BIT_WRITABLE) != 0, NULL};
    MUST(pte_form(word) == PTE_VALID);
    engine->machine.ops->map(engine->machine.self, self->number, 1, &map);
    region_unlock(engine, self, page);
}

enum pin_result engine_pin(struct engine *engine, uint32_t thread, page_number page, bool write,
                           frame_number *ret_frame)
{
    struct thread *self = &engine->threads[thread];
    for (;;) {
        region_lock(engine, self, page);
        pte_word word = pte_load(&engine->ptes[page]);
        if (pte_form(word) == PTE_VALID &&
            (!write || (word & PTE_BIT_WRITABLE) || MUTANT(PIN_WRITES_CLEAN))) {
            enum pin_result result = pin_frame(engine, self, pte_frame(word));
            region_unlock(engine, self, page);
            if (result == PIN_DONE && engine->machine.content_by_page &&
                !MUTANT(PIN_LEAVES_IT_UNMAPPED)) {
                wait_for_trimmers(engine, pte_frame(word));
                pin_mapping(engine, self, page);
            }
            if (result == PIN_DONE) {
                *ret_frame = pte_frame(word);
            }
            return result;
        }
        region_unlock(engine, self, page);
        enum fault_result fault = engine_fault(engine, thread, page, write);
        if (fault != FAULT_RESOLVED) {
            return fault == FAULT_ACCESS_VIOLATION ? PIN_ACCESS_VIOLATION : PIN_IN_PAGE_ERROR;
        }
    }
}

void engine_unpin(struct engine *engine, uint32_t thread, page_number page)
{
    struct thread *self = &engine->threads[thread];
    region_lock(engine, self, page);
    pte_word seen = pte_load(&engine->ptes[page]);
    MUST(pte_form(seen) == PTE_VALID); /* unpinned more often than pinned */
    frame_number frame = pte_frame(seen);
    frame_lock(engine, self, frame);
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    MUST_FRAME(engine, frame, pfn_pins(word) > 0);
    frame_update(engine, frame, word - PFN_PIN_ONE);
    if (pfn_pins(word) == 1 && !MUTANT(PIN_IS_COUNTED_FOR_EVER)) {
        atomic_fetch_sub_explicit(&engine->pinned, 1, memory_order_relaxed);
    }
    frame_unlock(engine, self, frame);
    region_unlock(engine, self, page);
}

/* The commit limit falls by one frame; false if the charge does not allow it. */
static bool shrink_limit(struct engine *engine, struct thread *self)
{
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    uint64_t limit = atomic_load_explicit(&engine->commit_limit, memory_order_relaxed);
    /* Both count first and look then: a pin and a retirement cannot both take the last frames. */
    uint32_t retired = atomic_fetch_add_explicit(&engine->retired, 1, memory_order_seq_cst) + 1;
    bool allowed = engine->charge < engine_commit_limit(engine) &&
                   retired < engine->config.frames &&
                   atomic_load_explicit(&engine->pinned, memory_order_seq_cst) <= pin_limit(engine);
    if (allowed) {
        atomic_store_explicit(&engine->commit_limit, limit - !MUTANT(RETIRE_KEEPS_LIMIT),
                              memory_order_relaxed);
    } else {
        atomic_fetch_sub_explicit(&engine->retired, 1, memory_order_seq_cst);
    }
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    return allowed;
}

bool engine_retire(struct engine *engine, uint32_t thread)
{
    struct thread *self = &engine->threads[thread];
    if (!shrink_limit(engine, self)) {
        return false;
    }
    frame_number frame = frames_take(engine, self, false);
    while (frame == FRAME_NONE) {
        balance_help(engine, self);
        frames_wait(engine, self);
        frame = frames_take(engine, self, false);
    }
    frames_wait_end(engine, self);
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    frame_move(engine, self, frame, pfn_with_state(word, PFN_BAD),
               pfn_state(word) == PFN_FREE ? WHY_RETIRE : WHY_RETIRE_ZEROED);
    list_insert(engine, self, LIST_BAD, frame);
    PROBE(retire, thread, frame);
    return true;
}
