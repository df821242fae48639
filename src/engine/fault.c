/*
 * fault.c - from touch to resume: what happens when an access does not get through.
 *
 * A snapshot of the PTE decides what is needed, and that is taken before any lock. Then
 * the region is locked and the PTE compared with the snapshot; a difference means another look.
 * Every path comes out through engine_fault(), which holds no lock, waits where it must, and
 * counts. A fault that was resolved is simply taken again by the machine.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"
#include "engine/heat.h"
#include "engine/lists.h"
#include "engine/phases.h"

pfn_word fault_dirty(struct engine *engine, struct thread *self, frame_number frame, pfn_word word)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    slot_number slot = PFN_FIELD(pfn, slot);
    if (slot != SLOT_NONE) { /* never while it is being written: then the writer has the slot */
        MUST_FRAME(engine, frame, (word & PFN_WRITING) == 0);
        PFN_SET_FIELD(pfn, slot, SLOT_NONE);
        if (!MUTANT(FAULT_LEAKS_SLOT_AT_WRITE)) {
            slots_give_back(engine, self, slot);
        }
        count_one(self, COUNT_SLOT_GIVEN_BACK);
    }
    return word | PFN_MODIFIED_BIT;
}

/* ---- writes that are expected ---- */

#define HISTORY_WRITTEN 4 /* a write that was not expected costs so many comparisons */
#define HISTORY_MAX     16

void fault_learn(struct engine *engine, page_number page, bool written)
{
    _Atomic uint32_t *history = &page_region(engine, page)->write_history;
    if (engine->config.map_writable != MAP_BY_HISTORY) {
        return;
    }
    uint32_t now = atomic_load_explicit(history, memory_order_relaxed);
    uint32_t then = written ? MIN_OF(now + HISTORY_WRITTEN, HISTORY_MAX)
                            : now - (now > 0 && !MUTANT(FAULT_EXPECTS_FOR_EVER));
    if (then != now) {
        atomic_store_explicit(history, then, memory_order_relaxed);
    }
}

static bool expects_write(struct engine *engine, page_number page)
{
    return engine->config.map_writable == MAP_WRITABLE ||
           PFN_FIELD(page_region(engine, page), write_history) >= HISTORY_WRITTEN;
}

pfn_word fault_before_map(struct engine *engine, struct thread *self, frame_number frame,
                          pfn_word word, bool write)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    if (write || !engine->track_dirty) {
        return fault_dirty(engine, self, frame, word);
    }
    /* Without a slot there is nothing to compare it with later. */
    bool expected =
        PFN_FIELD(pfn, slot) != SLOT_NONE &&
        (pfn_protection(word) == PROTECTION_READ_WRITE || MUTANT(FAULT_EXPECTS_READ_ONLY)) &&
        expects_write(engine, PFN_FIELD(pfn, page));
    count_add(self, COUNT_MAPPED_WRITABLE, expected);
    return word | (expected ? PFN_MODIFIED_BIT : 0);
}

void fault_map_pages(struct engine *engine, struct thread *self, uint32_t count,
                     const struct machine_map *maps)
{
    bool fills = engine->machine.content_by_page && maps[0].source != NULL;
    phase_enter(engine, self, fills ? PHASE_FILL : PHASE_MAP);
    engine->machine.ops->map(engine->machine.self, self->number, count, maps);
    phase_enter(engine, self, PHASE_ENGINE);
}

void fault_map(struct engine *engine, struct thread *self, page_number page, frame_number frame,
               enum protection protection, bool writable, enum policy_birth birth,
               const void *source)
{
    struct machine_map map = {page, frame, writable, source};
    pte_store(&engine->ptes[page],
              pte_make_valid(frame, protection, writable, engine->policy->birth(birth)));
    region_count_resident(engine, page, 1);
    region_set_colour(engine, self, page);
    fault_map_pages(engine, self, 1, &map);
}

static bool permits(enum protection protection, bool write)
{
    return protection == PROTECTION_READ_WRITE ||
           (protection == PROTECTION_READ_ONLY && (!write || MUTANT(FAULT_PERMITS_ALL)));
}

/* ---- demand-zero ---- */

