/*
 * defrag_test.c - which slots are moved: scattered pages come together, others come first, and it
 * comes to an end.
 */
#include "defrag_rig.h"

#include "base/copy.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 2000u /* more than any of these rigs needs */
#ifdef MM_SANITIZED
#define ROWS(rows) 1u /* one thread: the others do nothing that it does not */
#else
#define ROWS(rows) ARRAY_COUNT(rows)
#endif

/* ---- a page file in disorder ----------------------------------------------------------------- */

static void shuffle(uint32_t *numbers, uint32_t count, struct random_generator *random)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)random_below(random, i), number = numbers[i - 1];

        numbers[i - 1] = numbers[other];
        numbers[other] = number;
    }
}

/* Pages 0..pages-1 in slots drawn at random, and no frame holds any. */
static void scatter(struct rig *rig, page_number pages)
{
    slot_number slots = rig->engine->config.slots;
    uint32_t run_shift = rig->engine->run_shift;
    page_number *nobody = malloc(slots * sizeof(*nobody));
    uint32_t *order = malloc(slots * sizeof(*order)), *taken = malloc(slots * sizeof(*taken));
    struct random_generator random;

    assert_non_null(nobody);
    assert_non_null(order);
    assert_non_null(taken);
    random_seed(&random, 7, pages);
    rig->engine->run_shift = 0; /* slots as they come */
    for (uint32_t i = 0; i < slots; i++)
        nobody[i] = PAGE_NONE;
    assert_int_equal(slots_take(rig->engine, rig_thread(rig, MOVER), slots, nobody, taken), slots);
    for (uint32_t i = 0; i < pages; i++)
        order[i] = i;
    shuffle(taken, slots, &random);
    shuffle(order, pages, &random);
    for (uint32_t i = 0; i < slots; i++) { /* the only one that is free at its time */
        slots_give_back(rig->engine, rig_thread(rig, MOVER), taken[i]);
        if (i < pages)
            rig_put_in_slot(rig, order[i], SEED + order[i]);
    }
    rig->engine->run_shift = run_shift;
    free(nobody);
    free(order);
    free(taken);
}

/* Of 1000 pages, how many lie behind the page before them. */
static uint32_t in_order(struct rig *rig, page_number pages)
{
    uint32_t count = 0;

    for (page_number page = 1; page < pages; page++)
        count += rig_slot(rig, page) == rig_slot(rig, page - 1) + 1;
    return count * 1000 / (pages - 1);
}

/* Whole clusters, or runs of so many slots, with nothing in them. */
static uint32_t empty_runs(struct rig *rig, uint32_t length)
{
    uint32_t count = 0;

    for (slot_number first = 1; first + length - 1 <= rig->engine->config.slots; first += length) {
        uint32_t used = 0;

        for (slot_number slot = first; slot < first + length; slot++)
            used += slots_in_use(rig->engine, slot);
        count += used == 0;
    }
    return count;
}

static uint32_t settle(struct rig *rig)
{
    uint32_t rounds = 0;

    while (defrag_needed(rig->engine)) {
        defrag_round(rig->engine, rig_thread(rig, MOVER));
        assert_true(rounds++ < ROUNDS);
    }
    return rounds;
}

/* What a program sees of it: pages for each read when it goes through its memory in order. */
static uint32_t pages_a_read(struct rig *rig, page_number pages)
{
    uint32_t reads = gate_count(rig, STORE_READ);

    for (page_number page = 0; page < pages; page++)
        rig_expect(rig, 0, page, SEED + page);
    return pages * 10 / (gate_count(rig, STORE_READ) - reads);
}

static void begin(struct rig *rig, page_number pages, slot_number slots, uint32_t reservation)
{
    rig_begin(rig, &(struct rig_config){.pages = pages,
                                        .frames = pages + 256,
                                        .slots = slots,
                                        .write_batch = 1,
                                        .read_cluster = 64,
                                        .region_ptes = 256,
                                        .slot_reservation = reservation,
                                        .defrag_rounds = 2,
                                        .defrag_batch = 256});
}

