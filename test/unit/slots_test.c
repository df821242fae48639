/*
 * slots_test.c - page-file slots against a slow model: unique, contiguous where they can be, and
 * never given back twice.
 */
#include "engine_rig.h"

#include "base/copy.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MANY   20000u
#define MODEL_ROUNDS (UNDER_THREAD_SANITIZER ? 60u : 400u)

static void begin(struct rig *rig, slot_number slots, bool first_fit)
{
    rig_begin(rig,
              &(struct rig_config){
                  .slots = slots, .no_slots = slots == 0, .first_fit = first_fit, .commit = 8});
}

/* For nobody. */
static uint32_t take(struct rig *rig, uint32_t thread, uint32_t count, slot_number *ret_slots)
{
    page_number *pages = malloc(count * sizeof(*pages));
    uint32_t taken;

    assert_non_null(pages);
    for (uint32_t i = 0; i < count; i++)
        pages[i] = PAGE_NONE;
    taken = slots_take(rig->engine, rig_thread(rig, thread), count, pages, ret_slots);
    free(pages);
    return taken;
}

static void give(struct rig *rig, const slot_number *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        slots_give_back(rig->engine, rig_thread(rig, 0), slots[i]);
}

static void give_all(struct rig *rig)
{
    for (slot_number slot = 1; slot <= rig->engine->config.slots; slot++)
        if (slots_in_use(rig->engine, slot))
            give(rig, &slot, 1);
}

static bool is_run(const slot_number *slots, uint32_t count, slot_number first)
{
    bool run = true;

    for (uint32_t i = 0; i < count; i++)
        run &= slots[i] == first + i;
    return run;
}

static void runs_are_contiguous_when_free(void **state)
{
    slot_number slots[64];
    struct rig rig;

    (void)state;
    begin(&rig, 200, true);
    assert_int_equal(take(&rig, 0, 64, slots), 64);
    assert_true(is_run(slots, 64, 1)); /* slot 0 means none */
    assert_int_equal(take(&rig, 0, 10, slots), 10);
    assert_true(is_run(slots, 10, 65));
    assert_int_equal(slots_free(rig.engine), 200 - 74);
    /* A hole that is too small is still used, and the rest is one run behind it. */
    give(&rig, (slot_number[]){20, 21, 22}, 3);
    assert_int_equal(take(&rig, 0, 10, slots), 10);
    assert_true(is_run(slots, 3, 20) && is_run(slots + 3, 7, 75));
    give_all(&rig);
    rig_end(&rig);
}

/* Whether they begin and end within a word of the bitmap or not. */
static void free_slots_of_a_stretch_are_counted(void **state)
{
    slot_number slots[200];
    struct rig rig;

    (void)state;
    begin(&rig, 200, true);
    assert_int_equal(take(&rig, 0, 200, slots), 200);
    give(&rig, (slot_number[]){1, 64, 65, 100, 128, 129, 200}, 7);
    for (slot_number first = 1; first <= 200; first += 9) {
        for (uint32_t room = 1, free = 0; first + room - 1 <= 200; room++) {
            free += !slots_in_use(rig.engine, first + room - 1);
            assert_int_equal(slots_free_within(rig.engine, rig_thread(&rig, 0), first, room, true),
                             free);
        }
    }
    give_all(&rig);
    rig_end(&rig);
}

static void next_fit_goes_on_and_first_fit_goes_back(void **state)
{
    slot_number slots[32];
    struct rig rig;

    (void)state;
    for (int first_fit = 0; first_fit <= 1; first_fit++) {
        begin(&rig, 128, first_fit);
        assert_int_equal(take(&rig, 0, 32, slots), 32);
        assert_true(is_run(slots, 32, 1));
        give(&rig, slots, 32);
        assert_int_equal(take(&rig, 0, 32, slots), 32);
        assert_true(is_run(slots, 32, first_fit ? 1 : 33));
        give(&rig, slots, 32);
        assert_int_equal(take(&rig, 0, 32, slots), 32);
        assert_int_equal(take(&rig, 0, 32, slots), 32);
        assert_true(is_run(slots, 32, first_fit ? 33 : 97));
        /* At the end it begins from the front. */
        give(&rig, (slot_number[]){1}, first_fit ? 1 : 0);
        assert_int_equal(take(&rig, 0, 4, slots), 4);
        assert_int_equal(slots[0], 1);
        give_all(&rig);
        rig_end(&rig);
    }
}

