/*
 * promises_test.c - promises that nothing else would miss: each was found by a planted bug that no
 * test killed (mutants/kill.c).
 */
#include "engine_rig.h"

#include "contract/world.h"

#include <errno.h>
#include <string.h>

/* ---- waking --------------------------------------------------------------------------------- */

struct waiter {
    struct rig *rig;
    uint32_t thread;
    pthread_t id;
};

/* Takes a frame, and gives it back. */
static void *waiter_run(void *argument)
{
    struct waiter *waiter = argument;
    struct engine *engine = waiter->rig->engine;
    struct thread *self = rig_thread(waiter->rig, waiter->thread);
    frame_number frame;

    while ((frame = frames_take(engine, self, false)) == FRAME_NONE)
        frames_wait(engine, self);
    frames_give_back(engine, self, frame);
    return NULL;
}

/* Who waits for a frame looks again after a second; a frame that was trimmed comes before. */
static void a_trimmed_page_goes_to_who_waits(void **state)
{
    struct waiter waiter;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (page_number page = 0; page < 16; page++)
        rig_read(&rig, 0, page);
    assert_int_equal(frames_available(rig.engine), 0);
    waiter = (struct waiter){.rig = &rig, .thread = 1};
    assert_int_equal(pthread_create(&waiter.id, NULL, waiter_run, &waiter), 0);
    RIG_WAIT_UNTIL(atomic_load(&rig.engine->waiters) == 1);
    rig_trim(&rig, TRIMMER, 5);
    pthread_join(waiter.id, NULL);
    assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS), 1);
    assert_int_equal(rig_counter(&rig, COUNT_FRAME_WAITS_LATE), 0);
    rig_end(&rig);
}

/* A worker's tick is a second: three kicks would take three without a wake-up. */
static void a_kick_wakes_a_worker(void **state)
{
    struct worker_event *event;
    uint64_t begin_ns, sum_ns = 0;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.workers = {[WORKER_ZERO] = 1}});
    event = &rig.engine->events[WORKER_ZERO];
    for (page_number page = 0; page < 16; page++)
        rig_write(&rig, 0, page);
    rig_start_workers(&rig);
    for (unsigned round = 0; round < 3; round++) {
        RIG_WAIT_UNTIL(atomic_load(&event->sleepers) == 1);
        begin_ns = world_now_ns();
        assert_int_equal(space_decommit(rig.engine, OTHER, 0, 16), SPACE_DONE);
        balance_kick(rig.engine, WORKER_ZERO);
        RIG_WAIT_UNTIL(list_count(rig.engine, LIST_ZEROED) == 16);
        sum_ns += world_now_ns() - begin_ns;
        assert_int_equal(space_commit(rig.engine, OTHER, 0, 16, PROTECTION_READ_WRITE), SPACE_DONE);
        for (page_number page = 0; page < 16; page++)
            rig_write(&rig, 0, page);
    }
    assert_true(sum_ns < 1500000000);
    rig_end(&rig);
}

/* ---- owners --------------------------------------------------------------------------------- */

/* Batches compare generations: one that stands would let a batch let go of another owner's frame. */
static void a_new_owner_is_a_new_generation(void **state)
{
    uint32_t before;
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.frames = 8, .slots = 64});
    rig_fill(&rig, 0, 0, 1);
    frame = rig_frame(&rig, 0);
    before = pfn_generation(rig_word(&rig, 0));
    rig_page_out(&rig, 0);
    for (page_number page = 1; page <= 8; page++)
        rig_fill(&rig, 0, page, page + 1);
    assert_true(pfn_generation(pfn_load(frame_pfn(rig.engine, frame))) > before);
    rig_end(&rig);
}

/* What was seen in one look is there in the next: used pages are as old as their last use. */
static void a_look_is_remembered(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.policy = &policy_aging});
    for (page_number page = 0; page < 4; page++)
        rig_fill(&rig, 0, page, page + 1);
    trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 1);
    for (page_number page = 0; page < 4; page++) {
        if (rig_form(&rig, page) == PTE_VALID)
            assert_int_equal(pte_register(rig_pte(&rig, page)), 0xC0);
    }
    rig_end(&rig);
}

static bool looked_used;

static uint8_t watching_birth(enum policy_birth how)
{
    (void)how;
    return 0;
}

/* Takes nobody. */
static uint32_t watching_choose(const struct policy_look *look)
{
    if (look->pass == 0)
        looked_used = look->accessed[0];
    return 0;
}

/* The translation is in the TLB: the next use is seen all the same. */
static void a_use_between_two_looks_is_seen(void **state)
{
    static const struct policy watching = {"watching", "takes nobody", .birth = watching_birth,
                                           .choose = watching_choose};
    static const bool used[] = {true, true, false, true};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.policy = &watching});
    for (unsigned look = 0; look < ARRAY_COUNT(used); look++) {
        if (used[look])
            assert_int_equal(rig_read(&rig, 0, 0), FAULT_RESOLVED);
        assert_int_equal(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 1), 0);
        assert_true(looked_used == used[look]);
    }
    rig_end(&rig);
}

