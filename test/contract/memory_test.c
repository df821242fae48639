/*
 * memory_test.c - what memman.h promises, case by case, on every machine it can run on.
 *
 * One list of cases; each runs on the soft machine, on the Linux machine with faults by signal and
 * on the Linux machine with faults by thread. Not available here (no privilege) is a skip with its
 * reason. Nothing but the public header is used: what a page is doing inside is seen by mm_peek.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memman.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE          ((uint64_t)MM_PAGE_BYTES)
#define WORDS         (MM_PAGE_BYTES / sizeof(uint64_t))
#define PAGES         192u /* the usual address space */
#define FRAMES        32u
#define HOT_PAGES     8u
#define THRASH_FIRST  64u /* pages that are touched to push others out */
#define THRASH_PAGES  96u
#define ATTEMPTS_MAX  4000u
#define CREATIONS     200u
#define ENDED_THREADS 1000u

struct kind {
    const char *name;
    enum mm_machine machine;
    enum mm_faults faults;
};

static struct kind soft_kind = {"soft", MM_MACHINE_SOFT, MM_FAULTS_SIGNAL};
static struct kind signal_kind = {"Linux by signal", MM_MACHINE_LINUX, MM_FAULTS_SIGNAL};
static struct kind thread_kind = {"Linux by thread", MM_MACHINE_LINUX, MM_FAULTS_THREAD};

/* ---- a manager to play with ---- */

static struct mm_options options_for(void **state, uint64_t pages, uint64_t frames, uint64_t slots)
{
    const struct kind *kind = *state;
    struct mm_options options;
    mm_options_init(&options);
    options.machine = kind->machine;
    options.faults = kind->faults;
    options.memory_bytes = pages * PAGE;
    options.frames_bytes = frames * PAGE;
    options.pagefile_bytes = slots * PAGE;
    options.threads_max = 8;
    options.region_ptes = 16;
    return options;
}

/* Made in the test itself: cmocka puts its own signal handlers in place before it. */
static mm *make(const struct mm_options *options)
{
    mm *manager = NULL;
    struct mm_detail detail = {"untouched"};
    int error = mm_create(options, &manager, &detail);
    if (error == MM_ERROR_UNSUPPORTED && options->machine == MM_MACHINE_LINUX) {
        print_message("skipped: %s\n", detail.text);
        skip();
    }
    if (error != MM_OK) {
        fail_msg("mm_create: %s: %s", mm_error_text(error), detail.text);
    }
    assert_string_equal(detail.text, "");
    return manager;
}

static void print_complaint(void *context, const char *text)
{
    (void)context;
    print_message("audit: %s\n", text);
}

static void must_be_sound(mm *manager)
{
    struct mm_audit audit = {0, 0};
    struct mm_pages pages;
    mm_freeze(manager);
    mm_audit(manager, print_complaint, NULL, &audit);
    mm_pages(manager, &pages);
    assert_int_equal(mm_thaw(manager), MM_OK);
    assert_true(audit.checks > 0);
    assert_int_equal(audit.violations, 0);
    assert_int_equal(pages.frames, mm_options_of(manager)->frames_bytes / PAGE);
    assert_int_equal(pages.zeroed + pages.free + pages.standby + pages.modified + pages.active +
                         pages.transition + pages.bad,
                     pages.frames);
}

static void end(mm *manager)
{
    must_be_sound(manager);
    mm_destroy(manager);
}

static uint64_t reserve(mm *manager, uint64_t pages)
{
    uint64_t address = 0;
    assert_int_equal(mm_reserve(manager, pages * PAGE, &address), MM_OK);
    assert_int_equal(address % PAGE, 0);
    return address;
}

static void commit(mm *manager, uint64_t address, uint64_t pages)
{
    assert_int_equal(mm_commit(manager, address, pages * PAGE, MM_READ_WRITE), MM_OK);
}

/* A region over the whole space, committed. */
static uint64_t claim_all(mm *manager)
{
    uint64_t pages = mm_options_of(manager)->memory_bytes / PAGE;
    uint64_t base = reserve(manager, pages);
    commit(manager, base, pages);
    return base;
}

static uint64_t charge_of(const mm *manager)
{
    struct mm_commit_info info;
    mm_commit_info(manager, &info);
    assert_int_equal(info.limit, info.frames + info.slots - info.reserve);
    assert_true(info.charge <= info.limit);
    return info.charge;
}

/* ---- pages ---- */

static uint64_t word_of(uint64_t address, uint64_t version)
{
    return (address + version * 0x9e3779b97f4a7c15u) ^ 0x5851f42d4c957f2du;
}

static void fill_page(uint64_t *words, uint64_t address, uint64_t version)
{
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = word_of(address + i * sizeof(uint64_t), version);
    }
}

static void write_page(mm *manager, uint64_t address, uint64_t version)
{
    uint64_t words[WORDS];
    fill_page(words, address, version);
    assert_int_equal(mm_write(manager, address, words, sizeof(words)), MM_OK);
}

static void check_page(mm *manager, uint64_t address, uint64_t version)
{
    uint64_t expected[WORDS], words[WORDS] = {0};
    fill_page(expected, address, version);
    assert_int_equal(mm_read(manager, address, words, sizeof(words)), MM_OK);
    assert_memory_equal(words, expected, sizeof(words));
}

static void check_zeros(mm *manager, uint64_t address, uint64_t pages)
{
    static const uint64_t zeros[WORDS];
    uint64_t words[WORDS];
    for (uint64_t page = 0; page < pages; page++) {
        memset(words, 0x5a, sizeof(words));
        assert_int_equal(mm_read(manager, address + page * PAGE, words, sizeof(words)), MM_OK);
        assert_memory_equal(words, zeros, sizeof(words));
    }
}

static int try_read(mm *manager, uint64_t address)
{
    uint64_t word;
    return mm_read(manager, address, &word, sizeof(word));
}

static int try_write(mm *manager, uint64_t address)
{
    uint64_t word = 0x1234567812345678;
    return mm_write(manager, address, &word, sizeof(word));
}

/* ---- forms ---- */

static enum mm_page_form form_of(mm *manager, uint64_t address)
{
    char page[MM_PAGE_BYTES];
    enum mm_page_form form = MM_FORM_COUNT;
    mm_freeze(manager);
    int error = mm_peek(manager, address, page, &form);
    assert_int_equal(mm_thaw(manager), MM_OK);
    assert_int_equal(error, MM_OK);
    return form;
}

