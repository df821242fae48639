/*
 * writer_test.c - what may happen to a page while it is being written, and who owns its slot then.
 *
 * Most tests do it in the store's callback: the write has begun, half of it is done, the writer
 * holds no lock. So each interleaving is one sequence of calls.
 */
#include "engine_rig.h"

#include "base/copy.h"
#include "base/random.h"

#include <string.h>
#include <unistd.h>

#define PAGE 9u

/* ---- a write with something in the middle --------------------------------------------------- */

typedef void scene_act(struct rig *rig);

struct scene {
    struct rig *rig;
    scene_act *act;
    unsigned left; /* so many writes are disturbed */
};

static void disturb(void *context, const struct store_request *request)
{
    struct scene *scene = context;

    if (request->operation != STORE_WRITE || scene->left == 0)
        return;
    scene->left--;
    scene->act(scene->rig);
}

/* One round of a writer, in the middle of which the act happens. */
static bool write_with(struct rig *rig, scene_act *act)
{
    struct scene scene = {rig, act, 1};
    bool any;

    gate_call(rig, disturb, &scene);
    any = write_round(rig->engine, rig_thread(rig, WRITER));
    assert_int_equal(scene.left, 0);
    gate_call(rig, NULL, NULL);
    return any;
}

static void write_all(struct rig *rig)
{
    for (unsigned i = 0; list_count(rig->engine, LIST_MODIFIED) > 0; i++) {
        assert_true(i < 100);
        write_round(rig->engine, rig_thread(rig, WRITER));
    }
}

/* The page is on the modified list with seed 1, and never was in a slot. */
static void begin_modified(struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){0});
    rig_fill(rig, 0, PAGE, 1);
    rig_trim(rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(rig, PAGE), PFN_MODIFIED);
    assert_int_equal(rig_counter(rig, COUNT_TRIMMED_DIRTY), 1);
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 1);
}

/* The page comes back from its slot with this content, whatever was in the way. */
static void end_with(struct rig *rig, uint64_t seed)
{
    assert_int_equal(rig_audit(rig), 0);
    rig_page_out(rig, PAGE);
    assert_int_equal(rig_form(rig, PAGE), PTE_PAGE_FILE);
    assert_true(bytes_hold(gate_bytes(rig, rig_slot(rig, PAGE)), seed));
    rig_expect(rig, 1, PAGE, seed);
    assert_int_equal(rig_slots_used(rig), 1);
    rig_end(rig);
}

static void an_undisturbed_write(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_not_equal(rig_slot(&rig, PAGE), SLOT_NONE);
    assert_int_equal(rig_counter(&rig, COUNT_WRITTEN), 1);
    assert_int_equal(rig_counter(&rig, COUNT_IO_WRITES), 1);
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_WRITTEN), 1);
    assert_false(write_round(rig.engine, rig_thread(&rig, WRITER)));
    end_with(&rig, 1);
}

/* ---- rescues -------------------------------------------------------------------------------- */

static void check_being_written(struct rig *rig, enum pfn_state state, bool modified)
{
    assert_int_equal(rig_state(rig, PAGE), state);
    assert_true(rig_word(rig, PAGE) & PFN_WRITING);
    assert_int_equal((rig_word(rig, PAGE) & PFN_MODIFIED_BIT) != 0, modified);
    assert_int_equal(rig_slot(rig, PAGE), SLOT_NONE); /* the slot is the writer's */
    assert_int_equal(rig_slots_used(rig), 1);
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 0);
}

static void read_it(struct rig *rig)
{
    check_being_written(rig, PFN_TRANSITION, false);
    rig_expect(rig, 0, PAGE, 1);
    check_being_written(rig, PFN_ACTIVE, false);
    assert_int_equal(rig_pte(rig, PAGE) & PTE_BIT_WRITABLE, 0);
}

static void rescued_for_a_read(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(write_with(&rig, read_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
    assert_int_equal(rig_word(&rig, PAGE) & (PFN_MODIFIED_BIT | PFN_WRITING), 0);
    assert_int_equal(pfn_references(rig_word(&rig, PAGE)), 0);
    assert_int_not_equal(rig_slot(&rig, PAGE), SLOT_NONE); /* the write was worth it */
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_WRITING), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_TRANSITION), 1);
    assert_int_equal(gate_count(&rig, STORE_READ), 0);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    end_with(&rig, 1);
}

static void write_it(struct rig *rig)
{
    rig_fill(rig, 0, PAGE, 2);
    check_being_written(rig, PFN_ACTIVE, true);
    assert_true(rig_pte(rig, PAGE) & PTE_BIT_WRITABLE);
}