/* ---- order ----------------------------------------------------------------------------------- */

static void scattered_pages_become_runs(void **state)
{
    static const struct {
        uint32_t percent, least; /* of 1000 pages, in order afterwards */
    } rows[] = {{50, 950}, {70, 950}, {90, 900}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        page_number pages = 2048 * rows[i].percent / 100;
        uint64_t copies;
        uint32_t before, after, reads;
        struct rig rig;

        begin(&rig, pages, 2048, 64);
        scatter(&rig, pages);
        before = in_order(&rig, pages);
        reads = pages_a_read(&rig, pages);
        rig_end(&rig);

        begin(&rig, pages, 2048, 64);
        scatter(&rig, pages);
        settle(&rig);
        after = in_order(&rig, pages);
        copies = rig_counter(&rig, COUNT_DEFRAGMENTED);
        print_message("%u %%: of 1000 pages %u, then %u in order; pages a read %u.%u",
                      rows[i].percent, before, after, reads / 10, reads % 10);
        assert_true(before < 20 && after >= rows[i].least);
        assert_true(copies <= 3 * pages);
        reads = pages_a_read(&rig, pages);
        print_message(", then %u.%u; %llu moves, %llu reads and %llu writes for %u pages\n",
                      reads / 10, reads % 10, (unsigned long long)copies,
                      (unsigned long long)rig_counter(&rig, COUNT_DEFRAG_READS),
                      (unsigned long long)rig_counter(&rig, COUNT_DEFRAG_WRITES), pages);
        assert_true(reads > 100);
        assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_ABORTED), 0);
        rig_end(&rig);
    }
}

static void clusters_become_empty(void **state)
{
    static const struct {
        uint32_t percent, least; /* clusters of eight that are empty afterwards */
    } rows[] = {{30, 4}, {40, 3}, {70, 0}};

    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        page_number pages = 8 * SLOT_CLUSTER * rows[i].percent / 100;
        uint64_t copies, emptied;
        struct rig rig;

        begin(&rig, pages, 8 * SLOT_CLUSTER, 1);
        scatter(&rig, pages);
        assert_int_equal(empty_runs(&rig, SLOT_CLUSTER), 0);
        settle(&rig);
        copies = rig_counter(&rig, COUNT_DEFRAGMENTED);
        emptied = rig_counter(&rig, COUNT_DEFRAG_EMPTIED);
        print_message("%u %%: %u of 8 clusters are empty; %llu moves for %u pages\n",
                      rows[i].percent, empty_runs(&rig, SLOT_CLUSTER), (unsigned long long)copies,
                      pages);
        assert_true(empty_runs(&rig, SLOT_CLUSTER) >= rows[i].least);
        assert_true(copies <= pages);
        assert_true(emptied >= empty_runs(&rig, SLOT_CLUSTER)); /* one may be filled again */
        for (page_number page = 0; page < pages; page++)
            rig_expect(&rig, 0, page, SEED + page);
        rig_end(&rig);
    }
}

/* A program writes at random, without reservations; the page file is twice what is in it. */
static void random_writes(struct rig *rig, bool moves)
{
    struct random_generator random;

    random_seed(&random, 5, 1);
    rig_begin(rig, &(struct rig_config){.pages = 2048,
                                        .frames = 512,
                                        .slots = 3072,
                                        .region_ptes = 256,
                                        .slot_reservation = 1,
                                        .defrag_rounds = 1,
                                        .defrag_batch = 256});
    for (page_number page = 0; page < 2048; page++)
        rig_fill(rig, 0, page, SEED + page);
    for (uint32_t i = 0; i < 20000; i++) {
        page_number page = (page_number)random_below(&random, 2048);

        if (random_below(&random, 2) == 0)
            rig_fill(rig, 0, page, SEED + page);
        else
            assert_int_equal(rig_read(rig, 0, page), FAULT_RESOLVED);
        if (trim_needed(rig->engine))
            trim_round(rig->engine, rig_thread(rig, TRIMMER));
        if (write_needed(rig->engine))
            write_round(rig->engine, rig_thread(rig, WRITER));
        if (moves && i % 256 == 0)
            move(rig);
    }
}

