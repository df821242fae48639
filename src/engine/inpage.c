/*
 * inpage.c - reading a page back: the in-page block, the read without locks, and who collides.
 *
 * First the transition PTE, read-in-progress and the block are published, so that a second
 * faulter finds the frame and waits there instead of reading too. Then every lock is dropped. At
 * the end the whole PTE is compared with what was published; a difference dismisses the read.
 * Content becomes visible only when it is complete; a failure wakes every waiter with the error.
 */
#include "base/mutant.h"
#include "engine/engine.h"

/* ---- blocks ---- */

/*
 * Each thread keeps one block in reserve and refers to at most one more, so twice as many blocks
 * as threads never run out.
 */
static uint32_t inpage_take(struct engine *engine, struct thread *self)
{
    uint32_t block = self->block;
    if (block == BLOCK_NONE) {
        lock_acquire(self, &engine->wait_lock, RANK_WAIT);
        block = engine->block_free;
        MUST(block != BLOCK_NONE);
        engine->block_free = engine->blocks[block].next;
        lock_release(self, &engine->wait_lock, RANK_WAIT);
    }
    self->block = BLOCK_NONE;
    engine->blocks[block].error = 0;
    atomic_store_explicit(&engine->blocks[block].done, 0, memory_order_relaxed);
    atomic_store_explicit(&engine->blocks[block].references, 1, memory_order_release);
    return block;
}

static void inpage_drop(struct engine *engine, struct thread *self, uint32_t block)
{
    struct inpage *inpage = &engine->blocks[block];
    uint32_t before = atomic_fetch_sub_explicit(&inpage->references, 1, memory_order_acq_rel);
    MUST(before > 0);
    if (before > 1) {
        return;
    }
    if (self->block == BLOCK_NONE) {
        self->block = block;
        return;
    }
    lock_acquire(self, &engine->wait_lock, RANK_WAIT);
    inpage->next = engine->block_free;
    engine->block_free = block;
    lock_release(self, &engine->wait_lock, RANK_WAIT);
}

static void complete_block(struct engine *engine, struct thread *self, uint32_t block, int error)
{
    struct inpage *inpage = &engine->blocks[block];
    inpage->error = MUTANT(READ_HIDES_ERROR_FROM_WAITERS) ? 0 : error;
    atomic_store_explicit(&inpage->done, 1, memory_order_release);
    if (atomic_load_explicit(&inpage->references, memory_order_acquire) > 1) {
        world_wake(&inpage->done, MUTANT(READ_WAKES_ONE_ONLY) ? 1 : UINT32_MAX);
    }
    inpage_drop(engine, self, block);
}

enum fault_step inpage_collide(struct engine *engine, struct thread *self, page_number page,
                               frame_number frame)
{
    uint32_t block = PFN_FIELD(frame_pfn(engine, frame), block);
    MUST_FRAME(engine, frame, block != BLOCK_NONE);
    struct inpage *inpage = &engine->blocks[block];
    if (!MUTANT(READ_WAITER_UNCOUNTED)) {
        atomic_fetch_add_explicit(&inpage->references, 1, memory_order_acq_rel);
    }
    frame_unlock(engine, self, frame);
    region_unlock(engine, self, page);
    count_one(self, COUNT_FAULT_COLLIDED);
    lock_check_none_held(self);
    while (atomic_load_explicit(&inpage->done, memory_order_acquire) == 0) {
        world_wait(&inpage->done, 0, UINT64_MAX);
    }
    int error = inpage->error;
    inpage_drop(engine, self, block);
    return error != 0 ? STEP_IN_PAGE_ERROR : STEP_RETRY;
}

/* ---- the read ---- */

/* Publish the read; false if the PTE is no longer what was seen. */
static bool publish_read(struct engine *engine, struct thread *self, page_number page,
                         pte_word seen, frame_number frame, uint32_t block)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    region_lock(engine, self, page);
    if (pte_load(&engine->ptes[page]) != seen && !MUTANT(READ_PUBLISHED_WITHOUT_COMPARE)) {
        region_unlock(engine, self, page);
        return false;
    }
    pfn_word old = pfn_load(pfn);
    pfn_word word = pfn_new_owner(old, pte_protection(seen), PRIORITY_NORMAL) | PFN_READING;
    PFN_SET_FIELD(pfn, page, page);
    PFN_SET_FIELD(pfn, slot, pte_slot(seen));
    PFN_SET_FIELD(pfn, block, block);
    frame_move(engine, self, frame, pfn_with_state(word, PFN_TRANSITION),
               pfn_state(old) == PFN_FREE ? WHY_READ_START : WHY_READ_START_ZEROED);
    pte_store(&engine->ptes[page], pte_make_transition(frame, pte_protection(seen)));
    region_unlock(engine, self, page);
    return true;
}

