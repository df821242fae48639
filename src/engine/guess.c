/*
 * guess.c - what a hard fault reads besides its page: pages that are likely to be missed next.
 *
 * Where faults do not follow each other in order there is no stream to read ahead of. A fault that
 * must wait for a read anyway then brings a few pages more with it, in the same wait, to standby:
 *
 *   neighbours   the aligned block of NEIGHBOURS pages around the page, and the one below it
 *                where memory is walked downwards; not those that were read in vain the last time;
 *   followers    the page that was missed after this one the last time, the one after that if it
 *                came twice, and so on: a table of links;
 *   stride       the next pages at the distance at which the thread's misses lie, of a few series;
 *   majority     the next pages at the distance that most of the thread's last misses have, by
 *                Boyer's and Moore's vote, as in Leap (Al Maruf and Chowdhury, ATC 2020).
 *
 * A guess is published like any page that is read ahead (prefetch.c), shares the block of the page
 * that was touched, and never takes a frame that somebody waits for. It fails without a word.
 *
 * Whether guesses pay is learnt. Each counts as vain until its page is touched, soon: that counts
 * for eight; one that is touched late was a matter of luck, as every page is touched some day. The
 * more are vain, the more rarely one is made: a random load ends at one in 512. A region where they
 * paid lately has a credit, and need not care about the others. All that is learnt is a hint,
 * without a lock.
 */
#include "base/mutant.h"
#include "engine/engine.h"
#include "engine/heat.h"

#define NEIGHBOURS   4
#define FOLLOWED_MAX 3
#define STEPS_MAX    4 /* pages guessed along a stride */

/* ---- does it pay? ---- */

#define USED_SOON     8  /* so many guesses are paid for by one whose page is touched soon */
#define CREDIT_MAX    64 /* guesses of a region */
#define VAIN_STOPS    32 /* more vain than that: guesses become rare... */
#define VAIN_STEP     8  /* ...by half with each so many more... */
#define RARE_MAX      9  /* ...until so many halves */
#define VAIN_MAX      (VAIN_STOPS + RARE_MAX * VAIN_STEP - 1)
#define MISSES_A_TICK 16 /* hard faults of one thread */
#define SOON_TICKS    1

/* What is known of a page; the rest is the tick at which it was guessed. */
#define GUESS_OPEN   1 /* it was guessed, and not touched yet */
#define GUESS_VAIN   2 /* it was guessed in vain, and not missed since */
#define GUESS_PUSHED 4 /* it lost its frame to a page that was read ahead */
#define TICK_SHIFT   3
#define TICKS        32

/* Of pages that share a place the last one is known. */
static uint32_t guess_place(const struct engine *engine, page_number page)
{
    return page < engine->guess_places ? page : page % engine->guess_places;
}

static uint8_t guess_known(const struct engine *engine, page_number page)
{
    return atomic_load_explicit(&engine->guesses[guess_place(engine, page)], memory_order_relaxed);
}

static void guess_remember(struct engine *engine, page_number page, uint8_t what)
{
    if (guess_known(engine, page) != what) {
        atomic_store_explicit(&engine->guesses[guess_place(engine, page)], what,
                              memory_order_relaxed);
    }
}

static uint8_t tick_now(const struct engine *engine)
{
    return (uint8_t)(atomic_load_explicit(&engine->guess_ticks, memory_order_relaxed) % TICKS
                     << TICK_SHIFT);
}

static void learn_made(struct engine *engine, page_number page)
{
    _Atomic uint32_t *credit = &page_region(engine, page)->guess_credit,
                     *vain = &engine->guess_vain;
    uint32_t left = atomic_load_explicit(credit, memory_order_relaxed);
    uint32_t now = atomic_load_explicit(vain, memory_order_relaxed);
    if (left > 0) {
        atomic_store_explicit(credit, left - 1, memory_order_relaxed);
    }
    if (now < VAIN_MAX) {
        atomic_store_explicit(vain, now + 1, memory_order_relaxed);
    }
}

static void learn_used_soon(struct engine *engine, page_number page)
{
    _Atomic uint32_t *credit = &page_region(engine, page)->guess_credit,
                     *vain = &engine->guess_vain;
    uint32_t left = atomic_load_explicit(credit, memory_order_relaxed);
    uint32_t now = atomic_load_explicit(vain, memory_order_relaxed);
    atomic_store_explicit(credit, MIN_OF(left + USED_SOON, CREDIT_MAX), memory_order_relaxed);
    atomic_store_explicit(vain, now - MIN_OF(now, USED_SOON + 1), memory_order_relaxed);
}

