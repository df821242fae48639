/*
 * workload_test.c - streams repeat, stay within bounds, reach every page and follow their law.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workload/workload.h"

#define SAMPLES 400000u

static void fit_for(const char *text, uint64_t pages, uint64_t frames, uint32_t threads,
                    struct workload *ret_workload)
{
    const struct workload_scene scene = {pages, frames, 1, threads};
    struct workload_refusal refusal = {""};

    assert_true(workload_parse(text, ret_workload, &refusal));
    assert_true(workload_fit(ret_workload, &scene, &refusal));
}

static void fit(const char *text, uint64_t pages, uint64_t frames, struct workload *ret_workload)
{
    fit_for(text, pages, frames, 8, ret_workload);
}

/* How many of `count` accesses two streams have in common. */
static unsigned accesses_equal(struct workload_stream *one, struct workload_stream *other,
                               unsigned count)
{
    unsigned equal = 0;

    for (unsigned i = 0; i < count; i++) {
        struct workload_access a, b;
        workload_stream_next(one, &a);
        workload_stream_next(other, &b);
        equal += a.page == b.page && a.word == b.word && a.write == b.write;
    }
    return equal;
}

static void same_seed_gives_same_stream(void **state)
{
    const char *const texts[] = {
        "uniform", "sequential", "zipf",       "zipf:scatter=off", "loop",
        "stride",  "ycsb:mix=d", "ycsb:mix=e", "hotcold",          "phases",
        "stack",   "heap",       "chase",      "matrix",           "matrix:order=ikj",
        "sort"};

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct workload workload;
        struct workload_stream one, other;

        fit(texts[i], 1000, 100, &workload);
        workload_stream_init(&one, &workload, 7, 3, 0.5);
        workload_stream_init(&other, &workload, 7, 3, 0.5);
        assert_int_equal(accesses_equal(&one, &other, 10000), 10000);
    }
}

static void different_seeds_and_threads_differ(void **state)
{
    struct workload workload;
    struct workload_stream one, other;

    (void)state;
    fit("uniform", 1000, 100, &workload);
    workload_stream_init(&one, &workload, 7, 0, 0.5);
    workload_stream_init(&other, &workload, 8, 0, 0.5);
    assert_true(accesses_equal(&one, &other, 10000) < 10);
    workload_stream_init(&one, &workload, 7, 0, 0.5);
    workload_stream_init(&other, &workload, 7, 1, 0.5);
    assert_true(accesses_equal(&one, &other, 10000) < 10);
}

static void bounds_hold(void **state)
{
    const char *const texts[] = {"uniform",
                                 "sequential",
                                 "zipf:theta=0.2",
                                 "zipf:theta=3",
                                 "loop",
                                 "loop:pages=1",
                                 "stride",
                                 "stride:step=1000000",
                                 "ycsb",
                                 "ycsb:mix=e,record=4096",
                                 "hotcold",
                                 "hotcold:hot=1",
                                 "phases",
                                 "phases:length=1,pages=1,move=slide",
                                 "stack",
                                 "heap:objects=1",
                                 "chase",
                                 "matrix",
                                 "matrix:order=ikj",
                                 "sort",
                                 "sort:item=4096"};
    const uint64_t sizes[] = {1, 2, 3, 4, 5, 64, 1000};

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            struct workload workload;
            struct workload_stream stream;

            fit(texts[i], sizes[j], 3, &workload);
            workload_stream_init(&stream, &workload, 1, 1, 0.5);
            for (unsigned k = 0; k < 5000; k++) {
                struct workload_access access;
                workload_stream_next(&stream, &access);
                assert_true(access.page < sizes[j]);
                assert_true(access.word >= 1 && access.word < WORKLOAD_WORDS);
            }
        }
    }
}

/* Exactly `span` accesses touch exactly the pages 0..span-1, each once, and so does each round. */
static void assert_rounds(const char *text, uint64_t pages, uint64_t frames, uint64_t span)
{
    struct workload workload;
    struct workload_stream stream;

    fit(text, pages, frames, &workload);
    workload_stream_init(&stream, &workload, 1, 2, 0.5);
    for (unsigned round = 1; round <= 3; round++) {
        unsigned char *seen = calloc(pages, 1);
        for (uint64_t i = 0; i < span; i++) {
            struct workload_access access;
            workload_stream_next(&stream, &access);
            assert_true(access.page < span);
            assert_int_equal(seen[access.page]++, 0);
        }
        free(seen);
    }
}

