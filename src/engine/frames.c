/*
 * frames.c - where a fault gets its frame, and how it waits when there is none.
 *
 * Order, as in Windows: the thread's own cache, zeroed and free lists, standby pages by lowest
 * priority and oldest first (repurposing), other threads' caches. Whoever finds nothing drops
 * everything and queues. Frames that become available are promised in the order of the queue; a
 * new arrival goes behind the queue unless there is more than the queue needs. No wake-up is lost:
 * a producer makes the frame visible and then looks for waiters, a waiter makes itself visible and
 * then looks for frames (both sequentially consistent), so one of them sees the other.
 *
 * With lists in colours the waiter's look is at every colour, one after another. That does: a
 * producer changes one count, and either the look at that one follows the change, or the producer's
 * look for waiters follows the waiter's. A frame that leaves a colour already looked at for another
 * is on its way meanwhile, and whoever puts it on its list looks for waiters again. Only priorities
 * that ever had a page are looked at: the bit is set before the first count, in the same order. A
 * frame seen twice is a promise too many, which ends as any promise does that somebody else was
 * faster for: back to the head of the queue.
 *
 * Nothing else need be exact, as long as nobody waits: then faults and workers judge by their own
 * colours, and the worst is that they trim or write too early or too late. As soon as somebody waits
 * everybody counts all colours, takes from all and, where its own are not enough, trims all regions
 * (trim.c, balance.c), and a waiter wakes a worker of any share: a worker that goes to sleep makes
 * itself known and then looks for waiters, a waiter makes itself known and then looks for sleepers.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"
#include "engine/lists.h"
#include "engine/refault.h"
#include "engine/spans.h"

/* ---- availability ---- */

/* Pages of other priorities there never were: their lists need not be looked at. */
static uint32_t standby_used(const struct engine *engine)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&engine->standby_used,
                                memory_order_seq_cst);
}

uint32_t frames_available(const struct engine *engine)
{
    return frames_available_near(engine, ALL_COLOURS);
}

uint32_t frames_available_near(const struct engine *engine, struct colour_set set)
{
    uint32_t sum =
        list_count_near(engine, set, LIST_ZEROED) + list_count_near(engine, set, LIST_FREE);
    for (uint32_t used = standby_used(engine); used != 0; used &= used - 1) {
        sum += list_count_near(engine, set, (enum list_id)(LIST_STANDBY + __builtin_ctz(used)));
    }
    return sum;
}

bool frames_plenty(const struct engine *engine, const struct thread *self, uint32_t wanted)
{
    return waiters_now(engine) == 0 &&
           (frames_available_near(engine, thread_colours(self)) >= 4 * wanted ||
            frames_available(engine) >= 4 * wanted);
}

static uint32_t cached_frames(const struct engine *engine)
{
    uint32_t sum = 0;
    for (uint32_t t = 0; engine->config.frame_cache != 0 && t < engine->config.threads; t++) {
        sum += atomic_load_explicit(&engine->threads[t].cache.count, memory_order_seq_cst);
    }
    return sum;
}

/* ---- the queue ---- */

/* Promise frames to the first in the queue, at most `room` of them; they must then be woken. */
static uint32_t promise_frames(struct engine *engine, struct thread *self, uint32_t room,
                               struct thread **ret_promised)
{
    uint32_t count = 0;
    lock_acquire(self, &engine->wait_lock, RANK_WAIT);
    uint32_t available = MUTANT(PROMISE_COUNTS_OWN_COLOUR)
                             ? frames_available_near(engine, thread_colours(self))
                             : frames_available(engine) + cached_frames(engine);
    while (count < room && engine->wait_head != NULL &&
           atomic_load_explicit(&engine->grants, memory_order_relaxed) < available) {
        struct thread *first = engine->wait_head;
        engine->wait_head = first->behind;
        first->granted = true;
        atomic_fetch_sub_explicit(&engine->waiters, 1, memory_order_seq_cst);
        atomic_fetch_add_explicit(&engine->grants, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&first->wake, 1, memory_order_release);
        atomic_fetch_add_explicit(&engine->served, 1, memory_order_relaxed);
        ret_promised[count++] = first;
    }
    lock_release(self, &engine->wait_lock, RANK_WAIT);
    return count;
}

