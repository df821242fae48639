/*
 * sets.c - working sets: a hot part that stays, and one that moves.
 *
 *   hotcold:hot=0.2,share=0.8,scatter=on|off   the share= of the accesses goes to the hot= part of
 *                                              the pages, the rest to the others; uniform in both.
 *                                              scatter: the hot pages lie all over the memory
 *   phases:pages=,length=100000,move=jump|slide  pages= neighbours (default: half of the frames),
 *                                              uniform; after length= accesses of a thread others:
 *                                              anywhere, or half of the set further on
 *
 * All threads have the same sets; each goes from phase to phase by its own accesses.
 */
#include "workload/family.h"

/* ---- hotcold -------------------------------------------------------------------------------- */

enum { HOTCOLD_HOT, HOTCOLD_SHARE, HOTCOLD_SCATTER };

static bool hotcold_fit(struct workload *workload, const struct workload_scene *scene,
                        struct workload_refusal *ret_refusal)
{
    (void)ret_refusal;
    scatter_init(&workload->scatter, scene->pages, random_hash(scene->seed));
    return true;
}

/* At least a page each, where there are two. */
static uint64_t hot_pages(const struct workload *workload)
{
    const uint64_t hot =
        (uint64_t)((double)workload->pages * workload->value[HOTCOLD_HOT].real + 0.5);
    const uint64_t most = workload->pages > 1 ? workload->pages - 1 : 1;

    return hot < 1 ? 1 : hot < most ? hot : most;
}

static void hotcold_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const struct workload *workload = strand->workload;
    const uint64_t hot = hot_pages(workload), cold = workload->pages - hot;
    const bool is_hot =
        random_fraction(&strand->random) < workload->value[HOTCOLD_SHARE].real || cold == 0;
    const uint64_t page =
        is_hot ? random_below(&strand->random, hot) : hot + random_below(&strand->random, cold);

    ret_access->page =
        workload->value[HOTCOLD_SCATTER].number != 0 ? scatter_of(&workload->scatter, page) : page;
}

#define SHARE(name_, share)                                                                        \
    {                                                                                              \
        .name = (name_), .kind = WORKLOAD_REAL, .wanted = "a share over 0 and at most 1",          \
        .real = (share), .real_max = 1                                                             \
    }

const struct workload_family workload_hotcold = {
    .name = "hotcold",
    .key = {[HOTCOLD_HOT] = SHARE("hot", 0.2),
            [HOTCOLD_SHARE] = SHARE("share", 0.8),
            [HOTCOLD_SCATTER] = WORKLOAD_SWITCH("scatter", 1)},
    .fit = hotcold_fit,
    .next = hotcold_next};

/* ---- phases --------------------------------------------------------------------------------- */

enum { PHASES_PAGES, PHASES_LENGTH, PHASES_MOVE };
enum { MOVE_JUMP, MOVE_SLIDE };

static bool phases_fit(struct workload *workload, const struct workload_scene *scene,
                       struct workload_refusal *ret_refusal)
{
    uint64_t *pages = &workload->value[PHASES_PAGES].number;

    if (*pages == 0) {
        if (!workload_frames_known("pages", scene, ret_refusal)) {
            return false;
        }
        *pages = scene->frames / 2 < scene->pages ? scene->frames / 2 : scene->pages;
        *pages += *pages == 0;
    }
    workload->key = random_hash(scene->seed);
    return workload_span_fits("pages", *pages, scene, ret_refusal);
}

/* The first page of the set in this phase. */
static uint64_t phase_begin(const struct workload *workload, uint64_t phase)
{
    const uint64_t pages = workload->value[PHASES_PAGES].number;

    if (workload->value[PHASES_MOVE].number == MOVE_SLIDE) {
        return (uint64_t)((unsigned __int128)phase * ((pages + 1) / 2) % workload->pages);
    }
    return random_hash(workload->key + phase) % workload->pages;
}

static void phases_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const struct workload *workload = strand->workload;
    const uint64_t phase = strand->place++ / workload->value[PHASES_LENGTH].number;
    const uint64_t page = random_below(&strand->random, workload->value[PHASES_PAGES].number);

    ret_access->page = (phase_begin(workload, phase) + page) % workload->pages;
}

const struct workload_family workload_phases = {
    .name = "phases",
    .key = {[PHASES_PAGES] = WORKLOAD_PAGES("pages", 0),
            [PHASES_LENGTH] = {.name = "length",
                               .kind = WORKLOAD_NUMBER,
                               .wanted = "a number of accesses from 1",
                               .number = 100000},
            [PHASES_MOVE] = {.name = "move",
                             .kind = WORKLOAD_CHOICE,
                             .wanted = "jump or slide",
                             .choices = {"jump", "slide"}}},
    .fit = phases_fit,
    .next = phases_next};
