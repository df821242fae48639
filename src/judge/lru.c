/*
 * lru.c - the page goes that was used longest ago (Denning; Mattson and others, 1970).
 */
#include "judge/queues.h"

enum { QUEUE_RESIDENT = 1 };

JUDGE(lru)
{
    struct queues queues;
    if (!queues_begin(&queues, references)) {
        return false;
    }
    for (uint64_t i = 0; i < references->count; i++) {
        uint32_t page = reference_page(references->reference[i]);
        bool write = reference_writes(references->reference[i]);
        if (queues.of[page] == QUEUE_RESIDENT) {
            page_touch(&queues, page, write);
        } else {
            if (queues.count[QUEUE_RESIDENT] == setup->frames) {
                page_evict(&queues, queue_take(&queues, QUEUE_RESIDENT));
            }
            page_load(&queues, page, write);
        }
        queue_move(&queues, page, QUEUE_RESIDENT);
    }
    queues_end(&queues, ret_verdict);
    return true;
}
