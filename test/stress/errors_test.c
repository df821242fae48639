/*
 * errors_test.c - a store that fails under a whole manager: who is told, what is lost (nothing),
 * and how it goes on when the cause is gone.
 *
 * The layer under test stands between engine and store: it fails the reads or writes of one slot or
 * of all, and heals. On the Linux machine the program's own signal handler asks for the cause.
 */
#include "memory_rig.h"

#include "manager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAD        3u /* page */
#define TOUCHERS   4u
#define BYSTANDERS 2u
#define TOUCHES    25u
#define ALL_SLOTS  UINT32_MAX

/* ---- the store ------------------------------------------------------------------------------ */

static struct store below;
static _Atomic uint32_t bad_slots[2]; /* by operation; SLOT_NONE or ALL_SLOTS */
static _Atomic int bad_error;

static void flaky_submit(void *store, uint32_t queue, struct store_request *const *requests,
                         uint32_t count)
{
    (void)store;
    below.ops->submit(below.self, queue, requests, count);
}

static uint32_t flaky_reap(void *store, uint32_t queue, struct store_request **ret_requests,
                           uint32_t count, bool wait)
{
    uint32_t reaped = below.ops->reap(below.self, queue, ret_requests, count, wait);

    (void)store;
    for (uint32_t i = 0; i < reaped; i++) {
        struct store_request *request = ret_requests[i];
        uint32_t bad = atomic_load(&bad_slots[request->operation]);

        if (request->result != 0 || bad == SLOT_NONE ||
            (bad != ALL_SLOTS && bad - request->slot >= request->count))
            continue;
        request->result = -atomic_load(&bad_error);
        request->pages_done = 0;
    }
    return reaped;
}

static void flaky_discard(void *store, slot_number first, uint32_t count)
{
    (void)store;
    if (below.ops->discard != NULL)
        below.ops->discard(below.self, first, count);
}

static bool flaky_holds(void *store, slot_number slot, const void *page)
{
    (void)store;
    return below.ops->holds(below.self, slot, page);
}

static const struct store_ops flaky_ops = {.name = "flaky",
                                           .submit = flaky_submit,
                                           .reap = flaky_reap,
                                           .discard = flaky_discard,
                                           .holds = flaky_holds};

static void break_store(enum store_operation operation, uint32_t slot, int error)
{
    atomic_store(&bad_error, error);
    atomic_store(&bad_slots[operation], slot);
}

static void heal(void)
{
    atomic_store(&bad_slots[STORE_READ], SLOT_NONE);
    atomic_store(&bad_slots[STORE_WRITE], SLOT_NONE);
}

/* ---- signals -------------------------------------------------------------------------------- */

static mm *asked;
static _Thread_local sigjmp_buf escape;
static _Thread_local volatile sig_atomic_t may_fail;
static _Thread_local uint64_t fault_address;
static _Thread_local bool known;
static _Thread_local struct mm_error_info cause;

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    (void)context;
    (void)signal;
    fault_address = (uintptr_t)info->si_addr;
    known = mm_last_error(asked, fault_address, 1, &cause);
    if (!may_fail)
        _exit(99); /* who does not touch the page must not hear of it */
    siglongjmp(escape, 1);
}

/* Before the manager: by signal it passes on what it cannot resolve. */
static void catch_sigbus(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, NULL);
}

static volatile uint64_t *word_at(uint64_t address)
{
    return (volatile uint64_t *)(uintptr_t)address;
}

/* A plain load or store; false: SIGBUS. */
static bool touch(uint64_t address, bool write, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (sigsetjmp(escape, 1) != 0) {
        may_fail = 0;
        return false;
    }
    may_fail = 1;
    if (write)
        *word_at(address) = *ret_value;
    else
        value = *word_at(address);
    may_fail = 0;
    if (!write)
        *ret_value = value;
    return true;
}

/* ---- a manager over it ---------------------------------------------------------------------- */

static bool is_soft(const mm *manager)
{
    return mm_options_of(manager)->machine == MM_MACHINE_SOFT;
}

