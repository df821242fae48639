/*
 * write.c - the modified writer: modified pages to their slots, many at once.
 *
 * Pages are taken from the modified list, oldest first, and sorted by address; then each gets its
 * slot (slots.c), and neighbours in neighbouring slots go with one I/O. A page that was mapped
 * writable before anybody wrote it has its slot still: if that holds the same bytes there is
 * nothing to write, else it is overwritten. A page being written is on
 * no list, referenced by the writer, and counts as clean; a rescue takes it without waiting.
 * When the write is complete the writer locks the frame again and sees what happened: written
 * again (the slot is worthless), decommitted, failed - or still clean, and then the slot is its
 * copy. A page whose write failed stays modified in its frame; slots.c decides about its slot. While the write is under way the slot belongs to the writer (R13). Any number of writers
 * may run; the reference keeps a frame from being written twice at once (R3, R4).
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"
#include "engine/lists.h"

#define WRITE_NO_SLOT (-1) /* not an errno of a store: the page was not written at all */
#define BRIDGE_MAX    4    /* unchanged pages in a row that are written to save an I/O */
#define WRITE_ALONE   1 /* its run failed: it is to be written once more, with nobody beside it */

bool write_wanted(const struct engine *engine, struct colour_set set)
{
    uint32_t modified = list_count_near(engine, set, LIST_MODIFIED);
    if (modified == 0 || engine_slots(engine) == 0) {
        return false;
    }
    if (waiters_now(engine) > 0) {
        return true;
    }
    uint32_t frames = frames_in_service(engine);
    uint32_t target = (uint32_t)((uint64_t)frames * engine->config.standby_percent / 100);
    uint32_t available = frames_available_near(engine, set);
    uint32_t batch = share_of_batch(engine, set, engine->config.write_batch) * set.step;
    return available < target / 2 || modified > frames / 4 ||
           (available < target && modified >= batch);
}

bool write_needed(struct engine *engine)
{
    return write_wanted(engine, ALL_COLOURS);
}

bool write_due(struct engine *engine, struct thread *self)
{
    return write_wanted(engine, colours_now(engine, self));
}

/* ---- slots ---- */

/* The page has a frame, which will not be given out before it was written, and a slot besides. */
static bool has_both(const struct pfn *pfn, pfn_word word)
{
    return (pfn_state(word) == PFN_ACTIVE ||
            (pfn_state(word) == PFN_MODIFIED && !MUTANT(WRITE_RECLAIMS_ACTIVE_ONLY))) &&
           PFN_FIELD(pfn, slot) != SLOT_NONE;
}

/*
 * No slot is free: pages that have both a frame and a slot give the slot up and are modified. This
 * keeps the promise of the commit limit, which counts a page in a frame or in a slot, not in both.
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
        if (!has_both(pfn, pfn_load(pfn))) {
            continue;
        }
        frame_lock(engine, self, frame);
        pfn_word word = pfn_load(pfn);
        if (has_both(pfn, word)) {
            frame_update(engine, frame, fault_dirty(engine, self, frame, word));
            found++;
        }
        frame_unlock(engine, self, frame);
    }
    return found;
}

/* How many of `wanted` pages may take a slot. */
static uint32_t slot_room(struct engine *engine, struct thread *self, uint32_t wanted)
{
    bool aside = PFN_FIELD(engine, slots_aside) > 0;
    if (aside) {
        slots_try_suspects(engine, self, false);
    }
    uint64_t room = slots_free(engine);
    if (room == 0 && wanted > 0) {
        /* One slot that is known to be good tells whether it is the others or the device. */
        reclaim_slots(engine, self, aside ? 1 : wanted);
        if (slots_free(engine) == 0 && aside && !MUTANT(SUSPECT_STAYS_ASIDE)) {
            slots_try_suspects(engine, self, true);
        }
        room = slots_free(engine);
    }
    return (uint32_t)MIN_OF(wanted, room);
}