static void read_and_write_it(struct rig *rig)
{
    read_it(rig);
    write_it(rig);
    assert_int_equal(rig_counter(rig, COUNT_FAULT_WRITE_PROTECT), 1);
}

static void rescued_for_a_write(void **state)
{
    static scene_act *const acts[] = {write_it, read_and_write_it};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(acts); i++) {
        struct rig rig;

        begin_modified(&rig);
        assert_true(write_with(&rig, acts[i]));
        assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
        assert_true(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT);
        assert_int_equal(rig_slot(&rig, PAGE), SLOT_NONE); /* half old, half new: worthless */
        assert_int_equal(rig_slots_used(&rig), 0);
        end_with(&rig, 2);
    }
}

static void *write_in_a_thread(void *argument)
{
    struct rig *rig = argument;

    write_round(rig->engine, rig_thread(rig, WRITER));
    return NULL;
}

/* The disk does not answer: a rescue does not wait for it. */
static void a_rescue_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    for (int write = 0; write <= 1; write++) {
        struct rig_toucher toucher;
        pthread_t writer;
        struct rig rig;

        begin_modified(&rig);
        gate_shut(&rig, STORE_WRITE);
        assert_int_equal(pthread_create(&writer, NULL, write_in_a_thread, &rig), 0);
        gate_wait_held(&rig, STORE_WRITE, 1);
        rig_touch_begin(&toucher, &rig, 3, PAGE, write);
        rig_touch_end(&toucher);
        assert_int_equal(toucher.result, FAULT_RESOLVED);
        assert_int_equal(rig.gate.held[STORE_WRITE], 1);
        check_being_written(&rig, PFN_ACTIVE, write);
        gate_open(&rig, STORE_WRITE);
        pthread_join(writer, NULL);
        assert_int_equal(rig_slots_used(&rig), !write);
        rig_fill(&rig, 0, PAGE, 5);
        end_with(&rig, 5);
    }
}

/* ---- rescued, written and trimmed again ----------------------------------------------------- */

static void write_and_trim_it(struct rig *rig)
{
    write_it(rig);
    rig_trim(rig, TRIMMER, PAGE);
    check_being_written(rig, PFN_TRANSITION, true); /* the writer still refers to it: on no list */
    assert_int_equal(pfn_references(rig_word(rig, PAGE)), 1);
    /* A second writer finds nothing (R3, R4). */
    assert_false(write_round(rig->engine, rig_thread(rig, WRITER_2)));
}

static void check_modified_once(struct rig *rig)
{
    assert_int_equal(rig_state(rig, PAGE), PFN_MODIFIED);
    assert_int_equal(rig_word(rig, PAGE) & PFN_WRITING, 0);
    assert_int_equal(pfn_references(rig_word(rig, PAGE)), 0);
    assert_int_equal(list_count(rig->engine, LIST_MODIFIED), 1);
    assert_int_equal(rig_slots_used(rig), 0);
}

static void trimmed_again_it_is_written_again(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(write_with(&rig, write_and_trim_it));
    check_modified_once(&rig);
    assert_int_equal(rig_moves(&rig, WHY_WRITE_AGAIN), 1);
    write_all(&rig);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(gate_count(&rig, STORE_WRITE), 2);
    end_with(&rig, 2);
}

static void several_lives(struct rig *rig)
{
    for (uint64_t seed = 3; seed < 6; seed++) {
        rig_fill(rig, 0, PAGE, seed);
        rig_trim(rig, seed % 2 ? TRIMMER : TRIMMER_2, PAGE);
    }
    rig_expect(rig, 1, PAGE, 5);
    rig_trim(rig, TRIMMER, PAGE);
    check_being_written(rig, PFN_TRANSITION, true);
}

static void trimmed_again_and_again(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(write_with(&rig, several_lives));
    check_modified_once(&rig);
    end_with(&rig, 5);
}

static void read_and_trim_it(struct rig *rig)
{
    read_it(rig);
    rig_trim(rig, TRIMMER, PAGE);
    check_being_written(rig, PFN_TRANSITION, false);
}