void frames_grant(struct engine *engine, struct thread *self)
{
    struct thread *promised[16];
    uint32_t count = ARRAY_COUNT(promised);
    atomic_thread_fence(memory_order_seq_cst);
    while (waiters_now(engine) != 0 && count == ARRAY_COUNT(promised)) {
        count = promise_frames(engine, self, ARRAY_COUNT(promised), promised);
        for (uint32_t i = 0; i < count && !MUTANT(PROMISE_WAKES_NOBODY); i++) {
            world_wake(&promised[i]->wake, 1); /* records live on: a late wake does no harm */
        }
    }
    balance_call(engine);
}

/* Join the queue: at its head if a promise could not be kept, else at its end. */
static uint32_t join_queue(struct engine *engine, struct thread *self)
{
    lock_acquire(self, &engine->wait_lock, RANK_WAIT);
    if (self->granted || MUTANT(QUEUE_LAST_COMES_FIRST)) {
        atomic_fetch_sub_explicit(&engine->grants,
                                  MUTANT(QUEUE_LAST_COMES_FIRST) ? self->granted : 1,
                                  memory_order_relaxed);
        self->granted = false;
        self->behind = engine->wait_head;
        engine->wait_head = self;
        engine->wait_tail = self->behind == NULL ? self : engine->wait_tail;
    } else {
        self->behind = NULL;
        if (engine->wait_head == NULL) {
            engine->wait_head = self;
        } else {
            engine->wait_tail->behind = self;
        }
        engine->wait_tail = self;
    }
    atomic_fetch_add_explicit(&engine->waiters, 1, memory_order_seq_cst);
    uint32_t seen = atomic_load_explicit(&self->wake, memory_order_relaxed);
    lock_release(self, &engine->wait_lock, RANK_WAIT);
    return seen;
}

/* False: somebody else gave the page a frame, or it is committed no more. */
static bool needs_frame(struct engine *engine, page_number page)
{
    if (page == PAGE_NONE) {
        return true;
    }
    enum pte_form form = pte_form(pte_load(&engine->ptes[page]));
    return form == PTE_PAGE_FILE || form == PTE_DEMAND_ZERO ||
           (form == PTE_ZERO && space_inherited(engine, page) != PROTECTION_DECOMMIT);
}

void frames_tell(struct engine *engine, struct thread *self, page_number first, page_number count)
{
    atomic_thread_fence(memory_order_seq_cst); /* the PTEs first, then a look for waiters */
    if (LIKELY(waiters_now(engine) == 0)) {
        return;
    }
    lock_acquire(self, &engine->wait_lock, RANK_WAIT);
    for (struct thread *t = engine->wait_head; t != NULL; t = t->behind) {
        if (t->wants >= first && t->wants - first < count) {
            atomic_fetch_add_explicit(&t->wake, 1, memory_order_release);
            world_wake(&t->wake, 1);
        }
    }
    lock_release(self, &engine->wait_lock, RANK_WAIT);
}

/* Leave the queue without a frame, unless one was promised by now. */
static void leave_queue(struct engine *engine, struct thread *self)
{
    struct thread *before = NULL;
    lock_acquire(self, &engine->wait_lock, RANK_WAIT);
    if (!self->granted) {
        for (struct thread *t = engine->wait_head; t != self; t = t->behind) {
            before = t;
        }
        if (before == NULL) {
            engine->wait_head = self->behind;
        } else {
            before->behind = self->behind;
        }
        if (!MUTANT(QUEUE_KEEPS_TAIL_OF_LEAVER)) {
            engine->wait_tail = engine->wait_tail == self ? before : engine->wait_tail;
        }
        atomic_fetch_sub_explicit(&engine->waiters, 1, memory_order_seq_cst);
    }
    lock_release(self, &engine->wait_lock, RANK_WAIT);
}

