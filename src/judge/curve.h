/*
 * curve.h - what a trace costs a policy with every number of frames at once.
 *
 * One pass is enough for a policy with which more frames always hold all that fewer would (a stack
 * algorithm: Mattson and others, Evaluation techniques for storage hierarchies, IBM Systems Journal
 * 1970). Every page then has a depth: with so many frames and more it is there, with fewer it is
 * not. lru and opt are such policies; the others need a judging for each size.
 *
 * A curve has a point for each number of frames, or for each multiple of a step, from the first to
 * the one at which nothing changes any more. All points are exact. Pure functions.
 */
#ifndef MM_JUDGE_CURVE_H
#define MM_JUDGE_CURVE_H

#include "judge/judge.h"

struct curve {
    uint32_t step;   /* frames from one point to the next */
    uint32_t points; /* the last is at the footprint or behind it */
    uint64_t first;
    uint64_t *hard, *written; /* of each point, from 1; [0] means nothing */
    uint32_t *dirty_from;     /* while references are counted: see curve_count() */
};

/*
 * At every number of frames. O(log m) for a reference, m pages.
 * False, of all that make curves: no memory, and there is none.
 */
bool curve_lru(const struct references *references, struct curve *ret_curve);
/*
 * At every number of frames where that is at most `points` points, else with the smallest step that
 * makes it so. O(points log step) for a reference at most, and mostly far less.
 */
bool curve_opt(const struct references *references, uint32_t points, struct curve *ret_curve);
void curve_free(struct curve *curve);

/* What judge() says with point * step frames. */
struct verdict curve_at(const struct curve *curve, uint32_t point);

/* ---- for the makers of curves: depths are in steps ---- */

bool curve_begin(struct curve *curve, const struct references *references, uint32_t step);
/* A reference to a page at that depth, from 1; 0: it is the first. */
void curve_count(struct curve *curve, uint32_t page, uint32_t depth, bool write);
/* Of every page, at the end: where it is then. */
void curve_count_writes(struct curve *curve, uint32_t page, uint32_t depth);
void curve_sum_up(struct curve *curve);

#endif
