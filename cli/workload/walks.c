/*
 * walks.c - the simple ones.
 *
 *   uniform                      every page equally likely
 *   sequential                   one page after the other through the whole memory, round and round
 *   zipf:theta=,scatter=on|off   rank r with probability ~ r^-theta; scatter spreads the ranks
 *   loop:pages=                  the first pages= pages round and round (default: frames + 1)
 *   stride:step=                 every step-th page; all pages are visited, also where step and
 *                                pages share a divisor: a closed round goes on one page further
 *   chase:pages=                 the first pages= pages (default: all), round and round, each once,
 *                                in an order without rule: a chain of pointers
 *
 * sequential, loop, stride and chase start each thread at its own, evenly spread place.
 */
#include "workload/family.h"

static uint64_t place_advance(struct workload_strand *strand, uint64_t span, uint64_t step)
{
    const uint64_t page = strand->place;

    strand->place = (page + step % span) % span;
    return page;
}

/* ---- uniform, sequential -------------------------------------------------------------------- */

static void uniform_next(struct workload_strand *strand, struct workload_access *access)
{
    access->page = random_below(&strand->random, strand->workload->pages);
}

static void sequential_begin(struct workload_strand *strand)
{
    strand->place = workload_start(strand, strand->workload->pages);
}

static void sequential_next(struct workload_strand *strand, struct workload_access *access)
{
    access->page = place_advance(strand, strand->workload->pages, 1);
}

const struct workload_family workload_uniform = {.name = "uniform", .next = uniform_next};
const struct workload_family workload_sequential = {
    .name = "sequential", .begin = sequential_begin, .next = sequential_next};

/* ---- zipf ----------------------------------------------------------------------------------- */

enum { ZIPF_THETA, ZIPF_SCATTER };

static bool zipf_fit(struct workload *workload, const struct workload_scene *scene,
                     struct workload_refusal *ret_refusal)
{
    (void)ret_refusal;
    zipf_init(&workload->zipf, scene->pages, workload->value[ZIPF_THETA].real);
    scatter_init(&workload->scatter, scene->pages, random_hash(scene->seed));
    return true;
}

static void zipf_next(struct workload_strand *strand, struct workload_access *access)
{
    const struct workload *workload = strand->workload;
    const uint64_t rank = zipf_rank(&workload->zipf, &strand->random) - 1;

    access->page =
        workload->value[ZIPF_SCATTER].number ? scatter_of(&workload->scatter, rank) : rank;
}

const struct workload_family workload_zipf = {
    .name = "zipf",
    .key = {[ZIPF_THETA] = WORKLOAD_THETA, [ZIPF_SCATTER] = WORKLOAD_SWITCH("scatter", 1)},
    .fit = zipf_fit,
    .next = zipf_next};

/* ---- loop ----------------------------------------------------------------------------------- */

static bool loop_fit(struct workload *workload, const struct workload_scene *scene,
                     struct workload_refusal *ret_refusal)
{
    uint64_t *span = &workload->value[0].number;

    if (*span == 0) {
        if (!workload_frames_known("pages", scene, ret_refusal)) {
            return false;
        }
        *span = scene->frames < scene->pages ? scene->frames + 1 : scene->pages;
    }
    return workload_span_fits("pages", *span, scene, ret_refusal);
}

static void loop_begin(struct workload_strand *strand)
{
    strand->place = workload_start(strand, strand->workload->value[0].number);
}

static void loop_next(struct workload_strand *strand, struct workload_access *access)
{
    access->page = place_advance(strand, strand->workload->value[0].number, 1);
}

const struct workload_family workload_loop = {.name = "loop",
                                              .key = {WORKLOAD_PAGES("pages", 0)},
                                              .fit = loop_fit,
                                              .begin = loop_begin,
                                              .next = loop_next};

/* ---- stride --------------------------------------------------------------------------------- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void stride_begin(struct workload_strand *strand)
{
    const struct workload *workload = strand->workload;

    strand->place = workload_start(strand, workload->pages);
    strand->round.length =
        workload->pages / common_divisor(workload->pages, workload->value[0].number);
}

static void stride_next(struct workload_strand *strand, struct workload_access *access)
{
    const struct workload *workload = strand->workload;

    access->page = place_advance(strand, workload->pages, workload->value[0].number);
    if (++strand->round.done == strand->round.length) {
        strand->round.done = 0;
        strand->place = (strand->place + 1) % workload->pages;
    }
}

const struct workload_family workload_stride = {.name = "stride",
                                                .key = {WORKLOAD_PAGES("step", 17)},
                                                .begin = stride_begin,
                                                .next = stride_next};

/* ---- chase ---------------------------------------------------------------------------------- */

static bool chase_fit(struct workload *workload, const struct workload_scene *scene,
                      struct workload_refusal *ret_refusal)
{
    uint64_t *span = &workload->value[0].number;

    *span = *span != 0 ? *span : scene->pages;
    if (!workload_span_fits("pages", *span, scene, ret_refusal)) {
        return false;
    }
    scatter_init(&workload->scatter, *span, random_hash(scene->seed));
    return true;
}

static void chase_next(struct workload_strand *strand, struct workload_access *access)
{
    const struct workload *workload = strand->workload;

    access->page =
        scatter_of(&workload->scatter, place_advance(strand, workload->value[0].number, 1));
}

const struct workload_family workload_chase = {.name = "chase",
                                               .key = {WORKLOAD_PAGES("pages", 0)},
                                               .fit = chase_fit,
                                               .begin = loop_begin,
                                               .next = chase_next};
