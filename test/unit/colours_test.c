/*
 * colours_test.c - page lists in colours: where a frame goes, who finds it, and who looks after the
 * balance. Threads are numbered so that each is at the colour that its number is in the rest of.
 */
#include "engine_rig.h"

#define COLOURS 4u

static uint32_t count_at(const struct rig *rig, enum list_id list, uint32_t colour)
{
    return PFN_FIELD(list_of(rig->engine, list, colour), count);
}

static uint32_t standby_at(const struct rig *rig, uint32_t colour)
{
    uint32_t sum = 0;

    for (unsigned p = 0; p < STANDBY_PRIORITIES; p++)
        sum += count_at(rig, (enum list_id)(LIST_STANDBY + p), colour);
    return sum;
}

/* Each user of one has a region of pages of its own, and all are written out. */
static void fill_standby(struct rig *rig, page_number pages)
{
    for (page_number page = 0; page < pages; page++) {
        rig_fill(rig, page / 4, page, 1 + page);
        rig_trim(rig, TRIMMER, page);
    }
    rig_write_all(rig);
}

static void a_frame_goes_to_the_colour_of_its_region(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.region_ptes = 4, .list_colours = COLOURS});
    rig_fill(&rig, 3, 0, 1);
    rig_trim(&rig, TRIMMER, 0); /* it is at colour 0 */
    assert_int_equal(count_at(&rig, LIST_MODIFIED, 3), 1);
    rig_write_all(&rig);
    assert_int_equal(standby_at(&rig, 3), 1);
    assert_int_equal(rig_audit(&rig), 0);
    rig_expect(&rig, 1, 0, 1); /* a rescuer of another colour takes it from where it is */
    assert_int_equal(standby_at(&rig, 3), 0);
    assert_int_equal(rig_counter(&rig, COUNT_RESCUE_STANDBY), 1);
    rig_trim(&rig, TRIMMER, 0); /* the rescuer is who uses the region now */
    assert_int_equal(standby_at(&rig, 1), 1);
    rig_end(&rig);
}

/* Every frame can be had by one thread: those of nobody, then those of pages. */
static void a_thread_takes_from_all_colours(void **state)
{
    frame_number frames[16];
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.region_ptes = 4, .list_colours = COLOURS});
    fill_standby(&rig, 12);
    for (uint32_t colour = 0; colour < 3; colour++)
        assert_int_equal(standby_at(&rig, colour), 4);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(rig_counter(&rig, COUNT_REPURPOSED), i < 4 ? 0 : i - 4);
        frames[i] = frames_take(rig.engine, rig_thread(&rig, 0), false);
        assert_int_not_equal(frames[i], FRAME_NONE);
    }
    assert_int_equal(frames_take(rig.engine, rig_thread(&rig, 0), false), FRAME_NONE);
    for (unsigned i = 0; i < 16; i++)
        frames_give_back(rig.engine, rig_thread(&rig, 0), frames[i]);
    for (page_number page = 0; page < 12; page++)
        rig_expect(&rig, 1, page, 1 + page);
    rig_end(&rig);
}

/* Its frame comes free at a colour that neither who waits is at nor who lets it go. */
static void who_waits_gets_a_frame_of_any_colour(void **state)
{
    struct trim_batch batch = {.count = 0};
    frame_number frames[3];
    struct rig_toucher toucher;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = 4, .region_ptes = 4, .list_colours = COLOURS});
    rig_read(&rig, 1, 0);
    rig_detach(&rig, TRIMMER, 0, &batch);
    for (unsigned i = 0; i < 3; i++) {
        frames[i] = frames_take(rig.engine, rig_thread(&rig, OTHER), false);
        assert_int_not_equal(frames[i], FRAME_NONE);
    }
    rig_touch_begin(&toucher, &rig, 3, 20, true);
    RIG_WAIT_UNTIL(atomic_load(&rig.engine->waiters) == 1);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
    assert_int_equal(atomic_load(&rig.engine->waiters), 0);
    rig_touch_end(&toucher);
    assert_int_equal(toucher.result, FAULT_RESOLVED);
    for (unsigned i = 0; i < 3; i++)
        frames_give_back(rig.engine, rig_thread(&rig, OTHER), frames[i]);
    rig_end(&rig);
}

/* There are no workers: whose faults take the frames trims and writes. */
static void faults_keep_frames_available(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = 32,
                                         .region_ptes = 4,
                                         .list_colours = COLOURS,
                                         .trim_batch = 4,
                                         .write_batch = 4,
                                         .balance_in_faults = true});
    for (page_number page = 0; page < 64; page++) {
        rig_fill(&rig, page % 8, page, 1 + page);
        assert_true(frames_available(rig.engine) > 0);
    }
    assert_true(rig_counter(&rig, COUNT_TRIM_AHEAD) > 0);
    assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS), 0);
    for (page_number page = 0; page < 64; page++)
        rig_expect(&rig, page % 8, page, 1 + page);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_goes_to_the_colour_of_its_region),
        cmocka_unit_test(a_thread_takes_from_all_colours),
        cmocka_unit_test(who_waits_gets_a_frame_of_any_colour),
        cmocka_unit_test(faults_keep_frames_available),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
