/*
 * space_rules_test.c - the address space refuses what cannot be, and undoes what was begun.
 *
 * A machine that keeps rights (as the kernel does) is played by a protect() that records the right
 * of each page and may refuse half way. Frames on their way out are played by a release() in the
 * middle of which others meet them.
 */
#include "engine_rig.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define RANGE 8u /* pages with one in each form */

/* ---- a machine with rights ------------------------------------------------------------------ */

static struct {
    struct machine_ops ops;
    enum machine_protection of[64];
    uint32_t calls, refuse; /* the call that is refused, from 1; 0: none */
} rights;

static int recorded_protect(void *machine, page_number first, page_number count,
                            enum machine_protection protection)
{
    bool refused = ++rights.calls == rights.refuse;

    (void)machine;
    for (page_number i = 0; i < (refused ? count / 2 : count); i++)
        rights.of[first + i] = protection;
    return refused ? -ENOMEM : 0;
}

static void begin_with_rights(struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){.no_commit = true});
    memset(&rights, 0, sizeof(rights));
    rights.ops = *rig->engine->machine.ops;
    rights.ops.protect = recorded_protect;
    rig->engine->machine.ops = &rights.ops;
    assert_int_equal(space_commit(rig->engine, OTHER, 0, 64, PROTECTION_READ_WRITE), SPACE_DONE);
}

