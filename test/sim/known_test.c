/*
 * known_test.c - what the search of paths leaves out leads to nothing that it has not met.
 *
 * Every history (what each step returned, and when it began and ended) that a search of all paths ends
 * with is one that the search which goes on from each state once ends with, and the other way round.
 */
#include "scenario.h"

static void same_ends(const struct scenario *scenario)
{
    struct scenario_ends whole = scenario_ends(scenario, true);
    struct scenario_ends once = scenario_ends(scenario, false);

    print_message("%s: %llu paths and %llu, %llu ends\n", scenario->name,
                  (unsigned long long)whole.paths, (unsigned long long)once.paths,
                  (unsigned long long)whole.ends);
    assert_int_equal(whole.ends, once.ends);
    assert_int_equal(whole.hash, once.hash);
    assert_true(whole.ends > 3);
    assert_true(once.paths < whole.paths);
}

static void faults_have_the_same_ends(void **state)
{
    const struct scenario collided = {"page_in_fails_twice", .start = {IN_SLOT}, .reads_fail = 2,
                                      .frame_cache = 1,
                                      .fibers = {{{READ, 0}, {READ, 0}}, {{WRITE, 0}}}};
    const struct scenario rescues = {"three_rescues", .start = {STANDBY, STANDBY, STANDBY},
                                     .region_ptes = 1, .preemptions = 1,
                                     .fibers = {{{READ, 0}}, {{READ, 1}}, {{READ, 2}}}};

    (void)state;
    same_ends(&collided);
    same_ends(&rescues);
}

static void the_way_out_has_the_same_ends(void **state)
{
    const struct scenario scenario = {
        "the_way_out", .start = {ACTIVE},
        .fibers = {{{TRIM, 0}, {WRITE_OUT}, {REPURPOSE}}, {{WRITE, 0}, {READ, 0}}}};

    (void)state;
    same_ends(&scenario);
}

static void rights_and_pins_have_the_same_ends(void **state)
{
    const struct scenario pins = {
        "pins", .start = {MODIFIED}, .preemptions = 1,
        .fibers = {{{WRITE_OUT}}, {{PIN_WRITE, 0}, {UNPIN, 0}}, {{PROTECT_READ, 0}}}};
    const struct scenario discard = {
        "discard", .start = {IN_SLOT},
        .fibers = {{{DECOMMIT, 0}, {COMMIT, 0}, {WRITE, 0}}, {{READ, 0}}}};

    (void)state;
    same_ends(&pins);
    same_ends(&discard);
}

static void waits_and_workers_have_the_same_ends(void **state)
{
    const struct scenario wait = {"wait",
                                  .pages = 1,
                                  .frames = 1,
                                  .slots = 4,
                                  .start = {STANDBY},
                                  .fibers = {{{READ, 0}}, {{REPURPOSE}, {READ, 0}, {TRIM, 0}}}};
    const struct scenario workers = {"workers", .start = {IN_SLOT}, .preemptions = 1,
                                     .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1},
                                     .fibers = {{{STOP}}, {{READ, 0}}}};

    (void)state;
    same_ends(&wait);
    same_ends(&workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_have_the_same_ends),
        cmocka_unit_test(the_way_out_has_the_same_ends),
        cmocka_unit_test(rights_and_pins_have_the_same_ends),
        cmocka_unit_test(waits_and_workers_have_the_same_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
