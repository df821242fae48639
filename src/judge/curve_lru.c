/*
 * curve_lru.c - the depth of a page for lru: how many pages were used since, and itself.
 *
 * Bennett and Kruskal, LRU stack processing, IBM Journal of Research and Development 1975, with the
 * sums of Fenwick, A new data structure for cumulative frequency tables, 1994: a place for each use
 * that is a page's last one, in order of time, and how many of them lie in front of each. When the
 * places run out those that are empty by then are closed up, so that there are twice as many as
 * pages and not as many as references.
 */
#include "judge/curve.h"

#include <stdlib.h>

struct last_uses {
    size_t places, used; /* numbered from 1 */
    uint32_t live;       /* pages that have one */
    uint32_t *sum;       /* of a place: how many are live of the last 2^n, n its zero bits */
    uint32_t *page;      /* of a place; PAGE_NONE: it was used again since */
    uint32_t *place;     /* of a page; 0: it was not yet used */
};

static void uses_free(struct last_uses *uses)
{
    free(uses->sum);
    free(uses->page);
    free(uses->place);
}

static bool last_uses_begin(struct last_uses *uses, uint32_t pages)
{
    *uses = (struct last_uses){.places = (size_t)pages * 2};
    uses->sum = calloc(uses->places + 1, sizeof(uses->sum[0]));
    uses->page = malloc((uses->places + 1) * sizeof(uses->page[0]));
    uses->place = calloc((size_t)pages + 1, sizeof(uses->place[0]));
    return uses->sum != NULL && uses->page != NULL && uses->place != NULL;
}

static size_t lowest_bit(size_t place)
{
    return place & (~place + 1);
}

/* Live places up to this one. */
static uint32_t live_until(const struct last_uses *uses, size_t place)
{
    uint32_t live = 0;
    for (; place > 0; place -= lowest_bit(place)) {
        live += uses->sum[place];
    }
    return live;
}

static void live_change(struct last_uses *uses, size_t place, uint32_t change)
{
    for (; place <= uses->places; place += lowest_bit(place)) {
        uses->sum[place] += change;
    }
}

static void places_close_up(struct last_uses *uses)
{
    size_t kept = 0;
    for (size_t place = 1; place <= uses->used; place++) {
        uint32_t page = uses->page[place];
        if (page != PAGE_NONE) {
            uses->page[++kept] = page;
            uses->place[page] = (uint32_t)kept;
        }
    }
    uses->used = kept;
    for (size_t place = 1; place <= uses->places; place++) {
        size_t before = place - lowest_bit(place);
        uses->sum[place] = (uint32_t)(MIN_OF(place, kept) - MIN_OF(before, kept));
    }
}

static uint32_t depth_of(const struct last_uses *uses, uint32_t page)
{
    return uses->live - live_until(uses, uses->place[page]) + 1;
}

/* The depth it had, 0 at its first use; now it is 1. */
static uint32_t lru_use(struct last_uses *uses, uint32_t page)
{
    uint32_t depth = 0;
    if (uses->used == uses->places) {
        places_close_up(uses);
    }
    if (uses->place[page] != 0) {
        depth = depth_of(uses, page);
        live_change(uses, uses->place[page], UINT32_MAX); /* one less */
        uses->page[uses->place[page]] = PAGE_NONE;
        uses->live--;
    }
    uses->place[page] = (uint32_t)++uses->used;
    uses->page[uses->used] = page;
    live_change(uses, uses->used, 1);
    uses->live++;
    return depth;
}

bool curve_lru(const struct references *references, struct curve *ret_curve)
{
    struct last_uses uses;
    if (!last_uses_begin(&uses, references->pages) || !curve_begin(ret_curve, references, 1)) {
        uses_free(&uses);
        return false;
    }
    for (uint64_t i = 0; i < references->count; i++) {
        uint32_t page = reference_page(references->reference[i]);
        uint32_t depth = lru_use(&uses, page);
        curve_count(ret_curve, page, depth, reference_writes(references->reference[i]));
    }
    for (uint32_t page = 0; page < references->pages; page++) {
        curve_count_writes(ret_curve, page, depth_of(&uses, page));
    }
    curve_sum_up(ret_curve);
    uses_free(&uses);
    return true;
}
