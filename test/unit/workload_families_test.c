/*
 * workload_families_test.c - each family of workloads touches what it says.
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

/* ---- trace ---------------------------------------------------------------------------------- */

static char file_path[64];

static void file_make(const char *text)
{
    strcpy(file_path, "/tmp/workload-test-XXXXXX");
    const int file = mkstemp(file_path);

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
    file_make("9000 R\n1000 W 3\n5000 R 3\n9000 W\n1000 R 4\n1000 R 3\n");
    snprintf(text, sizeof(text), "trace:%s", file_path);
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
    unlink(file_path);
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
        file_make(wrong[i].text);
        snprintf(text, sizeof(text), "trace:%s", file_path);
        assert_true(workload_parse(text, &workload, &refusal));
        assert_false(workload_fit(&workload, &scene, &refusal));
        assert_non_null(strstr(refusal.text, wrong[i].refusal));
        unlink(file_path);
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

/* n = 32: two pages a matrix. What is read and written how often depends on the order. */
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
            assert_true(access.page != last || stream.strand[0].place == 1);
            last = access.page;
            pages += seen[access.page]++ == 0;
        }
        assert_true(pages > (i == 0 ? 35 : 17));
        workload_release(&workload);
    }
}

/* ---- masim ---------------------------------------------------------------------------------- */

/* Three phases of two, one and two milliseconds, ten accesses each. */
static void phases_of_a_file_are_played(void **state)
{
    char text[128];
    struct workload workload;
    struct workload_stream stream;
    uint64_t pages[6] = {0};

    (void)state;
    file_make("# name, length, file\na, 8K, none\nb, 4096\nc, 8193, none\n\n# what\none phase\n2\n"
              "a, 0, 4096, 1, ro\n\nanother\n# time\n1\nb, 1, 64, 1, rw\n\nthe last\n2\n"
              "c, 1, 64, 3, wo\na, 0, 64, 1, ro\n");
    snprintf(text, sizeof(text), "masim:%s,rate=10", file_path);
    fit_for(text, 6, 10, 1, &workload);
    unlink(file_path);
    assert_string_equal(pages_of(&workload, 0, 30),
                        "0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 2 2w 2 2w 2 2w 2 2w 2 2w");
    workload_stream_init(&stream, &workload, 1, 0, 0.5);
    for (unsigned k = 0; k < 50 * 1000; k++) {
        struct workload_access access;
        workload_stream_next(&stream, &access);
        assert_int_equal(access.write, access.page >= 3 || (access.page == 2 && k % 2 == 1));
        if (k % 50 >= 30) {
            pages[access.page]++;
        }
    }
    assert_int_equal(pages[2], 0);
    const double in_c = (double)(pages[3] + pages[4] + pages[5]);
    assert_true(fabs(in_c - 15000) <= 5 * sqrt(20000 * 0.75 * 0.25));
    assert_true(pages[5] < 20); /* one byte of 8193 */
    workload_release(&workload);
}

static void wrong_phase_files_are_refused(void **state)
{
    static const struct {
        const char *text, *refusal;
    } wrong[] = {
        {"", "has no phase"},
        {"a, 4096\n", "has no phase"},
        {"a\n", ":1: a region is NAME, BYTES"},
        {"a, 0\n", ":1: a region is"},
        {"a, 1, none, x\n", ":1: a region is"},
        {"a, 99999999999999999999\n", ":1: a region is"},
        {"a, 4096\n\nphase\nx\n", ":4: the second line of a phase"},
        {"a, 4096\n\nphase\n10\nb, 1, 64, 1\n", ":5: there is no such region"},
        {"a, 4096\n\nphase\n10\na, 2, 64, 1\n", ":5: a pattern is REGION"},
        {"a, 4096\n\nphase\n10\na, 1, 64, 1, xx\n", ":5: a pattern is REGION"},
        {"a, 4096\n\nphase\n10\na, 1, 64, 1, ro, 1\n", ":5: a pattern is REGION"},
        {"a, 4096\n\nphase\n10\na, 1, 64, 0\n\n", ":6: the phase ends before"},
        {"a, 4096\n\nphase\n10\n", "the phase ends before"},
        {"a, 4097\n\nphase\n10\na, 1, 64, 1\n", "2 pages, the memory has only 1"},
    };
    const struct workload_scene scene = {1, 4, 1, 1};

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct workload_refusal refusal = {""};
        struct workload workload;
        char text[128];
        file_make(wrong[i].text);
        snprintf(text, sizeof(text), "masim:%s", file_path);
        assert_true(workload_parse(text, &workload, &refusal));
        assert_false(workload_fit(&workload, &scene, &refusal));
        assert_non_null(strstr(refusal.text, wrong[i].refusal));
        unlink(file_path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(phases_of_a_file_are_played),
        cmocka_unit_test(wrong_phase_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