/* Touch other pages, one after the other, until the page has the form. `base` is page 0. */
static void force_form(mm *manager, uint64_t base, uint64_t address, enum mm_page_form wanted)
{
    static uint64_t hand;
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        enum mm_page_form form = form_of(manager, address);
        if (form == wanted) {
            return;
        }
        bool touch =
            wanted == MM_FORM_VALID || (wanted == MM_FORM_TRANSITION && form == MM_FORM_PAGE_FILE);
        uint64_t other = base + (THRASH_FIRST + hand++ % THRASH_PAGES) * PAGE;
        assert_int_equal(touch ? try_read(manager, address) : try_write(manager, other), MM_OK);
    }
    fail_msg("page %d never got form %d", (int)((address - base) / PAGE), (int)wanted);
}

/* The ways a page can hold data: in the working set, on its way out, clean in a frame, out. */
enum holding { HELD_VALID, HELD_MODIFIED, HELD_STANDBY, HELD_OUT, HELD_KINDS };

static void hold(mm *manager, uint64_t base, uint64_t address, enum holding holding)
{
    if (holding == HELD_STANDBY) { /* clean: what came back from the page file and left again */
        force_form(manager, base, address, MM_FORM_PAGE_FILE);
        assert_int_equal(try_read(manager, address), MM_OK);
    }
    force_form(manager, base, address,
               holding == HELD_VALID ? MM_FORM_VALID
               : holding == HELD_OUT ? MM_FORM_PAGE_FILE
                                     : MM_FORM_TRANSITION);
}

/* ---- reserve, release ---- */

static void test_reserve(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t address = 77, regions[4];
    assert_int_equal(mm_reserve(manager, 0, &address), MM_ERROR_SPACE);
    assert_int_equal(mm_reserve(manager, PAGES * PAGE + 1, &address), MM_ERROR_SPACE);
    assert_int_equal(mm_reserve(manager, UINT64_MAX, &address), MM_ERROR_SPACE);
    assert_int_equal(address, 77);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(mm_reserve(manager, PAGES / 4 * PAGE - 17, &regions[i]), MM_OK);
        assert_true(i == 0 || regions[i] == regions[i - 1] + PAGES / 4 * PAGE);
    }
    assert_int_equal(mm_reserve(manager, 1, &address), MM_ERROR_SPACE);
    assert_int_equal(charge_of(manager), 0);
    assert_int_equal(mm_release(manager, regions[1] + PAGE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_release(manager, regions[1] + 1), MM_ERROR_ADDRESS);
    assert_int_equal(mm_release(manager, regions[0] - PAGE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_release(manager, regions[0] + PAGES * PAGE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_release(manager, 0), MM_ERROR_ADDRESS);
    /* Two neighbours make one hole. */
    assert_int_equal(mm_release(manager, regions[1]), MM_OK);
    assert_int_equal(mm_release(manager, regions[1]), MM_ERROR_ADDRESS);
    assert_int_equal(mm_reserve(manager, PAGES / 2 * PAGE, &address), MM_ERROR_SPACE);
    assert_int_equal(mm_release(manager, regions[2]), MM_OK);
    assert_int_equal(reserve(manager, PAGES / 2), regions[1]);
    end(manager);
}

static void test_address_reuse(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t before = 0;
    for (uint64_t round = 0; round < 6; round++) {
        uint64_t pages = PAGES - round;
        uint64_t base = reserve(manager, pages);
        assert_true(round == 0 || base == before);
        assert_int_equal(try_read(manager, base), MM_ERROR_ACCESS);
        commit(manager, base, pages);
        check_zeros(manager, base, round % 2 == 0 ? pages : HOT_PAGES);
        for (uint64_t page = 0; page < pages; page++) {
            write_page(manager, base + page * PAGE, round);
        }
        for (uint64_t page = 0; page < pages; page++) {
            check_page(manager, base + page * PAGE, round);
        }
        assert_int_equal(charge_of(manager), pages);
        assert_int_equal(mm_release(manager, base), MM_OK);
        assert_int_equal(charge_of(manager), 0);
        assert_int_equal(try_read(manager, base), MM_ERROR_ACCESS);
        before = base;
        must_be_sound(manager);
    }
    end(manager);
}

/* ---- commit ---- */

static void test_commit_limit(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, 64);
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES), committed = 0;
    struct mm_commit_info info;
    mm_commit_info(manager, &info);
    assert_int_equal(info.frames, FRAMES);
    assert_int_equal(info.slots, 64);
    assert_int_equal(info.limit, FRAMES + 64 - info.reserve);
    assert_int_equal(mm_commit(manager, base, (info.limit + 1) * PAGE, MM_READ_WRITE),
                     MM_ERROR_COMMIT_LIMIT);
    assert_int_equal(charge_of(manager), 0);
    while (mm_commit(manager, base + committed * PAGE, PAGE, MM_READ_WRITE) == MM_OK) {
        committed++;
        assert_int_equal(charge_of(manager), committed);
    }
    assert_int_equal(committed, info.limit);
    /* All or nothing, at the limit and one page below it. */
    assert_int_equal(mm_commit(manager, base, (committed + 1) * PAGE, MM_READ_WRITE),
                     MM_ERROR_COMMIT_LIMIT);
    commit(manager, base, committed);
    assert_int_equal(mm_decommit(manager, base, PAGE), MM_OK);
    assert_int_equal(mm_commit(manager, base + committed * PAGE, 2 * PAGE, MM_READ_WRITE),
                     MM_ERROR_COMMIT_LIMIT);
    assert_int_equal(try_read(manager, base + committed * PAGE), MM_ERROR_ACCESS);
    assert_int_equal(charge_of(manager), committed - 1);
    commit(manager, base, 1);
    /* Every page that was promised can be had. */
    for (uint64_t page = 0; page < committed; page++) {
        write_page(manager, base + page * PAGE, 1);
    }
    for (uint64_t page = 0; page < committed; page++) {
        check_page(manager, base + page * PAGE, 1);
    }
    end(manager);
}

