/*
 * workload_test.c - streams repeat, stay within bounds, reach every page and follow their law.
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

#include "workload/graph.h"
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

/* ---- trace ---------------------------------------------------------------------------------- */

static char trace_path[64];

static void trace_write_text(const char *text)
{
    strcpy(trace_path, "/tmp/workload-test-XXXXXX");
    const int file = mkstemp(trace_path);

    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

/* The pages that a stream touches, 'w' behind those it writes. */
static const char *pages_of(const struct workload *workload, uint32_t thread, unsigned count)
{
    static char text[256];
    struct workload_stream stream;
    size_t length = 0;

    workload_stream_init(&stream, workload, 1, thread, 0.5);
    for (unsigned i = 0; i < count; i++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        assert_true(access.word >= 1 && access.word < WORKLOAD_WORDS);
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%d%s", i > 0 ? " " : "",
                                   (int)access.page, access.write ? "w" : "");
    }
    return text;
}

/* Pages in the order of their addresses; all references, or those of a thread, round and round. */
static void traces_are_played(void **state)
{
    char text[128];
    struct workload workload;

    (void)state;
    trace_write_text("9000 R\n1000 W 3\n5000 R 3\n9000 W\n1000 R 4\n1000 R 3\n");
    snprintf(text, sizeof(text), "trace:%s", trace_path);
    fit_for(text, 3, 10, 2, &workload);
    assert_true(workload_has_writes(&workload));
    assert_string_equal(pages_of(&workload, 0, 8), "2 0w 1 2w 0 0 2 0w");
    assert_string_equal(pages_of(&workload, 1, 4), "2w 0 0 2");
    workload_release(&workload);
    strcat(text, ",threads=apart");
    fit_for(text, 3, 10, 5, &workload);
    assert_string_equal(pages_of(&workload, 0, 3), "2 2w 2");
    assert_string_equal(pages_of(&workload, 1, 4), "0w 1 0 0w");
    assert_string_equal(pages_of(&workload, 2, 2), "0 0");
    assert_string_equal(pages_of(&workload, 3, 2), "2w 2"); /* as the first, from its middle */
    assert_string_equal(pages_of(&workload, 4, 2), "1 0");
    workload_release(&workload);
    unlink(trace_path);
}

static void wrong_traces_are_refused(void **state)
{
    static const struct {
        const char *text, *refusal;
    } wrong[] = {{"1000 R\n2000 R\n3000 R\n", "it touches 3 pages, the memory has only 2"},
                 {"1000 R\nrubbish\n", ":2: rubbish"},
                 {"", "is empty"},
                 {"2 1000\n", "has no references"}};
    const struct workload_scene scene = {2, 4, 1, 1};

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct workload_refusal refusal = {""};
        struct workload workload;
        char text[128];
        trace_write_text(wrong[i].text);
        snprintf(text, sizeof(text), "trace:%s", trace_path);
        assert_true(workload_parse(text, &workload, &refusal));
        assert_false(workload_fit(&workload, &scene, &refusal));
        assert_non_null(strstr(refusal.text, wrong[i].refusal));
        unlink(trace_path);
    }
}

/* ---- ycsb ----------------------------------------------------------------------------------- */

/* Shares of the accesses, within 5 standard deviations where they are drawn. */
struct ycsb_share {
    const char *text;
    double writes, same; /* that write; that touch the page of the access before, at least */
};

static void ycsb_shares_are_its_own(void **state)
{
    static const struct ycsb_share shares[] = {
        {"ycsb:mix=a,theta=0.01", 0.5, 0},       {"ycsb:mix=b,theta=0.01", 0.05, 0},
        {"ycsb:mix=c,theta=0.01", 0, 0},         {"ycsb:mix=d,theta=0.01", 0.05, 0},
        {"ycsb:mix=e,theta=0.01", 1 / 960.5, 0}, {"ycsb:mix=f,theta=0.01", 1 / 3.0, 1 / 3.0}};

    (void)state;
    for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        uint64_t writes = 0, same = 0, last = UINT64_MAX;
        struct workload workload;
        struct workload_stream stream;

        fit(shares[i].text, 1000, 100, &workload);
        workload_stream_init(&stream, &workload, 1, 0, 1.0);
        for (unsigned k = 0; k < SAMPLES; k++) {
            struct workload_access access;
            workload_stream_next(&stream, &access);
            assert_true(access.page < 1000);
            writes += access.write;
            same += access.page == last;
            last = access.page;
        }
        /* A scan is not one draw: its writes are rarer, and vary more than each for itself. */
        const double deviation = 2 * sqrt(SAMPLES * shares[i].writes * (1 - shares[i].writes));
        assert_true(fabs((double)writes - SAMPLES * shares[i].writes) <= 5 * deviation);
        assert_true((double)same >= 0.98 * SAMPLES * shares[i].same);
    }
}