static void trimmed_clean_it_goes_to_standby(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(write_with(&rig, read_and_trim_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(rig_moves(&rig, WHY_WRITE_DONE), 1);
    assert_int_equal(gate_count(&rig, STORE_WRITE), 1);
    end_with(&rig, 1);
}

/* The trimmer is slower than the writer: the last to let go decides about the list. */
static struct trim_batch late_batch;

static void write_and_detach_it(struct rig *rig)
{
    write_it(rig);
    rig_detach(rig, TRIMMER, PAGE, &late_batch);
    assert_int_equal(pfn_references(rig_word(rig, PAGE)), 2);
}

static void read_and_detach_it(struct rig *rig)
{
    read_it(rig);
    rig_detach(rig, TRIMMER, PAGE, &late_batch);
}

static void the_last_to_let_go_decides(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    assert_true(write_with(&rig, write_and_detach_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_TRANSITION);
    assert_int_equal(rig_slots_used(&rig), 0);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &late_batch);
    check_modified_once(&rig);
    end_with(&rig, 2);

    begin_modified(&rig);
    assert_true(write_with(&rig, read_and_detach_it));
    assert_int_equal(rig_state(&rig, PAGE), PFN_TRANSITION);
    assert_int_equal(rig_slots_used(&rig), 1);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &late_batch);
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    end_with(&rig, 1);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void check_failed(struct rig *rig)
{
    assert_int_equal(rig_counter(rig, COUNT_IO_ERRORS), 1);
    assert_int_equal(rig_counter(rig, COUNT_WRITTEN), 0);
    assert_int_equal(rig_counter(rig, COUNT_IO_PAGES_WRITTEN), 0);
    assert_int_equal(rig_slots_used(rig), 0);
}

static void a_failed_write_loses_nothing(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, 1);
    assert_false(write_round(rig.engine, rig_thread(&rig, WRITER)));
    check_failed(&rig);
    check_modified_once(&rig);
    assert_int_equal(rig_moves(&rig, WHY_WRITE_FAIL), 1);
    assert_int_equal(rig_audit(&rig), 0);
    rig_expect(&rig, 0, PAGE, 1);
    rig_trim(&rig, TRIMMER, PAGE);
    write_all(&rig);
    assert_int_equal(rig_counter(&rig, COUNT_WRITTEN), 1);
    end_with(&rig, 1);
}

/* Rescued for a read, it counts as clean; the failure must take that back. */
static void a_failed_write_of_a_rescued_page(void **state)
{
    static scene_act *const acts[] = {read_it, write_it, write_and_trim_it, read_and_trim_it};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(acts); i++) {
        struct rig rig;

        begin_modified(&rig);
        gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, 1);
        assert_false(write_with(&rig, acts[i]));
        check_failed(&rig);
        assert_true(rig_word(&rig, PAGE) & PFN_MODIFIED_BIT);
        assert_int_equal(rig_state(&rig, PAGE), i < 2 ? PFN_ACTIVE : PFN_MODIFIED);
        end_with(&rig, i == 0 || i == 3 ? 1 : 2);
    }
}

/* Pages that were modified in any order go with one request, if their slots are a run. */
static void neighbours_go_together(void **state)
{
    struct rig rig;

    (void)state;
    for (uint32_t reservation = 1; reservation <= 8; reservation *= 8) {
        rig_begin(&rig, &(struct rig_config){.slot_reservation = reservation});
        for (page_number i = 0; i < 12; i++) {
            rig_fill(&rig, 0, i * 5 % 12, 70 + i * 5 % 12);
            rig_trim(&rig, TRIMMER, i * 5 % 12);
        }
        assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
        assert_int_equal(gate_count(&rig, STORE_WRITE), 1);
        for (page_number page = 0; page < 12; page++) {
            assert_int_equal(rig_slot(&rig, page), 1 + page);
            rig_page_out(&rig, page);
            rig_expect(&rig, 0, page, 70 + page);
        }
        rig_end(&rig);
    }
}

/* Of several runs in one batch only those that failed go back. */
static void only_the_failed_run_goes_back(void **state)
{
    page_number nobody[64];
    slot_number slots[64];
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.first_fit = true});
    memset(nobody, 0xff, sizeof(nobody)); /* PAGE_NONE */
    assert_int_equal(slots_take(rig.engine, rig_thread(&rig, OTHER), 64, nobody, slots), 64);
    for (uint32_t i = 0; i < 64; i += 2) /* no two free slots are neighbours */
        slots_give_back(rig.engine, rig_thread(&rig, OTHER), slots[i]);
    for (page_number page = 0; page < 8; page++) {
        rig_fill(&rig, 0, page, 50 + page);
        rig_trim(&rig, TRIMMER, page);
    }
    gate_fail(&rig, STORE_WRITE, 5, 1); /* the third slot: 1, 3, 5 */
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(gate_count(&rig, STORE_WRITE), 8);
    for (page_number page = 0; page < 8; page++)
        assert_int_equal(rig_state(&rig, page), page == 2 ? PFN_MODIFIED : PFN_STANDBY);
    assert_false(slots_in_use(rig.engine, 5));
    write_all(&rig);
    for (uint32_t i = 1; i < 64; i += 2)
        slots_give_back(rig.engine, rig_thread(&rig, OTHER), slots[i]);
    for (page_number page = 0; page < 8; page++) {
        rig_page_out(&rig, page);
        rig_expect(&rig, 0, page, 50 + page);
    }
    rig_end(&rig);
}

