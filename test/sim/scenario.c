/*
 * scenario.c - searches the runs of a scenario, and says what they led to.
 */
#include "scenario.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX    200000u
#define TICKS_OFF_NS 5000000u /* a worker that got nowhere tries again sooner than that */
#define RANDOM_RUNS  300u
#define DEEPER_RUNS  3000u
#define CHOICES      (1u << 16)
#define END_ROOM     (1u << 16)

/* The scenario under way. */
static const struct scenario *scenario;
static uint32_t steps_used; /* by its longest run */
static uint64_t seen[SCENARIO_SEES];
static struct fibers_choice choices[CHOICES];
/* The ends of the row: hashes of the histories of its paths. */
static uint64_t ends[END_ROOM];
static uint32_t end_count;

/* ---- runs ---- */

/* Of whole words; never 0. */
static uint64_t hash_bytes(const void *bytes, size_t count)
{
    const uint32_t *words = bytes;
    uint64_t hash = 1;

    for (size_t i = 0; i < count / sizeof(*words); i++) {
        uint64_t state = hash ^ words[i];

        hash = random_mix(&state);
    }
    return hash | 1;
}

/* What the run has left is noted as one of the ends of the row. */
static void add_end(const struct history *history)
{
    uint64_t hash = hash_bytes(history, sizeof(*history));
    uint32_t at = (uint32_t)(hash % END_ROOM);

    while (ends[at] != 0 && ends[at] != hash)
        at = (at + 1) % END_ROOM;
    if (ends[at] == hash)
        return;
    if (++end_count == END_ROOM)
        fail_msg("%s: more ends than there is room for", scenario->name);
    ends[at] = hash;
}

static void run_once(const struct fibers_config *config, const char *kind, uint64_t number)
{
    static const char *const outcomes[] = {"wrong", "deadlock", "endless", "broken"};
    const struct scenario_run *run = scenario_run(config);
    enum fibers_outcome outcome = run->result.outcome;

    steps_used = MAX_OF(steps_used, run->steps);
    for (unsigned i = 0; i < SCENARIO_SEES; i++)
        seen[i] += run->seen[i];
    if (outcome == FIBERS_DONE && config->strategy == FIBERS_PATH)
        add_end(&run->history);
    if (outcome != FIBERS_DONE && outcome != FIBERS_KNOWN)
        fail_msg("%s, %s run %llu: %s: %s (again: MM_SCENARIO=%s)", scenario->name, kind,
                 (unsigned long long)number, outcomes[outcome], run->result.text, scenario->name);
}

static uint32_t fiber_count(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SCENARIO_FIBERS; i++)
        count += scenario->fibers[i][0].act != NOTHING;
    for (unsigned kind = 0; kind < WORKER_KINDS; kind++)
        count += scenario->workers[kind];
    return count;
}

/*
 * Points at every word, waits that end for no reason, stores that others see late. Teaches the
 * search of paths.
 */
static void run_random(struct fibers_path *path)
{
    for (uint64_t seed = 0; seed < RANDOM_RUNS; seed++) {
        struct fibers_config config = {.strategy = FIBERS_RANDOM,
                                       .seed = seed,
                                       .steps_max = STEPS_MAX,
                                       .switch_chance = seed % 2 ? 16384 : 2048,
                                       .path = path,
                                       .relaxed_points = seed % 3 != 0,
                                       .late_stores = seed % 5 == 0,
                                       .early_chance = seed % 4 == 0 ? 256 : 0,
                                       .net_ns = TICKS_OFF_NS};

        run_once(&config, "random", seed);
    }
}

static void run_by_priority(uint64_t seed, uint32_t depth, uint32_t expected, bool late_stores)
{
    struct fibers_config config = {.strategy = FIBERS_PCT,
                                   .seed = seed,
                                   .steps_max = STEPS_MAX,
                                   .depth = depth,
                                   .steps_expected = expected,
                                   .late_stores = late_stores,
                                   .net_ns = TICKS_OFF_NS};

    run_once(&config, late_stores ? "late pct" : depth == 2 ? "pct" : "pct of depth 3", seed);
}

static uint64_t run_pct(void)
{
    uint64_t runs = 20;
    uint32_t expected = steps_used;

    steps_used = 0;
    for (uint64_t seed = 0; seed < runs; seed++) {
        run_by_priority(seed, 2, seed < 20 ? expected : steps_used, false);
        if (seed == 19)
            runs = MAX_OF(runs, 3ull * fiber_count() * steps_used);
    }
    return runs;
}