/* Mix d reads what is new: the first records are forgotten, and the newest are the most read. */
static void ycsb_d_reads_the_latest(void **state)
{
    struct workload workload;
    struct workload_stream stream;
    uint64_t newest = 0, reads = 0, near = 0;

    (void)state;
    fit_for("ycsb:mix=d,record=4096", 1000, 100, 2, &workload);
    workload_stream_init(&stream, &workload, 1, 1, 0.5);
    for (unsigned k = 0; k < 5000; k++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        if (access.write) {
            /* Every other record: the other thread's are between. */
            assert_int_equal(access.page, (500 + 2 * newest++ + 1) % 1000);
        } else {
            const uint64_t age = (500 + 2 * newest + 999 - access.page) % 1000;
            assert_true(age < 500);
            reads++;
            near += age < 50;
        }
    }
    assert_true(near > reads / 2);
}

/* Mix e goes on from record to record; ends and inserts are rare. */
static void ycsb_e_scans(void **state)
{
    struct workload workload;
    struct workload_stream stream;
    uint64_t last = UINT64_MAX, on = 0;

    (void)state;
    fit("ycsb:mix=e,record=4096,theta=0.01", 1000, 100, &workload);
    workload_stream_init(&stream, &workload, 1, 0, 0.5);
    for (unsigned k = 0; k < 100000; k++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        on += access.page == (last + 1) % 1000;
        last = access.page;
    }
    assert_true(on > 97500 && on < 98500); /* 49.5 of 50.5 in a scan */
}

/* ---- sets, growth ---------------------------------------------------------------------------- */

static void hot_pages_get_their_share(void **state)
{
    uint64_t hits[1000] = {0}, hot = 0, hot_pages = 0;
    struct workload workload;
    struct workload_stream stream;

    (void)state;
    fit("hotcold:hot=0.1,share=0.7", 1000, 100, &workload);
    workload_stream_init(&stream, &workload, 1, 0, 0.5);
    for (unsigned k = 0; k < SAMPLES; k++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        hits[access.page]++;
    }
    /* 2800 of each hot page, 133 of each cold one. */
    for (unsigned page = 0; page < 1000; page++) {
        assert_true(hits[page] > 70);
        hot_pages += hits[page] > 1000;
        hot += hits[page] > 1000 ? hits[page] : 0;
    }
    assert_int_equal(hot_pages, 100);
    assert_true(fabs((double)hot - 0.7 * SAMPLES) <= 5 * sqrt(SAMPLES * 0.7 * 0.3));
    assert_true(hits[0] < 1000 || hits[1] < 1000 || hits[2] < 1000); /* not side by side */
}

/* Of 20 neighbours all in a phase; of the next phase other ones, for all threads the same. */
static void sets_move(void **state)
{
    const char *const texts[] = {"phases:pages=20,length=1000",
                                 "phases:pages=20,length=1000,move=slide"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t begin[2][4];
        for (uint32_t thread = 0; thread < 2; thread++) {
            struct workload workload;
            struct workload_stream stream;
            fit(texts[i], 1000, 100, &workload);
            workload_stream_init(&stream, &workload, 1, thread, 0.5);
            for (unsigned phase = 0; phase < 4; phase++) {
                unsigned char seen[1000] = {0};
                unsigned pages = 0;
                for (unsigned k = 0; k < 1000; k++) {
                    struct workload_access access;
                    workload_stream_next(&stream, &access);
                    seen[access.page] = 1;
                }
                for (unsigned page = 0; page < 1000; page++) {
                    pages += seen[page];
                    if (seen[page] && !seen[(page + 999) % 1000]) {
                        begin[thread][phase] = page;
                    }
                }
                assert_int_equal(pages, 20);
            }
        }
        assert_memory_equal(begin[0], begin[1], sizeof(begin[0]));
        assert_true(begin[0][0] != begin[0][1] && begin[0][1] != begin[0][2]);
        if (i == 1) {
            assert_int_equal(begin[0][3], (begin[0][0] + 30) % 1000);
        }
    }
}