/* Pages 0..7: a page in each form, all writable but 2 and 5. */
static void make_range(struct rig *rig)
{
    rig_put_in_slot(rig, 6, 7);
    for (page_number page = 0; page < 5; page++)
        rig_fill(rig, 0, page, page + 1);
    assert_int_equal(space_protect(rig->engine, OTHER, 2, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    rig_expect(rig, 0, 2, 3); /* valid again, and read-only */
    rig_trim(rig, TRIMMER, 4);
    assert_int_equal(space_protect(rig->engine, OTHER, 5, 1, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(rig_form(rig, 2), PTE_VALID);
    assert_int_equal(rig_form(rig, 3), PTE_VALID);
    assert_int_equal(rig_form(rig, 4), PTE_TRANSITION);
    assert_int_equal(rig_form(rig, 5), PTE_DEMAND_ZERO);
    assert_int_equal(rig_form(rig, 6), PTE_PAGE_FILE);
    assert_int_equal(rig_form(rig, 7), PTE_ZERO);
}

struct before {
    enum machine_protection rights[RANGE];
    pte_word words[RANGE];
    uint64_t charge;
};

static void remember(struct rig *rig, struct before *before)
{
    memcpy(before->rights, rights.of, sizeof(before->rights));
    for (page_number page = 0; page < RANGE; page++)
        before->words[page] = rig_pte(rig, page);
    before->charge = rig->engine->charge;
}

static void expect_as_before(struct rig *rig, const struct before *before)
{
    for (page_number page = 0; page < RANGE; page++) {
        assert_int_equal(rights.of[page], before->rights[page]);
        assert_true(rig_pte(rig, page) == before->words[page]);
    }
    assert_int_equal(rig->engine->charge, before->charge);
}

/* The half that was changed is changed back, page by page as each was. */
static void a_refused_change_is_undone(void **state)
{
    struct before before;
    struct rig rig;

    (void)state;
    begin_with_rights(&rig);
    make_range(&rig);
    remember(&rig, &before);
    assert_int_equal(before.rights[2], MACHINE_READ_ONLY);
    assert_int_equal(before.rights[5], MACHINE_READ_ONLY);
    assert_int_equal(before.rights[7], MACHINE_READ_WRITE);
    rights.refuse = rights.calls + 1;
    assert_int_equal(space_protect(rig.engine, OTHER, 0, RANGE, PROTECTION_NO_ACCESS),
                     SPACE_REFUSED);
    expect_as_before(&rig, &before);
    rights.refuse = rights.calls + 1;
    assert_int_equal(space_decommit(rig.engine, OTHER, 0, RANGE), SPACE_REFUSED);
    expect_as_before(&rig, &before);
    rights.refuse = rights.calls + 1;
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_REFUSED);
    expect_as_before(&rig, &before);
    for (page_number page = 0; page < 5; page++)
        rig_expect(&rig, 0, page, page + 1);
    rig_expect(&rig, 0, 5, 0);
    rig_expect(&rig, 0, 6, 7);
    assert_int_equal(rig_write(&rig, 0, 2), FAULT_ACCESS_VIOLATION);
    rig_end(&rig);
}

/* What is committed already keeps its rights when the rest is refused. */
static void a_refused_commit_closes_what_it_opened(void **state)
{
    struct before before;
    struct rig rig;

    (void)state;
    begin_with_rights(&rig);
    make_range(&rig);
    assert_int_equal(space_decommit(rig.engine, OTHER, 0, 2), SPACE_DONE);
    assert_int_equal(space_decommit(rig.engine, OTHER, 6, 2), SPACE_DONE);
    remember(&rig, &before);
    rights.refuse = rights.calls + 2; /* the second run of pages that are not committed */
    assert_int_equal(space_commit(rig.engine, OTHER, 0, RANGE, PROTECTION_READ_WRITE),
                     SPACE_REFUSED);
    expect_as_before(&rig, &before);
    assert_int_equal(rig_read(&rig, 0, 0), FAULT_ACCESS_VIOLATION);
    assert_int_equal(space_commit(rig.engine, OTHER, 0, RANGE, PROTECTION_READ_WRITE), SPACE_DONE);
    rig_expect(&rig, 0, 0, 0);
    rig_expect(&rig, 0, 3, 4);
    rig_end(&rig);
}

/* ---- ranges --------------------------------------------------------------------------------- */

static void a_range_that_cannot_be_is_refused(void **state)
{
    page_number first = 77;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.no_commit = true});
    struct engine *engine = rig.engine;
    assert_int_equal(space_release(engine, OTHER, 0), SPACE_DONE);
    assert_int_equal(space_release(engine, OTHER, 0), SPACE_NO_REGION); /* there is none at all */
    assert_int_equal(space_commit(engine, OTHER, 0, 1, PROTECTION_READ_WRITE), SPACE_NO_REGION);
    assert_int_equal(space_reserve(engine, OTHER, 0, &first), SPACE_NO_ROOM);
    assert_int_equal(first, 77);
    assert_int_equal(space_reserve(engine, OTHER, 4, &first), SPACE_DONE);
    assert_int_equal(space_reserve(engine, OTHER, 4, &first), SPACE_DONE);
    assert_int_equal(first, 4);
    assert_int_equal(space_release(engine, OTHER, 0), SPACE_DONE);
    /* In front of the first region, nothing of one, more than one, and not from its beginning. */
    assert_int_equal(space_release(engine, OTHER, 3), SPACE_NO_REGION);
    assert_int_equal(space_commit(engine, OTHER, 3, 2, PROTECTION_READ_WRITE), SPACE_NO_REGION);
    assert_int_equal(space_commit(engine, OTHER, 4, 0, PROTECTION_READ_WRITE), SPACE_NO_REGION);
    assert_int_equal(space_decommit(engine, OTHER, 6, 3), SPACE_NO_REGION);
    assert_int_equal(space_protect(engine, OTHER, 8, 1, PROTECTION_READ_ONLY), SPACE_NO_REGION);
    assert_int_equal(space_release(engine, OTHER, 5), SPACE_NO_REGION);
    assert_int_equal(engine->charge, 0);
    assert_int_equal(space_release(engine, OTHER, 4), SPACE_DONE);
    rig_end(&rig);
}

static void no_more_regions_than_there_are_records(void **state)
{
    page_number first = PAGE_NONE;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.no_commit = true});
    assert_int_equal(space_release(rig.engine, OTHER, 0), SPACE_DONE);
    for (uint32_t i = 0; i < rig.engine->config.vads_max; i++) {
        assert_int_equal(space_reserve(rig.engine, OTHER, 1, &first), SPACE_DONE);
        assert_int_equal(first, i);
    }
    assert_int_equal(space_reserve(rig.engine, OTHER, 1, &first), SPACE_NO_ROOM);
    assert_int_equal(space_release(rig.engine, OTHER, 3), SPACE_DONE);
    assert_int_equal(space_reserve(rig.engine, OTHER, 1, &first), SPACE_DONE);
    assert_int_equal(first, 3);
    rig_end(&rig);
}