static void test_commit_again(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES / 2), other = reserve(manager, PAGES / 2);
    assert_int_equal(mm_commit(manager, base, 0, MM_READ_WRITE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_commit(manager, base - PAGE, PAGE, MM_READ_WRITE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_commit(manager, other - PAGE, 2 * PAGE, MM_READ_WRITE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_commit(manager, base, UINT64_MAX, MM_READ_WRITE), MM_ERROR_ADDRESS);
    assert_int_equal(charge_of(manager), 0);
    /* Three pages from the middle of bytes; then around them; what is there stays. */
    assert_int_equal(mm_commit(manager, base + 4 * PAGE + 100, 2 * PAGE, MM_READ_ONLY), MM_OK);
    assert_int_equal(charge_of(manager), 3);
    check_zeros(manager, base + 4 * PAGE, 3);
    assert_int_equal(try_write(manager, base + 4 * PAGE), MM_ERROR_ACCESS);
    commit(manager, base + 2 * PAGE, 2);
    write_page(manager, base + 2 * PAGE, 3);
    commit(manager, base, PAGES / 2);
    assert_int_equal(charge_of(manager), PAGES / 2);
    assert_int_equal(try_write(manager, base + 4 * PAGE), MM_ERROR_ACCESS);
    check_page(manager, base + 2 * PAGE, 3);
    assert_int_equal(try_write(manager, base), MM_OK);
    /* Over the whole region, and again with other rights: nothing changes. */
    assert_int_equal(mm_commit(manager, other, PAGES / 2 * PAGE, MM_READ_ONLY), MM_OK);
    commit(manager, other, PAGES / 2);
    assert_int_equal(try_write(manager, other + 9 * PAGE), MM_ERROR_ACCESS);
    check_zeros(manager, other, PAGES / 2);
    assert_int_equal(charge_of(manager), PAGES);
    end(manager);
}

/* ---- decommit ---- */

static void test_decommit_forms(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (unsigned round = 0; round < 3 * HELD_KINDS; round++) {
        uint64_t page = base + round % HOT_PAGES * PAGE;
        write_page(manager, page, round);
        write_page(manager, page + PAGE, round);
        hold(manager, base, page, (enum holding)(round % HELD_KINDS));
        assert_int_equal(mm_decommit(manager, page, PAGE), MM_OK);
        assert_int_equal(charge_of(manager), PAGES - 1);
        assert_int_equal(form_of(manager, page), MM_FORM_NOT_COMMITTED);
        assert_int_equal(try_read(manager, page), MM_ERROR_ACCESS);
        assert_int_equal(try_write(manager, page), MM_ERROR_ACCESS);
        commit(manager, page, 1);
        assert_int_equal(form_of(manager, page), MM_FORM_DEMAND_ZERO);
        check_zeros(manager, page, 1);
        hold(manager, base, page, HELD_VALID);
        check_page(manager, page + PAGE, round);
        must_be_sound(manager);
    }
    end(manager);
}

static void test_decommit_ranges(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES / 2);
    commit(manager, base + 10 * PAGE, 20);
    for (uint64_t page = 10; page < 30; page++) {
        write_page(manager, base + page * PAGE, 1);
    }
    assert_int_equal(mm_decommit(manager, base, 0), MM_ERROR_ADDRESS);
    assert_int_equal(mm_decommit(manager, base - PAGE, PAGE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_decommit(manager, base, (PAGES / 2 + 1) * PAGE), MM_ERROR_ADDRESS);
    assert_int_equal(mm_decommit(manager, base + PAGES / 2 * PAGE, PAGE), MM_ERROR_ADDRESS);
    assert_int_equal(charge_of(manager), 20);
    assert_int_equal(mm_decommit(manager, base, 15 * PAGE), MM_OK);
    assert_int_equal(mm_decommit(manager, base, 15 * PAGE), MM_OK);
    assert_int_equal(charge_of(manager), 15);
    assert_int_equal(try_read(manager, base + 14 * PAGE), MM_ERROR_ACCESS);
    check_page(manager, base + 15 * PAGE, 1);
    assert_int_equal(mm_decommit(manager, base, PAGES / 2 * PAGE), MM_OK);
    assert_int_equal(charge_of(manager), 0);
    commit(manager, base, PAGES / 2);
    check_zeros(manager, base, PAGES / 2);
    /* Committed as a whole and never touched: the pages have nothing of their own yet. */
    assert_int_equal(mm_decommit(manager, base + PAGE, 3 * PAGE), MM_OK);
    assert_int_equal(try_read(manager, base + 3 * PAGE), MM_ERROR_ACCESS);
    check_zeros(manager, base + 4 * PAGE, 1);
    assert_int_equal(charge_of(manager), PAGES / 2 - 3);
    end(manager);
}

/* ---- protect ---- */

static void check_rights(mm *manager, uint64_t base, uint64_t page, enum holding holding)
{
    write_page(manager, page, holding);
    hold(manager, base, page, holding);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_ONLY), MM_OK);
    assert_int_equal(try_write(manager, page), MM_ERROR_ACCESS);
    check_page(manager, page, holding);
    assert_int_equal(try_write(manager, page + 8), MM_ERROR_ACCESS);
    hold(manager, base, page, HELD_OUT);
    check_page(manager, page, holding);
    assert_int_equal(try_write(manager, page), MM_ERROR_ACCESS);
    hold(manager, base, page, holding);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_NO_ACCESS), MM_OK);
    assert_int_equal(try_read(manager, page), MM_ERROR_ACCESS);
    assert_int_equal(try_write(manager, page), MM_ERROR_ACCESS);
    for (uint64_t i = 0; i < THRASH_PAGES; i++) {
        assert_int_equal(try_write(manager, base + (THRASH_FIRST + i) * PAGE), MM_OK);
    }
    assert_int_equal(try_read(manager, page), MM_ERROR_ACCESS);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_ONLY), MM_OK);
    check_page(manager, page, holding);
    assert_int_equal(try_write(manager, page), MM_ERROR_ACCESS);
    hold(manager, base, page, holding);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_WRITE), MM_OK);
    check_page(manager, page, holding);
    write_page(manager, page, 99);
    hold(manager, base, page, HELD_OUT);
    check_page(manager, page, 99);
}