static void neighbours_are_written_as_one(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (page_number page = 0; page < 8; page++) {
        rig_fill(&rig, 0, page * 7, 50 + page);
        rig_trim(&rig, TRIMMER, page * 7);
    }
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(gate_count(&rig, STORE_WRITE), 1);
    assert_int_equal(rig.gate.log[0].count, 8);
    assert_int_equal(rig_counter(&rig, COUNT_IO_WRITES), 1);
    assert_int_equal(rig_counter(&rig, COUNT_IO_PAGES_WRITTEN), 8);
    for (page_number page = 0; page < 8; page++)
        assert_true(bytes_hold(gate_bytes(&rig, rig_slot(&rig, page * 7)), 50 + page));
    rig_end(&rig);
}

/* ---- decommit ------------------------------------------------------------------------------- */

static void decommit_it(struct rig *rig)
{
    assert_int_equal(space_decommit(rig->engine, OTHER, PAGE, 1), SPACE_DONE);
    assert_true(rig_pte(rig, PAGE) == PTE_WORD_DECOMMITTED);
    assert_int_equal(rig_slots_used(rig), 1); /* the writer gives it back */
    assert_int_equal(frames_available(rig->engine), rig->engine->config.frames - 1);
}

static void read_and_decommit_it(struct rig *rig)
{
    read_it(rig);
    decommit_it(rig);
}

static void write_trim_and_decommit_it(struct rig *rig)
{
    write_and_trim_it(rig);
    decommit_it(rig);
}

static void detach_and_decommit_it(struct rig *rig)
{
    write_and_detach_it(rig);
    decommit_it(rig);
    trim_finish(rig->engine, rig_thread(rig, TRIMMER), &late_batch);
}

static void a_decommitted_page_is_gone_after_its_write(void **state)
{
    static scene_act *const acts[] = {decommit_it, read_and_decommit_it, write_trim_and_decommit_it,
                                      detach_and_decommit_it};

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_COUNT(acts); i++) {
        struct rig rig;

        begin_modified(&rig);
        gate_fail(&rig, STORE_WRITE, GATE_ANY_SLOT, i % 2);
        write_with(&rig, acts[i / 2]);
        assert_int_equal(rig_slots_used(&rig), 0);
        assert_int_equal(list_count(rig.engine, LIST_FREE), 1);
        assert_int_equal(frames_available(rig.engine), rig.engine->config.frames);
        assert_int_equal(rig_counter(&rig, COUNT_DELETED), 1);
        assert_int_equal(rig_read(&rig, 0, PAGE), FAULT_ACCESS_VIOLATION);
        rig_end(&rig);
    }
}