/* Of the holes that there are the long ones are filled first. */
static void long_runs_first(void **state)
{
    slot_number slots[128];
    struct rig rig;

    (void)state;
    begin(&rig, 128, false);
    assert_int_equal(take(&rig, 0, 128, slots), 128);
    give(&rig, slots + 9, 3);
    give(&rig, slots + 19, 8);
    give(&rig, slots + 39, 5);
    assert_int_equal(take(&rig, 0, 12, slots), 12);
    assert_true(is_run(slots, 8, 20) && is_run(slots + 8, 4, 40));
    assert_int_equal(take(&rig, 0, 5, slots), 4);
    assert_true(is_run(slots, 3, 10) && slots[3] == 44);
    give_all(&rig);
    rig_end(&rig);
}

static void full_is_full(void **state)
{
    static slot_number slots[300];
    struct rig rig;

    (void)state;
    for (int first_fit = 0; first_fit <= 1; first_fit++) {
        begin(&rig, 130, first_fit);
        assert_int_equal(take(&rig, 0, 300, slots), 130);
        assert_true(is_run(slots, 130, 1)); /* not one beyond the last */
        assert_int_equal(slots_free(rig.engine), 0);
        assert_int_equal(take(&rig, 0, 1, slots), 0);
        give(&rig, (slot_number[]){77}, 1);
        assert_int_equal(slots_free(rig.engine), 1);
        assert_int_equal(take(&rig, 1, 5, slots), 1);
        assert_int_equal(slots[0], 77);
        give_all(&rig);
        rig_end(&rig);
    }
    begin(&rig, 0, false);
    assert_int_equal(slots_free(rig.engine), 0);
    assert_int_equal(take(&rig, 0, 1, slots), 0);
    rig_end(&rig);
}

/* ---- reservations --------------------------------------------------------------------------- */

#define RUN 8u

static void begin_reserved(struct rig *rig, page_number pages, slot_number slots)
{
    rig_begin(rig, &(struct rig_config){
                       .pages = pages, .slots = slots, .slot_reservation = RUN, .no_commit = true});
}

static slot_number take_for(struct rig *rig, page_number page)
{
    slot_number slot = SLOT_NONE;
    uint32_t taken = slots_take(rig->engine, rig_thread(rig, 0), 1, &page, &slot);

    assert_int_equal(taken, slot != SLOT_NONE);
    return slot;
}

/* However late and in whatever order pages come, neighbours are neighbours. */
static void a_block_is_in_order(void **state)
{
    slot_number slots[64];
    struct rig rig;

    (void)state;
    begin_reserved(&rig, 64, 64);
    for (page_number i = 0; i < 64; i++) {
        page_number page = i * 37 % 64;

        slots[page] = take_for(&rig, page);
        assert_int_equal(slot_owner_page(slots_owner(rig.engine, slots[page])), page);
    }
    assert_true(is_run(slots, 64, slots[0])); /* as many slots as pages: blocks follow each other */
    /* A page that comes back gets the slot it had, and the slot another generation. */
    for (page_number page = 3; page < 64; page += 9) {
        uint64_t before = slots_owner(rig.engine, slots[page]);

        give(&rig, &slots[page], 1);
        assert_int_equal(take_for(&rig, page), slots[page]);
        assert_int_equal(slot_owner_generation(slots_owner(rig.engine, slots[page])),
                         slot_owner_generation(before) + 1);
    }
    give_all(&rig);
    rig_end(&rig);
}

/* Pages of one call: each gets its own place, whatever block it is of. */
static void a_batch_of_many_blocks(void **state)
{
    static const page_number pages[] = {0, 1, 5, 8, 15, 16, 40, 41, 63};
    slot_number slots[ARRAY_COUNT(pages)];
    struct rig rig;

    (void)state;
    begin_reserved(&rig, 64, 64);
    assert_int_equal(slots_take(rig.engine, rig_thread(&rig, 0), ARRAY_COUNT(pages), pages, slots),
                     ARRAY_COUNT(pages));
    for (size_t i = 0; i < ARRAY_COUNT(pages); i++)
        assert_int_equal(slots[i], 1 + pages[i]);
    assert_int_equal(slots_free(rig.engine), 64 - ARRAY_COUNT(pages));
    give_all(&rig);
    rig_end(&rig);
}

