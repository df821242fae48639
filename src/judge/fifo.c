/*
 * fifo.c - first in, first out, and what two more ideas make of it.
 *
 * fifo: the page goes that came first (Belady, A study of replacement algorithms, 1966).
 * clock: unless it was used since it came or was last passed over (Corbato, A paging experiment
 * with the Multics system, 1968). The use that brings a page in does not count: most simulators
 * have it so, and one use is what every page had.
 * segfifo: a page that goes stays in the second half of the frames, until as many others as that
 * half holds have come there after it; a touch brings it back without a read (Turner and Levy,
 * Segmented FIFO page replacement, SIGMETRICS 1981).
 */
#include "judge/queues.h"

enum { QUEUE_RESIDENT = 1, QUEUE_SECOND };

JUDGE(fifo)
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
            continue;
        }
        if (queues.count[QUEUE_RESIDENT] == setup->frames) {
            page_evict(&queues, queue_take(&queues, QUEUE_RESIDENT));
        }
        page_load(&queues, page, write);
        queue_move(&queues, page, QUEUE_RESIDENT);
    }
    queues_end(&queues, ret_verdict);
    return true;
}

/* The hand is at the oldest; what it passes over becomes the youngest. */
static void clock_evict(struct queues *queues)
{
    uint32_t page = queue_oldest(queues, QUEUE_RESIDENT);
    while (queues->flags[page] & PAGE_BIT) {
        queues->flags[page] &= (uint8_t)~PAGE_BIT;
        queue_move(queues, page, QUEUE_RESIDENT);
        queues->verdict.looks++;
        page = queue_oldest(queues, QUEUE_RESIDENT);
    }
    queues->verdict.looks++;
    queue_remove(queues, page);
    page_evict(queues, page);
}

JUDGE(clock)
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
            queues.flags[page] |= PAGE_BIT;
            continue;
        }
        if (queues.count[QUEUE_RESIDENT] == setup->frames) {
            clock_evict(&queues);
        }
        page_load(&queues, page, write);
        queue_move(&queues, page, QUEUE_RESIDENT);
    }
    queues_end(&queues, ret_verdict);
    return true;
}

JUDGE(segmented_fifo)
{
    uint32_t second = setup->frames / 2, first = setup->frames - second;
    struct queues queues;
    if (!queues_begin(&queues, references)) {
        return false;
    }
    for (uint64_t i = 0; i < references->count; i++) {
        uint32_t page = reference_page(references->reference[i]);
        bool write = reference_writes(references->reference[i]);
        if (queues.of[page] == QUEUE_NONE) {
            page_load(&queues, page, write);
        } else {
            page_touch(&queues, page, write);
            if (queues.of[page] == QUEUE_RESIDENT) {
                continue;
            }
            queues.verdict.soft++;
        }
        queue_move(&queues, page, QUEUE_RESIDENT);
        if (queues.count[QUEUE_RESIDENT] > first) {
            queue_move(&queues, queue_oldest(&queues, QUEUE_RESIDENT), QUEUE_SECOND);
        }
        if (queues.count[QUEUE_SECOND] > second) {
            page_evict(&queues, queue_take(&queues, QUEUE_SECOND));
        }
    }
    queues_end(&queues, ret_verdict);
    return true;
}
