/*
 * inpage.c - reading pages back: the in-page block, the read without locks, and who collides.
 *
 * First the transition PTE, read-in-progress and the block are published, so that a second
 * faulter finds the frame and waits there instead of reading too. Then every lock is dropped. At
 * the end the whole PTE is compared with what was published; a difference dismisses the read.
 * Content becomes visible only when it is complete; a failure wakes every waiter with the error.
 *
 * Where faults follow each other through a region, one read brings a run: the page and those behind
 * it whose slots lie behind its slot (Windows' clustered page-in). Neighbours take frames that
 * nobody waits for, share the block, and are mapped with the page; one that is resident or lies
 * elsewhere is a gap. An error belongs to the page that was touched: if the run fails, the
 * neighbours go back to their slots and the page is read again alone.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"
#include "engine/phases.h"
#include "engine/refault.h"

/* ---- blocks ---- */

/*
 * Each thread keeps one block in reserve and refers to at most one more, so twice as many blocks
 * as threads never run out.
 */
uint32_t inpage_take(struct engine *engine, struct thread *self)
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

void inpage_complete(struct engine *engine, struct thread *self, uint32_t block, page_number page,
                     int error)
{
    struct inpage *inpage = &engine->blocks[block];
    inpage->page = page;
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
    count_add(self, COUNT_PREFETCH_LATE, is_ahead(pfn_load(frame_pfn(engine, frame))));
    frame_unlock(engine, self, frame);
    region_unlock(engine, self, page);
    count_one(self, COUNT_FAULT_COLLIDED);
    PROBE(collide, self->number, page, frame);
    lock_check_none_held(self);
    self->latency = LATENCY_COLLIDED; /* unless the fault turns out to be another yet */
    phase_enter(engine, self, PHASE_READ_WAIT);
    while (atomic_load_explicit(&inpage->done, memory_order_acquire) == 0) {
        world_wait(&inpage->done, 0, UINT64_MAX);
    }
    phase_enter(engine, self, PHASE_ENGINE);
    int error = inpage->page == page || MUTANT(RUN_SHARES_ITS_ERROR) ? inpage->error : 0;
    inpage_drop(engine, self, block);
    return error != 0 ? STEP_IN_PAGE_ERROR : STEP_RETRY;
}

/* ---- the run ---- */

/*
 * How far a read may go: faults that follow each other double it, any other fault begins anew. The
 * region remembers where its last run ended; only a hint, so no lock.
 */
static uint32_t run_window(struct engine *engine, page_number page)
{
    struct pte_region *region = page_region(engine, page);
    uint32_t last = PFN_FIELD(region, read_window), window = 1;
    if (last != 0 && page - PFN_FIELD(region, read_next) <= last) {
        window = MIN_OF(2 * last, engine->config.read_cluster);
    }
    page_number end = (page | (engine->config.region_ptes - 1)) + 1;
    return MIN_OF(window, MIN_OF(end, engine->config.pages) - page);
}

static void run_remember(struct engine *engine, page_number next, uint32_t window)
{
    if (engine->config.read_cluster > 1 && next < engine->config.pages) {
        struct pte_region *region = page_region(engine, next);
        PFN_SET_FIELD(region, read_next, next);
        PFN_SET_FIELD(region, read_window, window);
    }
}

/* Does the page wait in that slot, and may it be read? */
static bool run_fits(pte_word word, slot_number slot)
{
    return pte_form(word) == PTE_PAGE_FILE &&
           (pte_slot(word) == slot || MUTANT(RUN_BELIEVES_IN_ORDER)) &&
           pte_protection(word) != PROTECTION_NO_ACCESS;
}

/*
 * Frames for the neighbours that seem to fit, as far as there are more than enough: nobody waits
 * because of a page that nobody has asked for. Before any lock.
 */
static void run_plan(struct engine *engine, struct thread *self, page_number page, pte_word seen,
                     frame_number frame, struct read_run *run)
{
    run->first = page;
    run->count = 1;
    run->spare = 0;
    run->frames[0] = frame;
    run->entries[0] = seen;
    run->window = run_window(engine, page);
    uint32_t wanted = 0;
    for (uint32_t i = 1; i < run->window; i++) {
        wanted += run_fits(pte_load(&engine->ptes[page + i]), pte_slot(seen) + i);
    }
    phase_enter(engine, self, wanted > 0 ? PHASE_FRAME : PHASE_ENGINE);
    while (run->spare < wanted && frames_plenty(engine, self, wanted)) {
        frame_number taken = frames_take(engine, self, false);
        if (taken == FRAME_NONE) {
            break;
        }
        run->spares[run->spare++] = taken;
    }
    phase_enter(engine, self, PHASE_ENGINE);
}

