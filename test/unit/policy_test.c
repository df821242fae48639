/*
 * policy_test.c - the trimming policies keep the rules of contract/policy.h and their own.
 */
#include "base/random.h"
#include "contract/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 512u

struct look {
    uint8_t before[PAGES], registers[PAGES];
    bool accessed[PAGES], modified[PAGES], victims[PAGES];
    uint32_t count, wanted, chosen;
    unsigned pass;
};

static void look_random(struct look *look, struct random_generator *generator)
{
    memset(look, 0, sizeof(*look));
    look->count = (uint32_t)random_below(generator, PAGES + 1);
    look->wanted = (uint32_t)random_below(generator, look->count + 2);
    look->pass = (unsigned)random_below(generator, POLICY_PASS_LAST + 3);
    for (uint32_t i = 0; i < look->count; i++) {
        look->before[i] = (uint8_t)(random_next(generator) >> random_below(generator, 60));
        look->registers[i] = look->before[i];
        look->accessed[i] = look->pass == 0 && random_below(generator, 3) == 0;
        look->modified[i] = random_below(generator, 2);
        look->victims[i] = random_below(generator, 2); /* must be overwritten */
    }
}

static void look_choose(struct look *look, const struct policy *policy)
{
    uint32_t marked = 0;

    look->chosen = policy->choose(&(struct policy_look){.count = look->count,
                                                        .wanted = look->wanted,
                                                        .pass = look->pass,
                                                        .registers = look->registers,
                                                        .accessed = look->accessed,
                                                        .modified = look->modified,
                                                        .ret_victim = look->victims});
    for (uint32_t i = 0; i < look->count; i++)
        marked += look->victims[i];
    assert_int_equal(marked, look->chosen);
    assert_true(look->chosen <= look->wanted);
    if (look->pass >= POLICY_PASS_LAST)
        assert_int_equal(look->chosen, MIN_OF(look->wanted, look->count));
}

static void every_policy_keeps_the_contract(void **state)
{
    struct random_generator generator;
    struct look look;

    (void)state;
    for (size_t i = 0; policies[i] != NULL; i++) {
        assert_non_null(policies[i]->name);
        assert_non_null(policies[i]->caption);
        assert_ptr_equal(policy_find(policies[i]->name), policies[i]);
        random_seed(&generator, 1, i);
        for (unsigned round = 0; round < 5000; round++) {
            look_random(&look, &generator);
            look_choose(&look, policies[i]);
        }
    }
}

/* Nobody spared has a lower register than a victim; the registers follow the rule of aging. */
static void aging_takes_the_lowest(void **state)
{
    static const unsigned bounds[] = {0x40, 0x80, 0x100, 0x100, 0x100, 0x100};
    struct random_generator generator;
    struct look look;

    (void)state;
    random_seed(&generator, 2, 0);
    for (unsigned round = 0; round < 5000; round++) {
        unsigned highest_victim = 0, lowest_spared = 0x100;
        uint32_t old = 0;

        look_random(&look, &generator);
        for (uint32_t i = 0; i < look.count; i++)
            old += look.before[i] < 0x40 && !look.accessed[i];
        bool ages = look.pass == 0 && (old < look.wanted || old * 4 < look.count);
        look_choose(&look, &policy_aging);
        for (uint32_t i = 0; i < look.count; i++) {
            unsigned expected = look.before[i];

            expected = (ages ? expected >> 1 : expected) | (look.accessed[i] ? 0x80 : 0);
            assert_int_equal(look.registers[i], expected);
            if (look.victims[i])
                highest_victim = MAX_OF(highest_victim, expected);
            else
                lowest_spared = MIN_OF(lowest_spared, expected);
        }
        if (look.chosen > 0) {
            assert_true(highest_victim < bounds[look.pass]);
            assert_true(highest_victim <= lowest_spared);
        }
        if (look.chosen < look.wanted)
            assert_true(lowest_spared >= bounds[look.pass]);
    }
}

/* ---- few pages, looked at again and again ---------------------------------------------------- */

#define FEW 8u

/* Bit i of `accessed`, `modified` and of the result is page i. */
static unsigned few_look(const struct policy *policy, uint32_t count, uint8_t *registers,
                         unsigned accessed, unsigned modified, uint32_t wanted, unsigned pass)
{
    bool used[FEW], dirty[FEW], victim[FEW];
    unsigned victims = 0;

    for (uint32_t i = 0; i < count; i++) {
        used[i] = accessed >> i & 1;
        dirty[i] = modified >> i & 1;
    }
    policy->choose(&(struct policy_look){.count = count,
                                         .wanted = wanted,
                                         .pass = pass,
                                         .registers = registers,
                                         .accessed = used,
                                         .modified = dirty,
                                         .ret_victim = victim});
    for (uint32_t i = 0; i < count; i++)
        victims |= (unsigned)victim[i] << i;
    return victims;
}

