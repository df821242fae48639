/*
 * prefetch.c - reading ahead: pages that nobody has touched yet, by a worker, to standby.
 *
 * Somebody asks for a range: a fault that follows others in order (prefetch_behind), the first touch
 * of a page that was read ahead (prefetch_beyond), or the program (prefetch_range). A request is a
 * word in one of a few places; it is set and taken by exchange, without a lock, and where all are
 * full it is dropped, for it is a hint. Who faults never waits here.
 *
 * A worker takes a request and, region by region:
 *
 *   takes frames, as long as nobody waits for one and few pages that were read ahead lie unused;
 *   publishes the reads, as inpage.c does: PTE in transition, read in progress, one block for all;
 *   drops the locks and reads, each run of neighbouring slots with a request, all at once;
 *   then, under region and frame lock, compares each PTE with what was published. A page that
 *   still wants its content gets it in place, unmapped, and joins standby at PRIORITY_AHEAD; of
 *   any other, and of one whose read failed, the frame goes back, without a word: whoever touches
 *   it reads it again, and is told then.
 *
 * A page that somebody touches meanwhile is collided with. PRIORITY_AHEAD says "read ahead and not
 * used yet": it ends with a rescue (used), or when the page loses its frame (wasted), so that
 * prefetched = used + wasted + those on that list, whenever nothing moves. Such pages are given
 * out first, but for the youngest, which would be read for nothing. A region where more pages are
 * wasted than used is not read ahead for a while, unless the program asks.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"
#include "engine/heat.h"
#include "engine/lists.h"
#include "engine/spans.h"

#define AHEAD_BEGINS   4  /* faults that follow each other and read so far are a stream */
#define AHEAD_LEAST    16 /* pages that are worth a request */
#define WASTED_STOPS   32 /* more pages wasted than used: the region is left alone */
#define WASTED_MAX     64
#define PLACED_AT_ONCE 32 /* under one hold of the region's lock */
#define BRIDGED_MAX    4  /* slots nobody wants that are read to save a request */

/* ---- does it pay? ---- */

static void learn(struct engine *engine, page_number page, bool wasted)
{
    _Atomic uint32_t *history = &page_region(engine, page)->ahead_wasted;
    uint32_t now = atomic_load_explicit(history, memory_order_relaxed);
    uint32_t then = wasted ? MIN_OF(now + 1, WASTED_MAX) : now - (now > 0);
    if (then != now) {
        atomic_store_explicit(history, then, memory_order_relaxed);
    }
}

/* Each refusal forgives one page, so that it is tried again some day. */
static bool pays(struct engine *engine, page_number page)
{
    bool stopped = PFN_FIELD(page_region(engine, page), ahead_wasted) >= WASTED_STOPS &&
                   !MUTANT(AHEAD_NEVER_STOPS);
    if (stopped) {
        learn(engine, page, false);
    }
    return !stopped;
}

pfn_word prefetch_used(struct engine *engine, struct thread *self, page_number page, pfn_word word)
{
    if (!guess_used(engine, page)) {
        learn(engine, page, false);
    }
    count_one(self, COUNT_PREFETCH_USED);
    return MUTANT(AHEAD_STAYS_UNUSED) ? word
                                      : (word & ~((pfn_word)7 << PFN_PRIORITY_SHIFT)) |
                                            (pfn_word)PRIORITY_NORMAL << PFN_PRIORITY_SHIFT;
}

void prefetch_wasted(struct engine *engine, struct thread *self, page_number page)
{
    if (!guess_wasted(engine, page)) {
        learn(engine, page, true);
    }
    count_one(self, COUNT_PREFETCH_WASTED);
}

/* ---- requests ---- */

/* The number of pages above the first of them; 0: none. */
static uint64_t request_word(page_number first, page_number count)
{
    return (uint64_t)count << 32 | first;
}

