/*
 * lists.c - page lists: doubly linked by frame number, between two sentinels.
 *
 * Links change under the list lock held exclusively, or held shared by somebody who also holds the
 * frame locks of every frame whose links change. So a rescue takes its page out of the middle
 * while others do the same elsewhere; neighbours are only ever try-locked (two rescuers of
 * neighbours would wait for each other), and whoever fails comes back exclusively.
 */
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
}

static uint32_t lock_class(enum list_id id)
{
    return (uint32_t)RANK_COUNT + id;
}

void list_insert_many(struct engine *engine, struct thread *self, enum list_id id,
                      const frame_number *frames, uint32_t count)
{
    struct page_list *list = &engine->lists[id];
    lock_acquire_exclusive(self, &list->lock, lock_class(id));
    frame_number last = PFN_FIELD(frame_pfn(engine, list->tail), blink);
    for (uint32_t i = 0; i < count; i++) {
        AUDIT(pfn_state(pfn_load(frame_pfn(engine, frames[i]))) == list->state);
        MUST_FRAME(engine, frames[i], PFN_FIELD(frame_pfn(engine, frames[i]), flink) == FRAME_NONE);
        link_frames(engine, last, frames[i]);
        last = frames[i];
    }
    link_frames(engine, last, list->tail);
    atomic_fetch_add_explicit(&list->count, count, memory_order_seq_cst);
    lock_release_exclusive(self, &list->lock, lock_class(id));
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
    link_frames(engine, PFN_FIELD(pfn, blink), PFN_FIELD(pfn, flink));
    clear_links(engine, frame);
    atomic_fetch_sub_explicit(&list->count, 1, memory_order_seq_cst);
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

void list_unlink(struct engine *engine, struct thread *self, enum list_id id, frame_number frame)
{
    struct page_list *list = &engine->lists[id];
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

uint32_t list_take(struct engine *engine, struct thread *self, enum list_id id, uint32_t count,
                   frame_number *ret_frames)
{
    struct page_list *list = &engine->lists[id];
    if (count == 0 || list_count(engine, id) == 0) {
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
    return taken;
}