/* A page at a time, down by writing and up by reading; shallow more often than deep. */
static void stacks_grow_and_shrink(void **state)
{
    uint64_t last = 0, deepest = 0, shallow = 0, writes = 0;
    struct workload workload;
    struct workload_stream stream;

    (void)state;
    fit_for("stack:frame=1024", 4000, 100, 4, &workload);
    workload_stream_init(&stream, &workload, 1, 2, 0.5);
    for (unsigned k = 0; k < SAMPLES; k++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        assert_true(access.page >= 2000 && access.page < 3000);
        const uint64_t depth = access.page - 2000;
        assert_true(k == 0 || depth == last ||
                    (access.write ? depth == last + 1 : depth + 1 == last));
        last = depth;
        deepest = depth > deepest ? depth : deepest;
        shallow += depth < 500;
        writes += access.write;
    }
    assert_true(deepest > 600);
    assert_true(shallow > SAMPLES / 2);
    assert_true(writes > SAMPLES / 3 && writes < SAMPLES * 2 / 3);
}

/* 1000 pages, 2 objects each, one write in four accesses; then it is empty again. */
static void heaps_grow(void **state)
{
    uint64_t near = 0;
    struct workload workload;
    struct workload_stream stream;

    (void)state;
    fit_for("heap:objects=2", 4000, 100, 4, &workload);
    workload_stream_init(&stream, &workload, 1, 1, 0.5);
    for (unsigned k = 0; k < 3 * 8000; k++) {
        struct workload_access access;
        const uint64_t newest = k % 8000 / 8;
        workload_stream_next(&stream, &access);
        assert_int_equal(access.write, k % 4 == 0);
        assert_true(access.page >= 1000 && access.page <= 1000 + newest);
        assert_true(!access.write || access.page == 1000 + newest);
        near += !access.write && access.page + 10 > 1000 + newest;
    }
    /* Of zipf ranks to 1000 some 38 % are the first ten. */
    assert_true(near > 3 * 6000 * 3 / 10 && near < 3 * 6000 / 2);
}

/* ---- kernels -------------------------------------------------------------------------------- */

/* n = 32: two pages a matrix. Each C is written once a round, and every element of A and B is read n times. */
static void matrices_are_multiplied(void **state)
{
    const char *const texts[] = {"matrix:n=32", "matrix:n=32,order=ikj"};
    const uint64_t n = 32;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t reads[6] = {0}, writes[6] = {0};
        const uint64_t length = i == 0 ? n * n * (2 * n + 1) : n * n * (1 + 2 * n);
        struct workload workload;
        struct workload_stream stream;

        fit_for(texts[i], 6, 100, 3, &workload);
        workload_stream_init(&stream, &workload, 1, 1, 0.5);
        for (uint64_t k = 0; k < length; k++) {
            struct workload_access access;
            workload_stream_next(&stream, &access);
            assert_true(access.page < 6);
            (access.write ? writes : reads)[access.page]++;
        }
        for (unsigned page = 0; page < 6; page++) {
            const uint64_t a = i == 0 ? n * n * n / 2 : n * n / 2, b = n * n * n / 2;
            const uint64_t c = i == 0 ? n * n / 2 : n * n * n / 2;
            assert_int_equal(reads[page], page < 2 ? a : page < 4 ? b : 0);
            assert_int_equal(writes[page], page < 4 ? 0 : c);
        }
    }
}