static void the_writer_finds_room(void **state)
{
    uint64_t writes[2], written[2], copies = 0, requests = 0;
    struct rig rig;

    (void)state;
    for (unsigned moves = 0; moves < 2; moves++) {
        random_writes(&rig, moves);
        writes[moves] = rig_counter(&rig, COUNT_IO_WRITES);
        written[moves] = rig_counter(&rig, COUNT_IO_PAGES_WRITTEN);
        copies = rig_counter(&rig, COUNT_DEFRAGMENTED);
        requests = rig_counter(&rig, COUNT_DEFRAG_READS) + rig_counter(&rig, COUNT_DEFRAG_WRITES);
        for (page_number page = 0; page < 2048; page++)
            rig_expect(&rig, 0, page, SEED + page);
        rig_end(&rig);
    }
    print_message("%llu pages in %llu writes, then %llu in %llu; %llu moved by %llu requests\n",
                  (unsigned long long)written[0], (unsigned long long)writes[0],
                  (unsigned long long)written[1], (unsigned long long)writes[1],
                  (unsigned long long)copies, (unsigned long long)requests);
    assert_true(writes[1] * 5 < writes[0]);
}

static void what_is_in_order_stays(void **state)
{
    struct rig rig;
    uint64_t copies;

    (void)state;
    begin(&rig, 1024, 2048, 64);
    scatter(&rig, 1024);
    settle(&rig);
    copies = rig_counter(&rig, COUNT_DEFRAGMENTED);
    for (unsigned round = 0; round < 50; round++)
        assert_false(move(&rig));
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), copies);
    assert_false(defrag_needed(rig.engine));
    rig_end(&rig);
}

static void reads_and_writes_are_large(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    assert_true(move(&rig));
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 8);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_READS), 1);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_WRITES), 1);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_PAGES_READ), 8);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_PAGES_WRITTEN), 8);
    for (page_number page = 1; page < 8; page++)
        assert_int_equal(rig_slot(&rig, page), rig_slot(&rig, 0) + page);
    assert_int_equal(rig_slots_used(&rig), 8);
    for (slot_number slot = 1; slot <= 8; slot++)
        assert_false(slots_in_use(rig.engine, slot));
    for (page_number page = 0; page < 8; page++)
        rig_expect(&rig, 0, page, SEED + page);
    rig_end(&rig);
}

/* Slots 3, 4, 7 and 8: what lies between is passed over. */
static void gaps_are_read_over(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    for (page_number page = 0; page < 8; page++) {
        if (page / 2 % 2 == 1)
            assert_int_equal(space_decommit(rig.engine, TRIMMER, page, 1), SPACE_DONE);
    }
    assert_true(move(&rig));
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 4);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_READS), 1);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_PAGES_READ), 4);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAG_WRITES), 2);
    for (page_number page = 0; page < 8; page++) {
        if (page / 2 % 2 == 0)
            rig_expect(&rig, 0, page, SEED + page);
    }
    rig_end(&rig);
}

/* Without reservations: long runs that were written together, a quarter of a cluster each. */
static void what_is_together_stays_together(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 8 * SLOT_CLUSTER, 8 * SLOT_CLUSTER, 1);
    for (page_number page = 0; page < 8 * SLOT_CLUSTER; page++)
        rig_put_in_slot(&rig, page, SEED + page);
    for (page_number page = 0; page < 8 * SLOT_CLUSTER; page += SLOT_CLUSTER)
        assert_int_equal(space_decommit(rig.engine, TRIMMER, page, SLOT_CLUSTER * 3 / 4),
                         SPACE_DONE);
    settle(&rig);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 0);
    rig_end(&rig);
}

