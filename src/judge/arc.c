/*
 * arc.c - ARC: pages touched once and pages touched again share the frames as their ghosts say.
 *
 * Megiddo and Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003, figure 4. The
 * target of T1 is a real number, as there.
 */
#include "judge/queues.h"

enum { T1 = 1, T2, B1, B2 };

struct arc {
    struct queues queues;
    double target; /* p: pages that T1 should have */
};

/* `REPLACE` of the paper. */
static void replace(struct arc *arc, bool in_b2)
{
    struct queues *queues = &arc->queues;
    double once = queues->count[T1];
    bool from_t1 = queues->count[T1] > 0 && (once > arc->target || (in_b2 && once >= arc->target));
    uint32_t page = queue_take(queues, from_t1 ? T1 : T2);
    page_evict(queues, page);
    queue_move(queues, page, from_t1 ? B1 : B2);
}

/* Cases II and III: a ghost is touched, its list should have been longer. */
static void ghost_touched(struct arc *arc, bool in_b2)
{
    double b1 = arc->queues.count[B1], b2 = arc->queues.count[B2];
    if (in_b2) {
        arc->target = MAX_OF(arc->target - MAX_OF(b1 / b2, 1), 0);
    } else {
        arc->target = MIN_OF(arc->target + MAX_OF(b2 / b1, 1), arc->queues.frames);
    }
    replace(arc, in_b2);
}

/* Case IV: a page that nobody remembers. */
static void stranger_comes(struct arc *arc)
{
    struct queues *queues = &arc->queues;
    uint32_t once = queues->count[T1] + queues->count[B1];
    uint32_t all = once + queues->count[T2] + queues->count[B2];
    if (once == arc->queues.frames) {
        if (queues->count[T1] < arc->queues.frames) {
            queue_take(queues, B1);
            replace(arc, false);
        } else {
            page_evict(queues, queue_take(queues, T1));
        }
    } else if (all >= arc->queues.frames) {
        if (all == 2 * (uint64_t)arc->queues.frames) {
            queue_take(queues, B2);
        }
        replace(arc, false);
    }
}

static void arc_refer(struct queues *queues, uint32_t page, bool write)
{
    struct arc *arc = (struct arc *)queues;
    unsigned queue = queues->of[page];
    if (queue == T1 || queue == T2) {
        page_touch(queues, page, write);
        queue_move(queues, page, T2);
        return;
    }
    if (queue == QUEUE_NONE) {
        stranger_comes(arc);
    } else {
        ghost_touched(arc, queue == B2);
    }
    page_load(queues, page, write);
    queue_move(queues, page, queue == QUEUE_NONE ? T1 : T2);
}

JUDGE(arc)
{
    struct arc arc = {.target = 0};
    return queues_run(&arc.queues, references, setup, arc_refer, ret_verdict);
}
