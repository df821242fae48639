/*
 * pte_test.c - every form of a page-table entry keeps what it is given, and is no other form.
 */
#include "engine/pte.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const frame_number frames[] = {0, 1, 0xfff, 0x1000, 0x7fffffff, 0x80000000, FRAME_NONE - 1};
static const slot_number slots[] = {1, 2, 0xffff, 0x10000, 0x7fffffff, 0x80000000, UINT32_MAX};
static const uint8_t registers[] = {0, 1, 0x7f, 0x80, 0xff};
static const enum protection protections[] = {PROTECTION_READ_ONLY, PROTECTION_READ_WRITE,
                                              PROTECTION_NO_ACCESS};

static void check_valid(frame_number frame, enum protection protection, bool writable,
                        uint8_t value)
{
    pte_word word = pte_make_valid(frame, protection, writable, value);

    assert_int_equal(pte_form(word), PTE_VALID);
    assert_true(pte_frame(word) == frame);
    assert_int_equal(pte_register(word), value);
    assert_int_equal((word & PTE_BIT_WRITABLE) != 0, writable);
    assert_int_equal((word & PTE_BIT_DIRTY) != 0, writable);
    assert_int_equal((word & PTE_BIT_WRITE) != 0, protection == PROTECTION_READ_WRITE);
    for (size_t i = 0; i < ARRAY_COUNT(registers); i++) {
        pte_word other = pte_with_register(word, registers[i]);

        assert_true(other == pte_make_valid(frame, protection, writable, registers[i]));
    }
    /* What a write fault sets changes nothing else. */
    assert_true((word | PTE_BIT_WRITABLE | PTE_BIT_DIRTY) ==
                pte_make_valid(frame, protection, true, value));
}

static void valid_keeps_frame_rights_and_register(void **state)
{
    (void)state;
    for (size_t f = 0; f < ARRAY_COUNT(frames); f++)
        for (size_t p = 0; p < ARRAY_COUNT(protections); p++)
            for (size_t r = 0; r < ARRAY_COUNT(registers); r++) {
                check_valid(frames[f], protections[p], false, registers[r]);
                check_valid(frames[f], protections[p], true, registers[r]);
            }
}

static void transition_keeps_frame_and_protection(void **state)
{
    (void)state;
    for (size_t f = 0; f < ARRAY_COUNT(frames); f++)
        for (size_t p = 0; p < ARRAY_COUNT(protections); p++) {
            pte_word word = pte_make_transition(frames[f], protections[p]);

            assert_int_equal(pte_form(word), PTE_TRANSITION);
            assert_true(pte_frame(word) == frames[f]);
            assert_int_equal(pte_protection(word), protections[p]);
        }
}

static void page_file_keeps_slot_and_protection(void **state)
{
    (void)state;
    for (size_t s = 0; s < ARRAY_COUNT(slots); s++)
        for (size_t p = 0; p < ARRAY_COUNT(protections); p++) {
            pte_word word = pte_make_software(protections[p], slots[s]);

            assert_int_equal(pte_form(word), PTE_PAGE_FILE);
            assert_true(pte_slot(word) == slots[s]);
            assert_int_equal(pte_protection(word), protections[p]);
        }
}

/* When it lost its frame stands between the two, and moves neither. */
static void page_file_notes_when_it_went(void **state)
{
    static const uint32_t stamps[] = {0, 1, 0x54321, PTE_STAMP_MAX};

    (void)state;
    for (size_t s = 0; s < ARRAY_COUNT(slots); s++)
        for (size_t i = 0; i < ARRAY_COUNT(stamps); i++) {
            pte_word bare = pte_make_software(PROTECTION_READ_ONLY, slots[s]);
            pte_word word = pte_with_stamp(bare, stamps[i]);

            assert_int_equal(pte_form(word), PTE_PAGE_FILE);
            assert_true(pte_slot(word) == slots[s]);
            assert_int_equal(pte_protection(word), PROTECTION_READ_ONLY);
            assert_int_equal(pte_stamp(word), stamps[i]);
            assert_true(pte_with_stamp(word, 0) == bare);
        }
}

static void without_a_slot_it_is_demand_zero(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_COUNT(protections); p++) {
        pte_word word = pte_make_software(protections[p], SLOT_NONE);

        assert_int_equal(pte_form(word), PTE_DEMAND_ZERO);
        assert_int_equal(pte_slot(word), SLOT_NONE);
        assert_int_equal(pte_protection(word), protections[p]);
    }
}

/* The words of Windows x64 (WinDbg !pte shows the same). */
static void words_are_those_of_windows(void **state)
{
    (void)state;
    assert_int_equal(pte_make_software(PROTECTION_READ_WRITE, SLOT_NONE), 0x80);
    assert_int_equal(pte_make_software(PROTECTION_READ_ONLY, SLOT_NONE), 0x20);
    assert_int_equal(PTE_WORD_DECOMMITTED, 0x200);
    assert_int_equal(pte_form(0x80), PTE_DEMAND_ZERO);
    assert_int_equal(pte_form(0x200), PTE_DECOMMITTED);
    assert_int_equal(pte_form(0), PTE_ZERO);
    assert_int_equal(pte_make_transition(0x12345, PROTECTION_READ_WRITE), 0x12345880);
    assert_int_equal(pte_make_software(PROTECTION_READ_WRITE, 7), 0x700000080);
    assert_int_equal(pte_make_valid(0x12345, PROTECTION_READ_WRITE, true, 0), 0x12345843);
    assert_int_equal(pte_make_valid(0x12345, PROTECTION_READ_WRITE, false, 0), 0x12345801);
    assert_int_equal(pte_make_valid(0x12345, PROTECTION_READ_ONLY, false, 0), 0x12345001);
}