#define LATE_NS                                                                                    \
    1000000000u /* a wait that long is counted as late, and the workers are kicked again */

static bool woken_since(const struct thread *self, uint32_t seen)
{
    return atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&self->wake, memory_order_acquire) !=
           seen;
}

/* In the queue: until a frame was promised, or the page wanted needs none. */
static void wait_in_queue(struct engine *engine, struct thread *self, uint32_t seen)
{
    while (!woken_since(self, seen)) {
        balance_kick_near(engine, self, WORKER_TRIM);
        balance_kick_near(engine, self, WORKER_WRITE);
        if (!MUTANT(QUEUE_WITHOUT_SECOND_LOOK)) {
            frames_grant(engine, self);
        }
        if (!needs_frame(engine, self->wants)) {
            break;
        }
        world_wait(&self->wake, seen, LATE_NS);
    }
}

void frames_wait(struct engine *engine, struct thread *self)
{
    uint64_t begin_ns = world_now_ns();
    bool kept_waiting = self->granted;
    lock_check_none_held(self);
    uint32_t seen = join_queue(engine, self);
    if (kept_waiting) {
        world_pause(8, self->backoff);
    }
    if (!MUTANT(QUEUE_WITHOUT_SECOND_LOOK)) {
        frames_grant(engine, self);
    }
    if (!woken_since(self, seen)) { /* else there was one by now */
        count_one(self, COUNT_FRAME_WAITS);
        PROBE(frame_wait_begin, self->number, self->wants);
        wait_in_queue(engine, self, seen);
        uint64_t waited_ns = world_now_ns() - begin_ns;
        count_add(self, COUNT_FRAME_WAIT_NS, waited_ns);
        PROBE(frame_wait_end, self->number, self->wants, waited_ns);
        histogram_record(&self->latencies[LATENCY_FRAME_WAIT], waited_ns);
        span_keep(engine, self, SPAN_FRAME_WAIT, begin_ns, begin_ns + waited_ns, self->wants);
        if (waited_ns > LATE_NS) {
            count_one(self, COUNT_FRAME_WAITS_LATE);
        }
    }
    leave_queue(engine, self);
}

void frames_wait_end(struct engine *engine, struct thread *self)
{
    if (!self->granted) { /* only the owner is off the queue here, so nobody else sets it */
        return;
    }
    lock_acquire(self, &engine->wait_lock, RANK_WAIT);
    self->granted = false;
    atomic_fetch_sub_explicit(&engine->grants, MUTANT(PROMISE_NEVER_ENDS) ? 0 : 1,
                              memory_order_relaxed);
    lock_release(self, &engine->wait_lock, RANK_WAIT);
    frames_grant(engine, self);
}

/* Somebody is in front of a new arrival, and there is not enough for all. */
static bool must_queue(struct engine *engine, const struct thread *self)
{
    uint32_t before =
        waiters_now(engine) + atomic_load_explicit(&engine->grants, memory_order_relaxed);
    return !MUTANT(QUEUE_IS_JUMPED) && before != 0 && !self->granted &&
           frames_available(engine) <= before;
}

/* ---- frame caches ---- */

/*
 * A refill follows the links of a list, and each is a miss of the processor's cache. One step for
 * each frame taken brings the lines in by the time they are needed. Only a guess: others take too.
 */
static void look_ahead(struct engine *engine, struct frame_cache *cache)
{
    if (cache->ahead < engine->config.frames) {
        cache->ahead = PFN_FIELD(frame_pfn(engine, cache->ahead), flink);
    }
    if (cache->ahead < engine->config.frames) {
        pfn_prefetch(frame_pfn(engine, cache->ahead));
    }
}

