/*
 * curve.c - depths of references counted, and what they add up to.
 *
 * Which pages are written: Thompson and Smith, Efficient (stack) algorithms for analysis of
 * write-back and sector memories, ACM TOCS 1989. A page that is written to is dirty with any number
 * of frames. When it is touched at a depth, fewer frames than that have lost it and written it, and
 * from then on it is dirty with so many frames and more only.
 */
#include "judge/curve.h"

#include <stdlib.h>

bool curve_begin(struct curve *curve, const struct references *references, uint32_t step)
{
    uint32_t points = references->pages / step + (references->pages % step > 0);
    size_t places = (size_t)points + 1;
    *curve = (struct curve){.step = step, .points = points};
    curve->hard = calloc(places, sizeof(curve->hard[0]));
    curve->written = calloc(places, sizeof(curve->written[0]));
    curve->dirty_from = calloc((size_t)references->pages + 1, sizeof(curve->dirty_from[0]));
    if (curve->hard == NULL || curve->written == NULL || curve->dirty_from == NULL) {
        curve_free(curve);
        return false;
    }
    return true;
}

/* With fewer frames than the depth, and enough for it to be dirty, it has been written. */
void curve_count_writes(struct curve *curve, uint32_t page, uint32_t depth)
{
    uint32_t from = curve->dirty_from[page];
    if (from != 0 && from < depth) {
        curve->written[from]++;
        curve->written[depth]--;
        curve->dirty_from[page] = depth;
    }
}

void curve_count(struct curve *curve, uint32_t page, uint32_t depth, bool write)
{
    if (depth == 0) {
        curve->first++;
    } else {
        curve->hard[depth]++;
        curve_count_writes(curve, page, depth);
    }
    if (write) {
        curve->dirty_from[page] = 1;
    }
}

/* From so many at this depth to so many deeper than it; from what changes to what is. */
void curve_sum_up(struct curve *curve)
{
    uint64_t deeper = 0;
    for (uint32_t point = curve->points; point > 0; point--) {
        uint64_t here = curve->hard[point];
        curve->hard[point] = deeper;
        deeper += here;
    }
    for (uint32_t point = 2; point <= curve->points; point++) {
        curve->written[point] += curve->written[point - 1];
    }
    free(curve->dirty_from);
    curve->dirty_from = NULL;
}

struct verdict curve_at(const struct curve *curve, uint32_t point)
{
    return (struct verdict){
        .first = curve->first, .hard = curve->hard[point], .written = curve->written[point]};
}

void curve_free(struct curve *curve)
{
    free(curve->hard);
    free(curve->written);
    free(curve->dirty_from);
    *curve = (struct curve){0};
}