static void live_again(struct rig *rig)
{
    decommit_it(rig);
    assert_int_equal(space_commit(rig->engine, OTHER, PAGE, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_expect(rig, 0, PAGE, 0);
    rig_fill(rig, 0, PAGE, 6);
    rig_trim(rig, TRIMMER, PAGE);
    assert_true(write_round(rig->engine, rig_thread(rig, WRITER_2)));
    assert_int_equal(rig_state(rig, PAGE), PFN_STANDBY);
}

/* The page has a new life in another frame and another slot while the old one is written. */
static void a_new_life_during_the_write(void **state)
{
    struct rig rig;

    (void)state;
    begin_modified(&rig);
    write_with(&rig, live_again);
    assert_int_equal(rig_slots_used(&rig), 1);
    end_with(&rig, 6);
}

/* ---- no slot is free ------------------------------------------------------------------------ */

static void clean_active_pages_give_up_their_slots(void **state)
{
    struct rig rig;

    (void)state;
    /* Limit 16 + 8 - 8: each page may be in its frame and in a slot, and then no slot is free. */
    rig_begin(&rig, &(struct rig_config){.pages = 16, .frames = 16, .slots = 8});
    for (page_number page = 0; page < 8; page++)
        rig_put_clean(&rig, page, 70 + page);
    assert_int_equal(slots_free(rig.engine), 0);
    rig_fill(&rig, 0, PAGE, 1);
    rig_trim(&rig, TRIMMER, PAGE);
    assert_true(write_round(rig.engine, rig_thread(&rig, WRITER)));
    assert_int_equal(rig_state(&rig, PAGE), PFN_STANDBY);
    assert_int_equal(rig_counter(&rig, COUNT_SLOT_GIVEN_BACK), 1);
    assert_int_equal(rig_audit(&rig), 0);
    /* Whose slot it was is modified now; everybody's bytes are still right. */
    for (page_number page = 0; page < 8; page++) {
        bool has_slot = rig_slot(&rig, page) != SLOT_NONE;

        assert_int_equal((rig_word(&rig, page) & PFN_MODIFIED_BIT) != 0, !has_slot);
        rig_expect(&rig, 0, page, 70 + page);
        rig_trim(&rig, TRIMMER, page);
        assert_int_equal(rig_state(&rig, page), has_slot ? PFN_STANDBY : PFN_MODIFIED);
    }
    assert_int_equal(rig_slots_used(&rig), 8);
    rig_end(&rig);
}

/* All that is committed is in use, and every frame and slot is needed: nobody gets stuck. */
static void the_whole_commit_limit_can_be_used(void **state)
{
    struct rig rig;

    (void)state;
    for (slot_number slots = 8; slots <= 32; slots *= 2) {
        page_number pages = 16 + slots - 8;

        rig_begin(&rig, &(struct rig_config){.pages = pages, .slots = slots});
        for (uint64_t round = 0; round < 4; round++) {
            for (page_number page = 0; page < pages; page++)
                if (round == 0 || page % 4 != round)
                    rig_fill(&rig, 0, page, round * 100 + page + 1);
            for (page_number page = 0; page < pages; page++) {
                uint64_t last = page % 4 == round && round > 0 ? round - 1 : round;

                rig_expect(&rig, 1, page, last * 100 + page + 1);
            }
        }
        rig_end(&rig);
    }
}

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
    end_with(&rig, 1);
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
        check_modified_once(&rig);
        rig_fill(&rig, 0, PAGE, 3);
        rig_detach(&rig, TRIMMER, PAGE, &batch);
        engine_fault(rig.engine, 0, PAGE, clean);
        rig_fill(&rig, 0, PAGE, 4);
        trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
        assert_int_equal(rig_state(&rig, PAGE), PFN_ACTIVE);
        rig_fill(&rig, 0, PAGE, 5);
        end_with(&rig, 5);
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
    check_modified_once(&rig);
    end_with(&rig, 2);
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
    end_with(&rig, 2);
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
    assert_true(write_with(&rig, second_pair_at_work));
    assert_int_equal(list_count(rig.engine, LIST_MODIFIED), 2);
    assert_int_equal(rig_slots_used(&rig), 10);
    assert_int_equal(rig_audit(&rig), 0);
    write_all(&rig);
    for (page_number page = 0; page < 12; page++) {
        rig_page_out(&rig, page);
        rig_expect(&rig, 0, page, page == 2 || page == 4 ? 20 : 10 + page);
    }
    rig_end(&rig);
}

/* ---- the same with threads ------------------------------------------------------------------ */

#define LOAD_PAGES  12u
#define LOAD_USERS  2u
#define LOAD_ROUNDS (UNDER_THREAD_SANITIZER ? 5000u : 50000u)

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
        cmocka_unit_test(an_undisturbed_write),
        cmocka_unit_test(rescued_for_a_read),
        cmocka_unit_test(rescued_for_a_write),
        cmocka_unit_test(a_rescue_does_not_wait_for_the_disk),
        cmocka_unit_test(trimmed_again_it_is_written_again),
        cmocka_unit_test(trimmed_again_and_again),
        cmocka_unit_test(trimmed_clean_it_goes_to_standby),
        cmocka_unit_test(the_last_to_let_go_decides),
        cmocka_unit_test(a_failed_write_loses_nothing),
        cmocka_unit_test(a_failed_write_of_a_rescued_page),
        cmocka_unit_test(neighbours_go_together),
        cmocka_unit_test(only_the_failed_run_goes_back),
        cmocka_unit_test(neighbours_are_written_as_one),
        cmocka_unit_test(a_decommitted_page_is_gone_after_its_write),
        cmocka_unit_test(a_new_life_during_the_write),
        cmocka_unit_test(clean_active_pages_give_up_their_slots),
        cmocka_unit_test(the_whole_commit_limit_can_be_used),
        cmocka_unit_test(a_late_unmap_costs_a_spurious_fault_only),
        cmocka_unit_test(a_late_unmap_loses_no_write),
        cmocka_unit_test(a_write_before_the_flush_counts),
        cmocka_unit_test(a_late_unmap_of_a_page_that_lives_again),
        cmocka_unit_test(two_writers_and_two_trimmers_by_hand),
        cmocka_unit_test(two_writers_and_two_trimmers_in_threads),
    };

    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