/* The frame in hand holds zeros from here on. */
static void zero_in_hand(struct engine *engine, struct thread *self, frame_number frame)
{
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    if (pfn_state(word) == PFN_FREE) {
        if (engine->machine.ops->zero != NULL && !MUTANT(FAULT_DOES_NOT_ZERO)) {
            phase_enter(engine, self, PHASE_FILL);
            engine->machine.ops->zero(engine->machine.self, frame);
            phase_enter(engine, self, PHASE_ENGINE);
        }
        frame_move(engine, self, frame, pfn_with_state(word, PFN_ZEROED), WHY_ZERO);
        count_one(self, COUNT_ZEROED);
    }
}

static enum fault_step demand_zero(struct engine *engine, struct thread *self, page_number page,
                                   bool write, pte_word seen, frame_number *hand)
{
    frame_number frame = *hand;
    struct pfn *pfn = frame_pfn(engine, frame);
    region_lock(engine, self, page);
    enum protection protection = seen == 0 ? space_inherited(engine, page) : pte_protection(seen);
    /* An all-zero PTE says nothing of its rights: they may have changed since the first look. */
    if ((pte_load(&engine->ptes[page]) != seen && !MUTANT(FAULT_ZERO_WITHOUT_COMPARE)) ||
        !permits(protection, write)) {
        region_unlock(engine, self, page);
        return STEP_RETRY;
    }
    /* Under the lock, so that nothing has to wait for the stores until the next fault. */
    bool late = pfn_state(pfn_load(pfn)) == PFN_FREE && MUTANT(FAULT_ZEROS_AFTER_MAP);
    zero_in_hand(engine, self, frame);
    bool dirty = write || !engine->track_dirty;
    pfn_word word = pfn_new_owner(pfn_load(pfn), protection, PRIORITY_NORMAL);
    PFN_SET_FIELD(pfn, page, page);
    frame_move(engine, self, frame,
               pfn_with_state(word, PFN_ACTIVE) | (dirty ? PFN_MODIFIED_BIT : 0), WHY_DEMAND_ZERO);
    fault_map(engine, self, page, frame, protection, dirty && protection == PROTECTION_READ_WRITE,
              POLICY_DEMAND_ZERO, engine->machine.content_by_page ? engine->machine.zeros : NULL);
    if (late && engine->machine.ops->zero != NULL) {
        world_pause(0, engine->config.backoff);
        engine->machine.ops->zero(engine->machine.self, frame);
    }
    region_unlock(engine, self, page);
    *hand = FRAME_NONE;
    frames_tell(engine, self, page, 1);
    count_one(self, COUNT_FAULT_DEMAND_ZERO);
    self->latency = LATENCY_DEMAND_ZERO;
    return STEP_DONE;
}

/* ---- transition ---- */

static void count_rescue(struct thread *self, pfn_word word)
{
    bool modified = (word & PFN_MODIFIED_BIT) != 0;
    count_one(self, word & PFN_WRITING ? COUNT_RESCUE_WRITING
                    : modified         ? COUNT_RESCUE_MODIFIED
                                       : COUNT_RESCUE_STANDBY);
}

/*
 * Frame lock held, the frame still holds the page, and nothing keeps it from being active again.
 * Takes it off whatever list it is on.
 */
static pfn_word rescue_frame(struct engine *engine, struct thread *self, frame_number frame,
                             bool write)
{
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    enum move_why why = WHY_RESCUE_IN_FLIGHT;
    if (pfn_state(word) == PFN_STANDBY) {
        list_unlink(engine, self, standby_list(word), frame);
        why = WHY_RESCUE_STANDBY;
    } else if (pfn_state(word) == PFN_MODIFIED) {
        list_unlink(engine, self, LIST_MODIFIED, frame);
        why = WHY_RESCUE_MODIFIED;
    }
    count_rescue(self, word);
    PROBE(rescue, self->number, PFN_FIELD(frame_pfn(engine, frame), page), frame, pfn_state(word));
    if (is_ahead(word)) {
        word = prefetch_used(engine, self, PFN_FIELD(frame_pfn(engine, frame), page), word);
    }
    word = pfn_with_state(fault_before_map(engine, self, frame, word, write), PFN_ACTIVE);
    frame_move(engine, self, frame, word, why);
    return word;
}