/* 4 pages into 4 others, an item a time: every item is read and written once a pass, in runs. */
static void sorts_merge(void **state)
{
    struct workload workload;
    struct workload_stream stream;

    (void)state;
    fit_for("sort:item=1024", 16, 100, 2, &workload);
    workload_stream_init(&stream, &workload, 1, 1, 0.5);
    for (unsigned pass = 0; pass < 6; pass++) {
        const uint64_t from = pass % 2 == 0 ? 8 : 12, to = pass % 2 == 0 ? 12 : 8;
        const unsigned run = pass % 2 == 0 ? 2 : 4; /* pages that are merged; of 4, 2 passes */
        unsigned char seen[16] = {0};
        for (unsigned k = 0; k < 16; k++) {
            struct workload_access access;
            workload_stream_next(&stream, &access);
            assert_false(access.write);
            assert_true(access.page >= from && access.page < from + 4);
            assert_int_equal((access.page - from) / run, k / 4 / run);
            seen[access.page]++;
            workload_stream_next(&stream, &access);
            assert_true(access.write);
            assert_int_equal(access.page, to + k / 4);
        }
        for (uint64_t page = from; page < from + 4; page++) {
            assert_int_equal(seen[page], 4);
        }
    }
}

/* ---- graphs --------------------------------------------------------------------------------- */

struct touches {
    uint64_t reads, writes, beyond, bytes;
};

static bool touch_count(void *context, uint64_t address, bool write)
{
    struct touches *touches = context;

    *(write ? &touches->writes : &touches->reads) += 1;
    touches->beyond += address >= touches->bytes;
    return true;
}

/* Every edge at both ends, a few vertices with most of them. */
static void kronecker_graphs_are_skewed(void **state)
{
    uint64_t largest = 0, alone = 0;
    struct graph graph;

    (void)state;
    assert_true(graph_make(&graph, 12, 16, 1));
    assert_int_equal(graph.vertices, 4096);
    assert_int_equal(graph.edges, 2 * 16 * 4096);
    assert_int_equal(graph.offset[4096], graph.edges);
    for (uint32_t v = 0; v < graph.vertices; v++) {
        const uint64_t degree = graph.offset[v + 1] - graph.offset[v];
        largest = degree > largest ? degree : largest;
        alone += degree == 0;
    }
    assert_true(largest > 40 * 32); /* of 32 on average */
    assert_true(alone > 400);
    graph_free(&graph);
}

/* A search reaches each vertex once, over an edge, and never one level later than it could. */
static void searches_reach_everybody_once(void **state)
{
    struct graph graph;

    (void)state;
    assert_true(graph_make(&graph, 10, 4, 3));
    uint32_t *parent = calloc(1024, sizeof(*parent)), *queue = calloc(1024, sizeof(*queue));
    uint32_t *level = calloc(1024, sizeof(*level)), *root = calloc(1024, sizeof(*root));
    unsigned char *seen = calloc(1024, 1);
    struct touches touches = {.bytes = graph_bytes(graph.vertices, graph.edges)};
    const struct graph_watcher watcher = {touch_count, &touches};

    assert_true(graph_search(&graph, parent, queue, &watcher));
    for (uint32_t at = 0; at < 1024; at++) {
        const uint32_t v = queue[at], from = parent[v];
        bool edge = from == v;
        assert_int_equal(seen[v]++, 0);
        for (uint64_t e = graph.offset[v]; e < graph.offset[v + 1]; e++) {
            edge = edge || graph.target[e] == from;
        }
        assert_true(edge);
        level[v] = from == v ? 0 : level[from] + 1;
        root[v] = from == v ? v : root[from];
    }
    for (uint32_t v = 0; v < 1024; v++) {
        for (uint64_t e = graph.offset[v]; e < graph.offset[v + 1]; e++) {
            assert_int_equal(root[v], root[graph.target[e]]);
            assert_true(level[graph.target[e]] <= level[v] + 1);
        }
    }
    assert_int_equal(touches.writes, 2 * 1024);
    assert_int_equal(touches.reads, 1024 + 3 * 1024 + 2 * graph.edges);
    assert_int_equal(touches.beyond, 0);
    touches = (struct touches){.bytes = touches.bytes};
    assert_true(graph_rank(&graph, &watcher));
    assert_int_equal(touches.writes, 2 * 1024);
    assert_int_equal(touches.reads, 2 * (2 * 1024 + 2 * graph.edges));
    assert_int_equal(touches.beyond, 0);
    free(parent);
    free(queue);
    free(level);
    free(root);
    free(seen);
    graph_free(&graph);
}