/* No run is left: one with nothing in it changes hands, one with something does not. */
static void an_empty_run_is_taken_back(void **state)
{
    slot_number first, second, third;
    struct rig rig;

    (void)state;
    begin_reserved(&rig, 64, 2 * RUN);
    first = take_for(&rig, 0);
    second = take_for(&rig, RUN);
    give(&rig, &second, 1);
    third = take_for(&rig, 2 * RUN + 5);
    assert_int_equal((third - 1) / RUN, (second - 1) / RUN);
    assert_int_equal(third % RUN, 6);
    assert_int_equal(take_for(&rig, 1), first + 1);
    assert_int_equal(rig_audit(&rig),
                     2 * 1); /* three slots that no page has; once, and their count */
    give_all(&rig);
    rig_end(&rig);
}

/* A free slot is found wherever it is, and not one too many. */
static void the_last_slot_is_stolen(void **state)
{
    struct rig rig;

    (void)state;
    begin_reserved(&rig, 512, 100); /* the last run is not whole */
    for (page_number block = 0; block < 12; block++)
        assert_int_not_equal(take_for(&rig, block * RUN), SLOT_NONE); /* every run is reserved */
    for (uint32_t left = 88; left > 0; left--) {
        assert_int_equal(slots_free(rig.engine), left);
        assert_int_not_equal(take_for(&rig, 500 + left % 4), SLOT_NONE);
    }
    assert_int_equal(take_for(&rig, 1), SLOT_NONE);
    /* Its place is another's: the page goes wherever there is room. */
    give(&rig, (slot_number[]){77}, 1);
    assert_int_equal(take_for(&rig, 1), 77);
    give_all(&rig);
    rig_end(&rig);
}

/* A run is nobody's when all memory of its block is decommitted. */
static void decommit_gives_up_runs(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.slot_reservation = RUN, .region_ptes = 16});
    for (page_number page = 0; page < 3 * RUN; page++)
        rig_put_in_slot(&rig, page, 1 + page);
    for (uint32_t block = 0; block < 3; block++)
        assert_int_equal(rig.engine->reservations[block], 1 + block);
    assert_int_equal(space_decommit(rig.engine, OTHER, 1, 2 * RUN + 1), SPACE_DONE);
    assert_int_equal(rig.engine->reservations[0], 1); /* page 0 is still there */
    assert_int_equal(rig.engine->reservations[1], 0);
    assert_int_equal(rig.engine->reservations[2], 3);
    rig_expect(&rig, 0, 0, 1);
    rig_expect(&rig, 0, 2 * RUN + 2, 1 + 2 * RUN + 2);
    rig_end(&rig);
}

static void several_areas(void **state)
{
    static slot_number slots[SLOTS_MANY];
    static bool seen[SLOTS_MANY + 1];
    struct rig rig;

    (void)state;
    memset(seen, 0, sizeof(seen));
    begin(&rig, SLOTS_MANY, false);
    assert_true(rig.engine->slot_area_count > 1);
    /* Threads begin in areas of their own, and overflow into the others'. */
    for (uint32_t thread = 0; thread < rig.engine->slot_area_count; thread++) {
        const struct slot_area *area = &rig.engine->slot_areas[thread];

        assert_int_equal(take(&rig, thread, 3, slots), 3);
        assert_true(is_run(slots, 3, area->first));
        give(&rig, slots, 3);
    }
    /* A search goes on in the area where the last one ended, however much is free before. */
    uint32_t count = rig.engine->slot_areas[0].count;
    assert_int_equal(take(&rig, 0, count, slots), count);
    give(&rig, slots, count);
    assert_int_equal(take(&rig, 0, 5, slots), 5);
    assert_true(is_run(slots, 5, rig.engine->slot_areas[1].first + 3));
    give(&rig, slots, 5);
    assert_int_equal(take(&rig, 2, SLOTS_MANY, slots), SLOTS_MANY);
    for (uint32_t i = 0; i < SLOTS_MANY; i++) {
        assert_true(slots[i] >= 1 && slots[i] <= SLOTS_MANY && !seen[slots[i]]);
        seen[slots[i]] = true;
        assert_true(slots_in_use(rig.engine, slots[i]));
    }
    assert_int_equal(take(&rig, 0, 1, slots + 1), 0);
    give_all(&rig);
    assert_int_equal(slots_free(rig.engine), SLOTS_MANY);
    for (slot_number slot = 1; slot <= SLOTS_MANY; slot++)
        assert_false(slots_in_use(rig.engine, slot));
    rig_end(&rig);
}