/* A slot for each page that has none. */
static void take_slots(struct engine *engine, struct thread *self, struct write_batch *batch)
{
    uint32_t wanting = 0, next = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->kept[i] = batch->slots[i] != SLOT_NONE && !MUTANT(WRITE_TAKES_ANOTHER_SLOT);
        if (!batch->kept[i]) {
            batch->wanting[wanting++] = batch->pages[i];
        }
    }
    slots_take(engine, self, wanting, batch->wanting, batch->got);
    for (uint32_t i = 0; i < batch->count; i++) {
        if (!batch->kept[i]) {
            batch->slots[i] = batch->got[next++];
        }
    }
}

/* ---- begin ---- */

/* Frame lock held, just taken off the modified list. Its slot, if any, is the writer's from here on. */
static slot_number start_page(struct engine *engine, struct thread *self, frame_number frame)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    MUST_FRAME(engine, frame, word & PFN_MODIFIED_BIT);
    MUST_FRAME(engine, frame, pfn_references(word) == 0);
    MUST_FRAME(engine, frame, pfn_pins(word) == 0);
    /* Clean before the I/O begins, so that a store during it is seen at its end. */
    word = (word & ~(MUTANT(WRITE_CLEANS_AT_THE_END) ? 0 : PFN_MODIFIED_BIT)) | PFN_WRITING;
    frame_move(engine, self, frame, pfn_with_state(word, PFN_TRANSITION) + PFN_REFERENCE_ONE,
               WHY_WRITE_START);
    slot_number slot = PFN_FIELD(pfn, slot);
    PFN_SET_FIELD(pfn, slot, SLOT_NONE);
    if (slot != SLOT_NONE && slots_is_moving(engine, slot) && !MUTANT(WRITE_KEEPS_MOVING_SLOT)) {
        slots_give_back(engine, self, slot); /* what is moved must not be overwritten meanwhile */
        slot = SLOT_NONE;
    }
    return slot;
}

static void swap_pages(struct write_batch *batch, uint32_t a, uint32_t b)
{
    page_number page = batch->pages[a];
    frame_number frame = batch->frames[a];
    uint32_t generation = batch->generations[a];
    slot_number slot = batch->slots[a];
    batch->pages[a] = batch->pages[b];
    batch->frames[a] = batch->frames[b];
    batch->generations[a] = batch->generations[b];
    batch->slots[a] = batch->slots[b];
    batch->pages[b] = page;
    batch->frames[b] = frame;
    batch->generations[b] = generation;
    batch->slots[b] = slot;
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
    struct colour_set set = thread_colours(self);
    uint32_t own = list_count_near(engine, set, LIST_MODIFIED) / set.step;
    uint32_t wanted =
        MIN_OF(engine->config.write_batch, own > 0 ? own : list_count(engine, LIST_MODIFIED));
    uint32_t room = slot_room(engine, self, wanted), taken = 1;
    while (batch->count < wanted && room > 0 && taken > 0) {
        taken =
            list_take(engine, self, LIST_MODIFIED, MIN_OF(MIN_OF(32, room), wanted - batch->count),
                      batch->frames + batch->count);
        atomic_fetch_add_explicit(&engine->in_flight, taken, memory_order_seq_cst);
        for (uint32_t i = batch->count; i < batch->count + taken; i++) {
            batch->slots[i] = start_page(engine, self, batch->frames[i]);
            room -= batch->slots[i] == SLOT_NONE;
            batch->pages[i] = PFN_FIELD(frame_pfn(engine, batch->frames[i]), page);
            batch->generations[i] = pfn_generation(pfn_load(frame_pfn(engine, batch->frames[i])));
            frame_unlock(engine, self, batch->frames[i]);
        }
        batch->count += taken;
    }
    sort_pages(batch);
    take_slots(engine, self, batch);
}

/* ---- write ---- */

/* Of the pages that nobody may have written, which are what their slots hold? */
static void find_unchanged(struct engine *engine, struct write_batch *batch)
{
    const struct store *store = &engine->store;
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->unchanged[i] = batch->kept[i] && !MUTANT(WRITE_COMPARES_NOTHING) &&
                              (store->ops->holds(store->self, batch->slots[i], batch->buffers[i]) ||
                               MUTANT(WRITE_BELIEVES_UNCHANGED));
        if (batch->kept[i]) {
            fault_learn(engine, batch->pages[i], !batch->unchanged[i]);
        }
    }
}

