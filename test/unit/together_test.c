/*
 * together_test.c - trimmers, writers and users at one page at once: late unmaps, two of each.
 */
#include "engine_rig.h"

#include "base/copy.h"
#include "base/random.h"

#include <string.h>

#define PAGE 9u

/* ---- late unmaps ---------------------------------------------------------------------------- */

static void a_late_unmap_costs_a_spurious_fault_only(void **state)
{
    struct trim_batch batch = {.count = 0};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_put_clean(&rig, PAGE, 1);
    rig_detach(&rig, TRIMMER, PAGE, &batch);
    assert_int_equal(rig_state(&rig, PAGE), PFN_TRANSITION);
    engine_fault(rig.engine, 0, PAGE, false); /* the rescue; the machine still maps it */
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 1);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
    assert_int_equal(rig_form(&rig, PAGE), PTE_VALID);
    assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_SPURIOUS), 0);
    rig_expect(&rig, 0, PAGE, 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_SPURIOUS), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 1); /* of rig_put_clean() */
    assert_int_equal(rig_counter(&rig, COUNT_TRIMMED_CLEAN), 0);
    rig_end_with(&rig, PAGE, 1);
}

static void a_late_unmap_loses_no_write(void **state)
{
    (void)state;
    for (int clean = 0; clean <= 1; clean++) {
        struct trim_batch batch = {.count = 0}, again = {.count = 0};
        struct rig rig;

        rig_begin(&rig, &(struct rig_config){0});
        rig_fill(&rig, 0, PAGE, 1);
        if (clean)
            rig_put_clean(&rig, PAGE, 1);
        rig_detach(&rig, TRIMMER, PAGE, &batch);
        engine_fault(rig.engine, 0, PAGE, true);
        rig_fill(&rig, 0, PAGE, 2); /* through the mapping that goes now */
        rig_detach(&rig, TRIMMER_2, PAGE, &again);
        trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
        assert_int_equal(rig_state(&rig, PAGE), PFN_TRANSITION);
        trim_finish(rig.engine, rig_thread(&rig, TRIMMER_2), &again);
        rig_check_modified(&rig, PAGE);
        rig_fill(&rig, 0, PAGE, 3);
        rig_detach(&rig, TRIMMER, PAGE, &batch);
        engine_fault(rig.engine, 0, PAGE, clean);
        rig_fill(&rig, 0, PAGE, 4);
        trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
        assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
        rig_fill(&rig, 0, PAGE, 5);
        rig_end_with(&rig, PAGE, 5);
    }
}

/* Until the flush the old mapping works: what is written through it is content like any other. */
static void a_write_before_the_flush_counts(void **state)
{
    struct trim_batch batch = {.count = 0};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_fill(&rig, 0, PAGE, 1);
    rig_detach(&rig, TRIMMER, PAGE, &batch);
    rig_fill(&rig, 0, PAGE, 2);
    assert_int_equal(rig_form(&rig, PAGE), PTE_TRANSITION);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 0);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
    rig_check_modified(&rig, PAGE);
    rig_end_with(&rig, PAGE, 2);
}

/* The page is gone and has a new frame before the old trimmer unmaps it. */
static void a_late_unmap_of_a_page_that_lives_again(void **state)
{
    struct trim_batch batch = {.count = 0};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_fill(&rig, 0, PAGE, 1);
    rig_detach(&rig, TRIMMER, PAGE, &batch);
    assert_int_equal(space_decommit(rig.engine, OTHER, PAGE, 1), SPACE_DONE);
    assert_int_equal(space_commit(rig.engine, OTHER, PAGE, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_fill(&rig, 0, PAGE, 2);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
    assert_int_equal(rig_counter(&rig, COUNT_DELETED), 1);
    assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
    rig_expect(&rig, 0, PAGE, 2);
    rig_end_with(&rig, PAGE, 2);
}

/* ---- two writers, two trimmers -------------------------------------------------------------- */

static void second_pair_at_work(struct rig *rig)
{
    /* The pages 0..7 are being written; half of them come back, two of those are written. */
    for (page_number page = 0; page < 8; page += 2)
        rig_expect(rig, 0, page, 10 + page);
    rig_fill(rig, 0, 2, 20);
    rig_fill(rig, 0, 4, 20);
    for (page_number page = 8; page < 12; page++)
        rig_fill(rig, 1, page, 10 + page);
    assert_true(trim_pages(rig->engine, rig_thread(rig, TRIMMER_2), 64));
    assert_true(write_round(rig->engine, rig_thread(rig, WRITER_2)));
    for (page_number page = 8; page < 12; page++)
        assert_int_equal(rig_state(rig, page), PFN_STANDBY);
    for (page_number page = 0; page < 8; page++) {
        assert_int_equal(rig_state(rig, page), PFN_TRANSITION);
        assert_true(rig_word(rig, page) & PFN_WRITING);
    }
}

static void two_writers_and_two_trimmers_by_hand(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (page_number page = 0; page < 8; page++)
        rig_fill(&rig, 0, page, 10 + page);
    assert_true(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 64));
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 8);
    assert_true(rig_write_with(&rig, second_pair_at_work));
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 2);
    assert_int_equal(rig_slots_used(&rig), 10);
    assert_int_equal(rig_audit(&rig), 0);
    rig_write_all(&rig);
    for (page_number page = 0; page < 12; page++) {
        rig_page_out(&rig, page);
        rig_expect(&rig, 0, page, page == 2 || page == 4 ? 20 : 10 + page);
    }
    rig_end(&rig);
}

