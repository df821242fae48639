/*
 * curve_opt.c - the depth of a page for opt: its layer in a stack that is kept in order of need.
 *
 * Mattson and others, 1970: the page that is touched comes to the top. The page that was there goes
 * down past all that are needed sooner; where one is needed later it takes its place, and that one
 * goes down in its turn, as far as the place that the touched page has left. Of a layer of several
 * places all that comes out below is the page that is needed last of those that were in it and the
 * one that came from above: what is where inside is not needed for a curve with points between
 * layers only, and a heap holds it. Layers of one place are the stack itself.
 */
#include "judge/curve.h"

#include <stdlib.h>

/*
 * A page and its next use: use << PAGE_BITS | page. Uses never are the same twice. One that is
 * past stays where it is until there is no more room: it is sooner than all that are to come.
 */
#define PAGE_BITS 31u

struct layers {
    uint32_t width;  /* places of a layer */
    uint32_t live;   /* pages in all of them, filled from the top */
    uint64_t *last;  /* of each layer, the need that is latest */
    uint64_t *needs; /* of each layer a heap, the latest first, with room for twice its width */
    uint32_t *used;  /* of that room */
    uint32_t *layer; /* of a page, from 1; 0: it was not yet used */
};

static void layers_free(struct layers *layers)
{
    free(layers->last);
    free(layers->needs);
    free(layers->used);
    free(layers->layer);
}

static bool layers_begin(struct layers *layers, uint32_t pages, uint32_t width)
{
    size_t count = (size_t)pages / width + 1;
    *layers = (struct layers){.width = width};
    layers->last = calloc(count, sizeof(layers->last[0]));
    layers->needs = calloc(count * width * 2, sizeof(layers->needs[0]));
    layers->used = calloc(count, sizeof(layers->used[0]));
    layers->layer = calloc((size_t)pages + 1, sizeof(layers->layer[0]));
    return layers->last != NULL && layers->needs != NULL && layers->used != NULL &&
           layers->layer != NULL;
}

/* ---- a heap of needs ---- */

static void heap_sink(uint64_t heap[], uint32_t used, uint32_t at)
{
    uint64_t need = heap[at];
    for (uint32_t below; (below = at * 2 + 1) < used; at = below) {
        below += below + 1 < used && heap[below + 1] > heap[below];
        if (heap[below] <= need) {
            break;
        }
        heap[at] = heap[below];
    }
    heap[at] = need;
}

static void heap_rise(uint64_t heap[], uint32_t at)
{
    uint64_t need = heap[at];
    for (; at > 0 && heap[(at - 1) / 2] < need; at = (at - 1) / 2) {
        heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = need;
}

/* Without what is past. How many are left. */
static uint32_t heap_clear(uint64_t heap[], uint32_t used, uint64_t now)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < used; i++) {
        if (heap[i] >> PAGE_BITS > now) {
            heap[left++] = heap[i];
        }
    }
    for (uint32_t at = left / 2; at-- > 0;) {
        heap_sink(heap, left, at);
    }
    return left;
}

/* ---- layers ---- */

static uint64_t *heap_of(const struct layers *layers, uint32_t layer)
{
    return &layers->needs[(size_t)layer * layers->width * 2];
}

static uint32_t page_of(uint64_t need)
{
    return (uint32_t)(need & ((1u << PAGE_BITS) - 1));
}

/* Into a layer that has a place for it. */
static void layer_add(struct layers *layers, uint32_t layer, uint64_t need, uint64_t now)
{
    uint64_t *heap = heap_of(layers, layer);
    if (layers->used[layer] == layers->width * 2) {
        layers->used[layer] = heap_clear(heap, layers->used[layer], now);
    }
    heap[layers->used[layer]] = need;
    heap_rise(heap, layers->used[layer]++);
    layers->last[layer] = heap[0];
    layers->layer[page_of(need)] = layer + 1;
}

/* Into a full layer, for the latest that it has. */
static uint64_t layer_exchange(struct layers *layers, uint32_t layer, uint64_t need)
{
    uint64_t *heap = heap_of(layers, layer), latest = heap[0];
    heap[0] = need;
    heap_sink(heap, layers->used[layer], 0);
    layers->last[layer] = heap[0];
    layers->layer[page_of(need)] = layer + 1;
    return latest;
}

/* The layer it was in, 0 at its first use; now it is in the first. */
static uint32_t opt_use(struct layers *layers, uint64_t need, uint64_t now)
{
    uint32_t depth = layers->layer[page_of(need)];
    uint32_t hole = depth > 0 ? depth - 1 : layers->live++ / layers->width;
    if (hole == 0) {
        layer_add(layers, 0, need, now);
        return depth;
    }
    uint64_t down = layer_exchange(layers, 0, need);
    for (uint32_t layer = 1; layer < hole; layer++) {
        if (layers->last[layer] > down) {
            down = layer_exchange(layers, layer, down);
        }
    }
    layer_add(layers, hole, down, now);
    return depth;
}

/* Of those that are never used again the one goes first that was used longest ago, as in opt.c. */
static uint64_t use_after(const uint32_t *next, uint64_t i)
{
    return next[i] != USE_NEVER ? next[i] : 2 * (uint64_t)USE_NEVER - i;
}

static void layers_run(struct layers *layers, const struct references *references,
                       const uint32_t *next, struct curve *curve)
{
    for (uint64_t i = 0; i < references->count; i++) {
        uint32_t page = reference_page(references->reference[i]);
        uint32_t depth = opt_use(layers, use_after(next, i) << PAGE_BITS | page, i);
        curve_count(curve, page, depth, reference_writes(references->reference[i]));
    }
    for (uint32_t page = 0; page < references->pages; page++) {
        curve_count_writes(curve, page, layers->layer[page]);
    }
    curve_sum_up(curve);
}

bool curve_opt(const struct references *references, uint32_t points, struct curve *ret_curve)
{
    uint32_t width = references->pages / points + (references->pages % points > 0);
    struct layers layers;
    uint32_t *next = references_next_uses(references);
    bool whole = layers_begin(&layers, references->pages, MAX_OF(width, 1)) && next != NULL &&
                 curve_begin(ret_curve, references, MAX_OF(width, 1));
    if (whole) {
        layers_run(&layers, references, next, ret_curve);
    }
    layers_free(&layers);
    free(next);
    return whole;
}