static frame_number cache_pop(struct thread *self, struct frame_cache *cache)
{
    frame_number frame = FRAME_NONE;
    if (atomic_load_explicit(&cache->count, memory_order_seq_cst) == 0) {
        return FRAME_NONE;
    }
    lock_acquire(self, &cache->lock, RANK_CACHE);
    uint32_t count = PFN_FIELD(cache, count);
    if (count > 0) {
        frame = cache->frames[count - 1];
        PFN_SET_FIELD(cache, count, count - 1);
    }
    lock_release(self, &cache->lock, RANK_CACHE);
    return frame;
}

/* Returns how many fitted. */
static uint32_t cache_push(struct engine *engine, struct thread *self, const frame_number *frames,
                           uint32_t count)
{
    struct frame_cache *cache = &self->cache;
    if (engine->config.frame_cache == 0) {
        return 0;
    }
    lock_acquire(self, &cache->lock, RANK_CACHE);
    uint32_t have = PFN_FIELD(cache, count),
             fits = MIN_OF(count, engine->config.frame_cache - have);
    for (uint32_t i = 0; i < fits; i++) {
        cache->frames[have + i] = frames[i];
    }
    atomic_store_explicit(&cache->count, have + fits, memory_order_seq_cst);
    lock_release(self, &cache->lock, RANK_CACHE);
    return fits;
}

static enum list_id list_of_ownerless(struct engine *engine, frame_number frame)
{
    return pfn_state(pfn_load(frame_pfn(engine, frame))) == PFN_ZEROED ? LIST_ZEROED : LIST_FREE;
}

/* Ownerless frames, in hand: into the own cache while nobody waits, else to the lists. */
static void keep_or_insert(struct engine *engine, struct thread *self, const frame_number *frames,
                           uint32_t count)
{
    uint32_t kept = waiters_now(engine) == 0 ? cache_push(engine, self, frames, count) : 0;
    for (uint32_t i = kept; i < count - MUTANT(CACHE_LOSES_WHAT_DOES_NOT_FIT); i++) {
        list_insert(engine, self, list_of_ownerless(engine, frames[i]), frames[i]);
    }
    frames_grant(engine, self);
}

void frames_give_back(struct engine *engine, struct thread *self, frame_number frame)
{
    keep_or_insert(engine, self, &frame, 1);
}

void engine_leave(struct engine *engine, uint32_t thread)
{
    struct thread *self = &engine->threads[thread];
    frame_number frame;
    while ((frame = cache_pop(self, &self->cache)) != FRAME_NONE) {
        list_insert(engine, self, list_of_ownerless(engine, frame), frame);
    }
    frames_grant(engine, self);
}

/* Another thread's cached frame. */
static frame_number steal_frame(struct engine *engine, struct thread *self)
{
    frame_number frame = FRAME_NONE;
    uint32_t threads = engine->config.frame_cache == 0 || MUTANT(CACHE_OF_OTHERS_IS_NOT_ASKED)
                           ? 0
                           : engine->config.threads;
    for (uint32_t i = 1; i < threads && frame == FRAME_NONE; i++) {
        frame = cache_pop(self, &engine->threads[(self->number + i) % threads].cache);
    }
    return frame;
}

/* ---- taking ---- */

static void unlock_frames(struct engine *engine, struct thread *self, const frame_number *frames,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        frame_unlock(engine, self, frames[i]);
    }
}

/* The machine must forget the pages' contents before their PTEs may point to the slots alone. */
static void give_up_contents(struct engine *engine, struct thread *self, const frame_number *frames,
                             uint32_t count)
{
    page_number pages[FRAME_CACHE_MAX];
    for (uint32_t i = 0; i < count; i++) {
        pages[i] = PFN_FIELD(frame_pfn(engine, frames[i]), page);
    }
    unlock_frames(engine, self, frames, count);
    if (!MUTANT(REPURPOSE_KEEPS_CONTENT)) {
        engine->machine.ops->release(engine->machine.self, self->number, count, pages);
    }
}

