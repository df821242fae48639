/*
 * memory_rig.h - a manager on whatever machine the test is for, its pages by form, and the three
 * machines that each case of memory_test.c and manager_test.c runs on.
 *
 * Nothing but the public header is used: what a page is doing inside is seen by mm_peek. A machine
 * that is not available here (no privilege) is a skip with its reason.
 */
#ifndef MM_TEST_MEMORY_RIG_H
#define MM_TEST_MEMORY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memman.h"

#define PAGE         ((uint64_t)MM_PAGE_BYTES)
#define WORDS        (MM_PAGE_BYTES / sizeof(uint64_t))
#define PAGES        192u /* the usual address space */
#define FRAMES       32u
#define THRASH_FIRST 64u /* pages that are touched to push others out */
#define THRASH_PAGES 96u

struct kind {
    const char *name;
    enum mm_machine machine;
    enum mm_faults faults;
};

extern struct kind soft_kind, signal_kind, thread_kind;

/* A case of a test program, on each machine. */
#define ON_EACH_MACHINE(test)                                                                      \
    {#test " on soft", test, NULL, NULL, &soft_kind},                                              \
        {#test " on Linux by signal", test, NULL, NULL, &signal_kind},                             \
        {#test " on Linux by thread", test, NULL, NULL, &thread_kind},

/* Small, and for the kind of machine of the test. */
struct mm_options options_for(void **state, uint64_t pages, uint64_t frames, uint64_t slots);
/*
 * Made in the test itself: cmocka puts its own signal handlers in place before it. A machine that
 * is refused is a skip.
 */
mm *make(const struct mm_options *options);
/* For mm_audit(). */
void print_complaint(void *context, const char *text);
/* Frozen, audited, thawed. */
void must_be_sound(mm *manager);
/* Sound to the last, and gone. */
void end(mm *manager);
uint64_t reserve(mm *manager, uint64_t pages);
void commit(mm *manager, uint64_t address, uint64_t pages);
/* A region over the whole space, committed. */
uint64_t claim_all(mm *manager);
uint64_t charge_of(const mm *manager);
uint64_t counter_of(const mm *manager, const char *group, const char *key);
uint64_t word_of(uint64_t address, uint64_t version);
/* What page `address` holds after its `version`th write. */
void fill_page(uint64_t *words, uint64_t address, uint64_t version);
void write_page(mm *manager, uint64_t address, uint64_t version);
void check_page(mm *manager, uint64_t address, uint64_t version);
void check_zeros(mm *manager, uint64_t address, uint64_t pages);
int try_read(mm *manager, uint64_t address);
int try_write(mm *manager, uint64_t address);
/* Where the page is now. */
enum mm_page_form form_of(mm *manager, uint64_t address);
/* Touch other pages, one after the other, until the page has the form. `base` is page 0. */
void force_form(mm *manager, uint64_t base, uint64_t address, enum mm_page_form wanted);
/* The ways a page can hold data: in the working set, on its way out, clean in a frame, out. */
enum holding { HELD_VALID, HELD_MODIFIED, HELD_STANDBY, HELD_OUT, HELD_KINDS };
/* Bring the page to where it is held so. */
void hold(mm *manager, uint64_t base, uint64_t address, enum holding holding);

#endif
