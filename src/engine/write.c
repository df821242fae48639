/*
 * write.c - the modified writer: modified pages to their slots, many at once.
 *
 * Pages are taken from the modified list, oldest first, and sorted by address; then each gets its
 * slot (slots.c), and neighbours in neighbouring slots go with one I/O. A page being written is on
 * no list, referenced by the writer, and counts as clean; a rescue takes it without waiting.
 * When the write is complete the writer locks the frame again and sees what happened: written
 * again (the slot is worthless), decommitted, failed - or still clean, and then the slot is its
 * copy. While the write is under way the slot belongs to the writer (R13). Any number of writers
 * may run; the reference keeps a frame from being written twice at once (R3, R4).
 */
#include "base/mutant.h"
#include "engine/engine.h"

#define WRITE_NO_SLOT (-1) /* not an errno of a store: the page was not written at all */

bool write_needed(struct engine *engine)
{
    uint32_t modified = list_count(engine, LIST_MODIFIED);
    if (modified == 0 || engine->config.slots == 0) {
        return false;
    }
    if (atomic_load_explicit(&engine->waiters, memory_order_seq_cst) > 0) {
        return true;
    }
    uint32_t frames = frames_in_service(engine);
    uint32_t target = (uint32_t)((uint64_t)frames * engine->config.standby_percent / 100);
    uint32_t available = frames_available(engine);
    return available < target / 2 || modified > frames / 4 ||
           (available < target && modified >= engine->config.write_batch);
}

/* ---- slots ---- */

/*
 * No slot is free: clean pages of the working set give theirs up and become modified. This keeps
 * the promise of the commit limit, which counts a page in a frame or in a slot, not in both.
 */
static uint32_t reclaim_slots(struct engine *engine, struct thread *self, uint32_t wanted)
{
    uint32_t found = 0;
    for (uint32_t i = 0;
         i < engine->config.frames && found < wanted && !MUTANT(WRITE_RECLAIMS_NO_SLOT); i++) {
        frame_number frame =
            atomic_fetch_add_explicit(&engine->reclaim_hand, 1, memory_order_relaxed) %
            engine->config.frames;
        struct pfn *pfn = frame_pfn(engine, frame);
        if (pfn_state(pfn_load(pfn)) != PFN_ACTIVE || PFN_FIELD(pfn, slot) == SLOT_NONE) {
            continue;
        }
        frame_lock(engine, self, frame);
        pfn_word word = pfn_load(pfn);
        if (pfn_state(word) == PFN_ACTIVE && PFN_FIELD(pfn, slot) != SLOT_NONE) {
            frame_update(engine, frame, fault_dirty(engine, self, frame, word));
            found++;
        }
        frame_unlock(engine, self, frame);
    }
    return found;
}

/* How many of `wanted` pages can be written: as many as there are slots. */
static uint32_t count_room(struct engine *engine, struct thread *self, uint32_t wanted)
{
    uint64_t room = slots_free(engine);
    if (room == 0 && wanted > 0 && reclaim_slots(engine, self, wanted) > 0) {
        room = slots_free(engine);
    }
    return (uint32_t)MIN_OF(wanted, room);
}

/* ---- begin ---- */

/* Frame lock held, just taken off the modified list. */
static void start_page(struct engine *engine, struct thread *self, frame_number frame)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    MUST_FRAME(engine, frame, word & PFN_MODIFIED_BIT);
    MUST_FRAME(engine, frame, PFN_FIELD(pfn, slot) == SLOT_NONE);
    MUST_FRAME(engine, frame, pfn_references(word) == 0);
    MUST_FRAME(engine, frame, pfn_pins(word) == 0);
    /* Clean before the I/O begins, so that a store during it is seen at its end. */
    word = (word & ~(MUTANT(WRITE_CLEANS_AT_THE_END) ? 0 : PFN_MODIFIED_BIT)) | PFN_WRITING;
    frame_move(engine, self, frame, pfn_with_state(word, PFN_TRANSITION) + PFN_REFERENCE_ONE,
               WHY_WRITE_START);
}

static void swap_pages(struct write_batch *batch, uint32_t a, uint32_t b)
{
    page_number page = batch->pages[a];
    frame_number frame = batch->frames[a];
    uint32_t generation = batch->generations[a];
    batch->pages[a] = batch->pages[b];
    batch->frames[a] = batch->frames[b];
    batch->generations[a] = batch->generations[b];
    batch->pages[b] = page;
    batch->frames[b] = frame;
    batch->generations[b] = generation;
}

/* By address, so that neighbours get neighbouring slots and go together (Shell's sort). */
static void sort_pages(struct write_batch *batch)
{
    for (uint32_t gap = batch->count / 2; gap > 0 && !MUTANT(WRITE_SORTS_NOTHING); gap /= 2) {
        for (uint32_t i = gap; i < batch->count; i++) {
            for (uint32_t j = i; j >= gap && batch->pages[j - gap] > batch->pages[j]; j -= gap) {
                swap_pages(batch, j - gap, j);
            }
        }
    }
}