static void test_protect(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES - 1);
    assert_int_equal(mm_protect(manager, base, PAGE, MM_READ_ONLY), MM_ERROR_NOT_COMMITTED);
    commit(manager, base, PAGES - 2);
    assert_int_equal(mm_protect(manager, base + (PAGES - 3) * PAGE, 2 * PAGE, MM_READ_ONLY),
                     MM_ERROR_NOT_COMMITTED);
    assert_int_equal(try_write(manager, base + (PAGES - 3) * PAGE), MM_OK);
    commit(manager, base, PAGES - 1);
    assert_int_equal(mm_protect(manager, base, 0, MM_READ_ONLY), MM_ERROR_ADDRESS);
    assert_int_equal(mm_protect(manager, base - 1, 1, MM_READ_ONLY), MM_ERROR_ADDRESS);
    assert_int_equal(mm_protect(manager, base, PAGES * PAGE, MM_READ_ONLY), MM_ERROR_ADDRESS);
    /* A page nobody touched yet. */
    assert_int_equal(mm_protect(manager, base, PAGE, MM_NO_ACCESS), MM_OK);
    assert_int_equal(try_read(manager, base), MM_ERROR_ACCESS);
    assert_int_equal(mm_protect(manager, base, PAGE, MM_READ_ONLY), MM_OK);
    check_zeros(manager, base, 1);
    assert_int_equal(try_write(manager, base), MM_ERROR_ACCESS);
    assert_int_equal(mm_protect(manager, base, PAGE, MM_READ_WRITE), MM_OK);
    for (unsigned holding = 0; holding < HELD_KINDS; holding++) {
        check_rights(manager, base, base + (2 + holding) * PAGE, (enum holding)holding);
        must_be_sound(manager);
    }
    assert_int_equal(charge_of(manager), PAGES - 1);
    end(manager);
}

/* Where writes are not watched: a right that is given to a page in a frame must not lose one. */
static void test_protect_without_dirty_bit(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.dirty_bit = false;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (unsigned round = 0; round < 8; round++) {
        uint64_t page = base + round % HOT_PAGES * PAGE;
        write_page(manager, page, round + 100);
        assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_ONLY), MM_OK);
        hold(manager, base, page, HELD_OUT);
        assert_int_equal(try_read(manager, page), MM_OK);
        assert_int_equal(try_write(manager, page), MM_ERROR_ACCESS);
        assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_WRITE), MM_OK);
        write_page(manager, page, round);
        hold(manager, base, page, HELD_OUT);
        check_page(manager, page, round);
        must_be_sound(manager);
    }
    end(manager);
}

/* Neighbours that come along with a fault have rights of their own. */
static void test_fault_around(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.fault_around = 16;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (uint64_t round = 0; round < 30; round++) {
        uint64_t odd = round % 2;
        assert_int_equal(mm_protect(manager, base, 16 * PAGE, MM_READ_WRITE), MM_OK);
        for (uint64_t page = 0; page < 16; page++) {
            write_page(manager, base + page * PAGE, round + page);
        }
        for (uint64_t page = odd; page < 16; page += 2) {
            assert_int_equal(mm_protect(manager, base + page * PAGE, PAGE, MM_READ_ONLY), MM_OK);
        }
        if (round % 4 >= 2) { /* all clean: then only the rights differ */
            for (uint64_t page = 0; page < 16; page++) {
                force_form(manager, base, base + page * PAGE, MM_FORM_PAGE_FILE);
            }
            for (uint64_t page = 0; page < 16; page++) {
                check_page(manager, base + page * PAGE, round + page);
            }
        }
        hold(manager, base, base + round % 16 * PAGE, HELD_MODIFIED);
        for (uint64_t page = 0; page < 16; page++) {
            check_page(manager, base + (page + round) % 16 * PAGE, round + (page + round) % 16);
        }
        for (uint64_t page = 0; page < 16; page++) {
            uint64_t address = base + (page + round) % 16 * PAGE;
            check_page(manager, address, round + (page + round) % 16);
            assert_int_equal(try_write(manager, address),
                             (page + round) % 2 == odd ? MM_ERROR_ACCESS : MM_OK);
        }
    }
    end(manager);
}

/* ---- plain loads, stores and system calls ---- */

static sigjmp_buf violation;
static void *volatile violation_at;

static void on_violation(int number, siginfo_t *info, void *context)
{
    (void)context;
    violation_at = info->si_addr;
    siglongjmp(violation, number);
}

/* The signal that a load or store of the address raises, or 0. */
static int touch(uint64_t address, bool write)
{
    volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)address;
    int number = sigsetjmp(violation, 1);
    violation_at = number == 0 ? NULL : violation_at;
    if (number == 0) {
        if (write) {
            *word = 0xbad;
        } else {
            (void)*word;
        }
    }
    return number;
}

static void must_raise(uint64_t address, bool write)
{
    assert_int_equal(touch(address, write), SIGSEGV);
    assert_ptr_equal(violation_at, (void *)(uintptr_t)address);
}

/* A system call reads from and writes to the address; -1 and EFAULT each. */
static void must_fault_in_kernel(uint64_t address, bool readable)
{
    int ends[2];
    void *pointer = (void *)(uintptr_t)address;
    assert_int_equal(pipe(ends), 0);
    if (!readable) {
        assert_int_equal(write(ends[1], pointer, 8), -1);
        assert_int_equal(errno, EFAULT);
    }
    assert_int_equal(write(ends[1], "12345678", 8), 8);
    assert_int_equal(read(ends[0], pointer, 8), -1);
    assert_int_equal(errno, EFAULT);
    close(ends[0]);
    close(ends[1]);
}

static void test_violations(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER}, before;
    if (options.machine == MM_MACHINE_SOFT) {
        skip(); /* its addresses are no pointers */
    }
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES / 2), page = base + 2 * PAGE;
    action.sa_sigaction = on_violation;
    assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
    must_raise(base, false);
    must_raise(base, true);
    must_raise(base + PAGES / 2 * PAGE, false); /* not even reserved */
    must_fault_in_kernel(base, false);
    commit(manager, base, PAGES / 2);
    assert_int_equal(touch(page, true), 0);
    write_page(manager, page, 1);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_ONLY), MM_OK);
    assert_int_equal(touch(page, false), 0);
    must_raise(page, true);
    must_fault_in_kernel(page, true);
    check_page(manager, page, 1);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_NO_ACCESS), MM_OK);
    must_raise(page, false);
    must_fault_in_kernel(page, false);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_WRITE), MM_OK);
    check_page(manager, page, 1);
    assert_int_equal(touch(page, true), 0);
    assert_int_equal(mm_decommit(manager, page, PAGE), MM_OK);
    must_raise(page, false);
    must_raise(page + 8, true);
    must_fault_in_kernel(page, false);
    commit(manager, page, 1);
    assert_int_equal(touch(page, false), 0);
    check_zeros(manager, page, 1);
    assert_int_equal(mm_release(manager, base), MM_OK);
    must_raise(page, false);
    assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
    end(manager);
}

