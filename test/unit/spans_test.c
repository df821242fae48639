/*
 * spans_test.c - what a thread keeps of what it did: each fault, what lies within it, the last ones.
 */
#include "engine_rig.h"

#include "engine/spans.h"
#include "observe/snapshot.h"
#include "world/threads.h"

enum { KEPT = 8, PAGES = 64 };

static void begin(struct rig *rig, uint32_t spans)
{
    struct rig_config config = {.pages = PAGES, .frames = 32, .slots = 64, .spans = spans};

    rig_begin(rig, &config);
}

/* The last but `back` of the thread. */
static const struct span *last(struct rig *rig, uint32_t thread, uint64_t back)
{
    uint64_t all = rig_thread(rig, thread)->spans;

    assert_true(all > back);
    return &span_ring(rig->engine, thread)[(all - 1 - back) % rig->engine->config.spans];
}

static void assert_span(const struct span *span, enum span_kind kind, uint32_t amount)
{
    assert_int_equal(span->kind, kind);
    assert_int_equal(span->amount, amount);
    assert_true(span->begin_ns > 0 && span->begin_ns <= span->end_ns);
}

static void each_fault_is_one(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, KEPT);
    uint64_t before_ns = world_now_ns();
    rig_fill(&rig, 0, 3, 7);
    assert_span(last(&rig, 0, 0), SPAN_DEMAND_ZERO, 3);
    rig_trim(&rig, TRIMMER, 3);
    assert_span(last(&rig, TRIMMER, 0), SPAN_UNMAP, 1);
    assert_int_equal(rig_read(&rig, 1, 3), FAULT_RESOLVED);
    assert_span(last(&rig, 1, 0), SPAN_TRANSITION, 3);
    assert_true(last(&rig, 1, 0)->begin_ns >= last(&rig, TRIMMER, 0)->end_ns);
    assert_true(last(&rig, 0, 0)->begin_ns >= before_ns);
    assert_true(last(&rig, 1, 0)->end_ns <= world_now_ns());
    rig_end(&rig);
}

/* The read of a hard fault lies within it, and ends before it does. */
static void a_read_lies_in_its_fault(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, KEPT);
    rig_put_in_slot(&rig, 5, 11);
    assert_int_equal(rig_read(&rig, 2, 5), FAULT_RESOLVED);
    const struct span *fault = last(&rig, 2, 0), *read = last(&rig, 2, 1);
    assert_span(fault, SPAN_HARD, 5);
    assert_span(read, SPAN_READ, 1);
    assert_true(fault->begin_ns <= read->begin_ns && read->end_ns <= fault->end_ns);
    /* The first write to the page, which is clean. */
    rig_write(&rig, 2, 5);
    assert_span(last(&rig, 2, 0), SPAN_WRITE_PROTECT, 5);
    rig_end(&rig);
}

/* How long it took is in the latencies too, once. */
static void latencies_are_those_of_spans(void **state)
{
    static const enum latency of_one_page[] = {LATENCY_DEMAND_ZERO, LATENCY_UNMAP, LATENCY_READ,
                                               LATENCY_HARD};
    struct rig rig;

    (void)state;
    begin(&rig, 0);
    rig_put_in_slot(&rig, 5, 11);
    rig_expect(&rig, 0, 5, 11);
    for (unsigned i = 0; i < sizeof(of_one_page) / sizeof(of_one_page[0]); i++) {
        struct histogram_summary summary;
        snapshot_latency(rig.engine, of_one_page[i], &summary);
        assert_int_equal(summary.count, 1);
    }
    rig_end(&rig);
}

static void the_last_are_kept(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, KEPT);
    for (page_number page = 0; page < 20; page++) {
        rig_write(&rig, 0, page);
    }
    assert_int_equal(rig_thread(&rig, 0)->spans, 20);
    for (uint32_t back = 0; back < KEPT; back++) {
        assert_span(last(&rig, 0, back), SPAN_DEMAND_ZERO, 19 - back);
    }
    assert_int_equal(rig_thread(&rig, 1)->spans, 0);
    rig_end(&rig);
}

static void without_rings_nothing_is_kept(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 0);
    rig_put_in_slot(&rig, 5, 11);
    rig_expect(&rig, 0, 5, 11);
    for (uint32_t thread = 0; thread < RIG_THREADS; thread++) {
        assert_int_equal(rig_thread(&rig, thread)->spans, 0);
    }
    rig_end(&rig);
}

/* Users may do all the work themselves: on until the worker has done some. */
static void write_until(struct rig *rig, uint32_t worker, enum counter counter)
{
    for (page_number page = 0; atomic_load(&rig_thread(rig, worker)->counters[counter]) == 0;
         page = (page + 1) % PAGES) {
        rig_write(rig, 0, page);
    }
}

/* A worker that did nothing has no round: else its ticks would be all there is. */
static void rounds_that_did_something(void **state)
{
    struct rig rig;
    struct rig_config config = {
        .pages = PAGES,
        .frames = 16,
        .slots = 64,
        .spans = 4096,
        .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1, [WORKER_ZERO] = 1}};

    (void)state;
    rig_begin(&rig, &config);
    rig_start_workers(&rig);
    write_until(&rig, RIG_WORKERS, COUNT_FLUSHED_PAGES);
    write_until(&rig, RIG_WORKERS + 1, COUNT_IO_PAGES_WRITTEN);
    rig_stop_workers(&rig);
    assert_true(rig_thread(&rig, RIG_WORKERS)->spans > 0);
    uint64_t pages = 0;
    for (uint64_t back = 0; back < rig_thread(&rig, RIG_WORKERS + 1)->spans; back++) {
        const struct span *round = last(&rig, RIG_WORKERS + 1, back);
        assert_int_equal(round->kind, SPAN_WRITE);
        assert_true(round->amount > 0);
        pages += round->amount;
    }
    assert_true(pages > 0 && pages <= rig_counter(&rig, COUNT_IO_PAGES_WRITTEN));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_one),
        cmocka_unit_test(a_read_lies_in_its_fault),
        cmocka_unit_test(latencies_are_those_of_spans),
        cmocka_unit_test(the_last_are_kept),
        cmocka_unit_test(without_rings_nothing_is_kept),
        cmocka_unit_test(rounds_that_did_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
