/*
 * lru.c - the page goes that was used longest ago (Denning; Mattson and others, 1970).
 */
#include "judge/queues.h"

static void lru_refer(struct queues *queues, uint32_t page, bool write)
{
    if (queues->of[page] == QUEUE_RESIDENT) {
        page_touch(queues, page, write);
    } else {
        if (queues->count[QUEUE_RESIDENT] == queues->frames) {
            page_evict(queues, queue_take(queues, QUEUE_RESIDENT));
        }
        page_load(queues, page, write);
    }
    queue_move(queues, page, QUEUE_RESIDENT);
}

JUDGE(lru)
{
    struct queues queues;
    return queues_run(&queues, references, setup, lru_refer, ret_verdict);
}