/* ---- mm_read, mm_write ---- */

static void test_access(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = claim_all(manager), bytes = PAGES * PAGE;
    unsigned char *out = malloc(bytes), *in = malloc(bytes);
    assert_non_null(out);
    assert_non_null(in);
    for (uint64_t i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(i * 31 + i / PAGE * 7);
    }
    assert_int_equal(mm_write(manager, base, out, bytes), MM_OK);
    assert_int_equal(mm_read(manager, base, in, bytes), MM_OK);
    assert_memory_equal(in, out, bytes);
    for (uint64_t i = 0; i < 200; i++) { /* odd lengths at odd places */
        uint64_t at = i * 3701 % (bytes - 9000), count = i * 47 % 9000;
        memset(out + at, (int)i, count);
        assert_int_equal(mm_write(manager, base + at, out + at, count), MM_OK);
        memset(in, 0, count + 2);
        assert_int_equal(mm_read(manager, base + at, in, count), MM_OK);
        assert_memory_equal(in, out + at, count);
    }
    assert_int_equal(mm_read(manager, base, in, bytes), MM_OK);
    assert_memory_equal(in, out, bytes);
    assert_int_equal(mm_read(manager, base, NULL, 0), MM_OK);
    assert_int_equal(mm_write(manager, base, NULL, 0), MM_OK);
    assert_int_equal(mm_read(manager, base - 1, in, 2), MM_ERROR_ADDRESS);
    assert_int_equal(mm_read(manager, base + bytes, in, 1), MM_ERROR_ADDRESS);
    assert_int_equal(mm_write(manager, base + bytes - 1, out, 2), MM_ERROR_ADDRESS);
    assert_int_equal(mm_write(manager, UINT64_MAX - 3, out, 8), MM_ERROR_ADDRESS);
    assert_int_equal(mm_read(manager, base, in, SIZE_MAX), MM_ERROR_ADDRESS);
    assert_int_equal(mm_read(manager, 0, in, 1), MM_ERROR_ADDRESS);
    free(in);
    free(out);
    end(manager);
}

/* An access that breaks off: the bytes before the page concerned were copied. */
static void test_broken_access(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    uint64_t bytes[2 * WORDS], seen[2 * WORDS] = {0};
    fill_page(bytes, base, 5);
    fill_page(bytes + WORDS, base + PAGE, 5);
    assert_int_equal(mm_protect(manager, base + PAGE, PAGE, MM_READ_ONLY), MM_OK);
    assert_int_equal(mm_write(manager, base, bytes, sizeof(bytes)), MM_ERROR_ACCESS);
    check_page(manager, base, 5);
    check_zeros(manager, base + PAGE, 1);
    assert_int_equal(mm_decommit(manager, base + PAGE, PAGE), MM_OK);
    assert_int_equal(mm_read(manager, base, seen, sizeof(seen)), MM_ERROR_ACCESS);
    assert_memory_equal(seen, bytes, MM_PAGE_BYTES);
    assert_int_equal(seen[WORDS], 0);
    end(manager);
}

/* ---- pins ---- */

static void thrash(mm *manager, uint64_t base)
{
    for (uint64_t i = 0; i < 3 * THRASH_PAGES; i++) {
        uint64_t page = base + (THRASH_FIRST + i % THRASH_PAGES) * PAGE;
        assert_int_equal(i % 3 == 0 ? try_read(manager, page) : try_write(manager, page), MM_OK);
    }
}

static void test_pins(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = claim_all(manager), page = base + 3 * PAGE;
    void *pinned = NULL, *again = NULL;
    write_page(manager, page, 1);
    hold(manager, base, page, HELD_OUT);
    assert_int_equal(mm_pin(manager, page + 100, false, &pinned), MM_OK);
    assert_int_equal((uintptr_t)pinned % PAGE, 0);
    assert_int_equal(((uint64_t *)pinned)[5], word_of(page + 40, 1));
    assert_int_equal(mm_pin(manager, page, true, &again), MM_OK);
    assert_ptr_equal(again, pinned);
    fill_page(pinned, page, 2);
    check_page(manager, page, 2);
    thrash(manager, base);
    assert_int_equal(form_of(manager, page), MM_FORM_VALID);
    fill_page(pinned, page, 3);
    mm_unpin(manager, page);
    thrash(manager, base);
    assert_int_equal(form_of(manager, page), MM_FORM_VALID);
    write_page(manager, page, 4);
    assert_int_equal(((uint64_t *)pinned)[WORDS - 1], word_of(page + PAGE - 8, 4));
    assert_int_equal(mm_decommit(manager, base, 8 * PAGE), MM_ERROR_BUSY);
    assert_int_equal(mm_release(manager, base), MM_ERROR_BUSY);
    assert_int_equal(mm_protect(manager, page, PAGE, MM_READ_ONLY), MM_ERROR_BUSY);
    assert_int_equal(charge_of(manager), PAGES);
    check_page(manager, page, 4);
    assert_int_equal(try_write(manager, base), MM_OK); /* refused as a whole */
    must_be_sound(manager);
    mm_unpin(manager, page);
    hold(manager, base, page, HELD_OUT);
    check_page(manager, page, 4);
    assert_int_equal(mm_decommit(manager, base, 8 * PAGE), MM_OK);
    end(manager);
}

static void pin_to_the_limit(void **state, const char *policy)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.policy = policy;
    options.region_ptes = 128; /* pinned pages and others in one region */
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    void *pinned = NULL;
    unsigned count = 0;
    assert_int_equal(mm_pin(manager, base - 1, false, &pinned), MM_ERROR_ADDRESS);
    assert_int_equal(mm_pin(manager, base + PAGES * PAGE, false, &pinned), MM_ERROR_ADDRESS);
    assert_int_equal(mm_protect(manager, base, PAGE, MM_READ_ONLY), MM_OK);
    assert_int_equal(mm_pin(manager, base, true, &pinned), MM_ERROR_ACCESS);
    assert_int_equal(mm_decommit(manager, base + PAGE, PAGE), MM_OK);
    assert_int_equal(mm_pin(manager, base + PAGE, false, &pinned), MM_ERROR_ACCESS);
    assert_null(pinned);
    commit(manager, base, PAGES);
    while (mm_pin(manager, base + count * PAGE, false, &pinned) == MM_OK) {
        count++;
        assert_true(count < FRAMES); /* somebody else must be able to fault */
    }
    assert_true(count >= FRAMES / 2);
    assert_int_equal(mm_pin(manager, base + count * PAGE, false, &pinned), MM_ERROR_PIN_LIMIT);
    assert_int_equal(mm_pin(manager, base + PAGE, false, &pinned),
                     MM_OK); /* nested: no frame more */
    mm_unpin(manager, base + PAGE);
    thrash(manager, base);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(form_of(manager, base + i * PAGE), MM_FORM_VALID);
    }
    mm_unpin(manager, base);
    assert_int_equal(mm_pin(manager, base + count * PAGE, false, &pinned), MM_OK);
    assert_int_equal(mm_pin(manager, base, false, &pinned), MM_ERROR_PIN_LIMIT);
    for (unsigned i = 1; i <= count; i++) {
        mm_unpin(manager, base + i * PAGE);
    }
    assert_int_equal(mm_release(manager, base), MM_OK);
    end(manager);
}