/* False: there is no place for it. */
static bool ask(struct engine *engine, page_number first, page_number count)
{
    uint64_t wanted = request_word(first, count);
    for (uint32_t i = 0; i < AHEAD_REQUESTS; i++) {
        _Atomic uint64_t *place = &engine->ahead_requests[i];
        uint64_t found = atomic_load_explicit(place, memory_order_relaxed);
        if (found == 0 && atomic_compare_exchange_strong_explicit(
                              place, &found, wanted, memory_order_seq_cst, memory_order_seq_cst)) {
            balance_kick(engine, WORKER_PREFETCH);
            return true;
        }
        if (found == wanted) { /* the same stream, and nobody has come to it yet */
            return true;
        }
    }
    return false;
}

/* In turn, so that none waits behind those in front of it for ever. */
static bool take_request(struct engine *engine, page_number *ret_first, page_number *ret_count)
{
    uint32_t hand = atomic_fetch_add_explicit(&engine->ahead_hand, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < AHEAD_REQUESTS; i++) {
        _Atomic uint64_t *place = &engine->ahead_requests[(hand + i) % AHEAD_REQUESTS];
        if (PFN_FIELD(engine, ahead_requests[(hand + i) % AHEAD_REQUESTS]) != 0) {
            uint64_t word = atomic_exchange_explicit(place, 0, memory_order_seq_cst);
            *ret_first = (page_number)word;
            *ret_count = (page_number)(word >> 32);
            if (word != 0) {
                return true;
            }
        }
    }
    return false;
}

bool prefetch_needed(struct engine *engine)
{
    for (uint32_t i = 0; i < AHEAD_REQUESTS; i++) {
        if (atomic_load_explicit(&engine->ahead_requests[i], memory_order_seq_cst) != 0) {
            return true;
        }
    }
    return false;
}

/* ---- who asks ---- */

void prefetch_range(struct engine *engine, page_number first, page_number count)
{
    if (count > 0) {
        ask(engine, first, count);
    }
}

void prefetch_behind(struct engine *engine, page_number next, uint32_t window)
{
    uint32_t most = engine->config.prefetch;
    if (window >= AHEAD_BEGINS && most > 0 && next < engine->config.pages && pays(engine, next)) {
        ask(engine, next, MIN_OF(MIN_OF(2 * window, most), engine->config.pages - next));
    }
}

/* The first page from there on that is in its slot, at most `most` further; else PAGE_NONE. */
static page_number find_absent(const struct engine *engine, page_number page, page_number most)
{
    page_number end = MIN_OF(page + most, engine->config.pages);
    for (; page < end; page++) {
        pte_word word = pte_load(&engine->ptes[page]);
        if (!pte_names_frame(word)) {
            return pte_form(word) == PTE_PAGE_FILE ? page : PAGE_NONE;
        }
    }
    return PAGE_NONE;
}

/* The lead doubles with each request until it is two of the largest windows. */
void prefetch_beyond(struct engine *engine, page_number page)
{
    uint32_t most = engine->config.prefetch;
    page_number next = most == 0 ? PAGE_NONE : find_absent(engine, page, 2 * most);
    if (next != PAGE_NONE && pays(engine, next)) {
        uint32_t window = MIN_OF(MAX_OF(next - page, AHEAD_LEAST), most);
        ask(engine, next, MIN_OF(window, engine->config.pages - next));
    }
}

/* ---- the read ---- */

/* Nobody waits for a frame, and half of those that can be had are not for pages read ahead. */
uint32_t prefetch_room(const struct engine *engine)
{
    uint32_t half = frames_available(engine) / 2;
    uint32_t unused = list_count(engine, (enum list_id)(LIST_STANDBY + PRIORITY_AHEAD));
    bool waited_for = waiters_now(engine) > 0 && !MUTANT(AHEAD_TAKES_WHAT_OTHERS_WAIT_FOR);
    return waited_for || half < unused ? 0 : half - unused;
}

frame_number prefetch_take_frame(struct engine *engine, struct thread *self)
{
    self->takes_ahead = true;
    frame_number frame = frames_take(engine, self, false);
    self->takes_ahead = false;
    return frame;
}