static void give_back_twice(void *argument)
{
    struct rig *rig = argument;

    give(rig, (slot_number[]){5}, 1);
    give(rig, (slot_number[]){5}, 1);
}

static void give_back_slot_none(void *argument)
{
    give(argument, (slot_number[]){SLOT_NONE}, 1);
}

static void give_back_beyond_the_end(void *argument)
{
    give(argument, (slot_number[]){129}, 1);
}

static void wrong_give_backs_end_the_process(void **state)
{
    slot_number slots[128];
    struct rig rig;

    (void)state;
    begin(&rig, 128, false);
    assert_int_equal(take(&rig, 0, 128, slots), 128);
    rig_expect_death(give_back_twice, &rig, "bitmap_test");
    rig_expect_death(give_back_slot_none, &rig, "slot != SLOT_NONE");
    rig_expect_death(give_back_beyond_the_end, &rig, "slot <= engine->config.slots");
    give_all(&rig);
    rig_end(&rig);
}

/* ---- the model ------------------------------------------------------------------------------ */

struct model {
    struct rig rig;
    bool used[SLOTS_MANY + 1];
    slot_number held[2 * SLOTS_MANY];
    uint32_t held_count, from;
};

/* A run of pages from anywhere, or nobody's. */
static uint32_t take_pages(struct model *model, uint32_t thread, uint32_t count,
                           slot_number *ret_slots)
{
    static page_number pages[SLOTS_MANY];
    uint32_t taken, kept = 0;

    if (model->rig.engine->run_shift == 0)
        return take(&model->rig, thread, count, ret_slots);
    for (uint32_t i = 0; i < count; i++)
        pages[i] = (model->from + i) % model->rig.engine->config.pages;
    model->from += count * 7 + 1;
    taken = slots_take(model->rig.engine, rig_thread(&model->rig, thread), count, pages, ret_slots);
    for (uint32_t i = 0; i < count; i++) {
        if (ret_slots[i] == SLOT_NONE)
            continue;
        assert_int_equal(slot_owner_page(slots_owner(model->rig.engine, ret_slots[i])), pages[i]);
        ret_slots[kept++] = ret_slots[i];
    }
    assert_int_equal(kept, taken);
    return taken;
}

static void model_take(struct model *model, uint32_t thread, uint32_t count)
{
    slot_number *slots = model->held + model->held_count;
    uint32_t free = model->rig.engine->config.slots - model->held_count;
    uint32_t taken = take_pages(model, thread, count, slots);

    assert_int_equal(taken, MIN_OF(count, free));
    for (uint32_t i = 0; i < taken; i++) {
        assert_true(slots[i] >= 1 && slots[i] <= model->rig.engine->config.slots);
        assert_false(model->used[slots[i]]);
        model->used[slots[i]] = true;
    }
    model->held_count += taken;
}

static void model_give(struct model *model, struct random_generator *generator, uint32_t count)
{
    for (uint32_t i = 0; i < count && model->held_count > 0; i++) {
        uint32_t which = (uint32_t)random_below(generator, model->held_count);

        give(&model->rig, &model->held[which], 1);
        model->used[model->held[which]] = false;
        model->held[which] = model->held[--model->held_count];
    }
}

static void model_check(struct model *model)
{
    assert_int_equal(slots_free(model->rig.engine),
                     model->rig.engine->config.slots - model->held_count);
    for (slot_number slot = 1; slot <= model->rig.engine->config.slots; slot++)
        assert_int_equal(slots_in_use(model->rig.engine, slot), model->used[slot]);
}

static void any_order_agrees_with_the_model(void **state)
{
    static const slot_number sizes[] = {1, 63, 64, 65, 300, 8192, SLOTS_MANY};
    static struct model model;
    struct random_generator generator;

    (void)state;
    for (size_t s = 0; s < 3 * ARRAY_COUNT(sizes); s++) {
        slot_number slots = sizes[s / 3];

        memset(&model, 0, sizeof(model));
        random_seed(&generator, 3, s);
        if (s % 3 == 2)
            begin_reserved(&model.rig, 300 + slots, slots);
        else
            begin(&model.rig, slots, s % 3);
        for (unsigned round = 0; round < MODEL_ROUNDS; round++) {
            uint32_t count = 1 + (uint32_t)random_below(&generator, MAX_OF(slots / 8, 4));

            if (random_below(&generator, 100) < (round / (MODEL_ROUNDS / 4) % 2 ? 35 : 65))
                model_take(&model, (uint32_t)random_below(&generator, RIG_USERS), count);
            else
                model_give(&model, &generator, count);
            if (round % (MODEL_ROUNDS / 10) == 0)
                model_check(&model);
        }
        model_check(&model);
        give_all(&model.rig);
        rig_end(&model.rig);
    }
}