/* The PTE becomes valid; fills in what the machine has to map. Region lock held. */
static void rescue_pte(struct engine *engine, page_number page, frame_number frame, pfn_word word,
                       uint8_t policy_register, struct machine_map *ret_map)
{
    enum protection protection = (enum protection)pfn_protection(word);
    bool writable = ((word & PFN_MODIFIED_BIT) != 0 || MUTANT(RESCUE_MAPS_CLEAN_WRITABLE)) &&
                    protection == PROTECTION_READ_WRITE;
    pte_store(&engine->ptes[page], pte_make_valid(frame, protection, writable, policy_register));
    region_count_resident(engine, page, 1);
    *ret_map = (struct machine_map){page, frame, writable, NULL};
}

/* A neighbour that sits on standby or modified comes along. Region lock held. */
static bool rescue_neighbour(struct engine *engine, struct thread *self, page_number page,
                             struct machine_map *ret_map)
{
    pte_word seen = pte_load(&engine->ptes[page]);
    if (pte_form(seen) != PTE_TRANSITION || pte_protection(seen) == PROTECTION_NO_ACCESS ||
        guess_is_open(engine, page)) { /* whether it was a good guess its own touch says */
        return false;
    }
    frame_number frame = pte_frame(seen);
    frame_lock(engine, self, frame);
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    bool rescued = pte_load(&engine->ptes[page]) == seen &&
                   (pfn_state(word) == PFN_STANDBY || pfn_state(word) == PFN_MODIFIED ||
                    MUTANT(RESCUE_NEIGHBOUR_IN_FLIGHT));
    if (rescued) {
        word = rescue_frame(engine, self, frame, false);
        count_one(self, COUNT_RESCUE_AROUND);
    }
    frame_unlock(engine, self, frame);
    if (rescued) {
        rescue_pte(engine, page, frame, word, 0, ret_map);
    }
    return rescued;
}

/* Map the rescued page, and its neighbours in the same state with the same call. */
static void map_around(struct engine *engine, struct thread *self, const struct machine_map *own,
                       uint32_t window)
{
    struct machine_map maps[AROUND_MAX];
    uint32_t count = 0;
    page_number first = own->page & ~(window - 1);
    page_number end = MIN_OF(first + window, engine->config.pages);
    for (page_number page = first; page < end; page++) {
        if (page == own->page) {
            maps[count++] = *own;
        } else if (rescue_neighbour(engine, self, page, &maps[count])) {
            count++;
        }
    }
    fault_map_pages(engine, self, count, maps);
}

/*
 * Of what size the window is in which neighbours come along. Pages that were read ahead were read
 * to be used: all that can be mapped together, if any are. Else neighbours are worth something where
 * what is rescued lies close together; a page that is popular alone would only keep others that are
 * not. Region lock held.
 */
static uint32_t around_window(struct engine *engine, page_number page, bool ahead)
{
    struct pte_region *region = page_region(engine, page);
    uint32_t window = engine->config.fault_around;
    page_number last = region->rescued_next;
    page_number apart = last > page ? last - page : page - last;
    region->rescued_next = page + 1;
    if (window > 1 && ahead) {
        return MIN_OF(AROUND_MAX, engine->config.region_ptes);
    }
    bool near = last == 0 || apart <= AROUND_NEAR * window || MUTANT(RESCUE_AROUND_ANYWHERE);
    return near ? window : 1;
}