/* How many looks a page survives that is never used again. */
static unsigned looks_survived(const struct policy *policy, uint8_t birth)
{
    unsigned looks = 1;

    while (few_look(policy, 1, &birth, 0, 0, 1, 0) == 0)
        looks++;
    return looks;
}

static void aging_spares_the_new_and_the_used(void **state)
{
    uint8_t registers[2] = {0x80, 0x80};

    (void)state;
    assert_int_equal(policy_aging.birth(POLICY_DEMAND_ZERO), 0x80);
    assert_int_equal(policy_aging.birth(POLICY_HARD), 0x80);
    assert_int_equal(policy_aging.birth(POLICY_RESCUE), 0xC0);
    assert_int_equal(looks_survived(&policy_aging, 0x80), 2);
    assert_int_equal(looks_survived(&policy_aging, 0xFF), 2);
    assert_int_equal(looks_survived(&policy_aging, 0), 1);
    /* A page in use survives every pass but the last as long as another will do. */
    for (unsigned pass = 0; pass <= POLICY_PASS_LAST; pass++)
        assert_int_equal(few_look(&policy_aging, 2, registers, 1, 0, 1, pass) & 1, 0);
}

/* The tick follows the need: while a quarter of the pages are old, and as many as are wanted, none. */
static void aging_waits_for_the_old_to_run_out(void **state)
{
    uint8_t registers[8] = {0x10, 0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xC0};

    (void)state;
    assert_int_equal(few_look(&policy_aging, 8, registers, 0, 0, 1, 0), 1);
    assert_memory_equal(registers, ((uint8_t[]){0x10, 0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xC0}),
                        8);
    assert_int_equal(few_look(&policy_aging, 8, registers, 2, 0, 0, 0), 0); /* one is old, of 8 */
    assert_memory_equal(registers, ((uint8_t[]){0x08, 0x90, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x60}),
                        8);
    registers[1] = 0;
    few_look(&policy_aging, 8, registers, 0, 0, 3, 0); /* two are old, three are wanted */
    assert_int_equal(registers[0], 0x04);
}

/* Cumulative use: of two pages unused for as long, the one used more often before stays. */
static void aging_remembers_cumulative_use(void **state)
{
    uint8_t registers[2] = {0x80, 0x80};

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        few_look(&policy_aging, 2, registers, i % 2 ? 3 : 1, 0, 0, 0);
    few_look(&policy_aging, 2, registers, 3, 0, 0, 0);
    assert_int_equal(few_look(&policy_aging, 2, registers, 0, 0, 1, 3), 2);
}

/* Of pages used alike the clean one goes; a modified one that was used less goes before it. */
static void clean_pages_go_first(void **state)
{
    (void)state;
    for (unsigned i = 0; policies[i] != NULL; i++) {
        uint8_t registers[4], birth = policies[i]->birth(POLICY_HARD);

        memset(registers, birth, sizeof(registers));
        assert_int_equal(few_look(policies[i], 4, registers, 0, 5, 2, POLICY_PASS_LAST), 10);
    }
    uint8_t registers[2] = {0x80, 0x40};
    assert_int_equal(few_look(&policy_aging, 2, registers, 0, 2, 1, POLICY_PASS_LAST), 2);
}

/* The hand takes what was not used since it was here; what was is the youngest of all again. */
static void clock_gives_a_second_chance(void **state)
{
    uint8_t registers[3] = {0}, birth = policy_clock.birth(POLICY_HARD);

    (void)state;
    assert_int_equal(few_look(&policy_clock, 3, registers, 5, 0, 3, 0), 2);
    assert_int_equal(few_look(&policy_clock, 3, registers, 1, 0, 3, 0), 6);
    assert_int_equal(few_look(&policy_clock, 3, registers, 0, 0, 1, 0),
                     2); /* passed over longest */
    assert_int_equal(few_look(&policy_clock, 3, registers, 7, 0, 3, 1), 7);
    assert_int_equal(looks_survived(&policy_clock, birth), 1);
}

/* Time since use and nothing else. */
static void age_forgets_what_was_before(void **state)
{
    uint8_t registers[2] = {7, 7};

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        few_look(&policy_age, 2, registers, 1, 0, 0, 0);
    assert_int_equal(registers[1], 0);
    few_look(&policy_age, 2, registers, 2, 0, 0, 0);
    assert_int_equal(few_look(&policy_age, 2, registers, 0, 0, 1, POLICY_PASS_LAST), 1);
    assert_int_equal(looks_survived(&policy_age, policy_age.birth(POLICY_RESCUE)), 2);
}