/* ---- several threads ------------------------------------------------------------------------ */

#define THREADS 4u

struct load {
    struct rig rig;
    _Atomic uint8_t owners[SLOTS_MANY + 1];
    _Atomic uint32_t next, shared;
};

static void *load_run(void *argument)
{
    struct load *load = argument;
    uint32_t thread = atomic_fetch_add(&load->next, 1);
    struct random_generator generator;
    slot_number slots[256];

    random_seed(&generator, 4, thread);
    for (unsigned round = 0; round < (UNDER_THREAD_SANITIZER ? 300 : 5000); round++) {
        uint32_t taken =
            take(&load->rig, thread, 1 + (uint32_t)random_below(&generator, 256), slots);

        for (uint32_t i = 0; i < taken; i++)
            if (atomic_exchange(&load->owners[slots[i]], 1) != 0)
                atomic_fetch_add(&load->shared, 1);
        for (uint32_t i = 0; i < taken; i++)
            atomic_store(&load->owners[slots[i]], 0);
        for (uint32_t i = 0; i < taken; i++)
            slots_give_back(load->rig.engine, rig_thread(&load->rig, thread), slots[i]);
    }
    return NULL;
}

static void no_slot_has_two_owners(void **state)
{
    static const slot_number sizes[] = {100, SLOTS_MANY};
    static struct load load;

    (void)state;
    for (size_t s = 0; s < ARRAY_COUNT(sizes); s++) {
        pthread_t ids[THREADS];

        memset(&load, 0, sizeof(load));
        begin(&load.rig, sizes[s], false);
        for (uint32_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&ids[i], NULL, load_run, &load), 0);
        for (uint32_t i = 0; i < THREADS; i++)
            pthread_join(ids[i], NULL);
        assert_int_equal(load.shared, 0);
        assert_int_equal(slots_free(load.rig.engine), sizes[s]);
        rig_end(&load.rig);
    }
}

static slot_number discarded[4];
static uint32_t discards;

static void note_discard(void *store, slot_number first, uint32_t count)
{
    (void)store;
    for (uint32_t i = 0; i < count && discards < ARRAY_COUNT(discarded); i++)
        discarded[discards++] = first + i;
}

/* So that it can free what the slot costs it. */
static void the_store_hears_of_a_slot_given_back(void **state)
{
    static struct store_ops ops;
    slot_number slots[2];
    struct rig rig;

    (void)state;
    begin(&rig, 64, false);
    ops = *rig.engine->store.ops;
    ops.discard = note_discard;
    rig.engine->store.ops = &ops;
    discards = 0;
    assert_int_equal(take(&rig, 0, 2, slots), 2);
    assert_int_equal(discards, 0);
    give(&rig, slots, 2);
    assert_int_equal(discards, 2);
    assert_int_equal(discarded[0], slots[0]);
    assert_int_equal(discarded[1], slots[1]);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_contiguous_when_free),
        cmocka_unit_test(free_slots_of_a_stretch_are_counted),
        cmocka_unit_test(the_store_hears_of_a_slot_given_back),
        cmocka_unit_test(next_fit_goes_on_and_first_fit_goes_back),
        cmocka_unit_test(long_runs_first),
        cmocka_unit_test(full_is_full),
        cmocka_unit_test(a_block_is_in_order),
        cmocka_unit_test(a_batch_of_many_blocks),
        cmocka_unit_test(an_empty_run_is_taken_back),
        cmocka_unit_test(the_last_slot_is_stolen),
        cmocka_unit_test(decommit_gives_up_runs),
        cmocka_unit_test(several_areas),
        cmocka_unit_test(wrong_give_backs_end_the_process),
        cmocka_unit_test(any_order_agrees_with_the_model),
        cmocka_unit_test(no_slot_has_two_owners),
    };

    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
