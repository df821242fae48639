/*
 * opt.c - the least faults that are possible: the page goes whose next use is farthest.
 *
 * Belady, A study of replacement algorithms for a virtual-storage computer, 1966 (MIN). The bound
 * is of demand paging at unit cost: reading ahead may do better, and fewest faults is not fewest
 * writes. Two references never stand at the same place of a trace, so that the resident pages by
 * next use are a set of different numbers: a bitmap of the trace, with bitmaps of its words above
 * it, finds the greatest in a few steps. Pages that are never used again go first, any of them.
 */
#include "judge/queues.h"

#include <stdlib.h>

enum { QUEUE_RESIDENT = 1, QUEUE_LAST_USED };

#define LEVELS_MAX 6u

struct uses {
    unsigned levels;
    uint64_t
        *word[LEVELS_MAX]; /* of level 0 a bit for each reference, of n a bit for 64 of n - 1 */
};

static bool uses_begin(struct uses *uses, uint64_t count)
{
    *uses = (struct uses){0};
    do {
        count = count / 64 + 1;
        uses->word[uses->levels] = calloc(count, sizeof(uint64_t));
        if (uses->word[uses->levels++] == NULL) {
            return false;
        }
    } while (count > 1);
    return true;
}

static void uses_end(struct uses *uses)
{
    for (unsigned level = 0; level < uses->levels; level++) {
        free(uses->word[level]);
    }
}

static void use_add(struct uses *uses, uint32_t place)
{
    for (unsigned level = 0; level < uses->levels; level++, place /= 64) {
        uses->word[level][place / 64] |= 1ull << (place % 64);
    }
}

static void use_remove(struct uses *uses, uint32_t place)
{
    for (unsigned level = 0; level < uses->levels; level++, place /= 64) {
        uint64_t *word = &uses->word[level][place / 64];
        *word &= ~(1ull << (place % 64));
        if (*word != 0) {
            return;
        }
    }
}

/* There is one. */
static uint32_t use_farthest(const struct uses *uses)
{
    uint32_t place = 0;
    for (unsigned level = uses->levels; level-- > 0;) {
        place = place * 64 + 63 - (uint32_t)__builtin_clzll(uses->word[level][place]);
    }
    return place;
}

static void opt_evict(struct queues *queues, struct uses *uses, const struct references *references)
{
    uint32_t page = queue_take(queues, QUEUE_LAST_USED);
    if (page == PAGE_NONE) {
        uint32_t place = use_farthest(uses);
        use_remove(uses, place);
        page = reference_page(references->reference[place]);
        queue_remove(queues, page);
    }
    page_evict(queues, page);
}

static void opt_run(struct queues *queues, struct uses *uses, const struct references *references,
                    const uint32_t *next, uint32_t frames)
{
    for (uint64_t i = 0; i < references->count; i++) {
        uint32_t page = reference_page(references->reference[i]);
        bool write = reference_writes(references->reference[i]);
        if (queues->of[page] == QUEUE_RESIDENT) {
            use_remove(uses, (uint32_t)i);
            page_touch(queues, page, write);
        } else {
            if (queues->count[QUEUE_RESIDENT] + queues->count[QUEUE_LAST_USED] == frames) {
                opt_evict(queues, uses, references);
            }
            page_load(queues, page, write);
        }
        queue_move(queues, page, next[i] == USE_NEVER ? QUEUE_LAST_USED : QUEUE_RESIDENT);
        if (next[i] != USE_NEVER) {
            use_add(uses, next[i]);
        }
    }
}

JUDGE(opt)
{
    struct queues queues;
    struct uses uses;
    uint32_t *next = references_next_uses(references);
    bool begun = next != NULL && queues_begin(&queues, references);
    if (!begun) {
        free(next);
        return false;
    }
    bool whole = uses_begin(&uses, references->count);
    if (whole) {
        opt_run(&queues, &uses, references, next, setup->frames);
    }
    uses_end(&uses);
    free(next);
    queues_end(&queues, ret_verdict);
    return whole;
}