static void test_pin_limit(void **state)
{
    pin_to_the_limit(state, "age8");
}

/* This policy would choose the pinned pages first, and again and again. */
static void test_pin_limit_fifo(void **state)
{
    pin_to_the_limit(state, "fifo");
}

/* ---- threads ---- */

struct visitor {
    mm *manager;
    uint64_t address;
    int error;
    atomic_int stage; /* raised by both sides in turn */
};

static void wait_for(atomic_int *stage, int wanted)
{
    while (atomic_load(stage) < wanted) {
        usleep(100);
    }
}

static void *visit_and_stay(void *argument)
{
    struct visitor *visitor = argument;
    visitor->error = mm_attach(visitor->manager);
    atomic_store(&visitor->stage, 1);
    wait_for(&visitor->stage, 2);
    mm_detach(visitor->manager);
    atomic_store(&visitor->stage, 3);
    wait_for(&visitor->stage, 4);
    return NULL;
}

static void test_threads_max(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.threads_max = 1;
    mm *manager = make(&options);
    struct visitor visitor = {.manager = manager};
    pthread_t thread;
    uint64_t base = 0;
    void *page;
    mm_detach(manager); /* never attached: harmless */
    assert_int_equal(pthread_create(&thread, NULL, visit_and_stay, &visitor), 0);
    wait_for(&visitor.stage, 1);
    assert_int_equal(visitor.error, MM_OK);
    assert_int_equal(mm_attach(manager), MM_ERROR_THREADS);
    assert_int_equal(mm_reserve(manager, PAGE, &base), MM_ERROR_THREADS);
    uint64_t inside = 0;
    atomic_store(&visitor.stage, 2);
    wait_for(&visitor.stage, 3);
    assert_int_equal(mm_attach(manager), MM_OK);
    assert_int_equal(mm_attach(manager), MM_OK);
    inside = claim_all(manager);
    write_page(manager, inside, 1);
    check_page(manager, inside, 1);
    mm_detach(manager);
    mm_detach(manager);
    check_page(manager, inside, 1); /* attaches again by itself */
    assert_int_equal(mm_pin(manager, inside, false, &page), MM_OK);
    mm_unpin(manager, inside);
    atomic_store(&visitor.stage, 4);
    pthread_join(thread, NULL);
    end(manager);
}

static void *visit_once(void *argument)
{
    struct visitor *visitor = argument;
    uint64_t word = 0;
    visitor->error = mm_write(visitor->manager, visitor->address, &visitor->address, 8);
    if (visitor->error == MM_OK) {
        visitor->error = mm_read(visitor->manager, visitor->address, &word, 8);
    }
    if (visitor->error == MM_OK && word != visitor->address) {
        visitor->error = 1;
    }
    return NULL;
}

/* Two at a time, so that threads_max is reached for good if an end leaks a place. */
static void test_threads_that_end(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.threads_max = 3;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (unsigned i = 0; i < ENDED_THREADS / 2; i++) {
        struct visitor visitors[2];
        pthread_t threads[2];
        for (unsigned t = 0; t < 2; t++) {
            uint64_t page = base + (i * 2 + t) % PAGES * PAGE;
            visitors[t] = (struct visitor){.manager = manager, .address = page + i % WORDS * 8};
            assert_int_equal(pthread_create(&threads[t], NULL, visit_once, &visitors[t]), 0);
        }
        for (unsigned t = 0; t < 2; t++) {
            pthread_join(threads[t], NULL);
            assert_int_equal(visitors[t].error, MM_OK);
        }
    }
    end(manager);
}

static void *load_and_store(void *argument)
{
    struct visitor *visitor = argument;
    volatile uint64_t *words = (volatile uint64_t *)(uintptr_t)visitor->address;
    visitor->error = MM_OK;
    for (uint64_t i = 0; i < 4 * PAGES; i++) {
        uint64_t at = i % PAGES * WORDS + 7;
        if (i >= PAGES && words[at] != i - PAGES) {
            visitor->error = 1;
        }
        words[at] = i;
    }
    return NULL;
}

/* More threads than may attach: whoever only loads and stores needs no place. */
static void test_threads_that_only_touch(void **state)
{
    struct mm_options options = options_for(state, 4 * PAGES, FRAMES, 4 * PAGES);
    struct visitor visitors[4];
    pthread_t threads[4];
    if (options.machine == MM_MACHINE_SOFT) {
        skip();
    }
    options.threads_max = 1;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (unsigned t = 0; t < 4; t++) {
        visitors[t] = (struct visitor){.manager = manager, .address = base + t * PAGES * PAGE};
        assert_int_equal(pthread_create(&threads[t], NULL, load_and_store, &visitors[t]), 0);
    }
    for (unsigned t = 0; t < 4; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(visitors[t].error, MM_OK);
    }
    end(manager);
}

/* ---- observation ---- */