/* Region and frame lock held; the PTE names the frame. Both are released. */
static enum fault_step rescue_locked(struct engine *engine, struct thread *self, page_number page,
                                     bool write, frame_number frame)
{
    struct machine_map map;
    pfn_word word = pfn_load(frame_pfn(engine, frame));
    if ((word & PFN_GIVING_UP) && !MUTANT(RESCUE_WHILE_GIVEN_UP)) {
        frame_unlock(engine, self, frame);
        region_unlock(engine, self, page);
        return STEP_YIELD;
    }
    bool guessed = guess_is_open(engine, page);
    bool ahead = is_ahead(word) && !guessed;
    /* The first touch of what was read ahead is not a second one. */
    enum policy_birth birth =
        is_ahead(word) && !MUTANT(AHEAD_USED_IS_RESCUED) ? POLICY_HARD : POLICY_RESCUE;
    uint32_t around = around_window(engine, page, ahead);
    word = rescue_frame(engine, self, frame, write);
    frame_unlock(engine, self, frame);
    rescue_pte(engine, page, frame, word, engine->policy->birth(birth), &map);
    region_set_colour(engine, self, page);
    if (around > 1) {
        map_around(engine, self, &map, around);
    } else {
        fault_map_pages(engine, self, 1, &map);
    }
    region_unlock(engine, self, page);
    if (ahead) {
        prefetch_beyond(engine, page);
    }
    if (guessed) {
        guess_missed(engine, self, page, false);
    }
    balance_call(engine); /* the page counted as one that could be given out */
    count_one(self, COUNT_FAULT_TRANSITION);
    self->latency = LATENCY_TRANSITION;
    return STEP_DONE;
}

static enum fault_step transition(struct engine *engine, struct thread *self, page_number page,
                                  bool write, pte_word seen, frame_number *hand)
{
    frame_number frame = pte_frame(seen);
    struct pfn *pfn = frame_pfn(engine, frame);
    pfn_prefetch(pfn);         /* its line and the region's come together */
    if (*hand != FRAME_NONE) { /* nothing is held while somebody is waited for */
        frames_give_back(engine, self, *hand);
        *hand = FRAME_NONE;
    }
    MUST(frame < engine->config.frames);
    if (MUTANT(LOCKS_IN_WRONG_ORDER)) {
        frame_lock(engine, self, frame);
        region_lock(engine, self, page);
    } else {
        region_lock(engine, self, page);
        frame_lock(engine, self, frame);
    }
    /* A transition PTE is stable only under the lock of the frame it names (docs/races.md, R2). */
    if (!MUTANT(RESCUE_WITHOUT_SECOND_LOOK) &&
        (pte_load(&engine->ptes[page]) != seen || PFN_FIELD(pfn, page) != page)) {
        frame_unlock(engine, self, frame);
        region_unlock(engine, self, page);
        return STEP_RETRY;
    }
    if ((pfn_load(pfn) & PFN_READING) && !MUTANT(RESCUE_WHILE_READ)) {
        return inpage_collide(engine, self, page, frame);
    }
    return rescue_locked(engine, self, page, write, frame);
}

/* ---- valid ---- */

/* The PTE is valid: the first write to a clean page, or a mapping that is already gone. */
static enum fault_step valid(struct engine *engine, struct thread *self, page_number page,
                             bool write)
{
    region_lock(engine, self, page);
    pte *entry = &engine->ptes[page];
    pte_word word = pte_load(entry);
    enum fault_step step = STEP_DONE;
    if (pte_form(word) != PTE_VALID) {
        step = STEP_RETRY;
    } else if (write && (word & PTE_BIT_WRITE) == 0 && !MUTANT(FAULT_WRITES_READ_ONLY)) {
        step = STEP_ACCESS_VIOLATION;
    } else if (write && (word & PTE_BIT_WRITABLE) == 0) {
        frame_number frame = pte_frame(word);
        frame_lock(engine, self, frame);
        if (!MUTANT(FAULT_FORGETS_FIRST_WRITE)) {
            frame_update(engine, frame,
                         fault_dirty(engine, self, frame, pfn_load(frame_pfn(engine, frame))));
        }
        frame_unlock(engine, self, frame);
        pte_store(entry, word | PTE_BIT_WRITABLE | PTE_BIT_DIRTY);
        fault_learn(engine, page, true);
        phase_enter(engine, self, PHASE_MAP);
        engine->machine.ops->make_writable(engine->machine.self, self->number, page);
        phase_enter(engine, self, PHASE_ENGINE);
        count_one(self, COUNT_FAULT_WRITE_PROTECT);
        self->latency = LATENCY_WRITE_PROTECT;
    } else {
        struct machine_map map = {page, pte_frame(word), (word & PTE_BIT_WRITABLE) != 0, NULL};
        fault_map_pages(engine, self, 1, &map);
        count_one(self, COUNT_FAULT_SPURIOUS);
    }
    region_unlock(engine, self, page);
    return step;
}