static int read_slot(struct engine *engine, struct thread *self, slot_number slot, void *buffer)
{
    lock_check_none_held(self);
    int error = store_read_page(&engine->store, self->number, slot, buffer);
    count_one(self, COUNT_IO_READS);
    count_one(self, COUNT_IO_PAGES_READ);
    if (error != 0) {
        count_one(self, COUNT_IO_ERRORS);
    }
    return MUTANT(READ_FAILED_IS_DONE) ? 0 : error;
}

/*
 * The frame goes back to nobody; region and frame lock held. The slot goes back to the PTE if it
 * still names the frame, else (decommitted meanwhile) it is given back.
 */
static void abandon_read(struct engine *engine, struct thread *self, page_number page,
                         frame_number frame, enum move_why why)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    slot_number slot = PFN_FIELD(pfn, slot);
    if (word & PFN_DELETED) {
        if (!MUTANT(READ_LEAKS_SLOT_OF_DELETED)) {
            slots_give_back(engine, self, slot);
        }
    } else {
        MUST_FRAME(engine, frame, pte_frame(pte_load(&engine->ptes[page])) == frame);
        pte_store(&engine->ptes[page], frame_original_pte(pfn, word));
    }
    PFN_SET_FIELD(pfn, slot, SLOT_NONE);
    PFN_SET_FIELD(pfn, page, PAGE_NONE);
    frame_move(engine, self, frame, pfn_with_state(pfn_new_owner(word, 0, 0), PFN_FREE), why);
}

/* The content is complete and the page still wants it. Region and frame lock held. */
static void finish_read(struct engine *engine, struct thread *self, page_number page, bool write,
                        frame_number frame, const void *buffer)
{
    pfn_word word = pfn_load(frame_pfn(engine, frame)) & ~PFN_READING;
    enum protection protection = (enum protection)pfn_protection(word);
    if (write || !engine->track_dirty) {
        word = fault_dirty(engine, self, frame, word);
    }
    frame_move(engine, self, frame, pfn_with_state(word, PFN_ACTIVE), WHY_READ_DONE);
    frame_unlock(engine, self, frame);
    bool writable = (word & PFN_MODIFIED_BIT) != 0 && protection == PROTECTION_READ_WRITE;
    fault_map(engine, self, page, frame, protection, writable, POLICY_HARD, buffer);
    region_unlock(engine, self, page);
    frames_tell(engine, self, page, 1);
    count_one(self, COUNT_FAULT_HARD);
    self->latency = LATENCY_HARD;
}

enum fault_step inpage_read(struct engine *engine, struct thread *self, page_number page,
                            bool write, pte_word seen, frame_number *hand)
{
    frame_number frame = *hand;
    struct pfn *pfn = frame_pfn(engine, frame);
    uint32_t block = inpage_take(engine, self);
    if (!publish_read(engine, self, page, seen, frame, block)) {
        inpage_drop(engine, self, block);
        return STEP_RETRY;
    }
    *hand = FRAME_NONE;
    if (MUTANT(READ_FREES_SLOT_EARLY)) {
        slots_give_back(engine, self, pte_slot(seen));
        PFN_SET_FIELD(pfn, slot, SLOT_NONE);
        write = true;
    }
    void *buffer = engine->machine.ops->fill_buffer(engine->machine.self, self->number, 0, frame);
    int error = read_slot(engine, self, pte_slot(seen), buffer);
    region_lock(engine, self, page);
    frame_lock(engine, self, frame);
    PFN_SET_FIELD(pfn, block, BLOCK_NONE);
    bool same = pte_load(&engine->ptes[page]) == pte_make_transition(frame, pte_protection(seen));
    if ((same || MUTANT(READ_IGNORES_CHANGED_PAGE)) && error == 0) {
        finish_read(engine, self, page, write, frame, buffer);
        complete_block(engine, self, block, 0);
        return STEP_DONE;
    }
    bool deleted = (pfn_load(pfn) & PFN_DELETED) != 0;
    abandon_read(engine, self, page, frame, error != 0 ? WHY_READ_FAIL : WHY_READ_DISMISS);
    frame_unlock(engine, self, frame);
    region_unlock(engine, self, page);
    complete_block(engine, self, block, deleted ? 0 : error);
    frames_give_back(engine, self, frame);
    if (error != 0 && !deleted) {
        return STEP_IN_PAGE_ERROR;
    }
    count_one(self, COUNT_READ_DISMISSED);
    return STEP_RETRY;
}