/* A reserved run is its block's, however few of its pages lie there at the moment. */
static void reserved_runs_are_left_alone(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){
                        .slots = 64, .slot_reservation = 8, .defrag_rounds = 1, .defrag_batch = 8});
    for (page_number page = 0; page < 64; page += 8)
        rig_put_in_slot(&rig, page, SEED + page);
    settle(&rig);
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 0);
    for (page_number page = 0; page < 64; page += 8)
        assert_int_equal(rig_slot(&rig, page), 1 + page);
    rig_end(&rig);
}

/* ---- which runs are emptied, and filled ------------------------------------------------------ */

#define RUNS      64u
#define RUN_SLOTS 8u

/*
 * Each run of the page file as its letter says: '5', so many slots in use by nobody; 'p', one slot
 * with a page; 'r', one retired slot. The pages are 9 apart.
 */
static void lay_out(struct rig *rig, const char *layout)
{
    slot_number slots[RUNS * RUN_SLOTS];
    page_number nobody[RUNS * RUN_SLOTS], page = 0;
    struct thread *mover;

    rig_begin(rig, &(struct rig_config){.frames = 80,
                                        .slots = RUNS * RUN_SLOTS,
                                        .write_batch = 1,
                                        .slot_reservation = RUN_SLOTS,
                                        .defrag_rounds = 1,
                                        .defrag_batch = 64});
    mover = rig_thread(rig, MOVER);
    rig->engine->run_shift = 0; /* slots as they come */
    memset(nobody, 0xff, sizeof(nobody));
    assert_int_equal(slots_take(rig->engine, mover, RUNS * RUN_SLOTS, nobody, slots),
                     RUNS * RUN_SLOTS);
    for (slot_number run = 0; run < RUNS; run++) {
        slot_number first = 1 + run * RUN_SLOTS;

        if (layout[run] == 'p') {
            slots_give_back(rig->engine, mover, first);
            rig_put_in_slot(rig, page, SEED + page);
            assert_int_equal(rig_slot(rig, page), first);
            page += 9;
        }
    }
    for (slot_number i = 0; i < RUNS * RUN_SLOTS; i++) {
        char letter = layout[i / RUN_SLOTS];

        if (letter == 'r' && i % RUN_SLOTS == 0)
            assert_true(slots_give_back_failed(rig->engine, mover, 1 + i, -ENODATA));
        else if (i % RUN_SLOTS >= (letter < 'a' ? (unsigned)letter - '0' : letter == 'p'))
            slots_give_back(rig->engine, mover, 1 + i);
    }
    rig->engine->run_shift = 3;
}

/* Ten looks for runs to be emptied. How many pages moved? */
static uint64_t empty_sparse_runs(struct rig *rig)
{
    for (unsigned i = 0; i < 10; i++) {
        rig->engine->defrag_no_stray = UINT32_MAX / 2;
        rig->engine->defrag_no_source = 0;
        move(rig);
    }
    return rig_counter(rig, COUNT_DEFRAGMENTED);
}

static void end_layout(struct rig *rig, const char *layout)
{
    for (slot_number i = 0; i < RUNS * RUN_SLOTS; i++) {
        char letter = layout[i / RUN_SLOTS];

        if (letter < 'a' && i % RUN_SLOTS < (unsigned)letter - '0')
            slots_give_back(rig->engine, rig_thread(rig, MOVER), 1 + i);
    }
    rig_end(rig);
}

/* The run that was being filled is somebody's now; the next one is. */
static void an_open_run_that_was_reserved_is_left(void **state)
{
    static const char layout[RUNS + 1] =
        "80p8p8p8p8888888888888888888888888888888888888888888888888888888";
    struct rig rig;

    (void)state;
    lay_out(&rig, layout);
    rig.engine->defrag_open = 9;
    rig.engine->run_owners[1] = 1 + 7;
    rig.engine->reservations[7] = 1 + 1;
    assert_int_equal(empty_sparse_runs(&rig), 3);
    assert_int_not_equal(PFN_FIELD(rig.engine, defrag_open), 9);
    end_layout(&rig, layout);
}