static void walks_reach_every_page(void **state)
{
    (void)state;
    assert_rounds("sequential", 1000, 10, 1000);
    assert_rounds("loop", 1000, 10, 11);
    assert_rounds("loop", 1000, 5000, 1000);
    assert_rounds("loop:pages=77", 1000, 10, 77);
    assert_rounds("chase", 1000, 10, 1000);
    assert_rounds("chase:pages=77", 1000, 10, 77);
    assert_rounds("stride", 1000, 10, 1000);
    assert_rounds("stride:step=10", 1000, 10, 1000);
    assert_rounds("stride:step=1000", 1000, 10, 1000);
    assert_rounds("stride:step=1500", 1000, 10, 1000);
    assert_rounds("stride:step=17", 17 * 64, 10, 17 * 64);
    assert_rounds("stride:step=3", 1, 1, 1);
}

static void walks_start_spread(void **state)
{
    struct workload workload;
    struct workload_stream stream;
    struct workload_access access;

    (void)state;
    fit_for("sequential", 1000, 10, 4, &workload);
    for (uint32_t thread = 0; thread < 4; thread++) {
        workload_stream_init(&stream, &workload, 1, thread, 0.5);
        workload_stream_next(&stream, &access);
        assert_int_equal(access.page, 250 * thread);
    }
}

static void scatter_is_a_permutation(void **state)
{
    const uint64_t sizes[] = {1, 2, 3, 5, 64, 65, 1000, 4097};

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct scatter scatter;
        unsigned char *seen = calloc(sizes[i], 1);

        scatter_init(&scatter, sizes[i], 42);
        for (uint64_t x = 0; x < sizes[i]; x++) {
            const uint64_t y = scatter_of(&scatter, x);
            assert_true(y < sizes[i]);
            assert_int_equal(seen[y]++, 0);
        }
        free(seen);
    }
}

/* Each of the first ranks, and all others together, within 5 standard deviations of the law. */
static void assert_zipf_law(double theta, uint64_t count)
{
    enum { RANKS = 20 };
    double sum = 0, expected[RANKS + 2] = {0};
    uint64_t hits[RANKS + 2] = {0};
    struct zipf zipf;
    struct random_generator random;

    for (uint64_t rank = count; rank >= 1; rank--) {
        const double weight = pow((double)rank, -theta);
        sum += weight;
        expected[rank <= RANKS ? rank : RANKS + 1] += weight;
    }
    zipf_init(&zipf, count, theta);
    random_seed(&random, 99, 0);
    for (unsigned i = 0; i < SAMPLES; i++) {
        const uint64_t rank = zipf_rank(&zipf, &random);
        assert_true(rank >= 1 && rank <= count);
        hits[rank <= RANKS ? rank : RANKS + 1]++;
    }
    for (unsigned rank = 1; rank <= RANKS + 1; rank++) {
        const double share = expected[rank] / sum;
        const double deviation = sqrt(SAMPLES * share * (1 - share));
        assert_true(fabs((double)hits[rank] - SAMPLES * share) <= 5 * deviation + 1e-6);
    }
}

static void zipf_follows_its_law(void **state)
{
    const double thetas[] = {0.5, 0.99, 1.0, 1.2, 2.5};
    const uint64_t counts[] = {2, 10, 1000, 65536};

    (void)state;
    for (unsigned i = 0; i < sizeof(thetas) / sizeof(thetas[0]); i++) {
        for (unsigned j = 0; j < sizeof(counts) / sizeof(counts[0]); j++) {
            assert_zipf_law(thetas[i], counts[j]);
        }
    }
}