static bool guess_pays(struct engine *engine, struct thread *self, page_number page)
{
    uint32_t vain = PFN_FIELD(engine, guess_vain);
    if (vain < VAIN_STOPS || PFN_FIELD(page_region(engine, page), guess_credit) > 0 ||
        MUTANT(GUESS_NEVER_STOPS)) {
        return true;
    }
    uint32_t halves = 1 + (vain - VAIN_STOPS) / VAIN_STEP;
    return (++self->guesses_refused & ((1u << halves) - 1)) == 0;
}

bool guess_is_open(const struct engine *engine, page_number page)
{
    return (guess_known(engine, page) & GUESS_OPEN) != 0;
}

bool guess_used(struct engine *engine, page_number page)
{
    uint8_t was = guess_known(engine, page);
    if ((was & GUESS_OPEN) == 0) {
        return false;
    }
    uint8_t since = (uint8_t)(tick_now(engine) - (was & ~(GUESS_OPEN | GUESS_VAIN | GUESS_PUSHED)));
    if (since >> TICK_SHIFT <= SOON_TICKS || MUTANT(GUESS_COUNTS_LUCK)) {
        learn_used_soon(engine, page);
    }
    guess_remember(engine, page, 0);
    return true;
}

bool guess_wasted(struct engine *engine, page_number page)
{
    if (!guess_is_open(engine, page)) {
        return false;
    }
    guess_remember(engine, page, GUESS_VAIN);
    return true;
}

void guess_pushed_out(struct engine *engine, page_number page)
{
    guess_remember(engine, page, guess_known(engine, page) | GUESS_PUSHED);
}

/* ---- what comes next ---- */

/* A link is the difference in bits of two pages, above a bit that says that it was seen twice. */
static void learn_follower(struct engine *engine, page_number before, page_number page)
{
    _Atomic uint32_t *link = &engine->followers[guess_place(engine, before)];
    uint32_t now = atomic_load_explicit(link, memory_order_relaxed);
    uint32_t seen = (before ^ page) << 1;
    uint32_t then = (now & ~1u) == seen ? seen | 1 : (now & 1) != 0 ? now & ~1u : seen;
    if (then != now) {
        atomic_store_explicit(link, then, memory_order_relaxed);
    }
}

/* Of the series whose next page it is, else of the nearest: its distance is another now. */
static void learn_stride(struct thread *self, page_number page)
{
    struct stride *nearest = &self->strides[self->stride_hand++ % STRIDES];
    page_number least = STRIDE_MAX + 1;
    for (uint32_t i = 0; i < STRIDES; i++) {
        struct stride *stride = &self->strides[i];
        page_number apart = page > stride->last ? page - stride->last : stride->last - page;
        if (page == stride->last + stride->step) {
            stride->last = page;
            stride->seen++;
            self->stride = stride;
            return;
        }
        if (apart < least) {
            least = apart;
            nearest = stride;
        }
    }
    *nearest = (struct stride){.last = page, .step = least > STRIDE_MAX ? 0 : page - nearest->last};
    self->stride = nearest;
}

static void count_tick(struct engine *engine, struct thread *self)
{
    if (++self->missed_hard % MISSES_A_TICK == 0) {
        atomic_fetch_add_explicit(&engine->guess_ticks, 1, memory_order_relaxed);
    }
}

void guess_missed(struct engine *engine, struct thread *self, page_number page, bool hard)
{
    page_number before = self->missed;
    uint32_t by = engine->config.guess_by;
    if (hard) {
        count_add(self, COUNT_PREFETCH_POLLUTED, (guess_known(engine, page) & GUESS_PUSHED) != 0);
        guess_remember(engine, page, 0);
        count_tick(engine, self);
    }
    if (by == 0 || before == page) {
        return;
    }
    self->missed = page;
    if (before != PAGE_NONE && (by & GUESS_FOLLOWERS) != 0) {
        learn_follower(engine, before, page);
    }
    if ((by & GUESS_STRIDE) != 0) {
        learn_stride(self, page);
    }
    self->steps[self->missed_count++ % STEPS] = page - before;
}

/* ---- the guesses ---- */

static bool is_guessed(const struct guesses *guesses, page_number page)
{
    for (uint32_t i = 0; i < guesses->count; i++) {
        if (guesses->pages[i] == page) {
            return true;
        }
    }
    return false;
}