/* Between two pages that must be written, a short stretch of others is written along: one I/O. */
static bool is_bridge(const struct write_batch *batch, uint32_t at)
{
    uint32_t next = at + 1;
    if (at == 0 || MUTANT(WRITE_BRIDGES_NOTHING) || batch->unchanged[at - 1] ||
        batch->slots[at - 1] == SLOT_NONE || batch->slots[at - 1] + 1 != batch->slots[at]) {
        return false;
    }
    while (next < batch->count && next - at <= BRIDGE_MAX &&
           batch->slots[next] == batch->slots[next - 1] + 1) {
        if (!batch->unchanged[next]) {
            return true;
        }
        next++;
    }
    return false;
}

static void add_request(struct write_batch *batch, uint32_t at)
{
    batch->submitted[batch->requests] = &batch->request[batch->requests];
    batch->request[batch->requests++] = (struct store_request){.operation = STORE_WRITE,
                                                               .slot = batch->slots[at],
                                                               .count = 1,
                                                               .pages = &batch->buffers[at]};
}

static void build_requests(struct write_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct store_request *last =
            batch->requests > 0 ? &batch->request[batch->requests - 1] : NULL;
        batch->unchanged[i] = batch->unchanged[i] && !is_bridge(batch, i);
        if (batch->slots[i] == SLOT_NONE) { /* another writer was faster */
            batch->results[i] = WRITE_NO_SLOT;
        } else if (batch->unchanged[i]) {
            batch->results[i] = 0;
        } else if (last != NULL && last->pages + last->count == (void *const *)&batch->buffers[i] &&
                   last->count < WRITE_RUN_MAX &&
                   (last->slot + last->count == batch->slots[i] ||
                    (MUTANT(WRITE_JOINS_OVER_A_GAP) && batch->slots[i] > last->slot))) {
            last->count++;
        } else {
            add_request(batch, i);
        }
    }
}

/*
 * Which page of a run was at fault, stores do not know for sure: the others must not be blamed for
 * it, so each is asked alone. Where the store as a whole does not work, that would prove nothing.
 */
static void build_alone(struct write_batch *batch)
{
    batch->requests = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->results[i] == WRITE_ALONE) {
            add_request(batch, i);
        }
    }
}

static int result_of(struct thread *self, const struct store_request *request)
{
    if (request->result == 0 || request->count == 1 ||
        store_blame(request->result) == STORE_NOT_THE_SLOT || MUTANT(WRITE_BLAMES_THE_WHOLE_RUN)) {
        return request->result;
    }
    count_one(self, COUNT_IO_ERRORS);
    return WRITE_ALONE;
}

/* Returns how many pages are to be written alone. */
static uint32_t write_requests(struct engine *engine, struct thread *self,
                               struct write_batch *batch)
{
    uint32_t alone = 0;
    if (batch->requests > 0) {
        histogram_record(&self->batch_writes, batch->requests);
    }
    store_wait_for_all(&engine->store, self->number, batch->submitted, batch->requests);
    for (uint32_t i = 0; i < batch->requests; i++) {
        const struct store_request *request = &batch->request[i];
        uint32_t first = (uint32_t)(request->pages - (void *const *)batch->buffers);
        uint32_t pages = MUTANT(WRITE_RESULT_OF_FIRST_ONLY) ? 1 : request->count;
        int result = result_of(self, request);
        for (uint32_t p = 0; p < pages; p++) {
            batch->results[first + p] = result;
        }
        alone += result == WRITE_ALONE ? pages : 0;
    }
    count_add(self, COUNT_IO_WRITES, batch->requests);
    return alone;
}

static void write_batch_out(struct engine *engine, struct thread *self, struct write_batch *batch)
{
    lock_check_none_held(self);
    engine->machine.ops->content(engine->machine.self, self->number, batch->count, batch->pages,
                                 batch->frames, batch->buffers);
    find_unchanged(engine, batch);
    build_requests(batch);
    if (write_requests(engine, self, batch) > 0) {
        build_alone(batch);
        write_requests(engine, self, batch);
    }
}

/* ---- complete ---- */