static void scatter_moves_the_hottest_page(void **state)
{
    const char *const texts[] = {"zipf:theta=1.2,scatter=off", "zipf:theta=1.2"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t hits[64] = {0}, hottest = 0;
        struct workload workload;
        struct workload_stream stream;

        fit(texts[i], 64, 16, &workload);
        workload_stream_init(&stream, &workload, 1, 0, 0.5);
        for (unsigned k = 0; k < 20000; k++) {
            struct workload_access access;
            workload_stream_next(&stream, &access);
            hits[access.page]++;
        }
        for (uint64_t page = 0; page < 64; page++) {
            hottest = hits[page] > hits[hottest] ? page : hottest;
        }
        assert_int_equal(hottest, i == 0 ? 0 : scatter_of(&workload.scatter, 0));
    }
}

/* In its own part each thread does the same as alone; scattered, every page is another. */
static void keys_of_all(void **state)
{
    struct workload alone, apart, scattered;
    struct workload_stream one, other, third;
    unsigned char seen[1000] = {0};
    unsigned same = 0;

    (void)state;
    fit_for("sequential", 250, 10, 1, &alone);
    fit_for("sequential:apart=on", 1003, 40, 4, &apart);
    fit_for("sequential:scatter=on", 1000, 40, 1, &scattered);
    workload_stream_init(&one, &alone, 7, 0, 0.5);
    workload_stream_init(&other, &apart, 7, 3, 0.5);
    workload_stream_init(&third, &scattered, 7, 0, 0.5);
    for (unsigned k = 0; k < 1000; k++) {
        struct workload_access a, b, c;
        workload_stream_next(&one, &a);
        workload_stream_next(&other, &b);
        workload_stream_next(&third, &c);
        assert_int_equal(b.page, 750 + a.page);
        assert_int_equal(seen[c.page]++, 0);
        same += c.page == k;
    }
    assert_true(same < 20);
    fit("uniform:think=77", 10, 10, &apart);
    workload_stream_init(&other, &apart, 7, 3, 0.5);
    for (unsigned k = 0; k < 2; k++) {
        struct workload_access none, some;
        workload_stream_next(&one, &none);
        workload_stream_next(&other, &some);
        assert_int_equal(none.think, 0);
        assert_int_equal(some.think, 77);
    }
}

static void threads_without_a_page_are_refused(void **state)
{
    const struct workload_scene scene = {3, 4, 1, 4};
    struct workload workload;
    struct workload_refusal refusal = {""};

    (void)state;
    assert_true(workload_parse("uniform:apart=on", &workload, &refusal));
    assert_false(workload_fit(&workload, &scene, &refusal));
    assert_non_null(strstr(refusal.text, "apart=on: 4 threads"));
}

static void write_ratio_holds(void **state)
{
    const double ratios[] = {0.0, 0.25, 1.0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct workload workload;
        struct workload_stream stream;
        uint64_t writes = 0;

        fit("uniform", 1000, 100, &workload);
        workload_stream_init(&stream, &workload, 1, 0, ratios[i]);
        for (unsigned k = 0; k < SAMPLES; k++) {
            struct workload_access access;
            workload_stream_next(&stream, &access);
            writes += access.write;
        }
        /* 0 and 1 are exact: their deviation is 0. */
        const double deviation = sqrt(SAMPLES * ratios[i] * (1 - ratios[i]));
        assert_true(fabs((double)writes - SAMPLES * ratios[i]) <= 5 * deviation);
    }
}

