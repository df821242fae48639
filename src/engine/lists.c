/*
 * lists.c - page lists: doubly linked by frame number, between two sentinels.
 *
 * Links change under the list lock held exclusively, or held shared by somebody who also holds the
 * frame locks of every frame whose links change. So a rescue takes its page out of the middle
 * while others do the same elsewhere; neighbours are only ever try-locked (two rescuers of
 * neighbours would wait for each other), and whoever fails comes back exclusively.
 */
#include "engine/lists.h"
#include "base/mutant.h"
#include "engine/engine.h"

static inline void link_frames(struct engine *engine, frame_number left, frame_number right)
{
    PFN_SET_FIELD(frame_pfn(engine, left), flink, right);
    PFN_SET_FIELD(frame_pfn(engine, right), blink, left);
}

static inline void check_member(struct engine *engine, const struct page_list *list,
                                frame_number frame)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    MUST_FRAME(engine, frame, pfn_state(pfn_load(pfn)) == list->state);
    MUST_FRAME(engine, frame, PFN_FIELD(pfn, flink) != FRAME_NONE);
}

static inline void clear_links(struct engine *engine, frame_number frame)
{
    PFN_SET_FIELD(frame_pfn(engine, frame), flink, FRAME_NONE);
    PFN_SET_FIELD(frame_pfn(engine, frame), blink, FRAME_NONE);
    PFN_SET_FIELD(frame_pfn(engine, frame), block, BLOCK_NONE);
}

static uint32_t lock_class(enum list_id id)
{
    return (uint32_t)RANK_COUNT + id;
}

/* Retired frames are all of one colour: they are few, and nobody takes them. */
static uint32_t colour_for(const struct engine *engine, const struct thread *self, enum list_id id,
                           frame_number frame)
{
    page_number page = PFN_FIELD(&engine->pfns[frame], page);
    if (id == LIST_BAD || engine->colours == 1) {
        return 0;
    }
    return page < engine->config.pages ? region_colour(engine, page >> engine->region_shift)
                                       : self->colour;
}

/* Before the first page is on the list: who counts it must find it. */
static void note_priority(struct engine *engine, enum list_id id)
{
    uint32_t bit = id < LIST_STANDBY ? 0 : 1u << (id - LIST_STANDBY);
    if ((atomic_load_explicit(&engine->standby_used, memory_order_seq_cst) & bit) != bit &&
        !MUTANT(LIST_NOTES_NO_PRIORITY)) {
        atomic_fetch_or_explicit(&engine->standby_used, bit, memory_order_seq_cst);
    }
}

static void insert_run(struct engine *engine, struct thread *self, enum list_id id, uint32_t colour,
                       const frame_number *frames, uint32_t count)
{
    struct page_list *list = list_of(engine, id, colour);
    lock_acquire_exclusive(self, &list->lock, lock_class(id));
    frame_number last = PFN_FIELD(frame_pfn(engine, list->tail), blink);
    for (uint32_t i = 0; i < count; i++) {
        AUDIT(pfn_state(pfn_load(frame_pfn(engine, frames[i]))) == list->state);
        MUST_FRAME(engine, frames[i], PFN_FIELD(frame_pfn(engine, frames[i]), flink) == FRAME_NONE);
        link_frames(engine, last, frames[i]);
        PFN_SET_FIELD(frame_pfn(engine, frames[i]), block, colour);
        last = frames[i];
    }
    link_frames(engine, last, list->tail);
    atomic_fetch_add_explicit(&list->count, count, memory_order_seq_cst);
    lock_release_exclusive(self, &list->lock, lock_class(id));
}

void list_insert_many(struct engine *engine, struct thread *self, enum list_id id,
                      const frame_number *frames, uint32_t count)
{
    note_priority(engine, id);
    for (uint32_t done = 0, run; done < count; done += run) {
        uint32_t colour = colour_for(engine, self, id, frames[done]);
        run = 1;
        while (done + run < count && colour_for(engine, self, id, frames[done + run]) == colour) {
            run++;
        }
        insert_run(engine, self, id, colour, frames + done, run);
    }
}

void list_insert(struct engine *engine, struct thread *self, enum list_id list, frame_number frame)
{
    list_insert_many(engine, self, list, &frame, 1);
}

/* The list lock is held exclusively. */
static void unlink_frame(struct engine *engine, struct page_list *list, frame_number frame)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    check_member(engine, list, frame);
    /* First, because it waits for all stores before it, and the neighbours may be far. */
    atomic_fetch_sub_explicit(&list->count, 1, memory_order_seq_cst);
    link_frames(engine, PFN_FIELD(pfn, blink), PFN_FIELD(pfn, flink));
    clear_links(engine, frame);
}

/* With both neighbours locked; false if one of them was not free. List lock held shared. */
static bool unlink_between(struct engine *engine, struct thread *self, struct page_list *list,
                           frame_number frame)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    frame_number left = PFN_FIELD(pfn, blink), right = PFN_FIELD(pfn, flink);
    if (MUTANT(LIST_UNLINK_ASKS_NO_NEIGHBOUR)) {
        unlink_frame(engine, list, frame);
        return true;
    }
    if (!frame_try_lock(engine, self, left)) {
        return false;
    }
    if (!frame_try_lock(engine, self, right)) {
        frame_unlock(engine, self, left);
        return false;
    }
    unlink_frame(engine, list, frame);
    frame_unlock(engine, self, right);
    frame_unlock(engine, self, left);
    return true;
}

/*
 * Where there are many colours one is seldom locked: then nobody has to be asked, and no line of
 * a neighbour need be here before we go on.
 */