/* ---- the same with threads ------------------------------------------------------------------ */

#define LOAD_PAGES 12u
#define LOAD_USERS 2u
#ifdef MM_SANITIZED
#define LOAD_ROUNDS 5000u
#else
#define LOAD_ROUNDS 50000u
#endif

struct load {
    struct rig rig;
    _Atomic uint32_t users, next, wrong;
};

/* Each user has a word of its own in each page, and knows its version. */
static void *load_use(void *argument)
{
    struct load *load = argument;
    uint32_t user = atomic_fetch_add(&load->next, 1);
    uint64_t versions[LOAD_PAGES] = {0};
    struct random_generator generator;

    random_seed(&generator, 11, user);
    for (uint32_t i = 0; i < LOAD_ROUNDS; i++) {
        page_number page = (page_number)random_below(&generator, LOAD_PAGES);
        uint64_t offset = ((uint64_t)page << PAGE_SHIFT) + 2048 + user * 8, word = 0;

        if (soft_read(load->rig.soft, user, offset, &word, 8) != FAULT_RESOLVED ||
            word != versions[page])
            atomic_fetch_add(&load->wrong, 1);
        if (random_below(&generator, 3) == 0) {
            versions[page] = ++word;
            if (soft_write(load->rig.soft, user, offset, &word, 8) != FAULT_RESOLVED)
                atomic_fetch_add(&load->wrong, 1);
        }
    }
    atomic_fetch_sub(&load->users, 1);
    return NULL;
}

static void *load_work(void *argument)
{
    struct load *load = argument;
    uint32_t which = atomic_fetch_add(&load->next, 1) - LOAD_USERS;
    struct engine *engine = load->rig.engine;
    struct thread *self = rig_thread(&load->rig, TRIMMER + which);

    while (atomic_load(&load->users) > 0) {
        if (self->number <= TRIMMER_2)
            trim_pages(engine, self, 4);
        else if (self->number <= WRITER_2)
            write_round(engine, self);
        else
            frames_repurpose_ahead(engine, self, 2);
        world_pause(4, true);
    }
    return NULL;
}

static void two_writers_and_two_trimmers_in_threads(void **state)
{
    static struct load load;
    pthread_t ids[LOAD_USERS + 5];

    (void)state;
    memset(&load, 0, sizeof(load));
    rig_begin(&load.rig, &(struct rig_config){.frames = 8, .pages = LOAD_PAGES, .slots = 12});
    gate_fail(&load.rig, STORE_WRITE, 3, 50);
    atomic_store(&load.users, LOAD_USERS);
    for (uint32_t i = 0; i < ARRAY_COUNT(ids); i++) {
        assert_int_equal(
            pthread_create(&ids[i], NULL, i < LOAD_USERS ? load_use : load_work, &load), 0);
        if (i < LOAD_USERS)
            RIG_WAIT_UNTIL(atomic_load(&load.next) > i);
    }
    for (uint32_t i = 0; i < ARRAY_COUNT(ids); i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(load.wrong, 0);
    assert_true(rig_counter(&load.rig, COUNT_RESCUE_STANDBY) > 0);
    assert_true(rig_counter(&load.rig, COUNT_FAULT_HARD) > 0);
    assert_true(rig_counter(&load.rig, COUNT_SLOT_GIVEN_BACK) > 0);
    rig_end(&load.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_unmap_costs_a_spurious_fault_only),
        cmocka_unit_test(a_late_unmap_loses_no_write),
        cmocka_unit_test(a_write_before_the_flush_counts),
        cmocka_unit_test(a_late_unmap_of_a_page_that_lives_again),
        cmocka_unit_test(two_writers_and_two_trimmers_by_hand),
        cmocka_unit_test(two_writers_and_two_trimmers_in_threads),
    };

    return cmocka_run_group_tests_name("together", tests, NULL, NULL);
}