static void wrong_texts_are_refused(void **state)
{
    const char *const texts[][2] = {
        {"", "no such workload"},
        {"zipff", "zipff"},
        {"uniform:x=1", "no such key"},
        {"zipf:theta", "theta"},
        {"zipf:theta=", "theta"},
        {"zipf:theta=0", "theta"},
        {"zipf:theta=-1", "theta=-1"},
        {"zipf:theta=nan", "theta=nan"},
        {"uniform:think=0", "nanoseconds"},
        {"uniform:apart=maybe", "on or off"},
        {"zipf:theta=1x", "theta=1x"},
        {"zipf:scatter=maybe", "on or off"},
        {"zipf:", "no such key"},
        {"zipf:theta=1,", "no such key"},
        {"loop:pages=0", "pages=0"},
        {"loop:pages=99999999999999999999", "pages="},
        {"loop:step=1", "pages"},
        {"stride:step=0", "step=0"},
        {"hotcold:hot=1.5", "a share"},
        {"phases:move=x", "jump or slide"},
        {"stack:frame=0", "1 to 4096"},
        {"heap:objects=5000", "1 to 4096"},
        {"matrix:order=kij", "ijk or"},
        {"sort:item=5000", "1 to 4096"},
        {"bfs:scale=23", "1 to 22"},
        {"pagerank:edges=0", "1 to 1000"},
        {"ycsb:mix=g", "a to f"},
        {"ycsb:record=4097", "1 to 4096"},
        {"trace", "trace:FILE"},
        {"trace:", "trace:FILE"},
        {"trace:-", "trace:FILE"},
        {"trace:x,threads=2", "merged or apart"},
        {"stride:step=-1", "step=-1"},
        {"stride:step=1:step=2", "step"},
        {"mix", "mix: workload mix is mix:WEIGHT*WORKLOAD"},
        {"mix:", "mix:WEIGHT*WORKLOAD"},
        {"mix:zipf", "zipf: workload mix is"},
        {"mix:0*zipf", "0*zipf: workload mix is"},
        {"mix:x*zipf", "x*zipf: workload mix is"},
        {"mix:2000000*zipf", "at most 1000000"},
        {"mix:1*zipf+2*zipff", "zipff: no such workload"},
        {"mix:1*zipf+loop", "zipf+loop: no such workload"},
        {"mix:1*zipf+2*loop:step=1", "workload loop has no such key"},
        {"mix:1*zipf+1*mix:1*loop", "none a mix"},
        {"mix:1*loop+1*loop+1*loop+1*loop+1*loop+1*loop+1*loop+1*loop+1*zipf", "at most 8"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct workload workload;
        struct workload_refusal refusal = {""};

        assert_false(workload_parse(texts[i][0], &workload, &refusal));
        assert_non_null(strstr(refusal.text, texts[i][1]));
    }
}

static void loop_larger_than_memory_is_refused(void **state)
{
    const struct workload_scene scene = {10, 4, 1, 1};
    struct workload workload;
    struct workload_refusal refusal = {""};

    (void)state;
    assert_true(workload_parse("loop:pages=11", &workload, &refusal));
    assert_false(workload_fit(&workload, &scene, &refusal));
    assert_non_null(strstr(refusal.text, "pages=11"));
}

static void printed_text_parses_to_the_same(void **state)
{
    const char *const texts[] = {"uniform",
                                 "sequential",
                                 "zipf:theta=0.75,scatter=off",
                                 "loop",
                                 "stride:step=5",
                                 "ycsb:mix=f,theta=1.5,scatter=off,record=100",
                                 "hotcold:hot=0.5",
                                 "phases",
                                 "phases:move=slide",
                                 "stack:frame=9",
                                 "heap:objects=3",
                                 "sequential:think=5,apart=on,scatter=on",
                                 "zipf:think=1,scatter=off",
                                 "chase",
                                 "matrix",
                                 "sort",
                                 "zipf:theta=20",
                                 "mix:0.7*zipf:theta=20,think=3+30*loop:apart=on+1e-3*stack",
                                 "mix:2*uniform"};

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char once[WORKLOAD_TEXT_BYTES], twice[WORKLOAD_TEXT_BYTES];
        struct workload workload;

        fit(texts[i], 1000, 100, &workload);
        workload_print(&workload, once);
        workload_release(&workload);
        fit(once, 1000, 100, &workload);
        workload_print(&workload, twice);
        workload_release(&workload);
        assert_string_equal(once, twice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_same_stream),
        cmocka_unit_test(different_seeds_and_threads_differ),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(walks_reach_every_page),
        cmocka_unit_test(walks_start_spread),
        cmocka_unit_test(scatter_is_a_permutation),
        cmocka_unit_test(zipf_follows_its_law),
        cmocka_unit_test(scatter_moves_the_hottest_page),
        cmocka_unit_test(keys_of_all),
        cmocka_unit_test(threads_without_a_page_are_refused),
        cmocka_unit_test(write_ratio_holds),
        cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(loop_larger_than_memory_is_refused),
        cmocka_unit_test(printed_text_parses_to_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
