/*
 * shapes.h - made traces, for the tests of policies: which page a reference is to.
 */
#ifndef MM_TEST_SHAPES_H
#define MM_TEST_SHAPES_H

#include "base/random.h"

enum shape { LOOP, UNIFORM, ZIPF, SCANS, PHASES, SHAPES };

/* A number below `pages`, 6 at least, of reference number i. */
static inline uint64_t shape_page(enum shape shape, uint64_t i, uint64_t pages,
                                  struct random_generator *generator)
{
    uint64_t any = random_below(generator, pages);
    double fraction = random_fraction(generator);

    switch (shape) {
    case LOOP:
        return i % pages;
    case ZIPF: /* the square of the square is skewed enough */
        return (uint64_t)(fraction * fraction * fraction * fraction * (double)pages);
    case SCANS: /* a few are used all the time, the others one after the other */
        return i % 3 == 0 ? i / 3 % pages : any % (pages / 6);
    case PHASES:
        return (i / 500 * 11 + any % (pages / 3)) % pages;
    default:
        return any;
    }
}

#endif
