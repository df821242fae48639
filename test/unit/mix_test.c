/*
 * mix_test.c - in a mix each workload has its share, its keys and its place.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "workload/workload.h"

#define SAMPLES 200000u

static void fit_for(const char *text, uint64_t pages, uint32_t threads,
                    struct workload *ret_workload)
{
    const struct workload_scene scene = {pages, 100, 1, threads};
    struct workload_refusal refusal = {""};

    assert_true(workload_parse(text, ret_workload, &refusal));
    assert_true(workload_fit(ret_workload, &scene, &refusal));
}

/* think= tells them apart. Within 5 standard deviations. */
static void weights_are_shares(void **state)
{
    const double shares[] = {0.5, 0.125, 0.375};
    uint64_t hits[4] = {0};
    struct workload workload;
    struct workload_stream stream;

    (void)state;
    fit_for("mix:4*uniform:think=1+1*zipf:think=2+3*loop:think=3", 1000, 4, &workload);
    workload_stream_init(&stream, &workload, 7, 2, 0.5);
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        assert_in_range(access.think, 1, 3);
        assert_in_range(access.page, 0, 999);
        hits[access.think]++;
    }
    for (unsigned i = 0; i < 3; i++) {
        const double wanted = SAMPLES * shares[i];
        assert_true(fabs((double)hits[i + 1] - wanted) <= 5 * sqrt(wanted * (1 - shares[i])));
    }
    workload_release(&workload);
}

/* Whatever comes between: the first does what it does alone, others are another's seed. */
static void workloads_go_on_where_they_were(void **state)
{
    struct workload mixed, alone;
    struct workload_stream stream, first;
    uint64_t next = 250; /* where thread 1 of 2 begins */
    unsigned equal = 0, firsts = 0;

    (void)state;
    fit_for("mix:2*zipf:think=1+1*sequential:apart=on,think=2+1*zipf:think=3", 500, 2, &mixed);
    fit_for("zipf", 500, 2, &alone);
    workload_stream_init(&stream, &mixed, 7, 1, 0.5);
    workload_stream_init(&first, &alone, 7, 1, 0.5);
    for (unsigned i = 0; i < 4000; i++) {
        struct workload_access access, same;
        workload_stream_next(&stream, &access);
        if (access.think == 2) {
            assert_int_equal(access.page, next);
            next = next + 1 < 500 ? next + 1 : 250;
        } else if (access.think == 1) {
            workload_stream_next(&first, &same);
            assert_int_equal(access.page, same.page);
            assert_int_equal(access.word, same.word);
            assert_int_equal(access.write, same.write);
            firsts++;
        } else {
            equal += access.page == same.page;
        }
    }
    assert_in_range(firsts, 1800, 2200);
    assert_true(equal < 200);
    workload_release(&mixed);
}

/* The seed and the thread say all, also whose turn it is. */
static void same_seed_gives_same_mix(void **state)
{
    struct workload workload;
    struct workload_stream one, other, third;
    unsigned equal = 0;

    (void)state;
    fit_for("mix:1*ycsb:mix=e+1*sort+1*matrix+1*heap+1*stack+1*phases+1*hotcold+1*chase", 1000, 4,
            &workload);
    workload_stream_init(&one, &workload, 7, 3, 0.5);
    workload_stream_init(&other, &workload, 7, 3, 0.5);
    workload_stream_init(&third, &workload, 7, 2, 0.5);
    for (unsigned i = 0; i < 10000; i++) {
        struct workload_access a, b, c;
        workload_stream_next(&one, &a);
        workload_stream_next(&other, &b);
        workload_stream_next(&third, &c);
        assert_true(a.page == b.page && a.word == b.word && a.write == b.write);
        equal += a.page == c.page;
    }
    assert_true(equal < 1000);
    workload_release(&workload);
}

static void writes_are_said_by_whom_they_are(void **state)
{
    struct workload workload;
    struct workload_stream stream;

    (void)state;
    fit_for("mix:1*stack+1*heap", 100, 1, &workload);
    assert_true(workload_has_writes(&workload));
    workload_release(&workload);
    fit_for("mix:1*ycsb:mix=c,think=1+1*uniform", 100, 1, &workload);
    assert_false(workload_has_writes(&workload));
    workload_stream_init(&stream, &workload, 1, 0, 1.0);
    for (unsigned i = 0; i < 1000; i++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        assert_int_equal(access.write, access.think == 0);
    }
    workload_release(&workload);
}

/* A file in it, whose name has a '+'; a graph beside. */
static void files_and_graphs_are_parts(void **state)
{
    char path[] = "/tmp/mix+test-XXXXXX", text[128], printed[WORKLOAD_TEXT_BYTES];
    struct workload workload;
    struct workload_stream stream;
    unsigned seen[3] = {0};
    const int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "1000 R\n2000 W\n", 14), 14);
    close(file);
    snprintf(text, sizeof(text), "mix:1*bfs:scale=4,think=1+3*trace:%s,think=2", path);
    fit_for(text, 100, 2, &workload);
    unlink(path);
    workload_print(&workload, printed);
    snprintf(text, sizeof(text), "+3*trace:%s,threads=merged,think=2", path);
    assert_non_null(strstr(printed, text));
    workload_stream_init(&stream, &workload, 1, 0, 0.5);
    for (unsigned i = 0; i < 1000; i++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        if (access.think == 2) {
            assert_true(access.page == seen[2] % 2 && access.write == (access.page == 1));
        }
        seen[access.think]++;
    }
    assert_true(seen[1] > 150 && seen[2] > 600);
    workload_release(&workload);
}

#define HOTCOLD                                                                                    \
    "0.12345678901234*hotcold:hot=0.12345678901234,share=0.12345678901234,scatter=on,"             \
    "think=1000000000,apart=on"

/* The first that does not fit is named, and nothing is left of those that did. */
static void parts_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        const char *text, *refusal;
    } wrong[] = {{"mix:1*bfs:scale=4+1*loop:pages=51", "pages=51: the memory has only 50"},
                 {"mix:1*bfs:scale=4+1*trace:/nowhere/at/all", "/nowhere/at/all"},
                 {"mix:1*ycsb+1*ycsb+1*ycsb+1*ycsb+1*ycsb+" HOTCOLD "+" HOTCOLD "+" HOTCOLD,
                  "mix: with all its keys it is longer than 511 bytes"}};
    const struct workload_scene scene = {50, 4, 1, 1};

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct workload workload;
        struct workload_refusal refusal = {""};

        assert_true(workload_parse(wrong[i].text, &workload, &refusal));
        assert_false(workload_fit(&workload, &scene, &refusal));
        assert_non_null(strstr(refusal.text, wrong[i].refusal));
        assert_null(workload.mix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(workloads_go_on_where_they_were),
        cmocka_unit_test(same_seed_gives_same_mix),
        cmocka_unit_test(writes_are_said_by_whom_they_are),
        cmocka_unit_test(files_and_graphs_are_parts),
        cmocka_unit_test(parts_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