/* However often it is used, what came first goes first; what came together in address order. */
static void fifo_goes_by_arrival(void **state)
{
    static const struct policy *const fifos[] = {&policy_fifo, &policy_segmented_fifo};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(fifos); i++) {
        uint8_t registers[4] = {0, fifos[i]->birth(POLICY_HARD), fifos[i]->birth(POLICY_HARD), 0};
        assert_int_equal(few_look(fifos[i], 4, registers, 2, 0, 0, 0), 0);
        registers[0] = registers[3] = fifos[i]->birth(POLICY_RESCUE);
        assert_int_equal(few_look(fifos[i], 4, registers, 2, 0, 1, 0), 2);
        assert_int_equal(few_look(fifos[i], 4, registers, 2, 0, 3, 1), 7);
    }
    assert_int_equal(policy_segmented_fifo.standby_percent, 50);
    uint8_t longest[2] = {255, 254};
    few_look(&policy_fifo, 2, longest, 0, 0, 0, 0);
    assert_int_equal(longest[0] & longest[1], 255); /* it does not run over */
}

/* Pages are not aged while enough of them are old; what was used is young again in any case. */
static void generations_age_when_the_old_run_out(void **state)
{
    uint8_t young[4] = {3, 3, 3, 3}, balanced[4] = {3, 2, 2, 1};
    uint8_t used[4] = {0, 0, 0, 0};

    (void)state;
    assert_int_equal(few_look(&policy_generations, 4, young, 1, 0, 4, 0), 0);
    assert_memory_equal(young, ((uint8_t[]){3, 2, 2, 2}), 4);
    assert_int_equal(few_look(&policy_generations, 4, balanced, 0, 0, 4, 0), 8);
    assert_memory_equal(balanced, ((uint8_t[]){3, 2, 2, 1}), 4);
    assert_int_equal(few_look(&policy_generations, 4, used, 1, 0, 4, 0), 14);
    assert_int_equal(used[0], 3);
}

/* Use does not help a new page, coming back does. */
static void two_queue_keeps_what_comes_back(void **state)
{
    uint8_t new = policy_two_queue.birth(POLICY_HARD);
    uint8_t registers[4] = {new, policy_two_queue.birth(POLICY_RESCUE), new, new};
    uint8_t few_new[FEW];

    (void)state;
    assert_int_equal(few_look(&policy_two_queue, 4, registers, 13, 0, 4, 0), 13);
    /* A1in is no longer than its share: Am gives what was not used. */
    memset(few_new, policy_two_queue.birth(POLICY_RESCUE), sizeof(few_new));
    few_new[0] = new;
    assert_int_equal(few_look(&policy_two_queue, 8, few_new, 0x0F, 0, 8, 0), 0xF0);
}

/* Uses until the first look are one, later ones count. */
static void clock2q_has_a_correlation_window(void **state)
{
    uint8_t registers[4], back = policy_clock2q.birth(POLICY_RESCUE);

    (void)state;
    memset(registers, policy_clock2q.birth(POLICY_HARD), sizeof(registers));
    few_look(&policy_clock2q, 4, registers, 15, 0, 0, 0);
    assert_int_equal(few_look(&policy_clock2q, 4, registers, 1, 0, 3, 0), 14);
    assert_int_equal(few_look(&policy_clock2q, 1, registers, 1, 0, 1, 0), 0);
    assert_int_equal(looks_survived(&policy_clock2q, registers[0]), 1);
    /* What comes back is in the main queue at once, and outlasts what is on probation. */
    registers[0] = back;
    assert_int_equal(few_look(&policy_clock2q, 4, registers, 0, 0, 3, 0), 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_keeps_the_contract),
        cmocka_unit_test(aging_takes_the_lowest),
        cmocka_unit_test(aging_spares_the_new_and_the_used),
        cmocka_unit_test(aging_waits_for_the_old_to_run_out),
        cmocka_unit_test(aging_remembers_cumulative_use),
        cmocka_unit_test(clean_pages_go_first),
        cmocka_unit_test(clock_gives_a_second_chance),
        cmocka_unit_test(age_forgets_what_was_before),
        cmocka_unit_test(fifo_goes_by_arrival),
        cmocka_unit_test(generations_age_when_the_old_run_out),
        cmocka_unit_test(two_queue_keeps_what_comes_back),
        cmocka_unit_test(clock2q_has_a_correlation_window),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
