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

enum { QUEUE_LAST_USED = QUEUE_RESIDENT + 1 };

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

struct opt {
    struct queues queues;
    const struct references *references;
    uint64_t place;       /* of the reference */
    const uint32_t *next; /* of each, where its page is referred to next */
    struct uses uses;
};

static void opt_evict(struct opt *opt)
{
    struct queues *queues = &opt->queues;
    uint32_t page = queue_take(queues, QUEUE_LAST_USED);
    if (page == PAGE_NONE) {
        uint32_t place = use_farthest(&opt->uses);
        use_remove(&opt->uses, place);
        page = reference_page(opt->references->reference[place]);
        queue_remove(queues, page);
    }
    page_evict(queues, page);
}

static void opt_refer(struct queues *queues, uint32_t page, bool write)
{
    struct opt *opt = (struct opt *)queues;
    uint64_t place = opt->place++;
    uint32_t next = opt->next[place];
    if (queues->of[page] == QUEUE_RESIDENT) {
        use_remove(&opt->uses, (uint32_t)place);
        page_touch(queues, page, write);
    } else {
        if (queues->count[QUEUE_RESIDENT] + queues->count[QUEUE_LAST_USED] == queues->frames) {
            opt_evict(opt);
        }
        page_load(queues, page, write);
    }
    queue_move(queues, page, next == USE_NEVER ? QUEUE_LAST_USED : QUEUE_RESIDENT);
    if (next != USE_NEVER) {
        use_add(&opt->uses, next);
    }
}

JUDGE(opt)
{
    uint32_t *next = references_next_uses(references);
    struct opt opt = {.references = references, .next = next};
    bool whole = next != NULL && uses_begin(&opt.uses, references->count) &&
                 queues_run(&opt.queues, references, setup, opt_refer, ret_verdict);
    uses_end(&opt.uses);
    free(next);
    return whole;
}
