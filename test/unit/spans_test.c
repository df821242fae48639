/*
 * spans_test.c - what a thread keeps of what it did: each fault, what lies within it, the last ones,
 * and where the time of some went.
 */
#include "engine_rig.h"

#include "engine/phases.h"
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
    enum { FAULTS = PHASE_SAMPLE - 1 }; /* the next would have more than one span */
    for (page_number page = 0; page < FAULTS; page++) {
        rig_write(&rig, 0, page);
    }
    assert_int_equal(rig_thread(&rig, 0)->spans, FAULTS);
    for (uint32_t back = 0; back < KEPT; back++) {
        assert_span(last(&rig, 0, back), SPAN_DEMAND_ZERO, FAULTS - 1 - back);
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

/* ---- time by phase ---- */

/* Faults of the kind that were timed so, and what they took in the phase. */
static struct phase_sums sums_of(struct rig *rig, enum latency fault, enum fault_phase phase)
{
    struct phase_sums sums;

    snapshot_phase(rig->engine, fault, phase, &sums);
    return sums;
}

static uint64_t timed_ns(struct rig *rig, enum latency fault)
{
    uint64_t ns = 0;

    for (unsigned phase = 0; phase < FAULT_PHASES; phase++) {
        ns += sums_of(rig, fault, (enum fault_phase)phase).ns;
    }
    return ns;
}

/* The next fault of the thread is one of those that are timed by phase. */
static void time_next(struct rig *rig, uint32_t thread)
{
    rig_thread(rig, thread)->faults = PHASE_SAMPLE - 1;
}

static void one_fault_of_many_is_timed_by_phase(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 64);
    for (page_number page = 0; page < PHASE_SAMPLE - 1; page++) {
        rig_write(&rig, 0, page);
    }
    assert_int_equal(sums_of(&rig, LATENCY_DEMAND_ZERO, PHASE_ENGINE).faults, 0);
    assert_int_equal(timed_ns(&rig, LATENCY_DEMAND_ZERO), 0);
    rig_write(&rig, 0, 40);
    assert_int_equal(sums_of(&rig, LATENCY_DEMAND_ZERO, PHASE_ENGINE).faults, 1);
    const struct span *fault = last(&rig, 0, 0), *map = last(&rig, 0, 1), *frame = last(&rig, 0, 2);
    assert_span(fault, SPAN_DEMAND_ZERO, 40);
    assert_span(map, SPAN_MAP, 40);
    assert_span(frame, SPAN_TAKE_FRAME, 40);
    assert_true(fault->begin_ns <= frame->begin_ns && frame->end_ns <= map->begin_ns);
    assert_true(map->end_ns <= fault->end_ns);
    /* The phases are all of the fault, but for the last look at the clock. */
    assert_int_equal(sums_of(&rig, LATENCY_DEMAND_ZERO, PHASE_MAP).ns, map->end_ns - map->begin_ns);
    assert_true(timed_ns(&rig, LATENCY_DEMAND_ZERO) >= map->end_ns - fault->begin_ns);
    assert_true(timed_ns(&rig, LATENCY_DEMAND_ZERO) <= fault->end_ns - fault->begin_ns);
    rig_end(&rig);
}

enum { SLOW_NS = 3000000 };

static void be_slow(void *context, const struct store_request *request)
{
    (void)context, (void)request;
    for (uint64_t begin_ns = world_now_ns(); world_now_ns() - begin_ns < SLOW_NS;) {
    }
}

/* The time that the store takes is the read's, and nobody else's. */
static void a_slow_read_is_found_in_its_phase(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, KEPT);
    rig_put_in_slot(&rig, 5, 11);
    gate_call(&rig, be_slow, NULL);
    time_next(&rig, 2);
    assert_int_equal(rig_read(&rig, 2, 5), FAULT_RESOLVED);
    const struct span *fault = last(&rig, 2, 0);
    assert_span(fault, SPAN_HARD, 5);
    assert_int_equal(sums_of(&rig, LATENCY_HARD, PHASE_READ).faults, 1);
    assert_true(sums_of(&rig, LATENCY_HARD, PHASE_READ).ns >= SLOW_NS);
    assert_true(timed_ns(&rig, LATENCY_HARD) <= fault->end_ns - fault->begin_ns);
    assert_int_equal(sums_of(&rig, LATENCY_HARD, PHASE_READ_WAIT).ns, 0);
    assert_int_equal(sums_of(&rig, LATENCY_HARD, PHASE_FRAME_WAIT).ns, 0);
    gate_call(&rig, NULL, NULL);
    rig_end(&rig);
}

/* A second faulter waits for the read of the first: that is its fault, and its phase. */
static void who_collides_waits_for_anothers_read(void **state)
{
    struct rig_toucher reader, second;
    struct rig rig;

    (void)state;
    begin(&rig, KEPT);
    rig_put_in_slot(&rig, 5, 11);
    gate_shut(&rig, STORE_READ);
    rig_touch_begin(&reader, &rig, 1, 5, false);
    gate_wait_held(&rig, STORE_READ, 1);
    time_next(&rig, 2);
    rig_touch_begin(&second, &rig, 2, 5, false);
    while (rig_counter(&rig, COUNT_FAULT_COLLIDED) == 0) {
        world_pause(8, true);
    }
    gate_open(&rig, STORE_READ);
    rig_touch_end(&reader);
    rig_touch_end(&second);
    assert_int_equal(sums_of(&rig, LATENCY_COLLIDED, PHASE_READ_WAIT).faults, 1);
    assert_true(sums_of(&rig, LATENCY_COLLIDED, PHASE_READ_WAIT).ns > 0);
    assert_int_equal(sums_of(&rig, LATENCY_COLLIDED, PHASE_READ).ns, 0);
    struct histogram_summary summary;
    snapshot_latency(rig.engine, LATENCY_COLLIDED, &summary);
    assert_int_equal(summary.count, 1);
    rig_end(&rig);
}

/* No frame is free: what the thread does until it has one is the wait. */
static void help_is_part_of_the_wait(void **state)
{
    struct rig_config config = {.pages = 32, .frames = 8, .slots = 32};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &config);
    for (page_number page = 0; page < 8; page++) {
        rig_write(&rig, 0, page);
    }
    time_next(&rig, 1);
    rig_write(&rig, 1, 8);
    assert_true(sums_of(&rig, LATENCY_DEMAND_ZERO, PHASE_FRAME_WAIT).ns > 0);
    assert_int_equal(sums_of(&rig, LATENCY_DEMAND_ZERO, PHASE_FRAME_WAIT).faults, 1);
    rig_end(&rig);
}

/* Nobody asked: the clock is not looked at, and no fault is counted. */
static void without_latencies_no_fault_is_timed(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 0);
    rig.engine->config.latency = false;
    for (page_number page = 0; page < 2 * PHASE_SAMPLE; page++) {
        rig_write(&rig, 0, page % 30);
    }
    time_next(&rig, 0);
    rig_write(&rig, 0, 31);
    assert_int_equal(rig_thread(&rig, 0)->faults, PHASE_SAMPLE - 1);
    assert_int_equal(sums_of(&rig, LATENCY_DEMAND_ZERO, PHASE_ENGINE).faults, 0);
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
        cmocka_unit_test(one_fault_of_many_is_timed_by_phase),
        cmocka_unit_test(a_slow_read_is_found_in_its_phase),
        cmocka_unit_test(who_collides_waits_for_anothers_read),
        cmocka_unit_test(help_is_part_of_the_wait),
        cmocka_unit_test(without_latencies_no_fault_is_timed),
        cmocka_unit_test(rounds_that_did_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
