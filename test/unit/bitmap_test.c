/*
 * bitmap_test.c - base/bitmap.h against a slow model: an array of bool.
 *
 * Every size up to three words and a bit, every start, several densities and run lengths.
 */
#include "base/bitmap.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BITS_MAX 195u

struct pair {
    uint64_t words[BITMAP_WORDS(BITS_MAX)];
    bool model[BITS_MAX];
};

static void pair_fill(struct pair *pair, struct random_generator *generator, uint32_t bits,
                      unsigned ones_of_16)
{
    memset(pair, 0, sizeof(*pair));
    /* Bits behind the end must not matter. */
    for (uint32_t bit = bits; bit < BITMAP_WORDS(bits) * BITMAP_WORD_BITS; bit++)
        bitmap_set(pair->words, bit);
    for (uint32_t bit = 0; bit < bits; bit++) {
        pair->model[bit] = random_below(generator, 16) < ones_of_16;
        if (pair->model[bit])
            bitmap_set(pair->words, bit);
    }
}

static uint32_t model_find_zeros(const bool *model, uint32_t bits, uint32_t from,
                                 uint32_t count_max, uint32_t *ret_first)
{
    uint32_t first = from, count = 0;

    while (first < bits && model[first])
        first++;
    while (count < count_max && first + count < bits && !model[first + count])
        count++;
    if (count > 0)
        *ret_first = first;
    return count;
}

static void pair_check(const struct pair *pair, uint32_t bits)
{
    static const uint32_t runs[] = {0, 1, 2, 7, 63, 64, 65, 200, UINT32_MAX};
    uint32_t ones = 0;

    for (uint32_t bit = 0; bit < bits; bit++) {
        assert_int_equal(bitmap_test(pair->words, bit), pair->model[bit]);
        ones += pair->model[bit];
    }
    assert_int_equal(bitmap_count(pair->words, bits), ones);
    for (uint32_t from = 0; from <= bits + 1; from++) {
        for (size_t i = 0; i < ARRAY_COUNT(runs); i++) {
            uint32_t first = 12345, model_first = 12345;
            uint32_t count = bitmap_find_zeros(pair->words, bits, from, runs[i], &first);

            assert_int_equal(count,
                             model_find_zeros(pair->model, bits, from, runs[i], &model_first));
            assert_int_equal(first, model_first);
        }
    }
}

static void finds_what_the_model_finds(void **state)
{
    struct random_generator generator;
    struct pair pair;

    (void)state;
    random_seed(&generator, 1, 0);
    for (uint32_t bits = 0; bits <= BITS_MAX; bits += bits < 70 ? 1 : 5) {
        for (unsigned ones = 0; ones <= 16; ones += 4) {
            pair_fill(&pair, &generator, bits, ones);
            pair_check(&pair, bits);
        }
    }
}

static void sets_and_clears_runs(void **state)
{
    uint64_t words[BITMAP_WORDS(BITS_MAX)] = {0};

    (void)state;
    bitmap_set_run(words, 60, 70);
    assert_int_equal(bitmap_count(words, BITS_MAX), 70);
    assert_false(bitmap_test(words, 59));
    assert_true(bitmap_test(words, 60));
    assert_true(bitmap_test(words, 129));
    assert_false(bitmap_test(words, 130));
    bitmap_clear_run(words, 61, 68);
    assert_int_equal(bitmap_count(words, BITS_MAX), 2);
    bitmap_clear(words, 60);
    assert_int_equal(bitmap_find(words, BITS_MAX, 0, true), 129);
    assert_int_equal(bitmap_find(words, BITS_MAX, 130, true), BITS_MAX);
}

static void random_numbers_repeat_and_stay_in_bounds(void **state)
{
    struct random_generator one, same, other;
    uint64_t splitmix = 1234567, equal = 0;

    (void)state;
    /* The reference implementation's first number for this state. */
    assert_true(random_mix(&splitmix) == 6457827717110365317ull);
    random_seed(&one, 7, 1);
    random_seed(&same, 7, 1);
    random_seed(&other, 7, 2);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t number = random_next(&one);

        assert_true(number == random_next(&same));
        equal += number == random_next(&other);
        assert_true(random_below(&one, 10) == random_below(&same, 10));
        assert_true(random_below(&other, 10) < 10);
        assert_true(random_fraction(&other) < 1.0);
    }
    assert_true(equal == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_model_finds),
        cmocka_unit_test(sets_and_clears_runs),
        cmocka_unit_test(random_numbers_repeat_and_stay_in_bounds),
    };

    return cmocka_run_group_tests_name("bitmap", tests, NULL, NULL);
}