/*
 * The same with late stores: a fiber that is put off keeps them to itself, so each place where a
 * fence must stand between its store and what it looks at next is missed in 5 of 100 suites at most.
 */
static uint64_t run_late(void)
{
    uint64_t runs = 3ull * fiber_count() * steps_used;

    for (uint64_t seed = 0; seed < runs; seed++)
        run_by_priority(seed, 2, steps_used, true);
    return runs;
}

/* Where two preemptions are too many. Says how likely a bug of depth 3 is found. */
static void run_deeper(void)
{
    double chance = 1 / ((double)fiber_count() * steps_used * steps_used); /* of a run, at least */

    for (uint64_t seed = 0; seed < DEEPER_RUNS; seed++)
        run_by_priority(seed, 3, steps_used, false);
    print_message("%s: %u of depth 3: a bug of that depth is found with a chance of %.2g or more\n",
                  scenario->name, DEEPER_RUNS, -expm1(DEEPER_RUNS * log1p(-chance)));
}

/* Every order. The number of a run is the same in every process. */
static uint64_t run_paths(struct fibers_path *path)
{
    uint64_t runs = 0;

    path->length = 0;
    do {
        struct fibers_config config = {
            .strategy = FIBERS_PATH, .steps_max = STEPS_MAX, .path = path, .net_ns = TICKS_OFF_NS};

        run_once(&config, "paths", runs);
        runs++;
    } while (fibers_path_next(path));
    if (path->overflow)
        fail_msg("%s: the search is not complete", scenario->name);
    return runs;
}

/* ---- scenarios ---- */

/* The row with what it leaves out, and all that it needs. */
static void begin_row(struct scenario *row, struct fibers_path *ret_path)
{
    *ret_path =
        (struct fibers_path){.choices = choices,
                             .room = CHOICES,
                             .preemptions_max = row->preemptions != 0 ? row->preemptions : 2,
                             .once = true};
    scenario = row;
    memset(seen, 0, sizeof(seen));
    memset(ends, 0, sizeof(ends));
    end_count = 0;
    steps_used = 1;
    scenario_create(row);
    fibers_path_begin(ret_path);
}

uint64_t scenario_search(const struct scenario *given)
{
    struct scenario row = *given;
    struct fibers_path path;
    uint64_t by_priority, by_path;

    begin_row(&row, &path);
    run_random(&path);
    by_priority = run_pct();
    by_priority += run_late();
    if (path.preemptions_max < 2)
        run_deeper();
    memset(seen, 0, sizeof(seen));
    by_path = run_paths(&path);
    for (unsigned i = 0; i < SCENARIO_SEEN; i++) {
        if (row.sees[i] != 0 && seen[row.sees[i]] == 0)
            fail_msg("%s: never met what it is about: number %u of `sees`", row.name, i + 1);
    }
    print_message("%s: %u random runs, %llu by priority (%u fibers, %u steps), %llu paths\n",
                  row.name, RANDOM_RUNS, (unsigned long long)by_priority, fiber_count(), steps_used,
                  (unsigned long long)by_path);
    scenario_destroy();
    return by_path;
}

struct scenario_ends scenario_ends(const struct scenario *given, bool whole)
{
    struct scenario row = *given;
    struct scenario_ends found = {0};
    struct fibers_path path;

    begin_row(&row, &path);
    path.once = !whole;
    found.paths = run_paths(&path);
    for (uint32_t i = 0; i < END_ROOM; i++)
        found.hash += ends[i];
    found.ends = end_count;
    scenario_destroy();
    return found;
}

static void search_row(void **state)
{
    scenario_search(*state);
}

/* A failed row leaves its assembly. */
static int destroy_left(void **state)
{
    (void)state;
    scenario_destroy();
    return 0;
}

int scenarios_main(const char *group, const struct scenario *scenarios, size_t count)
{
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    const char *one = getenv("MM_SCENARIO");
    size_t used = 0;
    int failed;

    for (size_t i = 0; i < count && tests != NULL; i++) {
        if (one == NULL || strcmp(one, scenarios[i].name) == 0)
            tests[used++] = (struct CMUnitTest){.name = scenarios[i].name,
                                                .test_func = search_row,
                                                .teardown_func = destroy_left,
                                                .initial_state = (void *)(uintptr_t)&scenarios[i]};
    }
    if (used == 0) {
        fprintf(stderr, "%s: no scenario %s; MM_SCENARIO must name a row of the table\n", group,
                one == NULL ? "" : one);
        return 1;
    }
    failed = _cmocka_run_group_tests(group, tests, used, NULL, NULL);
    free(tests);
    return failed != 0;
}