/* However many runs there are before them in which nothing can be moved. */
static void sparse_runs_are_emptied(void **state)
{
    static const char layout[RUNS + 1] =
        "rrrrrrrrrrrrrrrr5555555555555555pppppp55555555555555555555555550";
    struct rig rig;

    (void)state;
    lay_out(&rig, layout);
    assert_int_equal(empty_sparse_runs(&rig), 6);
    assert_int_equal(PFN_FIELD(rig.engine, slots_retired), 16);
    end_layout(&rig, layout);
}

/* ---- small, full, off, and busy -------------------------------------------------------------- */

static void two_frames_are_enough(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.pages = 16,
                                         .commit = 8,
                                         .frames = 2,
                                         .slots = 32,
                                         .write_batch = 1,
                                         .slot_reservation = 8,
                                         .defrag_rounds = 1,
                                         .defrag_batch = 8});
    put_eight(&rig);
    assert_true(move(&rig));
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 8);
    for (page_number page = 0; page < 8; page++)
        rig_expect(&rig, 0, page, SEED + page);
    rig_end(&rig);
}

/* Half of what is free is the writer's; of one free slot that is all. */
static void a_full_page_file_is_left_alone(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 256, 256, 8);
    scatter(&rig, 256);
    assert_int_equal(slots_free(rig.engine), 0);
    settle(&rig);
    assert_int_equal(space_decommit(rig.engine, TRIMMER, 9, 1), SPACE_DONE);
    assert_int_equal(slots_free(rig.engine), 1);
    for (unsigned round = 0; round < 10; round++)
        assert_false(move(&rig));
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 0);
    assert_int_equal(gate_count(&rig, STORE_READ), 0);
    for (page_number page = 0; page < 256; page++) {
        if (page != 9)
            rig_expect(&rig, 0, page, SEED + page);
    }
    rig_end(&rig);
}

static void off_is_off(void **state)
{
    struct rig_config config = {.pages = 16, .slots = 32, .slot_reservation = 8};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &config);
    put_eight(&rig);
    assert_false(move(&rig));
    assert_int_equal(rig_counter(&rig, COUNT_DEFRAGMENTED), 0);
    rig_end(&rig);
    config.no_slots = true;
    config.defrag_rounds = 1;
    rig_begin(&rig, &config);
    assert_false(defrag_needed(rig.engine));
    assert_false(move(&rig));
    rig_end(&rig);
}

static void others_come_first(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    atomic_store(&rig.engine->waiters, 1);
    assert_false(defrag_needed(rig.engine));
    assert_false(move(&rig));
    atomic_store(&rig.engine->waiters, 0);
    for (page_number page = 8; page < 14; page++) { /* more than a quarter of the frames */
        rig_fill(&rig, 0, page, SEED);
        rig_trim(&rig, TRIMMER, page);
    }
    assert_true(write_needed(rig.engine));
    assert_false(move(&rig));
    rig_write_all(&rig);
    assert_true(move(&rig));
    rig_end(&rig);
}

static void rounds_that_move_rest(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    rig.engine->config.defrag_rest_ns = 50000000;
    assert_true(move(&rig));
    rig_fill(&rig, 0, 3, SEED + 3);
    assert_false(defrag_needed(rig.engine));
    RIG_WAIT_UNTIL(defrag_needed(rig.engine));
    rig_end(&rig);
}

static void no_more_rounds_at_once_than_buffers(void **state)
{
    struct rig rig;

    (void)state;
    begin_eight(&rig);
    atomic_store(&rig.engine->defrag_sets, 3);
    assert_false(move(&rig));
    atomic_store(&rig.engine->defrag_sets, 1);
    assert_true(move(&rig));
    assert_int_equal(rig.engine->defrag_sets, 1);
    atomic_store(&rig.engine->defrag_sets, 0);
    rig_end(&rig);
}