/* Frame lock held: the owner gets its slot back, the frame has no owner any more. */
static void disown_frame(struct engine *engine, struct thread *self, frame_number frame)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    page_number page = PFN_FIELD(pfn, page);
    MUST_FRAME(engine, frame, page < engine->config.pages);
    MUST_FRAME(engine, frame,
               pte_load(&engine->ptes[page]) ==
                   pte_make_transition(frame, (enum protection)pfn_protection(word)));
    MUST_FRAME(engine, frame, (word & (PFN_MODIFIED_BIT | PFN_WRITING | PFN_READING)) == 0);
    MUST_FRAME(engine, frame, pfn_references(word) == 0);
    MUST_FRAME(engine, frame, pfn_pins(word) == 0);
    if (is_ahead(word)) {
        prefetch_wasted(engine, self, page);
    } else if (self->takes_ahead) {
        guess_pushed_out(engine, page);
    }
    pte_store(&engine->ptes[page],
              MUTANT(REPURPOSE_FORGETS_SLOT)
                  ? pte_make_software((enum protection)pfn_protection(word), SLOT_NONE)
                  : refault_note(engine, self, frame_original_pte(pfn, word)));
    PFN_SET_FIELD(pfn, slot, SLOT_NONE);
    PFN_SET_FIELD(pfn, page, PAGE_NONE);
    frame_move(engine, self, frame, pfn_with_state(pfn_new_owner(word, 0, 0), PFN_FREE),
               WHY_REPURPOSE);
    count_one(self, COUNT_REPURPOSED);
    PROBE(repurpose, self->number, page, frame);
}

/* Of the pages that were read ahead, without the youngest. */
static uint32_t ahead_to_take(const struct engine *engine)
{
    uint32_t have = list_count(engine, (enum list_id)(LIST_STANDBY + PRIORITY_AHEAD));
    uint32_t kept = MIN_OF(AHEAD_KEPT, engine->config.frames / 16);
    return MIN_OF(have - MIN_OF(have, kept), FRAME_CACHE_MAX);
}

static uint32_t take(struct engine *engine, struct thread *self, bool near, enum list_id list,
                     uint32_t count, frame_number *ret_frames)
{
    return near ? list_take_near(engine, self, list, count, ret_frames)
                : list_take(engine, self, list, count, ret_frames);
}

/* Pages of that standby list lose their frames, oldest first. Returns how many. */
static uint32_t repurpose_from(struct engine *engine, struct thread *self, bool near,
                               unsigned priority, uint32_t count, frame_number *ret_frames)
{
    bool releases = engine->machine.ops->release != NULL;
    uint32_t taken =
        take(engine, self, near, (enum list_id)(LIST_STANDBY + priority), count, ret_frames);
    for (uint32_t i = 0; i < taken; i++) {
        struct pfn *pfn = frame_pfn(engine, ret_frames[i]);
        pfn_word word = pfn_load(pfn);
        __builtin_prefetch(&engine->ptes[PFN_FIELD(pfn, page)], 1);
        frame_move(engine, self, ret_frames[i],
                   pfn_with_state(word, PFN_TRANSITION) | PFN_GIVING_UP, WHY_REPURPOSE_START);
    }
    if (taken > 0 && releases) {
        give_up_contents(engine, self, ret_frames, taken);
    }
    for (uint32_t i = 0; i < taken; i++) {
        if (releases) {
            frame_lock(engine, self, ret_frames[i]);
        }
        disown_frame(engine, self, ret_frames[i]);
        frame_unlock(engine, self, ret_frames[i]);
    }
    return taken;
}