static void test_peek(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES), expected[WORDS], words[WORDS];
    unsigned seen[MM_FORM_COUNT] = {0};
    enum mm_page_form form;
    commit(manager, base, PAGES - 4);
    for (uint64_t page = 0; page < PAGES - 8; page++) {
        write_page(manager, base + page * PAGE, 6);
    }
    for (unsigned holding = 0; holding < HELD_KINDS; holding++) {
        hold(manager, base, base + holding * PAGE, (enum holding)holding);
        mm_freeze(manager);
        mm_freeze(manager); /* harmless */
        for (uint64_t page = 0; page < PAGES; page++) {
            uint64_t address = base + page * PAGE;
            bool data =
                page < THRASH_FIRST || (page >= THRASH_FIRST + THRASH_PAGES && page < PAGES - 8);
            fill_page(expected, address, 6);
            memset(words, 0x77, sizeof(words));
            assert_int_equal(mm_peek(manager, address, words, &form), MM_OK);
            seen[form]++;
            assert_int_equal(form == MM_FORM_NOT_COMMITTED, page >= PAGES - 4);
            if (data) {
                assert_memory_equal(words, expected, sizeof(words));
            } else if (form == MM_FORM_DEMAND_ZERO) {
                assert_int_equal(words[0] | words[WORDS - 1], 0);
            }
        }
        struct mm_audit audit;
        mm_audit(manager, print_complaint, NULL, &audit);
        assert_int_equal(audit.violations, 0);
        assert_int_equal(mm_thaw(manager), MM_OK);
        assert_int_equal(mm_thaw(manager), MM_OK);
        check_page(manager, base + holding * PAGE, 6);
    }
    for (unsigned i = 0; i < MM_FORM_COUNT; i++) {
        assert_true(seen[i] > 0);
    }
    mm_freeze(manager);
    assert_int_equal(mm_peek(manager, base + PAGES * PAGE, words, &form), MM_ERROR_ADDRESS);
    mm_destroy(manager); /* frozen: fine as well */
}

static void test_observation(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    struct mm_counter counters[256];
    struct mm_latency latencies[16];
    struct mm_lock_statistics locks[32];
    size_t count = mm_counters(manager, NULL, 0);
    claim_all(manager);
    assert_true(count > 0 && count <= 256);
    assert_int_equal(mm_counters(manager, counters, 256), count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(counters[i].group);
        assert_non_null(counters[i].key);
    }
    assert_true(mm_latencies(manager, latencies, 16) <= 16);
    assert_true(mm_locks(manager, locks, 32) <= 32);
    assert_string_equal(mm_options_of(manager)->policy,
                        options.machine == MM_MACHINE_SOFT ? "age8" : "fifo");
    assert_int_equal(mm_options_of(manager)->machine, options.machine);
    assert_true(mm_options_of(manager)->trim_batch != MM_DEFAULT_COUNT);
    for (int error = MM_ERROR_SPACE; error <= MM_OK; error++) {
        assert_string_not_equal(mm_error_text(error), mm_error_text(1));
    }
    struct mm_state_info info;
    struct mm_move_info move;
    struct mm_rank_info rank;
    assert_true(mm_state_info(0, &info) && mm_move_info(0, &move) && mm_rank_info(0, &rank));
    assert_false(mm_state_info(1000, &info) || mm_move_info(1000, &move));
    assert_false(mm_rank_info(1000, &rank));
    end(manager);
}

/* ---- options ---- */

static void must_refuse(const struct mm_options *options, const char *word)
{
    mm *manager = (mm *)&soft_kind;
    struct mm_detail detail = {""};
    int error = mm_create(options, &manager, &detail);
    if (error == MM_OK) {
        mm_destroy(manager);
    }
    if (error != MM_ERROR_OPTION || strstr(detail.text, word) == NULL) {
        fail_msg("%s: error %d, text '%s'", word, error, detail.text);
    }
    assert_ptr_equal(manager, &soft_kind);
    assert_int_equal(mm_create(options, &manager, NULL), MM_ERROR_OPTION);
}

#define REFUSE(field, bad)                                                                         \
    do {                                                                                           \
        struct mm_options changed = options_for(state, PAGES, FRAMES, PAGES);                      \
        changed.field = bad;                                                                       \
        must_refuse(&changed, REFUSED_WORD(#field));                                               \
    } while (0)
/* "memory_bytes" is named as memory, "frames_bytes" as frames and so on. */
#define REFUSED_WORD(field) refused_word((char[32]){0}, field)

static const char *refused_word(char *ret_word, const char *field)
{
    snprintf(ret_word, 32, "%.*s", (int)strcspn(field, "_"), field);
    return ret_word;
}

static void test_bad_options(void **state)
{
    REFUSE(memory_bytes, 0);
    REFUSE(memory_bytes, (uint64_t)1 << 60);
    REFUSE(frames_bytes, 0);
    REFUSE(frames_bytes, (uint64_t)1 << 60);
    REFUSE(pagefile_bytes, (uint64_t)1 << 60);
    REFUSE(threads_max, 0);
    REFUSE(threads_max, 1u << 20);
    REFUSE(policy, "best");
    REFUSE(policy, "");
    REFUSE(store, NULL);
    REFUSE(store, "tape");
    REFUSE(store, "ram:latency=");
    REFUSE(store, "ram:latency=12x");
    REFUSE(store, "ram:latency=99999999999");
    REFUSE(trimmers, 0);
    REFUSE(trimmers, 1000);
    REFUSE(writers, 0);
    REFUSE(writers, 1000);
    REFUSE(zeroers, 1000);
    REFUSE(fault_handlers, 0);
    REFUSE(fault_handlers, 1000);
    REFUSE(trim_batch, 0);
    REFUSE(trim_batch, 1u << 20);
    REFUSE(write_batch, 0);
    REFUSE(write_batch, 1u << 20);
    REFUSE(region_ptes, 0);
    REFUSE(region_ptes, 24);
    REFUSE(region_ptes, 1u << 20);
    REFUSE(frame_cache, 1u << 20);
    REFUSE(fault_around, 0);
    REFUSE(fault_around, 3);
    REFUSE(fault_around, 1u << 20);
    REFUSE(slot_reservation, 0);
    REFUSE(slot_reservation, 3);
    REFUSE(slot_reservation, 128);
    REFUSE(tlb_entries, 100);
    REFUSE(tlb_entries, 1u << 30);
    REFUSE(machine, (enum mm_machine)77);
    REFUSE(faults, (enum mm_faults)77);
    REFUSE(slot_search, (enum mm_slot_search)77);
}

/* ---- sizes at the edge ---- */

static void run_small(void **state, uint64_t frames)
{
    struct mm_options options = options_for(state, 48, frames, 48);
    struct visitor visitor;
    pthread_t thread;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t page = 0; page < 47; page++) {
            write_page(manager, base + page * PAGE, page + round);
        }
        visitor = (struct visitor){.manager = manager, .address = base + 47 * PAGE};
        assert_int_equal(pthread_create(&thread, NULL, visit_once, &visitor), 0);
        for (uint64_t page = 0; page < 47; page++) {
            check_page(manager, base + page * PAGE, page + round);
        }
        pthread_join(thread, NULL);
        assert_int_equal(visitor.error, MM_OK);
    }
    end(manager);
}