static bool unlink_alone(struct engine *engine, struct thread *self, enum list_id id,
                         struct page_list *list, frame_number frame)
{
    struct pfn *pfn = frame_pfn(engine, frame);
    if (engine->colours == 1 || MUTANT(LIST_UNLINK_WITHOUT_LOCK)) {
        return false;
    }
    pfn_prefetch(frame_pfn(engine, PFN_FIELD(pfn, blink)));
    pfn_prefetch(frame_pfn(engine, PFN_FIELD(pfn, flink)));
    if (!lock_try_exclusive(self, &list->lock, lock_class(id))) {
        return false;
    }
    unlink_frame(engine, list, frame);
    lock_release_exclusive(self, &list->lock, lock_class(id));
    count_one(self, COUNT_UNLINK_EXCLUSIVE);
    return true;
}

void list_unlink(struct engine *engine, struct thread *self, enum list_id id, frame_number frame)
{
    uint32_t colour = MUTANT(LIST_UNLINKS_FROM_OWN_COLOUR)
                          ? self->colour
                          : PFN_FIELD(frame_pfn(engine, frame), block);
    MUST_FRAME(engine, frame, colour < engine->colours);
    struct page_list *list = list_of(engine, id, colour);
    if (unlink_alone(engine, self, id, list, frame)) {
        return;
    }
    if (engine->config.list_lock_shared && !MUTANT(LIST_UNLINK_WITHOUT_LOCK)) {
        lock_acquire_shared(self, &list->lock, lock_class(id));
        check_member(engine, list, frame);
        bool unlinked = unlink_between(engine, self, list, frame);
        lock_release_shared(self, &list->lock, lock_class(id));
        if (unlinked) {
            count_one(self, COUNT_UNLINK_SHARED);
            return;
        }
    }
    if (MUTANT(LIST_UNLINK_WITHOUT_LOCK)) {
        unlink_frame(engine, list, frame);
        return;
    }
    lock_acquire_exclusive(self, &list->lock, lock_class(id));
    unlink_frame(engine, list, frame); /* neighbours are read again: they may have changed */
    lock_release_exclusive(self, &list->lock, lock_class(id));
    count_one(self, COUNT_UNLINK_EXCLUSIVE);
}

static uint32_t take_from(struct engine *engine, struct thread *self, enum list_id id,
                          struct page_list *list, uint32_t count, frame_number *ret_frames)
{
    if (atomic_load_explicit(&list->count, memory_order_seq_cst) == 0) {
        return 0;
    }
    uint32_t taken = 0, passed = 0;
    lock_acquire_exclusive(self, &list->lock, lock_class(id));
    frame_number kept = list->head, frame = PFN_FIELD(frame_pfn(engine, kept), flink);
    /* A locked frame is being rescued; it is passed over and stays, but not for ever. */
    while (frame != list->tail && taken < count && passed < count + 64) {
        frame_number next = PFN_FIELD(frame_pfn(engine, frame), flink);
        if (frame_try_lock(engine, self, frame)) {
            check_member(engine, list, frame);
            clear_links(engine, frame);
            ret_frames[taken++] = frame;
        } else {
            if (!MUTANT(LIST_LOSES_WHO_IS_LOCKED)) {
                link_frames(engine, kept, frame);
                kept = frame;
            }
            passed++;
        }
        frame = next;
    }
    link_frames(engine, kept, frame);
    atomic_fetch_sub_explicit(&list->count, taken, memory_order_seq_cst);
    lock_release_exclusive(self, &list->lock, lock_class(id));
    self->cache.ahead = frame; /* whoever is first now will be taken next */
    return taken;
}

/* By so much more, and half as much again, does another colour have more by far. */
static uint32_t colour_slack(const struct engine *engine)
{
    return MAX_OF(32, engine->config.frames / engine->colours / 4);
}

/*
 * The caller's own colour, so that threads stay out of each other's way; but each time another one
 * is looked at, in turn, and if it has more by far it is taken from, so that pages of all colours
 * grow about equally old.
 */
static uint32_t colour_to_take(const struct engine *engine, struct thread *self, enum list_id id)
{
    uint32_t own = self->colour, other = self->turn++ & (engine->colours - 1);
    uint32_t here = atomic_load_explicit(&list_of(engine, id, own)->count, memory_order_seq_cst);
    uint32_t there = atomic_load_explicit(&list_of(engine, id, other)->count, memory_order_seq_cst);
    return there > here + here / 2 + colour_slack(engine) ? other : own;
}

uint32_t list_take(struct engine *engine, struct thread *self, enum list_id id, uint32_t count,
                   frame_number *ret_frames)
{
    uint32_t taken = 0;
    uint32_t end = MUTANT(LIST_TAKES_OWN_COLOUR_ONLY) ? 1 : engine->colours;
    for (uint32_t i = 0; i < end && taken == 0 && count > 0; i++) {
        uint32_t at = i * self->colour_step; /* its own colours first, then the ones beside them */
        uint32_t colour = (self->colour + at + at / engine->colours) & (engine->colours - 1);
        taken = take_from(engine, self, id, list_of(engine, id, colour), count, ret_frames);
    }
    return taken;
}

uint32_t list_take_near(struct engine *engine, struct thread *self, enum list_id id, uint32_t count,
                        frame_number *ret_frames)
{
    if (count == 0) {
        return 0;
    }
    return take_from(engine, self, id, list_of(engine, id, colour_to_take(engine, self, id)), count,
                     ret_frames);
}