pte_word inpage_publish(struct engine *engine, struct thread *self, page_number page, pte_word seen,
                        frame_number frame, uint32_t block, unsigned priority)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word old = pfn_load(pfn);
    pfn_word word = pfn_new_owner(old, pte_protection(seen), priority) | PFN_READING;
    pte_word entry = pte_make_transition(frame, pte_protection(seen));
    PFN_SET_FIELD(pfn, page, page);
    PFN_SET_FIELD(pfn, slot, pte_slot(seen));
    PFN_SET_FIELD(pfn, block, block);
    frame_move(engine, self, frame, pfn_with_state(word, PFN_TRANSITION),
               pfn_state(old) == PFN_FREE ? WHY_READ_START : WHY_READ_START_ZEROED);
    pte_store(&engine->ptes[page], entry);
    return entry;
}

static void publish_page(struct engine *engine, struct thread *self, struct read_run *run,
                         uint32_t at, pte_word seen, frame_number frame)
{
    run->frames[at] = frame;
    run->entries[at] =
        inpage_publish(engine, self, run->first + at, seen, frame, run->block, PRIORITY_NORMAL);
}

/* Publish the reads; false if the PTE of the page is no longer what was seen. */
static bool run_publish(struct engine *engine, struct thread *self, struct read_run *run)
{
    pte_word seen = run->entries[0];
    region_lock(engine, self, run->first);
    bool same =
        pte_load(&engine->ptes[run->first]) == seen || MUTANT(READ_PUBLISHED_WITHOUT_COMPARE);
    if (same) {
        publish_page(engine, self, run, 0, seen, run->frames[0]);
    }
    for (uint32_t i = 1; same && i < run->window && run->spare > 0; i++) {
        pte_word word = pte_load(&engine->ptes[run->first + i]);
        run->frames[i] = FRAME_NONE;
        if (run_fits(word, pte_slot(seen) + i)) {
            publish_page(engine, self, run, i, word, run->spares[--run->spare]);
            run->count = i + 1;
        }
    }
    region_unlock(engine, self, run->first);
    return same;
}

/* With the guesses of the run, if any: all at once. */
static int run_read(struct engine *engine, struct thread *self, struct read_run *run,
                    uint32_t count, uint32_t guesses)
{
    struct store_request *submitted[1 + GUESSES_MAX];
    struct store_request request = {.operation = STORE_READ,
                                    .slot = PFN_FIELD(frame_pfn(engine, run->frames[0]), slot),
                                    .count = count,
                                    .pages = run->buffers};
    uint32_t pages = guesses;
    for (uint32_t i = 0; i < count; i++) {
        run->buffers[i] = run->frames[i] == FRAME_NONE
                              ? NULL
                              : engine->machine.ops->fill_buffer(engine->machine.self, self->number,
                                                                 i, run->frames[i]);
        pages += run->frames[i] != FRAME_NONE;
    }
    submitted[0] = &request;
    if (guesses > 0) {
        guess_requests(engine, self, count, &run->guesses, submitted + 1);
    }
    lock_check_none_held(self);
    uint64_t begin_ns = span_begin(engine);
    phase_enter(engine, self, PHASE_READ);
    store_wait_for_all(&engine->store, self->number, submitted, 1 + guesses);
    int error = request.result;
    phase_enter(engine, self, PHASE_ENGINE);
    span_end(engine, self, SPAN_READ, begin_ns, pages);
    PROBE(read_run, self->number, run->first, pages, error);
    run->from_memory = request.from_memory;
    count_add(self, COUNT_IO_READS, 1 + guesses);
    count_add(self, COUNT_IO_PAGES_READ, pages);
    if (error != 0) {
        count_one(self, COUNT_IO_ERRORS);
    }
    return MUTANT(READ_FAILED_IS_DONE) ? 0 : error;
}