/* As old as the register says; what was used before is not seen any more. */
static void set_register(struct rig *rig, page_number page, uint8_t value)
{
    bool accessed;
    pte *entry = &rig->engine->ptes[page];

    rig->machine.ops->sample_accessed(rig->machine.self, 1, &page, &accessed);
    pte_store(entry, pte_with_register(pte_load(entry), value));
}

/* Both regions have pages that might go; those that go are the oldest of both. */
static void the_oldest_of_all_regions_go(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.policy = &policy_aging, .region_ptes = 8});
    for (page_number page = 0; page < 16; page++) {
        rig_fill(&rig, 0, page, page + 1);
        set_register(&rig, page, page < 8 ? 0x20 : page % 2 ? 0x04 : 0x3F);
    }
    assert_int_equal(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 4), 4);
    for (page_number page = 0; page < 16; page++) {
        bool oldest = page > 8 && page % 2 != 0;
        assert_int_equal(rig_form(&rig, page), oldest ? PTE_TRANSITION : PTE_VALID);
    }
    rig_end(&rig);
}

static struct rig *meddled;

/* Wants the page that has just lost its frame, and one of another region. */
static uint32_t meddling_choose(const struct policy_look *look)
{
    for (uint32_t i = 0; i < look->count; i++)
        look->ret_victim[i] = i == 0 || i == look->count - 1;
    if (rig_form(meddled, 0) == PTE_VALID)
        rig_page_out(meddled, 0);
    return 2;
}

/* Between a look and what follows from it nothing is locked. */
static void a_page_may_go_between_look_and_choice(void **state)
{
    static const struct policy meddling = {"meddling", "takes one itself", .birth = watching_birth,
                                           .choose = meddling_choose};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.policy = &meddling, .region_ptes = 8});
    meddled = &rig;
    for (page_number page = 0; page < 12; page++)
        rig_fill(&rig, 0, page, page + 1);
    assert_int_equal(trim_pages(rig.engine, rig_thread(&rig, TRIMMER_2), 2), 2);
    assert_int_equal(rig_form(&rig, 0), PTE_PAGE_FILE);
    assert_int_equal(rig_form(&rig, 11), PTE_TRANSITION);
    for (page_number page = 0; page < 12; page++)
        rig_expect(&rig, 0, page, page + 1);
    rig_end(&rig);
}

/* ---- a commit that is refused ---------------------------------------------------------------- */

/* A machine with rights, which refuses one call. */
static struct {
    struct machine_ops ops;
    enum machine_protection rights[64];
    unsigned until_refusal;
} guarded;

static int guarded_protect(void *machine, page_number first, page_number count,
                           enum machine_protection protection)
{
    (void)machine;
    if (guarded.until_refusal > 0 && --guarded.until_refusal == 0)
        return -ENOMEM;
    for (page_number page = first; page < first + count; page++)
        guarded.rights[page] = protection;
    return 0;
}

/* Pages 4 and 9 are committed, so a commit of 0..15 opens three runs. */
static void a_refused_commit_changes_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.no_commit = true});
    guarded.ops = *rig.engine->machine.ops;
    guarded.ops.protect = guarded_protect;
    rig.engine->machine.ops = &guarded.ops;
    memset(guarded.rights, 0, sizeof(guarded.rights));
    assert_int_equal(space_commit(rig.engine, OTHER, 4, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    assert_int_equal(space_commit(rig.engine, OTHER, 9, 1, PROTECTION_READ_WRITE), SPACE_DONE);
    for (unsigned refused = 1; refused <= 3; refused++) {
        guarded.until_refusal = refused;
        assert_int_equal(space_commit(rig.engine, OTHER, 0, 16, PROTECTION_READ_WRITE),
                         SPACE_REFUSED);
        assert_int_equal(rig.engine->charge, 2);
        for (page_number page = 0; page < 16; page++) {
            bool committed = page == 4 || page == 9;

            assert_int_equal(guarded.rights[page],
                             committed ? MACHINE_READ_WRITE : MACHINE_NO_ACCESS);
            assert_int_equal(rig_read(&rig, 0, page),
                             committed ? FAULT_RESOLVED : FAULT_ACCESS_VIOLATION);
        }
    }
    assert_int_equal(space_commit(rig.engine, OTHER, 0, 16, PROTECTION_READ_WRITE), SPACE_DONE);
    assert_int_equal(rig.engine->charge, 16);
    rig_end(&rig);
}

/* ---- rights --------------------------------------------------------------------------------- */

#ifdef MM_SANITIZED
#define LOOK_ROUNDS 20000u /* they are twenty times as slow, and need no collision to see a race */
#else
#define LOOK_ROUNDS 300000u
#endif

struct looker {
    struct rig *rig;
    _Atomic bool enough;
    _Atomic uint64_t looks, wrong;
};

static void *looker_run(void *argument)
{
    struct looker *looker = argument;

    while (!atomic_load(&looker->enough)) {
        for (page_number page = 8; page < 40; page++)
            looker->wrong += space_inherited(looker->rig->engine, page) != PROTECTION_READ_WRITE;
        looker->looks++;
    }
    return NULL;
}

/* Regions come and go in front of one that stays: its pages never lose their rights. */
static void regions_are_read_in_one_moment(void **state)
{
    struct looker looker = {.enough = false};
    page_number first;
    struct rig rig;
    pthread_t id;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.no_commit = true});
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(space_reserve(rig.engine, OTHER, 8, &first), SPACE_DONE);
    assert_int_equal(space_reserve(rig.engine, OTHER, 32, &first), SPACE_DONE);
    assert_int_equal(first, 8);
    assert_int_equal(space_commit(rig.engine, OTHER, 8, 32, PROTECTION_READ_WRITE), SPACE_DONE);
    looker.rig = &rig;
    assert_int_equal(pthread_create(&id, NULL, looker_run, &looker), 0);
    for (unsigned round = 0; round < LOOK_ROUNDS || looker.looks < 1000; round++) {
        assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
        assert_int_equal(space_reserve(rig.engine, OTHER, 8, &first), SPACE_DONE);
        assert_int_equal(first, 0);
    }
    looker.enough = true;
    pthread_join(id, NULL);
    assert_int_equal(looker.wrong, 0);
    rig_end(&rig);
}