static void add_guess(struct engine *engine, struct thread *self, page_number page,
                      struct guesses *guesses)
{
    if (page < engine->config.pages && guesses->count < GUESSES_MAX &&
        prefetch_is_readable(pte_load(&engine->ptes[page])) && !is_guessed(guesses, page) &&
        guess_pays(engine, self, page)) {
        guesses->pages[guesses->count++] = page;
    }
}

/* A thread that comes from above: this is the last page of a block, and the next one is in use. */
static bool comes_from_above(const struct engine *engine, page_number page)
{
    page_number end = page + 1 + NEIGHBOURS;
    bool above = (page + 1) % NEIGHBOURS == 0 && end <= engine->config.pages;
    for (page_number next = page + 1; above && next < end; next++) {
        above = pte_form(pte_load(&engine->ptes[next])) == PTE_VALID;
    }
    return above;
}

static void guess_neighbours(struct engine *engine, struct thread *self, page_number page,
                             struct guesses *guesses)
{
    page_number first = page & ~(page_number)(NEIGHBOURS - 1), end = first + NEIGHBOURS;
    if (first > 0 && comes_from_above(engine, page)) {
        first -= NEIGHBOURS;
    }
    for (page_number near = first; near < end; near++) {
        if (near < engine->config.pages && (guess_known(engine, near) & GUESS_VAIN) == 0) {
            add_guess(engine, self, near, guesses);
        }
    }
}

static void guess_followers(struct engine *engine, struct thread *self, page_number page,
                            struct guesses *guesses)
{
    for (uint32_t i = 0; i < FOLLOWED_MAX; i++) {
        uint32_t link = atomic_load_explicit(&engine->followers[guess_place(engine, page)],
                                             memory_order_relaxed);
        if (link >> 1 == 0 || (i > 0 && (link & 1) == 0)) {
            return;
        }
        page ^= link >> 1;
        add_guess(engine, self, page, guesses);
    }
}

static void guess_steps(struct engine *engine, struct thread *self, page_number page,
                        page_number step, struct guesses *guesses)
{
    for (uint32_t i = 0; i < STEPS_MAX && step != 0; i++) {
        page += step; /* a step back is one that wraps */
        add_guess(engine, self, page, guesses);
    }
}

/* The step of more than half of the last `count`; 0: there is none. */
static page_number majority_of(const struct thread *self, uint32_t count)
{
    page_number candidate = 0;
    uint32_t votes = 0, found = 0;
    for (uint32_t i = 1; i <= count; i++) {
        page_number step = self->steps[(self->missed_count - i) % STEPS];
        candidate = votes == 0 ? step : candidate;
        votes += step == candidate ? 1 : -1u;
    }
    for (uint32_t i = 1; i <= count; i++) {
        found += self->steps[(self->missed_count - i) % STEPS] == candidate;
    }
    return 2 * found > count ? candidate : 0;
}

/* The shortest stretch of the past that agrees. */
static page_number majority_step(const struct thread *self)
{
    page_number step = 0;
    for (uint32_t count = STEPS / 4; count <= STEPS && step == 0; count *= 2) {
        step = count <= self->missed_count ? majority_of(self, count) : 0;
    }
    return step;
}

static void find_guesses(struct engine *engine, struct thread *self, page_number page,
                         struct guesses *guesses)
{
    uint32_t by = engine->config.guess_by;
    if ((by & GUESS_FOLLOWERS) != 0) {
        guess_followers(engine, self, page, guesses);
    }
    if ((by & GUESS_NEIGHBOURS) != 0) {
        guess_neighbours(engine, self, page, guesses);
    }
    if ((by & GUESS_STRIDE) != 0 && self->stride->seen > 0) {
        guess_steps(engine, self, page, self->stride->step, guesses);
    }
    if ((by & GUESS_MAJORITY) != 0) {
        guess_steps(engine, self, page, majority_step(self), guesses);
    }
}

/* ---- their reads ---- */

/* Its PTE may be another by now. False: it is. */
static bool guess_publish_one(struct engine *engine, struct thread *self, page_number page,
                              frame_number frame, uint32_t block, pte_word *ret_entry)
{
    region_lock(engine, self, page);
    pte_word word = pte_load(&engine->ptes[page]);
    bool published = prefetch_is_readable(word);
    if (published) {
        guess_remember(engine, page, GUESS_OPEN | tick_now(engine));
        learn_made(engine, page);
        *ret_entry = inpage_publish(engine, self, page, word, frame, block, PRIORITY_AHEAD);
    }
    region_unlock(engine, self, page);
    return published;
}