/* ---- dispatch ---- */

/* `seen` is not valid. */
static enum protection protection_of(struct engine *engine, page_number page, pte_word seen)
{
    return seen == 0 ? space_inherited(engine, page) : pte_protection(seen);
}

/* One look at the page. `*hand` is a frame in hand, taken before any lock and used or kept. */
static enum fault_step resolve(struct engine *engine, struct thread *self, page_number page,
                               bool write, frame_number *hand)
{
    __builtin_prefetch(&engine->ptes[page], 1); /* it will be written; one journey of the line */
    pte_word seen = pte_load(&engine->ptes[page]);
    enum pte_form form = pte_form(seen);
    if (form == PTE_VALID) {
        return valid(engine, self, page, write);
    }
    if (!permits(protection_of(engine, page, seen), write)) {
        return pte_load(&engine->ptes[page]) == seen ? STEP_ACCESS_VIOLATION : STEP_RETRY;
    }
    if (form == PTE_TRANSITION) {
        return transition(engine, self, page, write, seen, hand);
    }
    if (*hand == FRAME_NONE) {
        phase_enter(engine, self, PHASE_FRAME);
        *hand = frames_take(engine, self, form != PTE_PAGE_FILE);
        phase_enter(engine, self, PHASE_ENGINE);
    }
    if (*hand == FRAME_NONE) {
        return STEP_NEED_FRAME;
    }
    if (form == PTE_PAGE_FILE) {
        return inpage_read(engine, self, page, write, seen, hand);
    }
    return demand_zero(engine, self, page, write, seen, hand);
}

static enum fault_step resolve_until_done(struct engine *engine, struct thread *self,
                                          page_number page, bool write)
{
    frame_number hand = FRAME_NONE;
    enum fault_step step;
    unsigned round = 0;
    while ((step = resolve(engine, self, page, write, &hand)) <= STEP_NEED_FRAME) {
        count_one(self, COUNT_FAULT_RETRIES);
        lock_check_none_held(self);
        if (step == STEP_NEED_FRAME) {
            phase_enter(engine, self, PHASE_FRAME_WAIT);
            balance_help(engine, self);
            self->wants = page;
            frames_wait(engine, self);
            self->wants = PAGE_NONE;
            phase_enter(engine, self, PHASE_ENGINE);
        } else if (step == STEP_YIELD) {
            world_pause(round++, engine->config.backoff);
        }
    }
    if (hand != FRAME_NONE && !MUTANT(FAULT_LEAKS_FRAME)) {
        frames_give_back(engine, self, hand);
    }
    frames_wait_end(engine, self);
    if (self->owes && !MUTANT(FAULT_OWES_FOR_EVER)) {
        phase_enter(engine, self, PHASE_FRAME); /* it is what its frame costs */
        balance_pay(engine, self);
    }
    return step;
}

enum fault_result engine_fault(void *context, uint32_t thread, page_number page, bool write)
{
    struct engine *engine = context;
    struct thread *self = &engine->threads[thread];
    uint64_t begin_ns = span_begin(engine);
    MUST(page < engine->config.pages);
    self->latency = LATENCY_NONE;
    PROBE(fault_begin, thread, page, write);
    phase_begin(self, begin_ns, page);
    enum fault_step step = resolve_until_done(engine, self, page, write);
    lock_check_none_held(self);
    phase_end(engine, self);
    PROBE(fault_end, thread, page, write, self->latency, step - STEP_DONE);
    if (self->latency != LATENCY_NONE) {
        span_end(engine, self, (enum span_kind)self->latency, begin_ns, page);
        heat_count(engine, self, self->latency, page);
    }
    if (step == STEP_ACCESS_VIOLATION) {
        count_one(self, COUNT_FAULT_ACCESS_VIOLATION);
        return FAULT_ACCESS_VIOLATION;
    }
    if (step == STEP_IN_PAGE_ERROR) {
        count_one(self, COUNT_FAULT_IN_PAGE_ERROR);
        return FAULT_IN_PAGE_ERROR;
    }
    return FAULT_RESOLVED;
}
