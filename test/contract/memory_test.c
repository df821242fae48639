/*
 * memory_test.c - what memman.h promises of memory, case by case, on every machine: reserve, commit,
 * rights, loads and stores, copies, pins.
 */
#include "memory_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOT_PAGES 8u

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

#ifdef MM_SANITIZED
#define AROUND_ROUNDS 8u
#else
#define AROUND_ROUNDS 16u
#endif

/* Neighbours that come along with a fault have rights of their own. */
static void test_fault_around(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.fault_around = 16;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (uint64_t round = 0; round < AROUND_ROUNDS; round++) {
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
    pin_to_the_limit(state, "aging");
}

/* This policy would choose the pinned pages first, and again and again. */
static void test_pin_limit_fifo(void **state)
{
    pin_to_the_limit(state, "fifo");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ON_EACH_MACHINE(test_reserve) ON_EACH_MACHINE(test_address_reuse)
            ON_EACH_MACHINE(test_commit_limit) ON_EACH_MACHINE(test_commit_again)
                ON_EACH_MACHINE(test_decommit_forms) ON_EACH_MACHINE(test_decommit_ranges)
                    ON_EACH_MACHINE(test_protect) ON_EACH_MACHINE(test_protect_without_dirty_bit)
                        ON_EACH_MACHINE(test_fault_around) ON_EACH_MACHINE(test_violations)
                            ON_EACH_MACHINE(test_access) ON_EACH_MACHINE(test_broken_access)
                                ON_EACH_MACHINE(test_pins) ON_EACH_MACHINE(test_pin_limit)
                                    ON_EACH_MACHINE(test_pin_limit_fifo)};
    if (argc > 1) { /* only tests whose name matches, as "test_pin*" */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