/* Take up to `count` standby pages from their owners: lowest priority first, oldest first. */
static uint32_t repurpose(struct engine *engine, struct thread *self, bool near, uint32_t count,
                          frame_number *ret_frames)
{
    uint32_t taken = 0;
    unsigned looks = STANDBY_PRIORITIES + (engine->colours == 1 || !near);
    uint32_t used = standby_used(engine);
    for (unsigned p = 0; p < looks && taken == 0; p++) {
        /* The youngest that were read ahead come last: else streams would take them from each other. */
        unsigned priority = p < STANDBY_PRIORITIES ? p : PRIORITY_AHEAD;
        if ((used & 1u << priority) != 0) {
            uint32_t most = p == PRIORITY_AHEAD ? ahead_to_take(engine) : FRAME_CACHE_MAX;
            taken = repurpose_from(engine, self, near, priority, MIN_OF(count, most), ret_frames);
        }
    }
    return taken;
}

frame_number frames_take_ahead(struct engine *engine, struct thread *self)
{
    frame_number frame = FRAME_NONE;
    return repurpose_from(engine, self, false, PRIORITY_AHEAD, 1, &frame) > 0 ? frame : FRAME_NONE;
}

static uint32_t refill_batch(const struct engine *engine)
{
    return 1 + engine->config.frame_cache / 2;
}

/* How many frames to take at once from something that holds `have`. */
static uint32_t refill_count(const struct engine *engine, uint32_t have)
{
    return have >= refill_batch(engine) * 8 ? refill_batch(engine) : 1;
}

/* Frames of nobody, of the better kind first, from lists that hold so many at least. */
static uint32_t take_unused(struct engine *engine, struct thread *self, bool near, bool zeroed,
                            uint32_t least, frame_number *ret_frames)
{
    const enum list_id kinds[2] = {zeroed ? LIST_ZEROED : LIST_FREE,
                                   zeroed ? LIST_FREE : LIST_ZEROED};
    struct colour_set set = near ? thread_colours(self) : ALL_COLOURS;
    uint32_t taken = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(kinds) && taken == 0; i++) {
        uint32_t have = list_count_near(engine, set, kinds[i]);
        if (have >= least) {
            taken = take(engine, self, near, kinds[i], refill_count(engine, have), ret_frames);
        }
    }
    unlock_frames(engine, self, ret_frames, taken);
    return taken;
}

static uint32_t take_standby(struct engine *engine, struct thread *self, bool near,
                             frame_number *ret_frames)
{
    uint32_t have = frames_available_near(engine, thread_colours(self));
    return repurpose(engine, self, near, refill_count(engine, have), ret_frames);
}

/*
 * Fewer of nobody are not worth a look at every colour: they are left to whose colour has them.
 * Where a page's content must be given up first, which takes a call of the system, any are.
 */
static uint32_t few_unused(const struct engine *engine)
{
    return engine->machine.ops->release != NULL
               ? 0
               : MIN_OF(engine->config.frames / 64, engine->colours * refill_batch(engine));
}

/*
 * From the thread's own colour; but as long as there are frames of nobody elsewhere no page loses
 * its frame for want of them here, unless they are few.
 */
static uint32_t take_some(struct engine *engine, struct thread *self, bool zeroed,
                          frame_number *ret_frames)
{
    bool others = engine->colours > 1;
    uint32_t taken = take_unused(engine, self, true, zeroed, 0, ret_frames);
    if (taken == 0 && others && !MUTANT(FRAMES_FROM_PAGES_NEARBY)) {
        taken = take_unused(engine, self, false, zeroed, few_unused(engine), ret_frames);
    }
    if (taken == 0) {
        taken = take_standby(engine, self, true, ret_frames);
    }
    if (taken == 0 && others) {
        taken = take_unused(engine, self, false, zeroed, 0, ret_frames);
    }
    if (taken == 0 && others) {
        taken = take_standby(engine, self, false, ret_frames);
    }
    return taken;
}

static frame_number take_uncached(struct engine *engine, struct thread *self, bool zeroed)
{
    frame_number frames[FRAME_CACHE_MAX];
    uint32_t taken = take_some(engine, self, zeroed, frames);
    if (taken > 1) {
        keep_or_insert(engine, self, frames + 1, taken - 1);
    }
    balance_after_take(engine, self);
    return taken > 0 ? frames[0] : FRAME_NONE;
}