static void begin_batch(struct engine *engine, struct thread *self, struct write_batch *batch)
{
    uint32_t wanted = count_room(
        engine, self, MIN_OF(engine->config.write_batch, list_count(engine, LIST_MODIFIED)));
    uint32_t taken = 1;
    while (batch->count < wanted && taken > 0) {
        taken = list_take(engine, self, LIST_MODIFIED, MIN_OF(32, wanted - batch->count),
                          batch->frames + batch->count);
        atomic_fetch_add_explicit(&engine->in_flight, taken, memory_order_seq_cst);
        for (uint32_t i = batch->count; i < batch->count + taken; i++) {
            start_page(engine, self, batch->frames[i]);
            batch->pages[i] = PFN_FIELD(frame_pfn(engine, batch->frames[i]), page);
            batch->generations[i] = pfn_generation(pfn_load(frame_pfn(engine, batch->frames[i])));
            frame_unlock(engine, self, batch->frames[i]);
        }
        batch->count += taken;
    }
    sort_pages(batch);
    slots_take(engine, self, batch->count, batch->pages, batch->slots);
}

/* ---- write ---- */

static void build_requests(struct write_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct store_request *last =
            batch->requests > 0 ? &batch->request[batch->requests - 1] : NULL;
        if (batch->slots[i] == SLOT_NONE) { /* another writer was faster */
            batch->results[i] = WRITE_NO_SLOT;
        } else if (last != NULL && batch->slots[i - 1] != SLOT_NONE &&
                   last->count < WRITE_RUN_MAX &&
                   (last->slot + last->count == batch->slots[i] ||
                    (MUTANT(WRITE_JOINS_OVER_A_GAP) && batch->slots[i] > last->slot))) {
            last->count++;
        } else {
            batch->request[batch->requests++] = (struct store_request){
                .operation = STORE_WRITE,
                .slot = batch->slots[i],
                .count = 1,
                .pages = &batch->buffers[i],
            };
        }
    }
}

static void write_batch_out(struct engine *engine, struct thread *self, struct write_batch *batch)
{
    struct store_request **requests = batch->submitted;
    uint32_t done = 0;
    lock_check_none_held(self);
    engine->machine.ops->content(engine->machine.self, self->number, batch->count, batch->pages,
                                 batch->frames, batch->buffers);
    build_requests(batch);
    for (uint32_t i = 0; i < batch->requests; i++) {
        requests[i] = &batch->request[i];
    }
    if (batch->requests > 0) {
        engine->store.ops->submit(engine->store.self, self->number, requests, batch->requests);
    }
    while (done < batch->requests) {
        struct store_request *reaped[32];
        uint32_t count =
            engine->store.ops->reap(engine->store.self, self->number, reaped, 32, true);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t first = (uint32_t)(reaped[i]->pages - (void *const *)batch->buffers);
            uint32_t pages = MUTANT(WRITE_RESULT_OF_FIRST_ONLY) ? 1 : reaped[i]->count;
            for (uint32_t p = 0; p < pages; p++) {
                batch->results[first + p] = reaped[i]->result;
            }
        }
        done += count;
    }
    count_add(self, COUNT_IO_WRITES, batch->requests);
}

/* ---- complete ---- */

/* Frame lock held: decide about the slot by what happened during the write. */
static enum list_id finish_page(struct engine *engine, struct thread *self, frame_number frame,
                                slot_number slot, int error)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    MUST_FRAME(engine, frame, word & PFN_WRITING);
    MUST_FRAME(engine, frame, PFN_FIELD(pfn, slot) == SLOT_NONE);
    word &= ~(PFN_WRITING | (MUTANT(WRITE_CLEANS_AT_THE_END) ? PFN_MODIFIED_BIT : 0));
    if (error != 0 && (!MUTANT(WRITE_FAILED_IS_DONE) || slot == SLOT_NONE)) {
        count_add(self, COUNT_IO_ERRORS, slot != SLOT_NONE);
        word |= word & PFN_DELETED ? 0 : PFN_MODIFIED_BIT;
    } else {
        count_one(self, COUNT_IO_PAGES_WRITTEN);
        count_one(self, COUNT_WRITTEN);
    }
    if (word & (PFN_MODIFIED_BIT | PFN_DELETED)) {
        if (slot != SLOT_NONE && !MUTANT(WRITE_KEEPS_WORTHLESS_SLOT)) {
            slots_give_back(engine, self, slot);
        }
    } else {
        PFN_SET_FIELD(pfn, slot, slot);
    }
    frame_update(engine, frame, word);
    return frame_let_go(engine, self, frame, WHY_WRITE_DONE,
                        error != 0 ? WHY_WRITE_FAIL : WHY_WRITE_AGAIN);
}

bool write_round(struct engine *engine, struct thread *self)
{
    struct write_batch *batch = &self->scratch->write;
    struct let_go_batch going = {0};
    uint32_t failed = 0;
    batch->count = batch->requests = 0;
    begin_batch(engine, self, batch);
    if (batch->count == 0) {
        return false;
    }
    write_batch_out(engine, self, batch);
    for (uint32_t i = 0; i < batch->count; i++) {
        if (i + PREFETCH_AHEAD < batch->count) {
            pfn_prefetch(frame_pfn(engine, batch->frames[i + PREFETCH_AHEAD]));
        }
        let_go_lock(engine, self, &going, batch->frames[i]);
        generation_check(engine, batch->frames[i], batch->generations[i]);
        let_go_add(engine, self, &going, batch->frames[i],
                   finish_page(engine, self, batch->frames[i], batch->slots[i], batch->results[i]));
        failed += batch->results[i] != 0;
    }
    let_go_flush(engine, self, &going);
    atomic_fetch_sub_explicit(&engine->in_flight, batch->count, memory_order_seq_cst);
    frames_grant(engine, self);
    defrag_call(engine);
    return failed < batch->count; /* a store that only fails is not asked again at once */
}