static void take_frames(struct engine *engine, struct thread *self, struct ahead_batch *batch)
{
    uint32_t wanted = 0, room = prefetch_room(engine);
    for (uint32_t i = 0; i < batch->count; i++) {
        wanted += prefetch_is_readable(pte_load(&engine->ptes[batch->first + i]));
    }
    wanted = MIN_OF(wanted, room);
    while (batch->spare < wanted) {
        frame_number frame = prefetch_take_frame(engine, self);
        if (frame == FRAME_NONE) {
            return;
        }
        batch->spares[batch->spare++] = frame;
    }
}

/* Returns how many reads were published. */
static uint32_t publish(struct engine *engine, struct thread *self, struct ahead_batch *batch)
{
    uint32_t published = 0;
    region_lock(engine, self, batch->first);
    for (uint32_t i = 0; i < batch->count; i++) {
        pte_word word = pte_load(&engine->ptes[batch->first + i]);
        batch->frames[i] = FRAME_NONE;
        if (prefetch_is_readable(word) && batch->spare > 0) {
            batch->frames[i] = batch->spares[--batch->spare];
            batch->entries[i] = inpage_publish(engine, self, batch->first + i, word,
                                               batch->frames[i], batch->block, PRIORITY_AHEAD);
            published++;
        }
    }
    region_unlock(engine, self, batch->first);
    return published;
}

/* The page joins the last request if its slot lies behind that one's, or nearly. */
static void add_page(struct ahead_batch *batch, uint32_t at, slot_number slot)
{
    struct store_request *last = &batch->request[batch->requests];
    if (batch->requests > 0) {
        last--;
        uint32_t apart = (uint32_t)((void *const *)&batch->buffers[at] - last->pages);
        if (slot - last->slot == apart && apart - last->count <= BRIDGED_MAX) {
            last->count = apart + 1;
            return;
        }
        last++;
    }
    *last = (struct store_request){
        .operation = STORE_READ, .slot = slot, .count = 1, .pages = &batch->buffers[at]};
    batch->submitted[batch->requests++] = last;
}

static void read_pages(struct engine *engine, struct thread *self, struct ahead_batch *batch,
                       uint32_t pages)
{
    const struct machine *machine = &engine->machine;
    batch->requests = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        frame_number frame = batch->frames[i];
        batch->buffers[i] = NULL;
        batch->failed[i] = false;
        if (frame != FRAME_NONE) {
            batch->buffers[i] = machine->ops->fill_buffer(machine->self, self->number, i, frame);
            add_page(batch, i, PFN_FIELD(frame_pfn(engine, frame), slot));
        }
    }
    lock_check_none_held(self);
    uint64_t begin_ns = span_begin(engine);
    store_wait_for_all(&engine->store, self->number, batch->submitted, batch->requests);
    span_end(engine, self, SPAN_READ, begin_ns, pages);
    PROBE(read_ahead, self->number, pages, batch->requests);
    count_add(self, COUNT_IO_READS, batch->requests);
    count_add(self, COUNT_IO_PAGES_READ, pages);
    for (uint32_t r = 0; r < batch->requests; r++) {
        const struct store_request *request = &batch->request[r];
        uint32_t at = (uint32_t)(request->pages - (void *const *)batch->buffers);
        for (uint32_t i = 0; request->result != 0 && i < request->count; i++) {
            batch->failed[at + i] = !MUTANT(AHEAD_FAILED_IS_DONE);
        }
        count_add(self, COUNT_IO_ERRORS, request->result != 0);
    }
}

/* ---- the end of it ---- */

/* Does the page still want what was read? Region lock held. */
static bool is_wanted(struct engine *engine, const struct ahead_batch *batch, uint32_t at)
{
    return batch->frames[at] != FRAME_NONE && !batch->failed[at] &&
           (pte_load(&engine->ptes[batch->first + at]) == batch->entries[at] ||
            MUTANT(AHEAD_IGNORES_CHANGED_PAGE));
}

