/*
 * lists.h - page lists in colours: what goes where, and how many there are.
 *
 * Each list is as many lists as there are colours, with a lock and a count each. A frame with an
 * owner goes to the colour of its region, one without to that of the thread, so threads that work in
 * different places meet at different locks. A thread takes from its own colour; where that has
 * nothing, or another has more by far, from others. One colour: one list, in exact order.
 *
 * Counts. list_count() adds up all colours, and is what decides whether anybody has to wait, and
 * whether somebody who waits gets a frame. list_count_near() takes some colours for all of them. It
 * is for decisions that may be wrong for a while: when to trim and write ahead, how many to take.
 */
#ifndef MM_ENGINE_LISTS_H
#define MM_ENGINE_LISTS_H

#include "engine/engine.h"

/* Frame lock held (or nobody else knows the frame); its state is the list's already. */
void list_insert(struct engine *engine, struct thread *self, enum list_id list, frame_number frame);
/* Many at once, in order, each at the tail of the list of its colour. All frame locks held. */
void list_insert_many(struct engine *engine, struct thread *self, enum list_id list,
                      const frame_number *frames, uint32_t count);
/* Frame lock held; the frame is on the list. */
void list_unlink(struct engine *engine, struct thread *self, enum list_id list, frame_number frame);
/*
 * Up to `count` frames from the head of one colour, oldest first; returned with their frame locks
 * held. The caller's own colour comes first. None: all were empty, or had nothing but locked frames.
 */
uint32_t list_take(struct engine *engine, struct thread *self, enum list_id list, uint32_t count,
                   frame_number *ret_frames);
/* Only from the caller's own colour, or from another one that has more by far. */
uint32_t list_take_near(struct engine *engine, struct thread *self, enum list_id list,
                        uint32_t count, frame_number *ret_frames);

static inline struct page_list *list_of(const struct engine *engine, enum list_id list,
                                        uint32_t colour)
{
    return &engine->lists[colour * LIST_COUNT + list];
}

#define ALL_COLOURS ((struct colour_set){0, 1})

static inline struct colour_set thread_colours(const struct thread *self)
{
    return (struct colour_set){self->colour & (self->colour_step - 1), self->colour_step};
}

/* While somebody waits all work for all, else each for its share. */
static inline struct colour_set colours_now(const struct engine *engine, const struct thread *self)
{
    return waiters_now(engine) > 0 ? ALL_COLOURS : thread_colours(self);
}

/* The colours of the worker of that kind that looks after the thread's. */
static inline struct colour_set worker_colours(const struct engine *engine, enum worker_kind kind,
                                               const struct thread *self)
{
    uint32_t step = engine->worker_groups[kind];
    return (struct colour_set){self->colour & (step - 1), step};
}

/*
 * What list_count() might be, from lines that hardly anybody else writes: as if all colours were
 * like these, and no more than there are frames. It is the count where these are all there are.
 */
static inline uint32_t list_count_near(const struct engine *engine, struct colour_set set,
                                       enum list_id list)
{
    uint32_t sum = 0;
    for (uint32_t colour = set.first; colour < engine->colours; colour += set.step) {
        sum += atomic_load_explicit(&list_of(engine, list, colour)->count, memory_order_seq_cst);
    }
    return (uint32_t)MIN_OF((uint64_t)sum * set.step, engine->config.frames);
}

/* Of all colours; each is read on its own. */
static inline uint32_t list_count(const struct engine *engine, enum list_id list)
{
    return list_count_near(engine, ALL_COLOURS, list);
}

/* A batch is as large as is worth while; of some of the colours smaller, as they have less. */
static inline uint32_t share_of_batch(const struct engine *engine, struct colour_set set,
                                      uint32_t batch)
{
    return set.step == 1 ? batch : MIN_OF(batch, MAX_OF(1, engine->config.frames / set.step / 4));
}

/* The next round of a worker is for the next of its colours. */
static inline void thread_next_colour(const struct engine *engine, struct thread *self)
{
    uint32_t next = self->colour + self->colour_step;
    self->colour = next < engine->colours ? next : next & (self->colour_step - 1);
}

/* Frames and the lists' sentinels. */
static inline uint32_t engine_pfns(const struct engine *engine)
{
    return engine->config.frames + 2 * LIST_COUNT * engine->colours;
}

/* ---- the colour of a region ---- */
#define STRANGE_FAULTS 8 /* of a thread in regions of other colours: one changes the colour */

/* Region lock held: frames of its pages go to the lists of whose faults are there. */
static inline void region_set_colour(struct engine *engine, struct thread *self, page_number page)
{
    _Atomic uint8_t *colour = &engine->region_colours[page >> engine->region_shift];
    uint32_t seen = atomic_load_explicit(colour, memory_order_relaxed);
    if (seen != self->colour && self->strange++ % STRANGE_FAULTS == 0) {
        atomic_store_explicit(colour, (uint8_t)self->colour, memory_order_relaxed);
    }
}
static inline uint32_t region_colour(const struct engine *engine, uint32_t region)
{
    return atomic_load_explicit(&engine->region_colours[region], memory_order_relaxed);
}

#endif