/* A trimmer that has taken a page from the working set may not have unmapped it yet. */
static void a_right_taken_away_is_gone_at_once(void **state)
{
    struct trim_batch batch = {.count = 0};
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_fill(&rig, 0, 3, 1);
    rig_detach(&rig, TRIMMER, 3, &batch);
    assert_int_equal(space_protect(rig.engine, OTHER, 3, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(rig_write(&rig, 0, 3), FAULT_ACCESS_VIOLATION);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
    rig_expect(&rig, 0, 3, 1);
    rig_end(&rig);
}

/* ---- pins ----------------------------------------------------------------------------------- */

/* Whoever writes through a pin makes no fault: the pin is the write. */
static void a_pin_for_writing_is_a_write(void **state)
{
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_put_clean(&rig, 3, 1);
    assert_int_equal(engine_pin(rig.engine, 0, 3, true, &frame), PIN_DONE);
    assert_true(rig_word(&rig, 3) & PFN_MODIFIED_BIT);
    assert_int_equal(rig_slot(&rig, 3), SLOT_NONE);
    engine_unpin(rig.engine, 0, 3);
    rig_end(&rig);
}

/* Rescued from a trimmer that is late, a page will lose its mapping once more: no pin until then. */
static void a_pin_waits_for_a_late_unmap(void **state)
{
    struct trim_batch batch = {.count = 0};
    struct rig_pinner pinner;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig.engine->machine.content_by_page =
        true; /* else a pinned frame is used without its mapping */
    rig_fill(&rig, 0, 3, 1);
    rig_detach(&rig, TRIMMER, 3, &batch);
    rig_pin_begin(&pinner, &rig, 1, 3);
    RIG_WAIT_UNTIL(rig_form(&rig, 3) == PTE_VALID);
    rig_pin_waits(&pinner);
    trim_finish(rig.engine, rig_thread(&rig, TRIMMER), &batch);
    rig_pin_end(&pinner);
    rig_end(&rig);
}

static struct {
    struct machine_ops ops;
    void (*map)(void *machine, uint32_t thread, uint32_t count, const struct machine_map *maps);
    uint32_t maps;
} counted;

static void counted_map(void *machine, uint32_t thread, uint32_t count,
                        const struct machine_map *maps)
{
    counted.maps += count;
    counted.map(machine, thread, count, maps);
}

/* An unmap of its neighbours may have taken the page's mapping, before it saw the pin. */
static void a_pin_maps_its_page_again(void **state)
{
    frame_number frame;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_fill(&rig, 0, 3, 1);
    counted.ops = *rig.engine->machine.ops;
    counted.map = counted.ops.map;
    counted.ops.map = counted_map;
    counted.maps = 0;
    rig.engine->machine.ops = &counted.ops;
    rig.engine->machine.content_by_page = true;
    assert_int_equal(engine_pin(rig.engine, 0, 3, true, &frame), PIN_DONE);
    assert_int_equal(counted.maps, 1);
    engine_unpin(rig.engine, 0, 3);
    rig.engine->machine.content_by_page = false;
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trimmed_page_goes_to_who_waits),
        cmocka_unit_test(a_kick_wakes_a_worker),
        cmocka_unit_test(a_new_owner_is_a_new_generation),
        cmocka_unit_test(a_look_is_remembered),
        cmocka_unit_test(a_use_between_two_looks_is_seen),
        cmocka_unit_test(the_oldest_of_all_regions_go),
        cmocka_unit_test(a_page_may_go_between_look_and_choice),
        cmocka_unit_test(a_refused_commit_changes_nothing),
        cmocka_unit_test(regions_are_read_in_one_moment),
        cmocka_unit_test(a_right_taken_away_is_gone_at_once),
        cmocka_unit_test(a_pin_for_writing_is_a_write),
        cmocka_unit_test(a_pin_waits_for_a_late_unmap),
        cmocka_unit_test(a_pin_maps_its_page_again),
    };

    return cmocka_run_group_tests_name("promises", tests, NULL, NULL);
}
