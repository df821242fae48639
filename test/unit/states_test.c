/*
 * states_test.c - a frame moves only as the table says: every move from and to every state.
 */
#include "engine_rig.h"

#include <string.h>
#include <unistd.h>

#define FRAME 3u

struct attempt {
    struct rig *rig;
    enum pfn_state from, to;
    enum move_why why;
};

static const enum pfn_state states[] = {PFN_ZEROED, PFN_FREE,   PFN_STANDBY,   PFN_MODIFIED,
                                        PFN_BAD,    PFN_ACTIVE, PFN_TRANSITION};

static void try_move(void *argument)
{
    const struct attempt *attempt = argument;
    struct pfn *pfn = frame_pfn(attempt->rig->engine, FRAME);

    atomic_store(&pfn->word, (pfn_word)attempt->from | (pfn_word)77 << PFN_GENERATION_SHIFT);
    frame_move(attempt->rig->engine, rig_thread(attempt->rig, 0), FRAME,
               pfn_with_state(pfn_load(pfn), attempt->to), attempt->why);
}

/* A legal move: the word is the new one, and it is counted once. */
static void check_legal(struct attempt *attempt)
{
    uint64_t before = rig_moves(attempt->rig, attempt->why);
    pfn_word word;

    try_move(attempt);
    word = pfn_load(frame_pfn(attempt->rig->engine, FRAME));
    assert_int_equal(pfn_state(word), move_table[attempt->why].to);
    assert_int_equal(pfn_generation(word), 77);
    assert_int_equal(rig_moves(attempt->rig, attempt->why), before + 1);
}

static void every_move_from_every_state(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (unsigned why = 0; why < WHY_COUNT; why++)
        for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
            struct attempt attempt = {&rig, states[i], move_table[why].to, (enum move_why)why};

            if (states[i] == move_table[why].from)
                check_legal(&attempt);
#ifdef MM_CHECKED
            else
                rig_expect_death(try_move, &attempt, "pfn_state(pfn_load(pfn)) == row->from");
#endif
        }
    rig_destroy(&rig);
}

static void every_move_to_every_state(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    for (unsigned why = 0; why < WHY_COUNT; why++)
        for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
            struct attempt attempt = {&rig, move_table[why].from, states[i], (enum move_why)why};

            if (states[i] == move_table[why].to)
                check_legal(&attempt);
#ifdef MM_CHECKED
            else
                rig_expect_death(try_move, &attempt, "pfn_state(word) == row->to");
#endif
        }
    rig_destroy(&rig);
}

static void update_to_another_state(void *argument)
{
    struct rig *rig = argument;

    frame_update(rig->engine, FRAME, pfn_with_state(0, PFN_FREE));
}

static void update_does_not_change_the_state(void **state)
{
    struct rig rig;
    pfn_word word;

    (void)state;
    rig_begin(&rig, &(struct rig_config){0});
    word = pfn_load(frame_pfn(rig.engine, FRAME)) | PFN_MODIFIED_BIT;
    frame_update(rig.engine, FRAME, word);
    assert_true(pfn_load(frame_pfn(rig.engine, FRAME)) == word);
    rig_expect_death(update_to_another_state, &rig, "frame=3 state=ZEROED");
    rig_destroy(&rig);
}

#ifdef MM_CHECKED
/* Its own rig: the machine's frames do not go through fork(). */
static void move_after_a_life(void *argument)
{
    struct rig *rig = argument;

    rig_begin(rig, &(struct rig_config){.frames = 4});
    rig_fill(rig, 0, 6, 1);
    rig_trim(rig, TRIMMER, 6);
    if (rig_frame(rig, 6) != 0)
        _exit(1);
    frame_move(rig->engine, rig_thread(rig, 0), 0, PFN_FREE, WHY_REPURPOSE);
}

/* A failed check names the frame, its page and its last moves, newest first. */
static void a_failed_check_tells_the_last_moves(void **state)
{
    static struct rig rig;

    (void)state;
    rig_expect_death(move_after_a_life, &rig, "frame=0 state=MODIFIED");
    rig_expect_death(move_after_a_life, &rig,
                     "last moves, newest first: REPURPOSE(page 6) TRIM_DIRTY(page 6) TRIM(page 6) "
                     "DEMAND_ZERO(page 6)");
}
#endif

static bool leads_somewhere(const struct move_row *row)
{
    return row->from != row->to && strcmp(state_name(row->from), "?") != 0 &&
           strcmp(state_name(row->to), "?") != 0;
}

static void names_are_complete(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_COUNT(states), STATE_COUNT);
    for (unsigned i = 0; i < STATE_COUNT; i++) {
        const struct state_row *row = &state_table[i];

        assert_true(row->name[0] != '\0' && row->meaning[0] != '\0' && row->list[0] != '\0');
        assert_string_equal(state_name(row->value), row->name);
        for (unsigned j = 0; j < i; j++) {
            assert_true(row->value != state_table[j].value);
            assert_string_not_equal(row->name, state_table[j].name);
        }
    }
    assert_string_equal(state_name(4), "?");
    assert_string_equal(state_name(PFN_STATE_LIMIT), "?");
    for (unsigned why = 0; why < WHY_COUNT; why++) {
        const struct move_row *row = &move_table[why];

        assert_true(row->why[0] != '\0' && row->meaning[0] != '\0' && row->locks[0] != '\0');
        assert_true(leads_somewhere(row));
        for (unsigned other = 0; other < why; other++)
            assert_string_not_equal(row->why, move_table[other].why);
    }
}

/* Windows' _MMLISTS. */
static void values_are_those_of_windows(void **state)
{
    (void)state;
    assert_int_equal(PFN_ZEROED, 0);
    assert_int_equal(PFN_FREE, 1);
    assert_int_equal(PFN_STANDBY, 2);
    assert_int_equal(PFN_MODIFIED, 3);
    assert_int_equal(PFN_BAD, 5);
    assert_int_equal(PFN_ACTIVE, 6);
    assert_int_equal(PFN_TRANSITION, 7);
}

/* No state is a trap, and none but the first can only be left. */
static void every_state_is_reached_and_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
        unsigned in = 0, out = 0;

        for (unsigned why = 0; why < WHY_COUNT; why++) {
            in += move_table[why].to == states[i];
            out += move_table[why].from == states[i];
        }
        assert_true(in > 0);
        assert_true(out > 0 || states[i] == PFN_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_move_from_every_state),
        cmocka_unit_test(every_move_to_every_state),
        cmocka_unit_test(update_does_not_change_the_state),
#ifdef MM_CHECKED
        cmocka_unit_test(a_failed_check_tells_the_last_moves),
#endif
        cmocka_unit_test(names_are_complete),
        cmocka_unit_test(values_are_those_of_windows),
        cmocka_unit_test(every_state_is_reached_and_left),
    };

    return cmocka_run_group_tests_name("states", tests, NULL, NULL);
}
