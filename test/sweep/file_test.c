/*
 * file_test.c - fails the n-th read and the n-th write of a page file itself, once and until it is
 * healed, under a whole manager.
 *
 * The linker turns the library's reads and writes into those below: preadv() and pwritev() fail with
 * EIO; of io_uring, the entry becomes one that completes with EIO without touching the file. Two
 * threads page in pages of their own meanwhile. A read that fails must be told to who touched the
 * page, as an in-page error with its cause, and change nothing; a write that fails to nobody. Healed,
 * every page has its bytes, everything modified can be written, and no slot is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memman.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES      48u
#define FRAMES     16u
#define ROUNDS     150u
#define WORDS      (MM_PAGE_BYTES / sizeof(uint64_t))
#define N_STEP     3u
#define N_LEAST    15u /* calls that every play makes */
#define NAP_US     1000
#define NAPS_STUCK 30 /* without progress: blocked until the file is healed */
#define NAPS_MAX   10000

/* ---- the calls that fail -------------------------------------------------------------------- */

enum operation { READ, WRITE };

struct order {
    enum operation operation;
    uint32_t first; /* the call that fails, from 1; 0: none */
    bool for_ever;  /* until healed */
};

static struct order order;
static _Atomic bool healed;
static _Atomic uint32_t seen[2], obeyed;

static bool must_fail(enum operation operation)
{
    uint32_t n = atomic_fetch_add(&seen[operation], 1) + 1;

    if (order.first == 0 || order.operation != operation || atomic_load(&healed) ||
        n < order.first || (n > order.first && !order.for_ever))
        return false;
    atomic_fetch_add(&obeyed, 1);
    return true;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long argument[6];
    va_list arguments;

    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        argument[i] = va_arg(arguments, long);
    va_end(arguments);
    if ((number == SYS_preadv && must_fail(READ)) || (number == SYS_pwritev && must_fail(WRITE))) {
        errno = EIO;
        return -1;
    }
    return __real_syscall(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                          argument[5]);
}

#ifdef HAVE_URING
#include <liburing.h>

#ifndef IORING_NOP_INJECT_RESULT
#define IORING_NOP_INJECT_RESULT (1u << 0) /* Linux 6.10 */
#endif

/* It completes with this result and does nothing. */
static void make_result(struct io_uring_sqe *entry, int result)
{
    entry->opcode = IORING_OP_NOP;
    entry->flags = 0;
    entry->ioprio = 0;
    entry->off = entry->addr = 0;
    entry->len = (uint32_t)result;
    entry->rw_flags = IORING_NOP_INJECT_RESULT;
    entry->buf_index = 0;
    entry->fd = -1;
}

/* Entries that the kernel has not been given yet. */
static void judge_entries(struct io_uring *ring)
{
    for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
        struct io_uring_sqe *entry = &ring->sq.sqes[i & *ring->sq.kring_mask];
        bool read = entry->opcode == IORING_OP_READV, write = entry->opcode == IORING_OP_WRITEV;

        if ((read && must_fail(READ)) || (write && must_fail(WRITE)))
            make_result(entry, -EIO);
    }
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
    judge_entries(ring);
    return __real_io_uring_submit(ring);
}

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait)
{
    judge_entries(ring);
    return __real_io_uring_submit_and_wait(ring, wait);
}

/* Does this kernel complete entries as told? */
static bool results_can_be_made(void)
{
    struct io_uring_cqe *completion;
    struct io_uring ring;
    bool can = false;

    if (io_uring_queue_init(2, &ring, 0) != 0)
        return false;
    make_result(io_uring_get_sqe(&ring), -EIO);
    if (__real_io_uring_submit_and_wait(&ring, 1) == 1 &&
        io_uring_peek_cqe(&ring, &completion) == 0)
        can = completion->res == -EIO;
    io_uring_queue_exit(&ring);
    return can;
}
#else
static bool results_can_be_made(void)
{
    return false;
}
#endif

/* ---- a manager at work ---------------------------------------------------------------------- */

static mm *manager;
static uint64_t base;
static uint32_t versions[PAGES];
static _Atomic uint32_t in_page, wrong, progress, done;
static unsigned combinations;

static uint64_t address_of(uint32_t page)
{
    return base + (uint64_t)page * MM_PAGE_BYTES;
}

static void make_page(uint32_t page, uint64_t *ret_words)
{
    for (size_t i = 0; i < WORDS; i++)
        ret_words[i] =
            versions[page] == 0 ? 0 : ((uint64_t)versions[page] << 32 | page << 16) + i + 1;
}

/* The cause of an error is this one, of this page. */
static void check_cause(uint32_t page)
{
    struct mm_error_info info;

    if (!mm_last_error(manager, address_of(page), 1, &info) || info.error != EIO ||
        info.address != address_of(page))
        atomic_fetch_add(&wrong, 1);
}

static int access_page(uint32_t page, bool write)
{
    uint64_t words[WORDS], expected[WORDS];
    int error;

    if (write) {
        versions[page]++;
        make_page(page, words);
        error = mm_write(manager, address_of(page), words, sizeof(words));
        versions[page] -= error != MM_OK;
        return error;
    }
    error = mm_read(manager, address_of(page), words, sizeof(words));
    make_page(page, expected);
    if (error == MM_OK && memcmp(words, expected, sizeof(words)) != 0)
        atomic_fetch_add(&wrong, 1);
    return error;
}