/* The forms in the order in which pte_form() asks: an earlier one hides what a later one says. */
static void forms_are_asked_in_order(void **state)
{
    const pte_word everything = ~(pte_word)0;

    (void)state;
    assert_int_equal(pte_form(everything), PTE_VALID);
    assert_int_equal(pte_form(everything & ~PTE_BIT_VALID), PTE_TRANSITION);
    assert_int_equal(pte_form(everything & ~PTE_BIT_VALID & ~PTE_BIT_TRANSITION), PTE_PAGE_FILE);
    assert_int_equal(pte_form(PTE_PROTECTION_MASK), PTE_DEMAND_ZERO);
    assert_int_equal(pte_form(PTE_WORD_DECOMMITTED | (pte_word)1 << PTE_SLOT_SHIFT), PTE_PAGE_FILE);
    for (unsigned protection = 1; protection < 0x20; protection++) {
        pte_word word = (pte_word)protection << PTE_PROTECTION_SHIFT;

        assert_int_equal(pte_form(word),
                         protection == PROTECTION_DECOMMIT ? PTE_DECOMMITTED : PTE_DEMAND_ZERO);
    }
}

struct sample {
    pte_word word;
    enum pte_form form;
};

static size_t make_samples(struct sample *samples)
{
    size_t count = 0;

    samples[count++] = (struct sample){0, PTE_ZERO};
    samples[count++] = (struct sample){PTE_WORD_DECOMMITTED, PTE_DECOMMITTED};
    for (size_t p = 0; p < ARRAY_COUNT(protections); p++) {
        samples[count++] =
            (struct sample){pte_make_software(protections[p], SLOT_NONE), PTE_DEMAND_ZERO};
        for (size_t i = 0; i < ARRAY_COUNT(frames); i++) {
            samples[count++] =
                (struct sample){pte_make_transition(frames[i], protections[p]), PTE_TRANSITION};
            samples[count++] =
                (struct sample){pte_make_software(protections[p], slots[i]), PTE_PAGE_FILE};
            samples[count++] =
                (struct sample){pte_make_valid(frames[i], protections[p], i & 1, 0xff), PTE_VALID};
        }
    }
    return count;
}

static void no_two_forms_share_a_word(void **state)
{
    struct sample samples[128];
    size_t count = make_samples(samples);

    (void)state;
    assert_true(count <= ARRAY_COUNT(samples));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pte_form(samples[i].word), samples[i].form);
        for (size_t j = 0; j < count; j++)
            if (samples[i].form != samples[j].form)
                assert_true(samples[i].word != samples[j].word);
    }
}

static void stored_words_are_loaded_whole(void **state)
{
    struct sample samples[128];
    size_t count = make_samples(samples);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t before = 0; before < count; before++) {
            pte entry = samples[before].word;

            if (pte_move_legal(pte_form(entry), pte_form(samples[i].word))) {
                pte_store(&entry, samples[i].word);
                assert_true(pte_load(&entry) == samples[i].word);
            }
        }
    }
}

/* Written down a second time, by what each form means. */
static void only_legal_changes_of_form(void **state)
{
    static const char *const legal[PTE_FORMS] = {
        [PTE_ZERO] = "VDX",                                 /* to valid, demand-zero, decommitted */
        [PTE_DEMAND_ZERO] = "VX", [PTE_DECOMMITTED] = "DZ", /* and back to zero by a release, which decommits first */
        [PTE_PAGE_FILE] = "TX",   [PTE_TRANSITION] = "VPDX", [PTE_VALID] = "TX",
    };
    static const char letters[PTE_FORMS] = {'Z', 'D', 'X', 'P', 'T', 'V'};
    (void)state;
    for (unsigned from = 0; from < PTE_FORMS; from++) {
        for (unsigned to = 0; to < PTE_FORMS; to++) {
            bool expected = from == to || strchr(legal[from], letters[to]) != NULL;
            assert_int_equal(pte_move_legal((enum pte_form)from, (enum pte_form)to), expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_keeps_frame_rights_and_register),
        cmocka_unit_test(transition_keeps_frame_and_protection),
        cmocka_unit_test(page_file_keeps_slot_and_protection),
        cmocka_unit_test(page_file_notes_when_it_went),
        cmocka_unit_test(without_a_slot_it_is_demand_zero),
        cmocka_unit_test(words_are_those_of_windows),
        cmocka_unit_test(forms_are_asked_in_order),
        cmocka_unit_test(no_two_forms_share_a_word),
        cmocka_unit_test(stored_words_are_loaded_whole),
        cmocka_unit_test(only_legal_changes_of_form),
    };

    return cmocka_run_group_tests_name("pte", tests, NULL, NULL);
}