/* ---- more pages than a batch holds ---------------------------------------------------------- */

#define MANY (BATCH_MAX + 88u)

static void more_pages_than_a_batch(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){.pages = MANY, .frames = MANY, .slots = 64});
    for (page_number page = 0; page < MANY; page++)
        rig_fill(&rig, 0, page, page + 1);
    assert_int_equal(space_protect(rig.engine, OTHER, 0, MANY, PROTECTION_READ_ONLY), SPACE_DONE);
    assert_int_equal(rig_counter(&rig, COUNT_FLUSHES), 2);
    assert_int_equal(rig_counter(&rig, COUNT_FLUSHED_PAGES), MANY);
    for (page_number page = 0; page < MANY; page++) {
        assert_int_equal(rig_write(&rig, 0, page), FAULT_ACCESS_VIOLATION);
        rig_expect(&rig, 0, page, page + 1);
    }
    assert_int_equal(space_decommit(rig.engine, OTHER, 0, MANY), SPACE_DONE);
    assert_int_equal(rig_counter(&rig, COUNT_DELETED), MANY);
    assert_int_equal(list_count(rig.engine, LIST_FREE), MANY);
    assert_int_equal(rig.engine->charge, 0);
    assert_int_equal(PFN_FIELD(rig.engine, in_flight), 0);
    for (page_number page = 0; page < MANY; page++)
        assert_int_equal(rig_read(&rig, 0, page), FAULT_ACCESS_VIOLATION);
    rig_end(&rig);
}

/* ---- a frame that cannot be taken ----------------------------------------------------------- */

static void add_references(struct rig *rig, page_number page, int count)
{
    frame_number frame = rig_frame(rig, page);

    frame_update(rig->engine, frame,
                 rig_word(rig, page) + (pfn_word)(int64_t)count * PFN_REFERENCE_ONE);
}

/* The count of references is eight bits: with one left nobody else may take the frame. */
static void a_frame_with_all_its_references_stays(void **state)
{
    const int nearly_all = (int)PFN_REFERENCES_MAX - 1;
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    rig_fill(&rig, 0, 3, 1);
    add_references(&rig, 3, nearly_all);
    assert_false(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 1));
    assert_int_equal(rig_form(&rig, 3), PTE_VALID);
    assert_int_equal(space_protect(rig.engine, OTHER, 3, 1, PROTECTION_READ_ONLY), SPACE_BUSY);
    assert_int_equal(rig_form(&rig, 3), PTE_VALID);
    assert_int_equal(PFN_FIELD(rig.engine, in_flight), 0);
    add_references(&rig, 3, -nearly_all);
    assert_true(trim_pages(rig.engine, rig_thread(&rig, TRIMMER), 1));
    assert_int_equal(rig_form(&rig, 3), PTE_TRANSITION);
    rig_expect(&rig, 0, 3, 1);
    rig_end(&rig);
}

/* ---- frames that are being given up --------------------------------------------------------- */

enum meeting { MEET_READ, MEET_DECOMMIT, MEET_PROTECT };

static struct {
    struct machine_ops ops;
    struct rig *rig;
    enum meeting meeting;
    page_number page;
    bool met;
    pthread_t id;
    int result;
    _Atomic bool done;
} giving_up;

static void *meet(void *argument)
{
    struct engine *engine = giving_up.rig->engine;

    (void)argument;
    switch (giving_up.meeting) {
    case MEET_READ:
        giving_up.result = rig_read(giving_up.rig, 1, giving_up.page);
        break;
    case MEET_DECOMMIT:
        giving_up.result = space_decommit(engine, 2, giving_up.page, 1);
        break;
    case MEET_PROTECT:
        giving_up.result = space_protect(engine, 2, giving_up.page, 1, PROTECTION_READ_ONLY);
        break;
    }
    atomic_store(&giving_up.done, true);
    return NULL;
}

