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
    bool accessed[PAGES], victims[PAGES];
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
        look->accessed[i] = random_below(generator, 3) == 0;
        look->victims[i] = random_below(generator, 2); /* must be overwritten */
    }
}

static void look_choose(struct look *look, const struct policy *policy)
{
    uint32_t marked = 0;

    look->chosen = policy->choose(look->count, look->registers, look->accessed, look->wanted,
                                  look->pass, look->victims);
    for (uint32_t i = 0; i < look->count; i++)
        marked += look->victims[i];
    assert_int_equal(marked, look->chosen);
    assert_true(look->chosen <= look->wanted);
    if (look->pass >= POLICY_PASS_LAST)
        assert_int_equal(look->chosen, MIN_OF(look->wanted, look->count));
}

static void every_policy_keeps_the_contract(void **state)
{
    static const struct policy *const policies[] = {&policy_aging_register, &policy_fifo};
    struct random_generator generator;
    struct look look;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(policies); i++) {
        assert_non_null(policies[i]->name);
        assert_non_null(policies[i]->caption);
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

        look_random(&look, &generator);
        look_choose(&look, &policy_aging_register);
        for (uint32_t i = 0; i < look.count; i++) {
            unsigned expected = look.before[i];

            expected = (look.pass == 0 ? expected >> 1 : expected) | (look.accessed[i] ? 0x80 : 0);
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

/* How many looks a page survives that is never used again. */
static unsigned looks_survived(uint8_t birth)
{
    const bool accessed = false;
    bool victim = false;
    unsigned looks = 0;

    do {
        policy_aging_register.choose(1, &birth, &accessed, 1, 0, &victim);
        looks++;
    } while (!victim);
    return looks;
}

static void aging_spares_the_new_and_the_used(void **state)
{
    uint8_t registers[2] = {0x80, 0x80};
    bool accessed[2] = {true, false}, victims[2];

    (void)state;
    assert_int_equal(policy_aging_register.birth(POLICY_DEMAND_ZERO), 0x80);
    assert_int_equal(policy_aging_register.birth(POLICY_HARD), 0x80);
    assert_int_equal(policy_aging_register.birth(POLICY_RESCUE), 0xC0);
    assert_int_equal(looks_survived(0x80), 2);
    assert_true(looks_survived(0xFF) == 2);
    assert_int_equal(looks_survived(0), 1);
    /* A page in use survives every pass but the last as long as another will do. */
    for (unsigned pass = 0; pass <= POLICY_PASS_LAST; pass++) {
        if (policy_aging_register.choose(2, registers, accessed, 1, pass, victims) == 1)
            assert_true(victims[1] && !victims[0]);
    }
}

/* Cumulative use: of two pages unused for as long, the one used more often before stays. */
static void aging_remembers_cumulative_use(void **state)
{
    uint8_t registers[2] = {0x80, 0x80};
    bool both[2] = {true, true}, first[2] = {true, false}, none[2] = {false, false}, victims[2];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        policy_aging_register.choose(2, registers, i % 2 ? both : first, 0, 0, victims);
    policy_aging_register.choose(2, registers, both, 0, 0, victims);
    assert_int_equal(policy_aging_register.choose(2, registers, none, 1, 3, victims), 1);
    assert_true(victims[1]);
}

static void fifo_takes_the_first(void **state)
{
    struct random_generator generator;
    struct look look;

    (void)state;
    random_seed(&generator, 3, 0);
    for (unsigned round = 0; round < 1000; round++) {
        look_random(&look, &generator);
        look_choose(&look, &policy_fifo);
        for (uint32_t i = 0; i < look.count; i++)
            assert_int_equal(look.victims[i], i < look.wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_keeps_the_contract),
        cmocka_unit_test(aging_takes_the_lowest),
        cmocka_unit_test(aging_spares_the_new_and_the_used),
        cmocka_unit_test(aging_remembers_cumulative_use),
        cmocka_unit_test(fifo_takes_the_first),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