static void *user_main(void *argument)
{
    uint32_t number = *(const uint32_t *)argument, random = number + 5;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        random = random * 1664525u + 1013904223u;
        uint32_t page = (random >> 16) % (PAGES / 2) * 2 + number;
        int error = access_page(page, random >> 31 != 0);

        if (error == MM_ERROR_IN_PAGE) {
            check_cause(page);
            atomic_fetch_add(&in_page, 1);
        } else if (error != MM_OK) {
            atomic_fetch_add(&wrong, 1);
        }
        atomic_fetch_add(&progress, 1);
    }
    mm_detach(manager);
    atomic_fetch_add(&done, 1);
    return NULL;
}

/* Where everybody waits for frames that a failing file cannot free, it is healed. */
static void page_with_two_threads(void)
{
    static const uint32_t numbers[2] = {0, 1};
    pthread_t threads[2];
    uint32_t before = 0;
    int still = 0;

    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, user_main, (void *)(uintptr_t)&numbers[i]), 0);
    for (int naps = 0; atomic_load(&done) < 2; naps++) {
        uint32_t now = atomic_load(&progress);

        still = now == before ? still + 1 : 0;
        before = now;
        if (still >= NAPS_STUCK && order.for_ever && atomic_load(&obeyed) > 0)
            atomic_store(&healed, true);
        if (naps > NAPS_MAX)
            fail_msg("a hang after %u accesses", now);
        usleep(NAP_US);
    }
    for (uint32_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&healed, true);
}

static void print_complaint(void *context, const char *text)
{
    (void)context;
    print_error("audit: %s\n", text);
}

static bool make(const char *store)
{
    struct mm_options options;
    struct mm_detail detail;

    mm_options_init(&options);
    options.machine = MM_MACHINE_SOFT;
    options.memory_bytes = PAGES * MM_PAGE_BYTES;
    options.frames_bytes = FRAMES * MM_PAGE_BYTES;
    options.pagefile_bytes = PAGES * MM_PAGE_BYTES;
    options.threads_max = 4;
    options.write_batch = 4;
    options.store = store;
    if (mm_create(&options, &manager, &detail) != MM_OK) {
        print_message("skipped: %s\n", detail.text);
        return false;
    }
    assert_int_equal(mm_reserve(manager, PAGES * MM_PAGE_BYTES, &base), MM_OK);
    assert_int_equal(mm_commit(manager, base, PAGES * MM_PAGE_BYTES, MM_READ_WRITE), MM_OK);
    return true;
}

/* False: there is no such store here. */
static bool play(const char *store, const struct order *given)
{
    struct mm_commit_info info;
    struct mm_audit audit;

    order = (struct order){.first = 0};
    if (!make(store))
        return false;
    memset(versions, 0, sizeof(versions));
    atomic_store(&in_page, 0);
    atomic_store(&progress, 0);
    atomic_store(&done, 0);
    atomic_store(&obeyed, 0);
    atomic_store(&seen[READ], 0);
    atomic_store(&seen[WRITE], 0);
    atomic_store(&healed, false);
    order = *given;
    page_with_two_threads();
    for (uint32_t page = 0; page < PAGES; page++)
        if (access_page(page, false) != MM_OK)
            fail_msg("page %u: an error of a healed file", page);
    mm_freeze(manager);
    mm_audit(manager, print_complaint, NULL, &audit);
    assert_int_equal(audit.violations, 0);
    mm_commit_info(manager, &info);
    assert_int_equal(info.retired, 0); /* once is not twice, and an outage is nobody's fault */
    assert_int_equal(wrong, 0);
    mm_destroy(manager);
    combinations++;
    return true;
}

/* The n-th call, until there is none; how many there are differs a little from play to play. */
static void sweep(const char *store, enum operation operation, bool for_ever)
{
    uint32_t n = 1;

    for (uint32_t last = 1; last > 0; n += N_STEP) {
        struct order given = {operation, n, for_ever};

        if (!play(store, &given))
            skip();
        last = obeyed;
        if (operation == WRITE)
            assert_int_equal(in_page, 0);
        else if (!for_ever)
            assert_true(in_page <= last); /* a neighbour's failed read is nobody's error */
        else
            assert_true(in_page > 0 || last == 0);
    }
    assert_true(n > N_LEAST);
}

static void sweep_all(const char *store)
{
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        sweep(store, READ, for_ever);
        sweep(store, WRITE, for_ever);
    }
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    sweep_all("file:,io=sync");
}

static void test_many_at_once(void **state)
{
    (void)state;
    if (!results_can_be_made()) {
        print_message("skipped: no io_uring here that completes an entry with a given result\n");
        skip();
    }
    sweep_all("file:,io=uring");
}

static int print_count(void **state)
{
    (void)state;
    printf("file: %u combinations of way, call, n and mode\n", combinations);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_many_at_once),
    };

    return cmocka_run_group_tests_name("file sweep", tests, NULL, print_count);
}
