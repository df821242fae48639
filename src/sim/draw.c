/*
 * draw.c - a world from its seed, in swarm style: whole classes off, the rest weighed wildly.
 *
 * Everything is drawn in one fixed order whether it was given or not, so that bending one option
 * of a seed leaves the others as they were.
 */
#include "sim/options.h"

#include "base/random.h"
#include "store/compressed.h"

#define STREAM_OPTIONS 3u

struct draw {
    struct random_generator random;
    struct sim_options *options;
};

static uint64_t between(struct draw *draw, uint64_t least, uint64_t most)
{
    return least + random_below(&draw->random, most - least + 1);
}

static bool chance(struct draw *draw, unsigned of_100)
{
    return random_below(&draw->random, 100) < of_100;
}

/* Small numbers as often as large ones. */
static uint64_t skewed(struct draw *draw, uint64_t least, uint64_t most)
{
    uint64_t bound = most;

    for (uint64_t halvings = between(draw, 0, 3); halvings > 0; halvings--)
        bound = least + (bound - least) / 2;
    return between(draw, least, bound);
}

static uint64_t power(struct draw *draw, unsigned bits_max)
{
    return (uint64_t)1 << between(draw, 0, bits_max);
}

static void set(struct draw *draw, enum sim_option option, uint64_t value)
{
    if (!draw->options->given[option])
        draw->options->value[option] = value;
}

/* ---- what there is ---- */

static void draw_sizes(struct draw *draw)
{
    uint64_t frames = chance(draw, 15) ? between(draw, 64, 256) : skewed(draw, 1, 64);
    uint64_t pages = 1 + frames * between(draw, 3, 24) / 4;
    uint64_t slots, kind = between(draw, 0, 9);

    if (kind == 0)
        slots = 0;
    else if (kind <= 3) /* just enough, or a little less: commits are refused */
        slots = pages > frames ? pages - frames + between(draw, 0, 12) : between(draw, 1, 12);
    else
        slots = pages + between(draw, 0, pages);
    set(draw, SIM_FRAMES, frames);
    set(draw, SIM_MEMORY, pages);
    set(draw, SIM_PAGEFILE, slots);
    set(draw, SIM_REGIONS, chance(draw, 40) ? 1 : between(draw, 1, 6));
    set(draw, SIM_THREADS, chance(draw, 30) ? between(draw, 1, 3) : skewed(draw, 1, 16));
    set(draw, SIM_OPERATIONS, skewed(draw, 20, 400));
    set(draw, SIM_STEPS, 20000);
    set(draw, SIM_PAUSES, between(draw, 1, 3));
    set(draw, SIM_WORKLOAD, between(draw, 0, 2));
    set(draw, SIM_LATENCY, chance(draw, 40) ? 0 : skewed(draw, 1, 20000));
}

static void draw_workers(struct draw *draw)
{
    set(draw, SIM_TRIMMERS, chance(draw, 40) ? 1 : skewed(draw, 1, 4));
    set(draw, SIM_WRITERS, chance(draw, 40) ? 1 : skewed(draw, 1, 4));
    set(draw, SIM_ZEROERS, chance(draw, 50) ? 0 : skewed(draw, 1, 3));
    set(draw, SIM_BALANCERS, chance(draw, 50) ? 0 : 1);
}

static void draw_mechanisms(struct draw *draw)
{
    set(draw, SIM_POLICY, between(draw, 0, sim_option_table[SIM_POLICY].most));
    set(draw, SIM_TRIM_BATCH, skewed(draw, 1, 64));
    set(draw, SIM_WRITE_BATCH, skewed(draw, 1, 64));
    set(draw, SIM_REGION_PTES, power(draw, 6));
    set(draw, SIM_FRAME_CACHE, chance(draw, 50) ? 0 : between(draw, 1, 8));
    set(draw, SIM_FAULT_AROUND, chance(draw, 50) ? 1 : power(draw, 4));
    set(draw, SIM_READ_CLUSTER, chance(draw, 30) ? 1 : skewed(draw, 2, 32));
    set(draw, SIM_STANDBY_PERCENT, chance(draw, 50) ? 25 : between(draw, 0, 90));
    set(draw, SIM_TLB, chance(draw, 20) ? 0 : power(draw, 6));
    set(draw, SIM_LIST_LOCK, chance(draw, 70));
    set(draw, SIM_BACKOFF, chance(draw, 50));
    set(draw, SIM_DIRTY_BIT, chance(draw, 80));
    set(draw, SIM_MAP_WRITABLE, between(draw, 0, 2));
    set(draw, SIM_SLOT_SEARCH, between(draw, 0, 1));
}

/* Reads and writes more often than the rest; half of the rest is off. */
static void draw_operations(struct draw *draw)
{
    for (unsigned option = SIM_OP_READ; option <= SIM_OP_DETACH; option++) {
        bool access = option <= SIM_OP_SCAN, off = chance(draw, access ? 20 : 50);
        uint64_t weight = skewed(draw, 1, access ? 100 : option <= SIM_OP_RESERVE ? 20 : 4);

        set(draw, (enum sim_option)option, off ? 0 : weight);
    }
}

