/*
 * trim.c - the trimmer: takes pages from the working set, in batches with one flush.
 *
 * The pages of some regions are looked at, the policy chooses among all of them, and what it wants
 * goes in three steps, so that no lock is held across the flush. First, region by region, PTEs become
 * transition and the frames are referenced ("being trimmed", on no list). Then the whole batch is
 * unmapped. Then each frame is let go: clean to standby, dirty to modified - unless somebody has
 * rescued it meanwhile, which needs no cooperation: the rescuer simply makes it active, and the
 * late unmap costs it one spurious fault. Only after the flush is the dirty bit believed.
 *
 * Any number of trimmers may run: they share one clock hand over the regions, and each has one of
 * its own for those of its colours.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"
#include "engine/lists.h"
#include "engine/spans.h"

/* Frames that trimming keeps available, and how many are or will be without it. */
static uint32_t target_frames(const struct engine *engine)
{
    return (uint32_t)((uint64_t)frames_in_service(engine) * engine->config.standby_percent / 100);
}

static uint32_t load_seq_cst(const _Atomic uint32_t *value)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)value, memory_order_seq_cst);
}

/* Of all colours, were they like these. */
static uint32_t goal_near(const struct engine *engine, struct colour_set set)
{
    bool writable = !write_is_failing(engine) || MUTANT(TRIM_COUNTS_ON_WRITES);
    uint32_t supply = frames_available_near(engine, set) +
                      (writable ? list_count_near(engine, set, LIST_MODIFIED) : 0) +
                      load_seq_cst(&engine->in_flight);
    uint32_t target = MAX_OF(target_frames(engine), waiters_now(engine));
    return target > supply ? target - supply : 0;
}

uint32_t trim_goal(const struct engine *engine)
{
    return goal_near(engine, ALL_COLOURS);
}

/* A share is a batch at least: the regions are searched for few pages as for many. */
static uint32_t goal_of(const struct engine *engine, const struct thread *self)
{
    struct colour_set set = colours_now(engine, self);
    uint32_t goal = goal_near(engine, set);
    return set.step == 1 || goal == 0
               ? goal
               : MAX_OF(goal / set.step, share_of_batch(engine, set, engine->config.trim_batch));
}

/* A flush costs the same for one page and for many: below a batch it can wait, unless it is late. */
bool trim_wanted(const struct engine *engine, struct colour_set set)
{
    uint32_t goal = goal_near(engine, set), target = target_frames(engine);
    uint32_t batch = share_of_batch(engine, set, engine->config.trim_batch) * set.step;
    return goal > 0 && (goal >= batch || goal > target / 2 || waiters_now(engine) > 0);
}

bool trim_needed(struct engine *engine)
{
    return trim_wanted(engine, ALL_COLOURS);
}

bool trim_due(struct engine *engine, struct thread *self)
{
    return trim_wanted(engine, colours_now(engine, self));
}

void trim_batch_add(struct engine *engine, struct trim_batch *batch, frame_number frame,
                    pfn_word word)
{
    batch->pages[batch->count] = PFN_FIELD(frame_pfn(engine, frame), page);
    batch->frames[batch->count] = frame;
    batch->generations[batch->count] = pfn_generation(word);
    batch->count++;
}

/*
 * Once for many, as every trimmer and fault reads the count. What is not counted yet is missing from
 * the supply: somebody else may trim a batch too many, and nobody too few.
 */
void trim_batch_count(struct engine *engine, struct trim_batch *batch)
{
    if (batch->count > batch->counted) {
        atomic_fetch_add_explicit(&engine->in_flight, batch->count - batch->counted,
                                  memory_order_seq_cst);
        batch->counted = batch->count;
    }
}

bool trim_detach(struct engine *engine, struct thread *self, page_number page,
                 struct trim_batch *batch)
{
    pte *entry = &engine->ptes[page];
    frame_number frame = pte_frame(pte_load(entry));
    struct pfn *pfn = frame_pfn(engine, frame);
    frame_lock(engine, self, frame);
    pfn_word word = pfn_load(pfn);
    MUST_FRAME(engine, frame, PFN_FIELD(pfn, page) == page);
    MUST_FRAME(engine, frame, pfn_state(word) == PFN_ACTIVE);
    if ((pfn_pins(word) > 0 && !MUTANT(TRIM_TAKES_PINNED)) ||
        pfn_references(word) >= PFN_REFERENCES_MAX - 1) {
        frame_unlock(engine, self, frame);
        return false;
    }
    frame_move(engine, self, frame, pfn_with_state(word, PFN_TRANSITION) + PFN_REFERENCE_ONE,
               WHY_TRIM);
    pte_store(entry, pte_make_transition(frame, (enum protection)pfn_protection(word)));
    region_count_resident(engine, page, MUTANT(TRIM_LEAVES_PAGE_COUNTED) ? 0 : -1);
    trim_batch_add(engine, batch, frame, word);
    frame_unlock(engine, self, frame);
    return true;
}