/* ---- in threads ------------------------------------------------------------------------------ */

#define LOAD_PAGES 1536u /* a third of them each */
#define LOAD_USERS 3u

struct load {
    struct rig rig;
    _Atomic uint32_t next, wrong;
};

/* Each page has one user, who knows what it wrote last. */
static void *load_run(void *argument)
{
    struct load *load = argument;
    uint32_t thread = atomic_fetch_add(&load->next, 1);
    uint64_t seeds[LOAD_PAGES / LOAD_USERS];
    struct random_generator random;

    random_seed(&random, 11, thread);
    for (uint32_t i = 0; i < ARRAY_COUNT(seeds); i++)
        seeds[i] = SEED + i * LOAD_USERS + thread;
    for (uint32_t i = 0; i < (UNDER_THREAD_SANITIZER ? 1500u : 20000u); i++) {
        uint32_t own = (uint32_t)random_below(&random, ARRAY_COUNT(seeds));
        page_number page = own * LOAD_USERS + thread;

        if (!rig_holds(&load->rig, thread, page, seeds[own]))
            atomic_fetch_add(&load->wrong, 1);
        if (random_below(&random, 3) == 0) {
            seeds[own] = LOAD_PAGES + SEED + (uint64_t)i * LOAD_USERS + thread;
            rig_fill(&load->rig, thread, page, seeds[own]);
        }
    }
    return NULL;
}

static void pages_are_used_while_they_move(void **state)
{
    static struct load load;
    pthread_t ids[LOAD_USERS];

    (void)state;
    memset(&load, 0, sizeof(load));
    rig_begin(
        &load.rig,
        &(struct rig_config){
            .pages = LOAD_PAGES,
            .frames = 64,
            .slots = 2048,
            .write_batch = 8,
            .slot_reservation = 8,
            .defrag_rounds = 2,
            .defrag_batch = 4,
            .workers = {
                [WORKER_TRIM] = 1, [WORKER_WRITE] = 1, [WORKER_BALANCE] = 1, [WORKER_DEFRAG] = 2}});
    scatter(&load.rig, LOAD_PAGES);
    rig_start_workers(&load.rig);
    for (uint32_t i = 0; i < LOAD_USERS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, load_run, &load), 0);
    for (uint32_t i = 0; i < LOAD_USERS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(load.wrong, 0);
    assert_true(rig_counter(&load.rig, COUNT_DEFRAGMENTED) > 0);
    print_message("%llu moved, %llu not\n",
                  (unsigned long long)rig_counter(&load.rig, COUNT_DEFRAGMENTED),
                  (unsigned long long)rig_counter(&load.rig, COUNT_DEFRAG_ABORTED));
    rig_end(&load.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scattered_pages_become_runs),
        cmocka_unit_test(clusters_become_empty),
        cmocka_unit_test(the_writer_finds_room),
        cmocka_unit_test(what_is_in_order_stays),
        cmocka_unit_test(reads_and_writes_are_large),
        cmocka_unit_test(gaps_are_read_over),
        cmocka_unit_test(what_is_together_stays_together),
        cmocka_unit_test(reserved_runs_are_left_alone),
        cmocka_unit_test(an_open_run_that_was_reserved_is_left),
        cmocka_unit_test(sparse_runs_are_emptied),
        cmocka_unit_test(two_frames_are_enough),
        cmocka_unit_test(a_full_page_file_is_left_alone),
        cmocka_unit_test(off_is_off),
        cmocka_unit_test(others_come_first),
        cmocka_unit_test(rounds_that_move_rest),
        cmocka_unit_test(no_more_rounds_at_once_than_buffers),
        cmocka_unit_test(pages_are_used_while_they_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