/* The content of the pages goes: who comes now has to wait until it has gone. */
static void slow_release(void *machine, uint32_t thread, uint32_t count, const page_number *pages)
{
    (void)machine, (void)thread;
    if (giving_up.met)
        return; /* by a decommit, which gives up contents too */
    giving_up.met = true;
    assert_int_equal(count, 1);
    assert_int_equal(pages[0], giving_up.page);
    assert_true(rig_word(giving_up.rig, pages[0]) & PFN_GIVING_UP);
    assert_int_equal(pthread_create(&giving_up.id, NULL, meet, NULL), 0);
    for (unsigned i = 0; i < 30; i++) {
        rig_nap();
        assert_false(atomic_load(&giving_up.done));
    }
    assert_true(rig_word(giving_up.rig, pages[0]) & PFN_GIVING_UP);
}

/* Through the balance worker's round, which keeps one frame in 64 ready on such machines. */
static void who_meets_a_frame_given_up_waits(enum meeting meeting, struct rig *rig)
{
    rig_begin(rig, &(struct rig_config){.pages = 128, .frames = 64, .slots = 128});
    for (page_number page = 0; page < 64; page++)
        rig_fill(rig, 0, page, page + 1);
    memset(&giving_up, 0, sizeof(giving_up));
    giving_up.ops = *rig->engine->machine.ops;
    giving_up.ops.release = slow_release;
    giving_up.rig = rig;
    giving_up.meeting = meeting;
    giving_up.page = 5;
    rig->engine->machine.ops = &giving_up.ops;
    assert_true(balance_needed(rig->engine));
    assert_false(balance_round(rig->engine, rig_thread(rig, OTHER))); /* nothing on standby */
    rig_trim(rig, TRIMMER, 5);
    assert_true(write_round(rig->engine, rig_thread(rig, WRITER)));
    assert_int_equal(rig_state(rig, 5), PFN_STANDBY);
    assert_true(balance_round(rig->engine, rig_thread(rig, OTHER)));
    assert_true(giving_up.met);
    pthread_join(giving_up.id, NULL);
}

static void a_read_waits_for_a_frame_given_up(void **state)
{
    struct rig rig;

    (void)state;
    who_meets_a_frame_given_up_waits(MEET_READ, &rig);
    assert_int_equal(giving_up.result, FAULT_RESOLVED);
    assert_int_equal(rig_counter(&rig, COUNT_FAULT_HARD), 1);
    rig_expect(&rig, 0, 5, 6);
    rig_end(&rig);
}

static void a_decommit_waits_for_a_frame_given_up(void **state)
{
    struct rig rig;

    (void)state;
    who_meets_a_frame_given_up_waits(MEET_DECOMMIT, &rig);
    assert_int_equal(giving_up.result, SPACE_DONE);
    assert_int_equal(rig_form(&rig, 5), PTE_DECOMMITTED);
    assert_int_equal(rig_slots_used(&rig), 0);
    assert_int_equal(list_count(rig.engine, LIST_FREE), 1);
    assert_false(balance_needed(rig.engine)); /* one is ready */
    rig_end(&rig);
}

static void a_protect_waits_for_a_frame_given_up(void **state)
{
    struct rig rig;

    (void)state;
    who_meets_a_frame_given_up_waits(MEET_PROTECT, &rig);
    assert_int_equal(giving_up.result, SPACE_DONE);
    assert_int_equal(rig_form(&rig, 5), PTE_PAGE_FILE);
    assert_int_equal(rig_write(&rig, 0, 5), FAULT_ACCESS_VIOLATION);
    rig_expect(&rig, 0, 5, 6);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_change_is_undone),
        cmocka_unit_test(a_refused_commit_closes_what_it_opened),
        cmocka_unit_test(a_range_that_cannot_be_is_refused),
        cmocka_unit_test(no_more_regions_than_there_are_records),
        cmocka_unit_test(more_pages_than_a_batch),
        cmocka_unit_test(a_frame_with_all_its_references_stays),
        cmocka_unit_test(a_read_waits_for_a_frame_given_up),
        cmocka_unit_test(a_decommit_waits_for_a_frame_given_up),
        cmocka_unit_test(a_protect_waits_for_a_frame_given_up),
    };

    return cmocka_run_group_tests_name("space rules", tests, NULL, NULL);
}
