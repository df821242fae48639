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

enum { QUEUE_SECOND = QUEUE_RESIDENT + 1 };

static void fifo_refer(struct queues *queues, uint32_t page, bool write)
{
    if (queues->of[page] == QUEUE_RESIDENT) {
        page_touch(queues, page, write);
        return;
    }
    if (queues->count[QUEUE_RESIDENT] == queues->frames) {
        page_evict(queues, queue_take(queues, QUEUE_RESIDENT));
    }
    page_load(queues, page, write);
    queue_move(queues, page, QUEUE_RESIDENT);
}

JUDGE(fifo)
{
    struct queues queues;
    return queues_run(&queues, references, setup, fifo_refer, ret_verdict);
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

static void clock_refer(struct queues *queues, uint32_t page, bool write)
{
    if (queues->of[page] == QUEUE_RESIDENT) {
        page_touch(queues, page, write);
        queues->flags[page] |= PAGE_BIT;
        return;
    }
    if (queues->count[QUEUE_RESIDENT] == queues->frames) {
        clock_evict(queues);
    }
    page_load(queues, page, write);
    queue_move(queues, page, QUEUE_RESIDENT);
}

JUDGE(clock)
{
    struct queues queues;
    return queues_run(&queues, references, setup, clock_refer, ret_verdict);
}

static void segmented_fifo_refer(struct queues *queues, uint32_t page, bool write)
{
    uint32_t second = queues->frames / 2, first = queues->frames - second;
    if (queues->of[page] == QUEUE_NONE) {
        page_load(queues, page, write);
    } else {
        page_touch(queues, page, write);
        if (queues->of[page] == QUEUE_RESIDENT) {
            return;
        }
        queues->verdict.soft++;
    }
    queue_move(queues, page, QUEUE_RESIDENT);
    if (queues->count[QUEUE_RESIDENT] > first) {
        queue_move(queues, queue_oldest(queues, QUEUE_RESIDENT), QUEUE_SECOND);
    }
    if (queues->count[QUEUE_SECOND] > second) {
        page_evict(queues, queue_take(queues, QUEUE_SECOND));
    }
}

JUDGE(segmented_fifo)
{
    struct queues queues;
    return queues_run(&queues, references, setup, segmented_fifo_refer, ret_verdict);
}