/* Frame lock held: what the flush found out is believed from here on. */
static enum list_id let_go_trimmed(struct engine *engine, struct thread *self, frame_number frame,
                                   bool written)
{
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    if (written && pfn_state(word) == PFN_TRANSITION && !(word & PFN_DELETED)) {
        /* A page can only be written after a write fault made it modified. */
        MUST_FRAME(engine, frame, (word & PFN_MODIFIED_BIT) != 0);
    }
    if (MUTANT(TRIM_DROPS_MODIFIED)) {
        frame_update(engine, frame, word & ~PFN_MODIFIED_BIT);
    }
    enum list_id list = frame_let_go(engine, self, frame, WHY_TRIM_CLEAN, WHY_TRIM_DIRTY);
    if (list == LIST_MODIFIED) {
        count_one(self, COUNT_TRIMMED_DIRTY);
    } else if (list >= LIST_STANDBY && list < LIST_COUNT) {
        count_one(self, COUNT_TRIMMED_CLEAN);
        if (PFN_FIELD(frame_pfn(engine, frame), slot) != SLOT_NONE) { /* it had been read in */
            fault_learn(engine, PFN_FIELD(frame_pfn(engine, frame), page), false);
        }
    }
    return list;
}

/*
 * Pages in between may go too, unless a page is pinned. We count first and look at the pins then; a
 * pin counts itself first and waits for us then: one of the two sees the other.
 */
static void unmap_batch(struct engine *engine, struct thread *self, const struct trim_batch *batch,
                        struct machine_unmapped *ret_unmapped)
{
    const struct machine_ops *machine = engine->machine.ops;
    if (machine->unmap_near == NULL) {
        machine->unmap(engine->machine.self, self->number, batch->count, batch->pages,
                       ret_unmapped);
        return;
    }
    atomic_fetch_add_explicit(&engine->near_unmaps, 1, memory_order_seq_cst);
    bool near = load_seq_cst(&engine->pinned) == 0 || MUTANT(TRIM_UNMAPS_AROUND_PINS);
    (near ? machine->unmap_near : machine->unmap)(engine->machine.self, self->number, batch->count,
                                                  batch->pages, ret_unmapped);
    atomic_fetch_sub_explicit(&engine->near_unmaps, 1, memory_order_seq_cst);
}

void trim_finish(struct engine *engine, struct thread *self, struct trim_batch *batch)
{
    struct machine_unmapped unmapped[BATCH_MAX];
    struct let_go_batch going = {0};
    if (batch->count == 0) {
        return;
    }
    lock_check_none_held(self);
    trim_batch_count(engine, batch);
    uint64_t begin_ns = span_begin(engine);
    if (!MUTANT(TRIM_UNMAPS_TOO_LATE)) {
        unmap_batch(engine, self, batch, unmapped);
    }
    span_end(engine, self, SPAN_UNMAP, begin_ns, batch->count);
    count_one(self, COUNT_FLUSHES);
    count_add(self, COUNT_FLUSHED_PAGES, batch->count);
    PROBE(trim_batch, self->number, batch->count);
    for (uint32_t i = 0; i < batch->count; i++) {
        if (i + PREFETCH_AHEAD < batch->count) {
            pfn_prefetch(frame_pfn(engine, batch->frames[i + PREFETCH_AHEAD]));
        }
        let_go_lock(engine, self, &going, batch->frames[i]);
        generation_check(engine, batch->frames[i], batch->generations[i]);
        let_go_add(engine, self, &going, batch->frames[i],
                   let_go_trimmed(engine, self, batch->frames[i],
                                  !MUTANT(TRIM_UNMAPS_TOO_LATE) && unmapped[i].written));
    }
    let_go_flush(engine, self, &going);
    if (MUTANT(TRIM_UNMAPS_TOO_LATE)) {
        unmap_batch(engine, self, batch, unmapped);
    }
    if (!MUTANT(TRIM_STAYS_IN_FLIGHT)) {
        atomic_fetch_sub_explicit(&engine->in_flight, batch->count, memory_order_seq_cst);
    }
    batch->count = batch->counted = 0;
    if (!MUTANT(TRIM_WAKES_NOBODY)) {
        frames_grant(engine, self);
    }
}