frame_number frames_take(struct engine *engine, struct thread *self, bool zeroed)
{
    if (must_queue(engine, self)) {
        return FRAME_NONE;
    }
    frame_number frame = cache_pop(self, &self->cache);
    if (frame == FRAME_NONE) {
        frame = take_uncached(engine, self, zeroed);
    } else {
        look_ahead(engine, &self->cache);
    }
    if (frame == FRAME_NONE) {
        frame = steal_frame(engine, self);
    }
    if (frame != FRAME_NONE) {
        frames_wait_end(engine, self);
    }
    return frame;
}

uint32_t frames_repurpose_ahead(struct engine *engine, struct thread *self, uint32_t count)
{
    frame_number frames[FRAME_CACHE_MAX];
    uint32_t taken = repurpose(engine, self, false, count, frames);
    if (taken > 0) {
        list_insert_many(engine, self, LIST_FREE, frames, taken);
        frames_grant(engine, self);
    }
    return taken;
}

/* ---- letting go ---- */

enum list_id frame_let_go(struct engine *engine, struct thread *self, frame_number frame,
                          enum move_why clean, enum move_why dirty)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_word word = pfn_load(pfn);
    MUST_FRAME(engine, frame, pfn_references(word) > 0);
    word -= PFN_REFERENCE_ONE;
    if (pfn_state(word) != PFN_TRANSITION ||
        (pfn_references(word) > 0 && !MUTANT(LET_GO_WHILE_HELD))) {
        frame_update(engine, frame, word);
        return LIST_COUNT;
    }
    MUST_FRAME(engine, frame, (word & (PFN_READING | PFN_WRITING | PFN_GIVING_UP)) == 0);
    if ((word & PFN_DELETED) && !MUTANT(LET_GO_DELETED_TO_STANDBY)) {
        MUST_FRAME(engine, frame, PFN_FIELD(pfn, slot) == SLOT_NONE);
        PFN_SET_FIELD(pfn, page, PAGE_NONE);
        frame_move(engine, self, frame, pfn_with_state(pfn_new_owner(word, 0, 0), PFN_FREE),
                   WHY_DELETED);
        count_one(self, COUNT_DELETED);
        return LIST_FREE;
    }
    if (word & PFN_MODIFIED_BIT) {
        frame_move(engine, self, frame, pfn_with_state(word, PFN_MODIFIED), dirty);
        return LIST_MODIFIED;
    }
    frame_move(engine, self, frame, pfn_with_state(word, PFN_STANDBY), clean);
    return standby_list(word);
}

void let_go_lock(struct engine *engine, struct thread *self, struct let_go_batch *batch,
                 frame_number frame)
{
    if (batch->count > 0 && frame_try_lock(engine, self, frame)) {
        return;
    }
    let_go_flush(engine, self, batch);
    frame_lock(engine, self, frame);
}

void let_go_add(struct engine *engine, struct thread *self, struct let_go_batch *batch,
                frame_number frame, enum list_id list)
{
    if (list == LIST_COUNT) {
        frame_unlock(engine, self, frame);
        return;
    }
    if (batch->count == ARRAY_COUNT(batch->frames) || (batch->count > 0 && batch->list != list)) {
        let_go_flush(engine, self, batch);
    }
    batch->list = list;
    batch->frames[batch->count++] = frame;
    if (MUTANT(LET_GO_TWICE) && batch->count < ARRAY_COUNT(batch->frames)) {
        batch->frames[batch->count++] = frame;
    }
}

void let_go_flush(struct engine *engine, struct thread *self, struct let_go_batch *batch)
{
    if (batch->count == 0) {
        return;
    }
    list_insert_many(engine, self, batch->list, batch->frames, batch->count);
    unlock_frames(engine, self, batch->frames, batch->count);
    batch->count = 0;
}