static void graphs_are_played(void **state)
{
    const char *const texts[] = {"bfs", "pagerank:scale=9"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct workload workload;
        struct workload_stream stream;
        unsigned char seen[64] = {0};
        uint64_t pages = 0, last = UINT64_MAX;
        fit_for(texts[i], 64, 10, 2, &workload);
        assert_int_equal(workload.value[0].number, i == 0 ? 10 : 9);
        workload_stream_init(&stream, &workload, 1, 1, 0.5);
        for (unsigned k = 0; k < 100000; k++) {
            struct workload_access access;
            workload_stream_next(&stream, &access);
            assert_true(access.page < 64);
            assert_true(access.page != last || stream.place == 1);
            last = access.page;
            pages += seen[access.page]++ == 0;
        }
        assert_true(pages > (i == 0 ? 35 : 17));
        workload_release(&workload);
    }
}

static void wrong_texts_are_refused(void **state)
{
    const char *const texts[][2] = {
        {"", "no such workload"},       {"zipff", "zipff"},
        {"uniform:x=1", "no such key"}, {"zipf:theta", "theta"},
        {"zipf:theta=", "theta"},       {"zipf:theta=0", "theta"},
        {"zipf:theta=-1", "theta=-1"},  {"zipf:theta=nan", "theta=nan"},
        {"zipf:theta=1x", "theta=1x"},  {"zipf:scatter=maybe", "on or off"},
        {"zipf:", "no such key"},       {"zipf:theta=1,", "no such key"},
        {"loop:pages=0", "pages=0"},    {"loop:pages=99999999999999999999", "pages="},
        {"loop:step=1", "pages"},       {"stride:step=0", "step=0"},
        {"hotcold:hot=1.5", "a share"}, {"phases:move=x", "jump or slide"},
        {"stack:frame=0", "1 to 4096"}, {"heap:objects=5000", "1 to 4096"},
        {"matrix:order=kij", "ijk or"}, {"sort:item=5000", "1 to 4096"},
        {"bfs:scale=23", "1 to 22"},    {"pagerank:edges=0", "1 to 1000"},
        {"ycsb:mix=g", "a to f"},       {"ycsb:record=4097", "1 to 4096"},
        {"trace", "trace:FILE"},        {"trace:", "trace:FILE"},
        {"trace:-", "trace:FILE"},      {"trace:x,threads=2", "merged or apart"},
        {"stride:step=-1", "step=-1"},  {"stride:step=1:step=2", "step"},
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
                                 "chase",
                                 "matrix",
                                 "sort"};

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char once[WORKLOAD_TEXT_BYTES], twice[WORKLOAD_TEXT_BYTES];
        struct workload workload;

        fit(texts[i], 1000, 100, &workload);
        workload_print(&workload, once);
        fit(once, 1000, 100, &workload);
        workload_print(&workload, twice);
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
        cmocka_unit_test(write_ratio_holds),
        cmocka_unit_test(traces_are_played),
        cmocka_unit_test(wrong_traces_are_refused),
        cmocka_unit_test(ycsb_shares_are_its_own),
        cmocka_unit_test(ycsb_d_reads_the_latest),
        cmocka_unit_test(ycsb_e_scans),
        cmocka_unit_test(hot_pages_get_their_share),
        cmocka_unit_test(sets_move),
        cmocka_unit_test(stacks_grow_and_shrink),
        cmocka_unit_test(heaps_grow),
        cmocka_unit_test(matrices_are_multiplied),
        cmocka_unit_test(sorts_merge),
        cmocka_unit_test(kronecker_graphs_are_skewed),
        cmocka_unit_test(searches_reach_everybody_once),
        cmocka_unit_test(graphs_are_played),
        cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(loop_larger_than_memory_is_refused),
        cmocka_unit_test(printed_text_parses_to_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