static void test_one_frame(void **state)
{
    run_small(state, 1);
}

static void test_two_frames(void **state)
{
    run_small(state, 2);
}

static void test_no_pagefile(void **state)
{
    struct mm_options options = options_for(state, PAGES, PAGES, 0);
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    struct mm_commit_info info;
    mm_commit_info(manager, &info);
    assert_int_equal(info.slots, 0);
    assert_int_equal(info.limit, PAGES);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t page = 0; page < PAGES; page++) {
            write_page(manager, base + page * PAGE, round);
        }
        for (uint64_t page = 0; page < PAGES; page++) {
            check_page(manager, base + page * PAGE, round);
        }
        assert_int_equal(mm_decommit(manager, base, PAGES / 2 * PAGE), MM_OK);
        commit(manager, base, PAGES / 2);
        check_zeros(manager, base, PAGES / 2);
    }
    end(manager);
    options.frames_bytes /= 2;
    manager = make(&options);
    base = reserve(manager, PAGES);
    assert_int_equal(mm_commit(manager, base, (PAGES / 2 + 1) * PAGE, MM_READ_WRITE),
                     MM_ERROR_COMMIT_LIMIT);
    commit(manager, base, PAGES / 2);
    for (uint64_t page = 0; page < PAGES / 2; page++) {
        write_page(manager, base + page * PAGE, 1);
    }
    check_page(manager, base, 1);
    end(manager);
}

static void test_default_sizes(void **state)
{
    struct mm_options options = options_for(state, 256, 1, 1);
    options.frames_bytes = options.pagefile_bytes = MM_DEFAULT_SIZE;
    options.memory_bytes -= 100; /* whole pages, upwards */
    mm *manager = make(&options);
    assert_int_equal(mm_options_of(manager)->memory_bytes, 256 * PAGE);
    assert_int_equal(mm_options_of(manager)->frames_bytes, 64 * PAGE);
    assert_int_equal(mm_options_of(manager)->pagefile_bytes, 256 * PAGE);
    end(manager);
}

/* ---- several managers ---- */

static void test_two_managers(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *managers[2] = {make(&options), NULL};
    managers[1] = make(&options);
    uint64_t bases[2] = {claim_all(managers[0]), claim_all(managers[1])};
    for (uint64_t page = 0; page < PAGES; page++) {
        for (unsigned m = 0; m < 2; m++) {
            write_page(managers[m], bases[m] + page * PAGE, m + 10);
        }
    }
    for (uint64_t page = 0; page < PAGES; page++) {
        for (unsigned m = 0; m < 2; m++) {
            check_page(managers[m], bases[m] + page * PAGE, m + 10);
        }
    }
    if (bases[0] != bases[1]) {
        assert_int_equal(try_read(managers[0], bases[1]), MM_ERROR_ADDRESS);
    }
    end(managers[0]);
    for (uint64_t page = 0; page < PAGES; page++) {
        check_page(managers[1], bases[1] + page * PAGE, 11);
    }
    end(managers[1]);
}

static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

/* A thread that was joined can still be listed for a moment. */
static unsigned count_threads(unsigned expected)
{
    unsigned count = 0;
    for (unsigned i = 0; i < 1000; i++) {
        count = count_entries("/proc/self/task");
        if (count <= expected) {
            break;
        }
        usleep(1000);
    }
    return count;
}

static unsigned count_maps(void)
{
    unsigned lines = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        lines += c == '\n';
    }
    fclose(file);
    return lines;
}

static void create_and_destroy(const struct mm_options *options, unsigned round)
{
    mm *manager = make(options);
    if (round % 3 != 0) {
        uint64_t base = claim_all(manager);
        for (uint64_t page = 0; page < PAGES; page += 1 + round % 5) {
            write_page(manager, base + page * PAGE, round);
        }
        check_page(manager, base, round);
    }
    mm_destroy(manager);
}

static void test_nothing_leaks(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    struct sigaction before, after;
    assert_int_equal(sigaction(SIGBUS, NULL, &before), 0);
    for (unsigned round = 0; round < 20; round++) { /* let the C library's own arenas settle */
        create_and_destroy(&options, round);
    }
    unsigned files = count_entries("/proc/self/fd"), threads = count_threads(0);
    unsigned maps = count_maps();
    for (unsigned round = 0; round < CREATIONS; round++) {
        create_and_destroy(&options, round);
    }
    assert_int_equal(count_entries("/proc/self/fd"), files);
    assert_int_equal(count_threads(threads), threads);
    assert_in_range(count_maps(), 1, maps + 8); /* the sanitizers map a little themselves */
    assert_int_equal(sigaction(SIGBUS, NULL, &after), 0);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
}

/* ---- all of them ---- */

#define CASES(X)                                                                                   \
    X(test_reserve)                                                                                \
    X(test_address_reuse)                                                                          \
    X(test_commit_limit)                                                                           \
    X(test_commit_again)                                                                           \
    X(test_decommit_forms)                                                                         \
    X(test_decommit_ranges)                                                                        \
    X(test_protect)                                                                                \
    X(test_protect_without_dirty_bit)                                                              \
    X(test_fault_around)                                                                           \
    X(test_violations)                                                                             \
    X(test_access)                                                                                 \
    X(test_broken_access)                                                                          \
    X(test_pins)                                                                                   \
    X(test_pin_limit)                                                                              \
    X(test_pin_limit_fifo)                                                                         \
    X(test_threads_max)                                                                            \
    X(test_threads_that_end)                                                                       \
    X(test_threads_that_only_touch)                                                                \
    X(test_peek)                                                                                   \
    X(test_observation)                                                                            \
    X(test_bad_options)                                                                            \
    X(test_one_frame)                                                                              \
    X(test_two_frames)                                                                             \
    X(test_no_pagefile)                                                                            \
    X(test_default_sizes)                                                                          \
    X(test_two_managers)                                                                           \
    X(test_nothing_leaks)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define X(test)                                                                                    \
    {#test " on soft", test, NULL, NULL, &soft_kind},                                              \
        {#test " on Linux by signal", test, NULL, NULL, &signal_kind},                             \
        {#test " on Linux by thread", test, NULL, NULL, &thread_kind},
        CASES(X)
#undef X
    };
    if (argc > 1) { /* only tests whose name matches, as "test_pin*" */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