/* The machine puts the contents where a later mapping finds them. Region lock held. */
static void place_contents(struct engine *engine, struct thread *self,
                           const struct ahead_batch *batch, uint32_t from, uint32_t end)
{
    struct machine_map maps[PLACED_AT_ONCE];
    uint32_t count = 0;
    for (uint32_t i = from; i < end; i++) {
        if (is_wanted(engine, batch, i)) {
            maps[count++] =
                (struct machine_map){batch->first + i, batch->frames[i], false, batch->buffers[i]};
        }
    }
    if (count > 0) {
        engine->machine.ops->place(engine->machine.self, self->number, count, maps);
    }
}

/* Region and frame lock held. Returns the list that the frame joins, or LIST_COUNT. */
static enum list_id settle_page(struct engine *engine, struct thread *self,
                                struct ahead_batch *batch, uint32_t at)
{
    frame_number frame = batch->frames[at];
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn) & ~PFN_READING;
    PFN_SET_FIELD(pfn, block, BLOCK_NONE);
    if (!is_wanted(engine, batch, at)) {
        inpage_abandon(engine, self, batch->first + at, frame,
                       batch->failed[at] ? WHY_READ_FAIL : WHY_READ_DISMISS);
        batch->spares[batch->spare++] = frame;
        return LIST_COUNT;
    }
    frame_move(engine, self, frame, pfn_with_state(word, PFN_STANDBY), WHY_READ_AHEAD);
    count_one(self, COUNT_PREFETCHED);
    heat_count(engine, self, HEAT_AHEAD, batch->first + at);
    return standby_list(word);
}

static void settle_part(struct engine *engine, struct thread *self, struct ahead_batch *batch,
                        uint32_t from, uint32_t end)
{
    struct let_go_batch going = {0};
    region_lock(engine, self, batch->first);
    if (engine->machine.ops->place != NULL) {
        place_contents(engine, self, batch, from, end);
    }
    for (uint32_t i = from; i < end; i++) {
        if (batch->frames[i] != FRAME_NONE) {
            let_go_lock(engine, self, &going, batch->frames[i]);
            let_go_add(engine, self, &going, batch->frames[i], settle_page(engine, self, batch, i));
        }
    }
    let_go_flush(engine, self, &going);
    region_unlock(engine, self, batch->first);
}

/* One part of a region. */
static void read_ahead(struct engine *engine, struct thread *self, page_number first,
                       uint32_t count)
{
    struct ahead_batch *batch = &self->scratch->ahead;
    batch->first = first;
    batch->count = count;
    batch->spare = 0;
    take_frames(engine, self, batch);
    if (batch->spare == 0) {
        return;
    }
    batch->block = inpage_take(engine, self);
    uint32_t published = publish(engine, self, batch);
    if (published > 0) {
        read_pages(engine, self, batch, published);
        for (uint32_t from = 0; from < count; from += PLACED_AT_ONCE) {
            settle_part(engine, self, batch, from, MIN_OF(from + PLACED_AT_ONCE, count));
        }
        frames_tell(engine, self, first, count);
    }
    inpage_complete(engine, self, batch->block, PAGE_NONE, 0);
    while (batch->spare > MUTANT(AHEAD_LEAKS_SPARE_FRAMES)) {
        frames_give_back(engine, self, batch->spares[--batch->spare]);
    }
    frames_grant(engine, self);
}

bool prefetch_round(struct engine *engine, struct thread *self)
{
    page_number first = 0, count = 0;
    if (!take_request(engine, &first, &count)) {
        return false;
    }
    thread_next_colour(engine, self); /* whose pages lose their frames for it */
    page_number end = (first | (engine->config.region_ptes - 1)) + 1;
    page_number part = MIN_OF(MIN_OF(count, end - first), READ_RUN_MAX);
    if (part < count && prefetch_room(engine) > 0) { /* else there is none for the rest either */
        ask(engine, first + part, count - part);
    }
    read_ahead(engine, self, first, part);
    return true;
}