void inpage_abandon(struct engine *engine, struct thread *self, page_number page,
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
static void activate_page(struct engine *engine, struct thread *self, struct read_run *run,
                          uint32_t at, bool write, struct machine_map *ret_map)
{
    frame_number frame = run->frames[at];
    pfn_word word = pfn_load(frame_pfn(engine, frame)) & ~PFN_READING;
    enum protection protection = (enum protection)pfn_protection(word);
    word = fault_before_map(engine, self, frame, word, write);
    frame_move(engine, self, frame, pfn_with_state(word, PFN_ACTIVE), WHY_READ_DONE);
    bool writable = (word & PFN_MODIFIED_BIT) != 0 && protection == PROTECTION_READ_WRITE;
    pte_store(&engine->ptes[run->first + at],
              pte_make_valid(frame, protection, writable,
                             at == 0 ? engine->policy->birth(POLICY_HARD) : 0));
    region_count_resident(engine, run->first, 1);
    *ret_map = (struct machine_map){run->first + at, frame, writable, run->buffers[at]};
}

/*
 * The touched page is in its slot and cannot be read. Region lock held, so it is not thrown away
 * and committed again before the machine knows: a new page must not fail for an old one's slot.
 */
static void tell_failure(struct engine *engine, struct thread *self, const struct read_run *run,
                         int error)
{
    errors_record(engine, run->first, pte_slot(pte_load(&engine->ptes[run->first])), error);
    if (engine->machine.ops->failed != NULL) {
        engine->machine.ops->failed(engine->machine.self, self->number, run->first);
    }
}

/*
 * The read of pages from..run->count-1 is over. Those that still want it are mapped with one call,
 * the frames of the others become spare. Returns whether the first of the run was deleted.
 */
static bool run_settle(struct engine *engine, struct thread *self, struct read_run *run,
                       uint32_t from, bool write, int error)
{
    uint32_t mapped = 0;
    bool deleted = false;
    region_lock(engine, self, run->first);
    for (uint32_t i = from; i < run->count; i++) {
        frame_number frame = run->frames[i];
        if (frame == FRAME_NONE) {
            continue;
        }
        frame_lock(engine, self, frame);
        PFN_SET_FIELD(frame_pfn(engine, frame), block, BLOCK_NONE);
        bool same = pte_load(&engine->ptes[run->first + i]) == run->entries[i] ||
                    (i == 0 ? MUTANT(READ_IGNORES_CHANGED_PAGE) : MUTANT(RUN_IGNORES_CHANGED_PAGE));
        if (same && error == 0) {
            activate_page(engine, self, run, i, write && i == 0, &run->maps[mapped++]);
        } else {
            deleted |= i == 0 && (pfn_load(frame_pfn(engine, frame)) & PFN_DELETED) != 0;
            inpage_abandon(engine, self, run->first + i, frame,
                           error != 0 ? WHY_READ_FAIL : WHY_READ_DISMISS);
            if (i == 0 && error != 0 && !deleted) {
                tell_failure(engine, self, run, error);
            }
            run->spares[run->spare++] = frame;
            run->frames[i] = FRAME_NONE;
        }
        frame_unlock(engine, self, frame);
    }
    if (mapped > 0) {
        fault_map_pages(engine, self, mapped, run->maps);
    }
    region_unlock(engine, self, run->first);
    run->mapped = mapped;
    return deleted;
}

static void run_give_back(struct engine *engine, struct thread *self, struct read_run *run)
{
    while (run->spare > MUTANT(RUN_LEAKS_SPARE_FRAMES)) {
        frames_give_back(engine, self, run->spares[--run->spare]);
    }
}

/* Read; if a run fails, the page alone: a neighbour's error is not the toucher's. */
static int run_read_or_page(struct engine *engine, struct thread *self, struct read_run *run)
{
    int error = run_read(engine, self, run, run->count, run->guesses.count);
    if (error == 0 || run->count == 1) {
        return error;
    }
    run_settle(engine, self, run, 1, false, error);
    run->count = 1;
    return run_read(engine, self, run, 1, 0);
}

/* Where no faults follow each other. */
static void run_guess(struct engine *engine, struct thread *self, struct read_run *run)
{
    run->guesses.count = 0;
    guess_missed(engine, self, run->first, true);
    if (run->window == 1 && engine->config.guess_by != 0) {
        guess_publish(engine, self, run->first, run->block, &run->guesses);
    }
}

/* The next page that this read did not bring: who goes on in order faults there. */
static page_number run_end(const struct read_run *run)
{
    page_number end = run->first + run->count;
    for (uint32_t i = 0; i < run->guesses.count; i++) {
        end += run->guesses.pages[i] == end;
    }
    return end;
}

enum fault_step inpage_read(struct engine *engine, struct thread *self, page_number page,
                            bool write, pte_word seen, frame_number *hand)
{
    struct read_run *run = &self->scratch->read;
    run_plan(engine, self, page, seen, *hand, run);
    run->block = inpage_take(engine, self);
    if (!run_publish(engine, self, run)) {
        inpage_drop(engine, self, run->block);
        run_give_back(engine, self, run);
        return STEP_RETRY;
    }
    *hand = FRAME_NONE;
    if (MUTANT(READ_FREES_SLOT_EARLY)) {
        slots_give_back(engine, self, pte_slot(seen));
        PFN_SET_FIELD(frame_pfn(engine, run->frames[0]), slot, SLOT_NONE);
        write = true;
    }
    prefetch_behind(engine, page + run->window, run->window);
    run_guess(engine, self, run);
    int error = run_read_or_page(engine, self, run);
    bool deleted = run_settle(engine, self, run, 0, write, error);
    guess_settle(engine, self, &run->guesses);
    frames_tell(engine, self, page, run->count);
    inpage_complete(engine, self, run->block, page, deleted ? 0 : error);
    run_give_back(engine, self, run);
    if (run->frames[0] == FRAME_NONE) {
        if (error != 0 && !deleted) {
            return STEP_IN_PAGE_ERROR;
        }
        count_one(self, COUNT_READ_DISMISSED);
        return STEP_RETRY;
    }
    run_remember(engine, run_end(run), run->window);
    count_one(self, COUNT_FAULT_HARD);
    refault_count(engine, self, seen);
    count_add(self, COUNT_READ_AROUND, run->mapped - 1);
    count_add(self, COUNT_FAULT_HARD_COMPRESSED, run->from_memory);
    self->latency = run->from_memory ? LATENCY_COMPRESSED : LATENCY_HARD;
    return STEP_DONE;
}