/* Where no more pages may lie unused an older guess gives way, as long as nobody waits. */
static frame_number guess_take_frame(struct engine *engine, struct thread *self, uint32_t *room)
{
    if (*room > 0) {
        (*room)--;
        return prefetch_take_frame(engine, self);
    }
    if (waiters_now(engine) > 0) {
        return FRAME_NONE;
    }
    frame_number frame = frames_take_ahead(engine, self);
    if (frame == FRAME_NONE && frames_available(engine) > 1) {
        frame = prefetch_take_frame(engine, self);
    }
    return frame;
}

void guess_publish(struct engine *engine, struct thread *self, page_number page, uint32_t block,
                   struct guesses *ret)
{
    struct guesses found = {0};
    find_guesses(engine, self, page, &found);
    uint32_t room = found.count > 0 ? prefetch_room(engine) : 0;
    ret->count = 0;
    for (uint32_t i = 0; i < found.count; i++) {
        frame_number frame = guess_take_frame(engine, self, &room);
        uint32_t at = ret->count;
        if (frame == FRAME_NONE) {
            return;
        }
        if (guess_publish_one(engine, self, found.pages[i], frame, block, &ret->entries[at])) {
            ret->pages[at] = found.pages[i];
            ret->frames[at] = frame;
            ret->count++;
        } else {
            frames_give_back(engine, self, frame);
        }
    }
}

void guess_requests(struct engine *engine, struct thread *self, uint32_t window,
                    struct guesses *guesses, struct store_request **ret_requests)
{
    const struct machine *machine = &engine->machine;
    for (uint32_t i = 0; i < guesses->count; i++) {
        frame_number frame = guesses->frames[i];
        guesses->buffers[i] =
            machine->ops->fill_buffer(machine->self, self->number, window + i, frame);
        guesses->request[i] =
            (struct store_request){.operation = STORE_READ,
                                   .slot = PFN_FIELD(frame_pfn(engine, frame), slot),
                                   .count = 1,
                                   .pages = &guesses->buffers[i]};
        ret_requests[i] = &guesses->request[i];
    }
}

/* ---- the end of it ---- */

/* Region and frame lock held. Returns the list that the frame joins, or LIST_COUNT. */
static enum list_id guess_settle_page(struct engine *engine, struct thread *self, page_number page,
                                      frame_number frame, bool wanted, bool failed)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn) & ~PFN_READING;
    PFN_SET_FIELD(pfn, block, BLOCK_NONE);
    if (!wanted) {
        guess_remember(engine, page, 0);
        inpage_abandon(engine, self, page, frame, failed ? WHY_READ_FAIL : WHY_READ_DISMISS);
        return LIST_COUNT;
    }
    frame_move(engine, self, frame, pfn_with_state(word, PFN_STANDBY), WHY_READ_AHEAD);
    count_one(self, COUNT_PREFETCHED);
    heat_count(engine, self, HEAT_AHEAD, page);
    return standby_list(word);
}

/* Returns whether the page got what was read for it. */
static bool guess_settle_one(struct engine *engine, struct thread *self,
                             const struct guesses *guesses, uint32_t at)
{
    struct let_go_batch going = {0};
    page_number page = guesses->pages[at];
    frame_number frame = guesses->frames[at];
    bool failed = guesses->request[at].result != 0 && !MUTANT(GUESS_FAILED_IS_DONE);
    count_add(self, COUNT_IO_ERRORS, guesses->request[at].result != 0);
    region_lock(engine, self, page);
    bool wanted = !failed && (pte_load(&engine->ptes[page]) == guesses->entries[at] ||
                              MUTANT(GUESS_IGNORES_CHANGED_PAGE));
    if (wanted && engine->machine.ops->place != NULL) {
        struct machine_map map = {page, frame, false, guesses->buffers[at]};
        engine->machine.ops->place(engine->machine.self, self->number, 1, &map);
    }
    let_go_lock(engine, self, &going, frame);
    let_go_add(engine, self, &going, frame,
               guess_settle_page(engine, self, page, frame, wanted, failed));
    let_go_flush(engine, self, &going);
    region_unlock(engine, self, page);
    return wanted;
}

void guess_settle(struct engine *engine, struct thread *self, struct guesses *guesses)
{
    for (uint32_t i = 0; i < guesses->count; i++) {
        if (!guess_settle_one(engine, self, guesses, i) && !MUTANT(GUESS_LEAKS_FRAME)) {
            frames_give_back(engine, self, guesses->frames[i]);
        }
        frames_tell(engine, self, guesses->pages[i], 1);
    }
}
