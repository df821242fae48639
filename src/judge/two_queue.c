/*
 * two_queue.c - 2Q: a page that is touched once more, after it went, is worth keeping.
 *
 * Johnson and Shasha, 2Q: a low overhead high performance buffer management replacement algorithm,
 * VLDB 1994, the full version: new pages are in A1in, first in, first out; what goes from there is
 * remembered in A1out, without a frame; a page that is remembered there when it comes again is in
 * Am, in order of use. Kin is a quarter of the frames, Kout a half.
 */
#include "judge/queues.h"

enum { A1_IN = 1, A1_OUT, AM };

/* `reclaimfor` of the paper. */
static void reclaim(struct queues *queues)
{
    uint32_t frames = queues->frames;
    uint32_t in_max = MAX_OF(frames / 4, 1), out_max = MAX_OF(frames / 2, 1);
    if (queues->count[A1_IN] + queues->count[AM] < frames) {
        return;
    }
    if (queues->count[A1_IN] > in_max || queues->count[AM] == 0) {
        uint32_t page = queue_take(queues, A1_IN);
        page_evict(queues, page);
        queue_move(queues, page, A1_OUT);
        if (queues->count[A1_OUT] > out_max) {
            queue_take(queues, A1_OUT);
        }
    } else {
        page_evict(queues, queue_take(queues, AM));
    }
}

static void two_queue_refer(struct queues *queues, uint32_t page, bool write)
{
    unsigned queue = queues->of[page];
    if (queue == A1_IN || queue == AM) {
        page_touch(queues, page, write);
    } else {
        reclaim(queues);
        page_load(queues, page, write);
    }
    if (queue != A1_IN) {
        queue_move(queues, page, queue == QUEUE_NONE ? A1_IN : AM);
    }
}

JUDGE(two_queue)
{
    struct queues queues;
    return queues_run(&queues, references, setup, two_queue_refer, ret_verdict);
}
