/*
 * shrink.c - a failing world made small.
 *
 * Each option is tried at its simplest, then half way there. Any change makes another schedule, so
 * a few other seeds are tried before a change is given up; a failure counts when it is of the
 * same kind. Rounds go on until none of them makes the world smaller.
 */
#include "sim/shrink.h"

#include "sim/seeds.h"

#include <string.h>

#define SEEDS_TRIED 16u
#define TRIES_MAX   6000u

struct shrink {
    struct sim_options best;
    const char *kind;
    struct sim_result result;
    bool failed_so;
    uint64_t tries;
    shrink_progress *progress;
    void *context;
};

static bool take_result(void *context, const struct sim_result *result)
{
    struct shrink *shrink = context;

    shrink->tries++;
    if (!result->failed || strcmp(result->kind, shrink->kind) != 0 || shrink->failed_so)
        return !shrink->failed_so;
    shrink->failed_so = true;
    shrink->result = *result;
    return false;
}

/* Everything as in `options`, whatever the seed would draw. */
static int try_options(struct shrink *shrink, const struct sim_options *options)
{
    struct sim_options fixed = *options;
    int error;

    for (unsigned option = 0; option < SIM_OPTION_COUNT; option++)
        fixed.given[option] = true;
    shrink->failed_so = false;
    error = seeds_run(&fixed, options->seed, options->seed, NULL, take_result, shrink);
    if (error == 0 && !shrink->failed_so)
        error = seeds_run(&fixed, 1, SEEDS_TRIED, NULL, take_result, shrink);
    if (error != 0 || !shrink->failed_so)
        return error;
    shrink->best = fixed;
    shrink->best.seed = shrink->result.seed;
    sim_draw(&shrink->best); /* nothing is drawn; what does not fit is made to */
    if (shrink->progress != NULL)
        shrink->progress(shrink->context, &shrink->best, shrink->tries);
    return 0;
}

static uint64_t half_way(const struct sim_option_row *row, uint64_t value)
{
    uint64_t half;

    if (row->kind == SIM_CHOICE)
        return row->simplest;
    if (row->kind == SIM_POWER)
        return value / 2 >= row->least ? value / 2 : row->simplest;
    half = row->simplest + (MAX_OF(value, row->simplest) - row->simplest) / 2;
    return value < row->simplest ? value : half;
}

/* Returns whether the option became simpler. */
static int shrink_option(struct shrink *shrink, enum sim_option option, bool *ret_smaller)
{
    const struct sim_option_row *row = &sim_option_table[option];
    uint64_t value = shrink->best.value[option];
    uint64_t candidates[2] = {row->simplest, half_way(row, value)};
    int error = 0;

    for (unsigned i = 0; i < 2 && error == 0; i++) {
        struct sim_options smaller = shrink->best;

        if (candidates[i] == value || (i == 1 && candidates[1] == candidates[0]))
            continue;
        smaller.value[option] = candidates[i];
        error = try_options(shrink, &smaller);
        if (error == 0 && shrink->failed_so) {
            *ret_smaller |= shrink->best.value[option] != value;
            break;
        }
    }
    return error;
}

/* Given is what the seed does not draw. */
static void forget_drawn(struct sim_options *options)
{
    struct sim_options drawn = {.seed = options->seed};
    bool differs = true;

    while (differs) {
        differs = false;
        sim_draw(&drawn);
        for (unsigned option = 0; option < SIM_OPTION_COUNT; option++) {
            if (drawn.value[option] != options->value[option] && !drawn.given[option]) {
                differs = drawn.given[option] = true;
                drawn.value[option] = options->value[option];
            }
        }
    }
    *options = drawn;
}

int shrink(struct sim_options *options, const char *kind, shrink_progress *progress, void *context,
           struct sim_result *ret_result)
{
    struct shrink shrink = {.kind = kind, .progress = progress, .context = context};
    bool smaller = true;
    int error;

    shrink.best = *options;
    shrink.result = *ret_result;
    /* The steps that were needed bound all the others. */
    if (ret_result->steps != 0 && ret_result->steps < options->value[SIM_STEPS])
        shrink.best.value[SIM_STEPS] = ret_result->steps;
    error = try_options(&shrink, &shrink.best);
    if (error == 0 && !shrink.failed_so)
        shrink.best = *options;
    while (smaller && error == 0 && shrink.tries < TRIES_MAX) {
        smaller = false;
        for (unsigned option = 0; option < SIM_OPTION_COUNT && error == 0; option++)
            error = shrink_option(&shrink, (enum sim_option)option, &smaller);
    }
    *options = shrink.best;
    forget_drawn(options);
    *ret_result = shrink.result;
    return error;
}