/*
 * The resident pages of a region join those that are looked at. Accessed bits are taken in the
 * first pass of a trim; those that follow are the same look.
 */
static void look_at_region(struct engine *engine, struct thread *self, uint32_t region,
                           unsigned pass, struct candidates *found)
{
    page_number first = region << engine->region_shift;
    page_number end = MIN_OF(first + engine->config.region_ptes, engine->config.pages);
    uint32_t before = found->count;
    region_lock(engine, self, first);
    bool any_pins = !MUTANT(TRIM_TAKES_PINNED) &&
                    PFN_FIELD(engine, pinned) != 0; /* pins change under the region lock */
    for (page_number page = first; page < end; page++) {
        pte_word word = pte_load(&engine->ptes[page]);
        if (pte_form(word) == PTE_VALID &&
            !(any_pins && pfn_pins(pfn_load(frame_pfn(engine, pte_frame(word)))) > 0)) {
            found->pages[found->count] = page;
            found->registers[found->count] = pte_register(word);
            found->accessed[found->count] = false;
            found->modified[found->count] = (word & PTE_BIT_DIRTY) != 0;
            found->count++;
        }
    }
    if (pass == 0 && engine->machine.ops->sample_accessed != NULL && found->count > before) {
        engine->machine.ops->sample_accessed(engine->machine.self, found->count - before,
                                             &found->pages[before], &found->accessed[before]);
    }
    region_unlock(engine, self, first);
}

/*
 * What was wished for some pages of one region is done, as far as they are still resident: nothing
 * was locked between the look and this. The batch grows to `limit` at most.
 */
static void take_from_region(struct engine *engine, struct thread *self, uint32_t begin,
                             uint32_t end, uint32_t limit, struct trim_batch *batch)
{
    struct candidates *found = &self->scratch->trim.found;
    region_lock(engine, self, found->pages[begin]);
    for (uint32_t i = begin; i < end; i++) {
        pte_word word = pte_load(&engine->ptes[found->pages[i]]);
        if (found->victim[i] && pte_form(word) == PTE_VALID) {
            pfn_prefetch(frame_pfn(engine, pte_frame(word)));
        }
    }
    for (uint32_t i = begin; i < end; i++) {
        pte *entry = &engine->ptes[found->pages[i]];
        pte_word word = pte_load(entry);
        if (pte_form(word) != PTE_VALID && !MUTANT(TRIM_BELIEVES_ITS_LOOK)) {
            continue; /* another trimmer's, or decommitted */
        }
        if (found->victim[i] && batch->count < limit &&
            trim_detach(engine, self, found->pages[i], batch)) {
            continue;
        }
        if (pte_register(word) != found->registers[i] && !MUTANT(TRIM_FORGETS_ITS_LOOK)) {
            pte_store(entry, pte_with_register(word, found->registers[i]));
        }
    }
    region_unlock(engine, self, found->pages[begin]);
}

/* Of all that were looked at, at most `wanted` pages go to the batch. Returns how many. */
static uint32_t take_lowest(struct engine *engine, struct thread *self, uint32_t wanted,
                            unsigned pass, struct trim_batch *batch)
{
    struct candidates *found = &self->scratch->trim.found;
    uint32_t before = batch->count, end;
    engine->policy->choose(&(struct policy_look){.count = found->count,
                                                 .wanted = wanted,
                                                 .pass = pass,
                                                 .registers = found->registers,
                                                 .accessed = found->accessed,
                                                 .modified = found->modified,
                                                 .ret_victim = found->victim});
    for (uint32_t begin = 0; begin < found->count; begin = end) {
        uint32_t region = found->pages[begin] >> engine->region_shift;
        end = begin + 1;
        while (end < found->count && found->pages[end] >> engine->region_shift == region) {
            end++;
        }
        take_from_region(engine, self, begin, end, before + wanted, batch);
    }
    trim_batch_count(engine, batch);
    return batch->count - before;
}

/* The batch goes when it is full. False: others have done the rest of the work meanwhile. */
static bool flush_full(struct engine *engine, struct thread *self, struct trim_batch *batch)
{
    if (batch->count < engine->config.trim_batch) {
        return true;
    }
    trim_finish(engine, self, batch);
    return goal_of(engine, self) > 0;
}

#define TRIMS_TO_ALL 32 /* one in so many is of all regions, not of the caller's colours first */