/* All pages committed and written once; the bad one is out. */
static mm *make_flaky(void **state, uint64_t *ret_base)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager;

    catch_sigbus();
    heal();
    options.threads_max = TOUCHERS + BYSTANDERS + 4;
    manager = asked = make(&options);
    mm_freeze(manager);
    below = manager->engine->store;
    manager->engine->store.ops = &flaky_ops;
    assert_int_equal(mm_thaw(manager), MM_OK);
    *ret_base = claim_all(manager);
    for (uint64_t page = 0; page < PAGES; page++)
        write_page(manager, *ret_base + page * PAGE, 1);
    force_form(manager, *ret_base, *ret_base + BAD * PAGE, MM_FORM_PAGE_FILE);
    return manager;
}

static slot_number slot_of_bad(mm *manager)
{
    pte_word word = pte_load(&manager->engine->ptes[BAD]);

    assert_int_equal(pte_form(word), PTE_PAGE_FILE);
    return pte_slot(word);
}

/* The rest of the pages stands on the real store again. */
static void end_flaky(mm *manager)
{
    heal();
    end(manager);
}

static void check_cause(const struct mm_error_info *info, uint64_t address, slot_number slot,
                        int error, bool retry_may_help)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_int_equal(info->address, address);
    assert_int_equal(info->slot, slot);
    assert_int_equal(info->error, error);
    assert_int_equal(info->retry_may_help, retry_may_help);
    assert_true(info->number > 0);
    assert_true(info->when_ns <= (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    assert_true(info->when_ns + 60000000000u >
                (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

/* ---- who is told ---------------------------------------------------------------------------- */

struct part {
    mm *manager;
    uint64_t base, failures, progress;
    slot_number slot;
    unsigned number;
    bool wrong;
    pthread_t id;
};

static _Atomic bool touchers_done;

static void *touch_bad(void *argument)
{
    struct part *part = argument;
    uint64_t address = part->base + BAD * PAGE + 8 * part->number, value;

    for (unsigned i = 0; i < TOUCHES; i++) {
        value = 5;
        if (touch(address, i % 2 == 1, &value)) {
            part->wrong = true; /* bytes in place of an error */
            break;
        }
        part->failures++;
        part->wrong |= fault_address / PAGE != address / PAGE || !known || cause.error != EIO ||
                       cause.slot != part->slot || cause.address != part->base + BAD * PAGE;
        if (i % 3 == 0)
            mm_retry(part->manager, address, 8);
    }
    return NULL;
}

/* Other pages, in and out all the time; a signal would end the process. */
static void *stand_by(void *argument)
{
    struct part *part = argument;

    while (!atomic_load(&touchers_done) && !part->wrong) {
        for (uint64_t page = 4; page < PAGES && !part->wrong; page++) {
            uint64_t address = part->base + page * PAGE + 8 * (8 + part->number);

            part->wrong = *word_at(address) != word_of(address, 1);
            *word_at(address) = word_of(address, 1);
            part->progress++;
        }
    }
    return NULL;
}

static void run_parts(struct part *touchers, struct part *bystanders)
{
    uint64_t before[BYSTANDERS];

    atomic_store(&touchers_done, false);
    for (unsigned i = 0; i < BYSTANDERS; i++)
        assert_int_equal(pthread_create(&bystanders[i].id, NULL, stand_by, &bystanders[i]), 0);
    for (unsigned i = 0; i < TOUCHERS; i++)
        assert_int_equal(pthread_create(&touchers[i].id, NULL, touch_bad, &touchers[i]), 0);
    for (unsigned i = 0; i < TOUCHERS; i++)
        pthread_join(touchers[i].id, NULL);
    usleep(20000);
    atomic_store(&touchers_done, true);
    for (unsigned i = 0; i < BYSTANDERS; i++) {
        pthread_join(bystanders[i].id, NULL);
        before[i] = bystanders[i].progress;
        assert_true(before[i] > 0);
        assert_false(bystanders[i].wrong);
    }
    for (unsigned i = 0; i < TOUCHERS; i++) {
        assert_int_equal(touchers[i].failures, TOUCHES);
        assert_false(touchers[i].wrong);
    }
}

/* Plain loads and stores by several threads: only those that touch the page are told. */
static void test_only_who_touches_the_page(void **state)
{
    struct part touchers[TOUCHERS], bystanders[BYSTANDERS];
    uint64_t base, value = 0, address;
    mm *manager = make_flaky(state, &base);
    slot_number slot = slot_of_bad(manager);

    for (unsigned i = 0; i < TOUCHERS; i++)
        touchers[i] = (struct part){.manager = manager, .base = base, .slot = slot, .number = i};
    for (unsigned i = 0; i < BYSTANDERS; i++)
        bystanders[i] = (struct part){.manager = manager, .base = base, .number = i};
    break_store(STORE_READ, slot, EIO);
    run_parts(touchers, bystanders);
    /* A system call. */
    {
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], (void *)(uintptr_t)(base + BAD * PAGE), 8), -1);
        assert_int_equal(errno, EFAULT);
        close(ends[0]);
        close(ends[1]);
    }
    /* The cause is gone: the next touch reads the page, when it was asked for at once. */
    heal();
    address = base + BAD * PAGE + 8 * 20;
    assert_int_equal(mm_retry(manager, address, 8), MM_OK);
    assert_true(touch(address, false, &value));
    assert_int_equal(value, word_of(address, 1));
    check_page(manager, base + BAD * PAGE, 1);
    end_flaky(manager);
}

/* Nobody asks for it: a little later the page is read again all the same. */
static void test_a_retry_needs_no_call(void **state)
{
    uint64_t base, value = 0;
    mm *manager = make_flaky(state, &base);
    unsigned rounds = 0;

    break_store(STORE_READ, slot_of_bad(manager), EIO);
    assert_false(touch(base + BAD * PAGE, false, &value));
    assert_false(touch(base + BAD * PAGE, false, &value));
    heal();
    while (!touch(base + BAD * PAGE, false, &value)) {
        assert_true(rounds++ < 500);
        usleep(10000);
    }
    assert_int_equal(value, word_of(base + BAD * PAGE, 1));
    end_flaky(manager);
}

/* ---- what the calls say --------------------------------------------------------------------- */

static void expect_errors(mm *manager, uint64_t base, slot_number slot, int error,
                          bool retry_may_help)
{
    static char bytes[2 * MM_PAGE_BYTES];
    uint64_t address = base + BAD * PAGE, before;
    struct mm_error_info info = {0};
    void *page = bytes;

    break_store(STORE_READ, slot, error);
    assert_int_equal(try_read(manager, address), MM_ERROR_IN_PAGE);
    assert_true(mm_last_error(manager, address + 77, 1, &info));
    check_cause(&info, address, slot, error, retry_may_help);
    before = info.number;
    assert_int_equal(try_write(manager, address), MM_ERROR_IN_PAGE);
    assert_int_equal(mm_pin(manager, address, false, &page), MM_ERROR_IN_PAGE);
    assert_ptr_equal(page, bytes);
    assert_int_equal(mm_pin(manager, address, true, &page), MM_ERROR_IN_PAGE);
    assert_true(mm_last_error(manager, 0, 0, &info)); /* of any page */
    assert_true(info.number >= before + 3);
    assert_int_equal(info.address, address);
    /* A longer access: what lies before the page was copied. */
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(mm_read(manager, address - PAGE, bytes, sizeof(bytes)), MM_ERROR_IN_PAGE);
    assert_memory_equal(bytes, &(uint64_t){word_of(address - PAGE, 1)}, 8);
    assert_true(mm_last_error(manager, address - PAGE, 2 * PAGE, &info));
    check_cause(&info, address, slot, error, retry_may_help);
    /* Nobody else's. */
    assert_false(mm_last_error(manager, address - PAGE, PAGE, &info));
    assert_false(mm_last_error(manager, address + PAGE, PAGE, &info));
    assert_false(mm_last_error(manager, address, UINT64_MAX / 2, &info));
    assert_int_equal(mm_retry(manager, base + PAGES * PAGE, 1), MM_ERROR_ADDRESS);
    heal();
    check_page(manager, address, 1);
}

static void test_calls_say_why(void **state)
{
    uint64_t base;
    mm *manager = make_flaky(state, &base);
    struct mm_error_info info;

    assert_false(mm_last_error(manager, 0, 0, &info));
    expect_errors(manager, base, slot_of_bad(manager), EIO, true);
    force_form(manager, base, base + BAD * PAGE, MM_FORM_PAGE_FILE);
    expect_errors(manager, base, slot_of_bad(manager), EBADMSG, false);
    force_form(manager, base, base + BAD * PAGE, MM_FORM_PAGE_FILE);
    expect_errors(manager, base, slot_of_bad(manager), ETIMEDOUT, true);
    end_flaky(manager);
}

/* The error was the old page's: a new one begins with zeros. */
static void test_a_page_committed_anew(void **state)
{
    uint64_t base, address, value = 1;
    mm *manager = make_flaky(state, &base);

    address = base + BAD * PAGE;
    for (unsigned round = 0; round < 20; round++) {
        break_store(STORE_READ, slot_of_bad(manager), EIO);
        if (is_soft(manager))
            assert_int_equal(try_read(manager, address), MM_ERROR_IN_PAGE);
        else
            assert_false(touch(address, false, &value));
        assert_int_equal(mm_decommit(manager, address, PAGE), MM_OK);
        assert_int_equal(try_read(manager, address), MM_ERROR_ACCESS);
        commit(manager, address, 1);
        if (is_soft(manager)) {
            check_zeros(manager, address, 1);
        } else {
            assert_true(touch(address, false, &value));
            assert_int_equal(value, 0);
        }
        heal();
        write_page(manager, address, 1);
        force_form(manager, base, address, MM_FORM_PAGE_FILE);
    }
    end_flaky(manager);
}

/* ---- page-outs ------------------------------------------------------------------------------ */

static void *write_pages(void *argument)
{
    struct part *part = argument;

    for (unsigned version = 2; version < 5; version++)
        for (uint64_t page = part->number; page < PAGES; page += TOUCHERS)
            write_page(part->manager, part->base + page * PAGE, version);
    return NULL;
}

/* Nothing can be written for a while: some wait, nothing is lost, no slot either. */
static void test_an_outage_of_writes(void **state)
{
    struct part parts[TOUCHERS];
    struct mm_commit_info info;
    uint64_t base;
    mm *manager = make_flaky(state, &base);

    break_store(STORE_WRITE, ALL_SLOTS, EIO);
    for (unsigned i = 0; i < TOUCHERS; i++) {
        parts[i] = (struct part){.manager = manager, .base = base, .number = i};
        assert_int_equal(pthread_create(&parts[i].id, NULL, write_pages, &parts[i]), 0);
    }
    usleep(300000);
    mm_commit_info(manager, &info);
    assert_int_equal(info.retired, 0);
    heal();
    for (unsigned i = 0; i < TOUCHERS; i++)
        pthread_join(parts[i].id, NULL);
    for (uint64_t page = 0; page < PAGES; page++)
        check_page(manager, base + page * PAGE, 4);
    assert_true(counter_of(manager, "io", "errors") > 0);
    mm_commit_info(manager, &info);
    assert_int_equal(info.retired, 0);
    end_flaky(manager);
}

/* One slot cannot be written: it goes, and takes one page of the commit limit along. */
static void test_a_bad_slot_is_retired(void **state)
{
    struct mm_commit_info before, after;
    uint64_t base;
    mm *manager = make_flaky(state, &base);
    unsigned version = 1;

    mm_commit_info(manager, &before);
    assert_int_equal(before.left, before.limit - before.charge);
    break_store(STORE_WRITE, 7, EIO);
    do {
        version++;
        for (uint64_t page = 0; page < PAGES; page++)
            write_page(manager, base + page * PAGE, version);
        mm_commit_info(manager, &after);
    } while (after.retired == 0 && version < 1000);
    for (uint64_t page = 0; page < PAGES; page++)
        check_page(manager, base + page * PAGE, version);
    mm_commit_info(manager, &after);
    assert_int_equal(after.retired, 1);
    assert_int_equal(after.limit, before.limit - 1);
    assert_int_equal(after.left, before.left - 1);
    end_flaky(manager);
}

#define ON_EACH_LINUX_MACHINE(test)                                                                \
    {#test " on Linux by signal", test, NULL, NULL, &signal_kind},                                 \
        {#test " on Linux by thread", test, NULL, NULL, &thread_kind},

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        ON_EACH_LINUX_MACHINE(test_only_who_touches_the_page)
        ON_EACH_LINUX_MACHINE(test_a_retry_needs_no_call)
        ON_EACH_MACHINE(test_calls_say_why)
        ON_EACH_MACHINE(test_a_page_committed_anew)
        ON_EACH_MACHINE(test_an_outage_of_writes)
        ON_EACH_MACHINE(test_a_bad_slot_is_retired)
    };
    /* clang-format on */

    return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