/* Per I/O up to a fifth; most classes off in most worlds, all of them in many. */
static void draw_faults(struct draw *draw)
{
    bool none = chance(draw, 35);

    for (unsigned option = SIM_FAULT_FIRST; option < SIM_FAULT_BAD; option++) {
        bool off = chance(draw, 65);
        uint64_t rate = skewed(draw, 1000, 200000);

        set(draw, (enum sim_option)option, off || none ? 0 : rate);
    }
}

static void draw_schedule(struct draw *draw)
{
    set(draw, SIM_STRATEGY, chance(draw, 30));
    set(draw, SIM_SWITCH_CHANCE, 65536 / ((uint64_t)4 << between(draw, 0, 8)));
    set(draw, SIM_DEPTH, between(draw, 2, 6));
    set(draw, SIM_RELAXED, chance(draw, 20));
    set(draw, SIM_LATE_STORES, chance(draw, 25));
    set(draw, SIM_EARLY_CHANCE, chance(draw, 70) ? 0 : skewed(draw, 1, 3000));
    set(draw, SIM_NET, chance(draw, 10));
    set(draw, SIM_LOOK_EVERY, (uint64_t)1 << 4 * between(draw, 0, 2));
    set(draw, SIM_SLOT_RESERVATION, chance(draw, 25) ? 1 : power(draw, 6));
    set(draw, SIM_STORE, chance(draw, 30) && compressed_exists());
    set(draw, SIM_STORE_BUDGET, chance(draw, 50) ? skewed(draw, 1, 8192) : 1 << 20);
    set(draw, SIM_FAULT_BAD, chance(draw, 80) ? 0 : skewed(draw, 10000, 500000));
}

/* In half of the worlds the page file is as large as it gets from the start. */
static void draw_growth(struct draw *draw)
{
    uint64_t slots = draw->options->value[SIM_PAGEFILE];
    uint64_t parts = chance(draw, 20) ? 0 : between(draw, 0, 63);

    set(draw, SIM_PAGEFILE_START, chance(draw, 50) ? slots : slots * parts / 64);
    set(draw, SIM_GROWTH_STEP, skewed(draw, 1, 64));
    set(draw, SIM_GROWERS, chance(draw, 40) ? 0 : between(draw, 1, 2));
    set(draw, SIM_STORE, chance(draw, 15) ? 2 : draw->options->value[SIM_STORE]);
    set(draw, SIM_GROWTH_REFUSED, chance(draw, 60) ? 0 : skewed(draw, 1000, 800000));
}

static void draw_defragmenters(struct draw *draw)
{
    bool late = chance(draw, 50);
    uint64_t short_run = 2 * power(draw, 2);

    set(draw, SIM_DEFRAGMENTERS, between(draw, 0, 2));
    set(draw, SIM_LATE_RESERVATION, late);
    if (late) /* pages lie apart: there is something to do, if a run is not most of the page file */
        set(draw, SIM_SLOT_RESERVATION, short_run);
}

static void draw_prefetchers(struct draw *draw)
{
    set(draw, SIM_PREFETCHERS, chance(draw, 40) ? 0 : between(draw, 1, 2));
    set(draw, SIM_PREFETCH, chance(draw, 30) ? 0 : skewed(draw, 1, 64));
    set(draw, SIM_OP_PREFETCH, chance(draw, 50) ? 0 : skewed(draw, 1, 20));
}

static void draw_colours(struct draw *draw)
{
    set(draw, SIM_LIST_COLOURS, chance(draw, 40) ? 1 : 2 * power(draw, 2));
    set(draw, SIM_BALANCE, chance(draw, 40));
    set(draw, SIM_SHARED, chance(draw, 70) ? 100 : between(draw, 0, 99));
}

static void draw_guesses(struct draw *draw)
{
    set(draw, SIM_GUESS_BY, chance(draw, 40) ? 0 : between(draw, 1, 15));
}

/* ---- what goes together ---- */

static void fit(struct sim_options *options)
{
    uint64_t *value = options->value;
    uint64_t frames = value[SIM_FRAMES], records = value[SIM_THREADS] + 2;

    for (unsigned worker = SIM_TRIMMERS; worker <= SIM_PREFETCHERS; worker++)
        records += value[worker];
    value[SIM_PAGEFILE_START] = MIN_OF(value[SIM_PAGEFILE_START], value[SIM_PAGEFILE]);
    value[SIM_REGIONS] = MIN_OF(value[SIM_REGIONS], value[SIM_MEMORY]);
    value[SIM_FAULT_AROUND] = MIN_OF(value[SIM_FAULT_AROUND], value[SIM_REGION_PTES]);
    /* As the manager does: all caches together hold at most an eighth of the frames. */
    value[SIM_FRAME_CACHE] = MIN_OF(value[SIM_FRAME_CACHE], frames / 8 / records);
}

void sim_draw(struct sim_options *options)
{
    struct draw draw = {.options = options};

    random_seed(&draw.random, options->seed, STREAM_OPTIONS);
    draw_sizes(&draw);
    draw_workers(&draw);
    draw_mechanisms(&draw);
    draw_operations(&draw);
    draw_faults(&draw);
    draw_schedule(&draw);
    draw_growth(&draw);
    draw_defragmenters(&draw);
    draw_prefetchers(&draw);
    draw_colours(&draw);
    draw_guesses(&draw);
    fit(options);
}