/* Frame lock held: decide about the slot by what happened during the write. */
static enum list_id finish_page(struct engine *engine, struct thread *self, frame_number frame,
                                slot_number slot, int error, bool unchanged)
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
        count_add(self, COUNT_IO_PAGES_WRITTEN, !unchanged);
        count_one(self, unchanged ? COUNT_UNCHANGED : COUNT_WRITTEN);
        if (!unchanged) {
            slots_write_succeeded(engine, self, slot);
        }
    }
    if (error != 0 && slot != SLOT_NONE && !MUTANT(WRITE_FAILED_IS_DONE)) {
        slots_give_back_failed(engine, self, slot, error);
    } else if (word & (PFN_MODIFIED_BIT | PFN_DELETED)) {
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

/* What became of the pages of a round. */
struct tally {
    uint32_t failed;  /* or had no slot */
    uint32_t written; /* the store took them; unchanged pages did not ask it */
    int error;        /* one of the store's, or 0 */
};

static struct tally take_tally(const struct write_batch *batch)
{
    struct tally tally = {0};
    for (uint32_t i = 0; i < batch->count; i++) {
        tally.failed += batch->results[i] != 0;
        tally.written += batch->results[i] == 0 && !batch->unchanged[i];
        if (batch->results[i] != 0 && batch->results[i] != WRITE_NO_SLOT) {
            tally.error = batch->results[i];
        }
    }
    return tally;
}

#define OUTCOME_ERROR ((uint64_t)1 << 32)

/*
 * A round that overlapped with one in trouble proves nothing: what it wrote may have been written
 * before the trouble began. `outcomes` is of its begin.
 */
static void be_witness(struct engine *engine, uint64_t outcomes)
{
    uint64_t errors = outcomes / OUTCOME_ERROR;
    while ((outcomes / OUTCOME_ERROR == errors || MUTANT(WRITE_WITNESS_OVERLAPS)) &&
           !atomic_compare_exchange_weak_explicit(&engine->write_outcomes, &outcomes,
                                                  outcomes / OUTCOME_ERROR * OUTCOME_ERROR +
                                                      (uint32_t)(outcomes + 1),
                                                  memory_order_seq_cst, memory_order_seq_cst)) {
    }
}

void write_in_trouble(struct engine *engine)
{
    atomic_fetch_add_explicit(&engine->write_outcomes, OUTCOME_ERROR, memory_order_seq_cst);
}

/* Before any slot of the round is judged. */
static void remember_outcome(struct engine *engine, uint64_t outcomes, const struct tally *tally)
{
    bool any = tally->written > 0;
    if (any) {
        be_witness(engine, outcomes);
    }
    if (tally->error != 0) {
        write_in_trouble(engine);
    }
    if (any ? PFN_FIELD(engine, write_error) != 0 : tally->error != 0) {
        PFN_SET_FIELD(engine, write_error, any ? 0 : (uint32_t)-tally->error);
    }
}

bool write_round(struct engine *engine, struct thread *self)
{
    struct write_batch *batch = &self->scratch->write;
    struct let_go_batch going = {0};
    uint64_t outcomes = atomic_load_explicit(&engine->write_outcomes, memory_order_seq_cst);
    batch->count = batch->requests = 0;
    thread_next_colour(engine, self);
    begin_batch(engine, self, batch);
    if (batch->count == 0) {
        return false;
    }
    write_batch_out(engine, self, batch);
    const struct tally tally = take_tally(batch);
    remember_outcome(engine, outcomes, &tally);
    PROBE(write_batch, self->number, batch->count, batch->requests, tally.failed);
    for (uint32_t i = 0; i < batch->count; i++) {
        if (i + PREFETCH_AHEAD < batch->count) {
            pfn_prefetch(frame_pfn(engine, batch->frames[i + PREFETCH_AHEAD]));
        }
        let_go_lock(engine, self, &going, batch->frames[i]);
        generation_check(engine, batch->frames[i], batch->generations[i]);
        let_go_add(engine, self, &going, batch->frames[i],
                   finish_page(engine, self, batch->frames[i], batch->slots[i], batch->results[i],
                               batch->unchanged[i]));
    }
    let_go_flush(engine, self, &going);
    atomic_fetch_sub_explicit(&engine->in_flight, batch->count, memory_order_seq_cst);
    frames_grant(engine, self); /* and calls the trimmer, if what failed was counted on */
    defrag_call(engine);
    return tally.failed < batch->count; /* a store that only fails is not asked again at once */
}