/* The next region, or UINT32_MAX: it is not for us now. */
static uint32_t next_region(struct engine *engine, struct thread *self, bool near)
{
    struct colour_set set = thread_colours(self);
    if (!near) {
        return atomic_fetch_add_explicit(&engine->trim_hand, 1, memory_order_relaxed) %
               engine->region_count;
    }
    uint32_t region = self->trim_hand++ % engine->region_count;
    return (region_colour(engine, region) & (set.step - 1)) == set.first ? region : UINT32_MAX;
}

/*
 * The oldest page of one region may be in use, and those of the next all forgotten. So regions are
 * looked at together until there are so many times as many pages as are wanted: in a small memory
 * that is all of it. Without accessed bits age says little, and what goes should lie together: a
 * stretch is unmapped as one (docs/decisions/0008-unmap-neighbourhoods.md).
 */
#define LOOKS_FOR_ONE 16
_Static_assert(LOOK_MAX >= REGION_PTES_MAX, "any region can be looked at");

static uint32_t pages_to_look_at(const struct engine *engine, uint32_t wanted)
{
    bool together = engine->machine.ops->sample_accessed != NULL && !MUTANT(TRIM_LOOKS_NO_FURTHER);
    return together ? MIN_OF(wanted, LOOK_MAX / LOOKS_FOR_ONE) * LOOKS_FOR_ONE : 1;
}

/* Regions in turn, until there are enough pages or `*turns` are over. How many pages. */
static uint32_t look_at_regions(struct engine *engine, struct thread *self, uint32_t enough,
                                bool near, unsigned pass, uint32_t *turns)
{
    struct candidates *found = &self->scratch->trim.found;
    found->count = 0;
    while (*turns > 0 && found->count < enough &&
           found->count + engine->config.region_ptes <= LOOK_MAX) {
        uint32_t region = next_region(engine, self, near);
        --*turns;
        if (region != UINT32_MAX && PFN_FIELD(&engine->regions[region], resident) > 0) {
            look_at_region(engine, self, region, pass, found);
        }
    }
    return found->count;
}

/* Look at every region once in each pass until there is enough. Returns whether to go on. */
static bool trim_passes(struct engine *engine, struct thread *self, uint32_t wanted, bool near,
                        uint32_t *taken)
{
    struct trim_batch *batch = &self->scratch->trim.batch;
    bool on = true, any = true;
    for (unsigned pass = 0; pass <= POLICY_PASS_LAST && on && any; pass++) {
        uint32_t turns = engine->region_count;
        any = false;
        while (turns > 0 && *taken < wanted && on) {
            uint32_t now = MIN_OF(wanted - *taken, engine->config.trim_batch - batch->count);
            if (look_at_regions(engine, self, pages_to_look_at(engine, now), near, pass, &turns)) {
                any = true;
                *taken += take_lowest(engine, self, now, pass, batch);
                on = flush_full(engine, self, batch);
            }
        }
    }
    return on && *taken < wanted;
}

/*
 * All batches of one trim are one look at the pages: were each a look of its own, registers would
 * age by the size of the shortage and not by time, and their accessed bits, cleared again and
 * again, would cost every thread the line of each entry it walks.
 *
 * Where there are several colours, pages that threads of the caller's colours used go first: their
 * lines are near, and nobody else is held up. Now and then it is everybody's turn, so that memory
 * that nobody uses any more comes free whoever used it.
 */
uint32_t trim_pages(struct engine *engine, struct thread *self, uint32_t wanted)
{
    struct trim_batch *batch = &self->scratch->trim.batch;
    bool near = self->colour_step > 1 && ++self->trims % TRIMS_TO_ALL != 0;
    uint32_t taken = 0;
    batch->count = batch->counted = 0;
    if (!near || trim_passes(engine, self, wanted, true, &taken)) {
        trim_passes(engine, self, wanted, false, &taken);
    }
    trim_finish(engine, self, batch);
    if (engine->machine.ops->sample_end != NULL && !MUTANT(TRIM_ENDS_NO_SAMPLE)) {
        engine->machine.ops->sample_end(engine->machine.self);
    }
    balance_kick_writer(engine, self);
    return taken;
}

bool trim_round(struct engine *engine, struct thread *self)
{
    bool waited_for = waiters_now(engine) > 0;
    uint32_t taken = trim_pages(engine, self, goal_of(engine, self));
    if (taken > 0) {
        count_one(self, waited_for ? COUNT_TRIM_WAITED_FOR : COUNT_TRIM_AHEAD);
        count_add(self, waited_for ? COUNT_TRIM_PAGES_WAITED_FOR : COUNT_TRIM_PAGES_AHEAD, taken);
    }
    return taken > 0;
}
