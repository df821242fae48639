/*
 * pagefile_test.c - page files that grow, of several parts, with one more, and one that fails,
 * through the public header alone.
 *
 * With a folder as its argument: the one case that fills that folder's file system.
 */
#include "memory_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define SMALL 8u /* slots at first */

static const char *folder = ".";

static struct mm_options growing(void **state, uint64_t first, uint64_t most, const char *store)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, first);
    options.pagefile_max_bytes = most * PAGE;
    options.store = store;
    return options;
}

/* Commit page by page, until one is refused; how many there are. */
static uint64_t commit_each(mm *manager, uint64_t base)
{
    uint64_t pages = 0;
    while (pages < PAGES && mm_commit(manager, base + pages * PAGE, PAGE, MM_READ_WRITE) == MM_OK) {
        write_page(manager, base + pages * PAGE, 1);
        pages++;
    }
    return pages;
}

static void check_each(mm *manager, uint64_t base, uint64_t pages)
{
    for (uint64_t page = 0; page < pages; page++) {
        check_page(manager, base + page * PAGE, 1);
    }
}

/* Sound to the last, and gone; the store may have frames of its own. */
static void end_any(mm *manager)
{
    struct mm_audit audit = {0, 0};
    mm_freeze(manager);
    mm_audit(manager, print_complaint, NULL, &audit);
    assert_true(audit.checks > 0);
    assert_int_equal(audit.violations, 0);
    mm_destroy(manager);
}

static struct mm_commit_info info_of(const mm *manager)
{
    struct mm_commit_info info;
    mm_commit_info(manager, &info);
    return info;
}

/* ---- growth ---- */

/* As many pages as there are frames and slots at most, wherever it begins. */
static void test_growth(void **state)
{
    static const uint64_t firsts[] = {0, 1, SMALL, 100};
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        struct mm_options options = growing(state, firsts[i], 100, "ram");
        mm *manager = make(&options);
        uint64_t base = reserve(manager, PAGES);
        assert_int_equal(info_of(manager).slots, firsts[i]);
        assert_int_equal(info_of(manager).slots_max, 100);
        assert_int_equal(commit_each(manager, base), FRAMES + 100 - 8);
        assert_int_equal(info_of(manager).slots, 100);
        assert_int_equal(info_of(manager).growth_error, 0);
        assert_true((counter_of(manager, "pagefile", "extensions") > 0) == (firsts[i] < 100));
        assert_int_equal(counter_of(manager, "pagefile", "refused"), 0);
        check_each(manager, base, FRAMES + 100 - 8);
        end(manager);
    }
}

/* One commit that needs all of it waits and succeeds. */
static void test_one_large_commit(void **state)
{
    struct mm_options options = growing(state, 0, PAGES, "ram");
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    assert_true(info_of(manager).slots >= PAGES - FRAMES + 8);
    check_zeros(manager, base, PAGES);
    end(manager);
}

static void test_every_store_grows(void **state)
{
    static const char *const stores[] = {"ram",
                                         "ram:latency=20000",
                                         "file",
                                         "file:,io=sync",
                                         "joined:ram+ram",
                                         "joined:file+file+ram",
                                         "compressed",
                                         "compressed:over=joined:ram+file"};
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
        for (unsigned encrypted = 0; encrypted < 2; encrypted++) {
            struct mm_options options = growing(state, i % 2 == 0 ? 0 : SMALL, 100, stores[i]);
            struct mm_detail detail;
            mm *manager;
            options.encrypt = encrypted ? MM_ENCRYPT_ON : MM_ENCRYPT_OFF;
            options.frames_bytes *= 2; /* the compressed store takes some */
            int error = mm_create(&options, &manager, &detail);
            if (error == MM_ERROR_UNSUPPORTED) { /* built without a library */
                print_message("%s: left out: %s\n", stores[i], detail.text);
                continue;
            }
            assert_int_equal(error, MM_OK);
            uint64_t base = reserve(manager, PAGES);
            uint64_t pages = commit_each(manager, base);
            assert_int_equal(pages, info_of(manager).frames + 100 - 8);
            check_each(manager, base, pages);
            end_any(manager);
        }
    }
}

struct worker {
    mm *manager;
    uint64_t base;
    _Atomic bool stop;
    uint64_t rounds;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    while (!atomic_load(&worker->stop)) {
        for (uint64_t page = 0; page < FRAMES; page++) {
            write_page(worker->manager, worker->base + page * PAGE, 1 + worker->rounds % 2);
            check_page(worker->manager, worker->base + page * PAGE, 1 + worker->rounds % 2);
        }
        worker->rounds++;
    }
    return NULL;
}

/* Others page all the time, and nothing that they have is in the way or lost. */
static void test_growth_under_load(void **state)
{
    struct mm_options options = growing(state, SMALL, PAGES, "joined:ram+ram");
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES);
    struct worker worker = {.manager = manager, .base = base};
    pthread_t thread;
    commit(manager, base, FRAMES);
    assert_int_equal(pthread_create(&thread, NULL, work, &worker), 0);
    for (uint64_t page = FRAMES; page < PAGES; page++) {
        commit(manager, base + page * PAGE, 1);
        write_page(manager, base + page * PAGE, 1);
        usleep(500);
    }
    atomic_store(&worker.stop, true);
    pthread_join(thread, NULL);
    for (uint64_t page = FRAMES; page < PAGES; page++) {
        check_page(manager, base + page * PAGE, 1);
    }
    assert_true(worker.rounds > 0);
    end(manager);
}

/* ---- one more ---- */

static void refuse_with(mm *manager, const char *store, uint64_t pages, int error, const char *text)
{
    struct mm_detail detail = {""};
    assert_int_equal(mm_add_pagefile(manager, store, pages * PAGE, &detail), error);
    if (strstr(detail.text, text) == NULL) {
        fail_msg("'%s' does not say '%s'", detail.text, text);
    }
}

/* The page file does not grow by itself meanwhile: nothing is committed that it would grow for. */
static void refuse_page_file(mm *manager, const char *store, uint64_t pages, int error,
                             const char *text)
{
    struct mm_commit_info before = info_of(manager), after;
    refuse_with(manager, store, pages, error, text);
    after = info_of(manager);
    assert_int_equal(after.limit, before.limit);
    assert_int_equal(after.slots, before.slots);
}

static void test_add_pagefile(void **state)
{
    struct mm_options options = growing(state, SMALL, 100, "joined:ram");
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES), limit = info_of(manager).limit;
    refuse_page_file(manager, "ram", 0, MM_ERROR_OPTION, "from 1 to 92");
    refuse_page_file(manager, "ram", 93, MM_ERROR_OPTION, "from 1 to 92");
    refuse_page_file(manager, "tape", 10, MM_ERROR_OPTION, "unknown");
    refuse_page_file(manager, "compressed", 10, MM_ERROR_OPTION, "cannot be joined");
    refuse_page_file(manager, "file:/no/such/folder/file", 10, MM_ERROR_UNSUPPORTED, "folder");
    assert_int_equal(mm_add_pagefile(manager, "file", 10 * PAGE, NULL), MM_OK);
    assert_int_equal(info_of(manager).slots, SMALL + 10);
    assert_int_equal(info_of(manager).limit, limit + 10);
    assert_int_equal(mm_add_pagefile(manager, "ram", 20 * PAGE, NULL), MM_OK);
    assert_int_equal(info_of(manager).limit, limit + 30);
    assert_int_equal(commit_each(manager, base), FRAMES + 100 - 8); /* the first part grows */
    check_each(manager, base, FRAMES + 100 - 8);
    refuse_page_file(manager, "ram", 1, MM_ERROR_OPTION, "from 1 to 0");
    end(manager);
}

static void test_add_as_many_as_there_can_be(void **state)
{
    struct mm_options options = growing(state, SMALL, 100, "joined:ram");
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES);
    for (unsigned i = 1; i < 8; i++) {
        assert_int_equal(mm_add_pagefile(manager, "ram", PAGE, NULL), MM_OK);
        commit(manager, base, FRAMES + i);
    }
    refuse_with(manager, "ram", 1, MM_ERROR_OPTION, "no more");
    mm_freeze(manager);
    assert_int_equal(mm_thaw(manager), MM_OK);
    assert_int_equal(commit_each(manager, base), FRAMES + 100 - 8);
    end(manager);
}

/* A layer on top of the joined store is laid anew for each; there is room for as many as are allowed. */
static void test_add_below_another_store(void **state)
{
    struct mm_options options = growing(state, SMALL, 100, "compressed:over=joined:ram+ram+ram");
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES);
    for (unsigned i = 3; i < 8; i++) {
        assert_int_equal(mm_add_pagefile(manager, "ram", PAGE, NULL), MM_OK);
    }
    for (unsigned i = 0; i < 3; i++) {
        refuse_page_file(manager, "ram", 1, MM_ERROR_OPTION, "8 page files are joined already");
    }
    uint64_t pages = commit_each(manager, base);
    assert_int_equal(pages, info_of(manager).limit);
    check_each(manager, base, pages);
    end_any(manager);
}

/*
 * What the charge leaves is less than the reserve that a first page file brings: the rest has to come
 * out of its pages. The charge is below the nine tenths at which the page file would grow by itself.
 */
static void test_add_a_first_page_file(void **state)
{
    struct mm_options options = growing(state, 0, 100, "joined:ram");
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES);
    commit(manager, base, FRAMES - 4);
    refuse_page_file(manager, "ram", 3, MM_ERROR_OPTION, "kept in reserve");
    assert_int_equal(mm_add_pagefile(manager, "ram", 4 * PAGE, NULL), MM_OK);
    assert_true(info_of(manager).limit >= FRAMES - 4); /* and grows, if it likes */
    end(manager);
}

static void *look(void *argument)
{
    struct worker *worker = argument;
    struct mm_counter counters[128];
    while (!atomic_load(&worker->stop)) {
        assert_in_range(mm_counters(worker->manager, counters, 128), 1, 128);
        worker->rounds++;
    }
    return NULL;
}

/* Whoever reads counters meanwhile sees the stores of before or of after. */
static void test_add_while_others_look(void **state)
{
    for (unsigned i = 0; i < 20; i++) {
        struct mm_options options = growing(state, SMALL, 100, "compressed:over=joined:ram");
        mm *manager = make(&options);
        struct worker worker = {.manager = manager};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, look, &worker), 0);
        for (unsigned part = 1; part < 8; part++) {
            assert_int_equal(mm_add_pagefile(manager, "ram", PAGE, NULL), MM_OK);
        }
        atomic_store(&worker.stop, true);
        pthread_join(thread, NULL);
        end_any(manager);
    }
}

static _Atomic(char *) handler_page;

static void touch_in_handler(int signal)
{
    (void)signal;
    *(volatile char *)atomic_load(&handler_page) = 1;
}

/* ThreadSanitizer calls handlers later, with all signals blocked: a fault in one ends the process. */
#if defined(__SANITIZE_THREAD__)
#define HANDLERS_FAULT false
#elif defined(__has_feature)
#define HANDLERS_FAULT (!__has_feature(thread_sanitizer))
#else
#define HANDLERS_FAULT true
#endif

/* A handler that touches managed memory comes while a page file is added: it waits till after. */
static void test_add_under_signals(void **state)
{
    if (!HANDLERS_FAULT) {
        print_message("skipped: under ThreadSanitizer a handler cannot fault\n");
        skip();
    }
    struct mm_options options = growing(state, SMALL, 100, "joined:ram");
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES);
    struct sigaction touch = {.sa_handler = touch_in_handler}, before;
    struct itimerval often = {{0, 100}, {0, 100}}, off = {{0, 0}, {0, 0}};
    commit(manager, base, FRAMES + 4);
    atomic_store(&handler_page, (char *)(uintptr_t)base);
    assert_int_equal(sigaction(SIGALRM, &touch, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (unsigned part = 1; part < 8; part++) {
        assert_int_equal(mm_add_pagefile(manager, "file", PAGE, NULL), MM_OK);
    }
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    end(manager);
}

static void test_add_to_what_is_not_joined(void **state)
{
    struct mm_options options = growing(state, SMALL, 100, "ram");
    mm *manager = make(&options);
    refuse_page_file(manager, "ram", 1, MM_ERROR_OPTION, "joined:STORE");
    end(manager);
}

static void test_bad_sizes(void **state)
{
    struct mm_options options = growing(state, SMALL, SMALL - 1, "ram");
    struct mm_detail detail;
    mm *manager;
    assert_int_equal(mm_create(&options, &manager, &detail), MM_ERROR_OPTION);
    assert_non_null(strstr(detail.text, "largest pagefile"));
    options = growing(state, SMALL, 2 * SMALL, "nbd://localhost/x");
    assert_int_equal(mm_create(&options, &manager, &detail), MM_ERROR_OPTION);
    assert_non_null(strstr(detail.text, "does not grow"));
    options = growing(state, SMALL, 2 * SMALL, "joined:ram+joined:ram");
    assert_int_equal(mm_create(&options, &manager, &detail), MM_ERROR_OPTION);
    assert_non_null(strstr(detail.text, "cannot be joined"));
}

/* ---- one that fails ---- */

/* Half of the pages are on a device that loses everything: theirs are errors, the rest is whole. */
static void test_one_of_two_fails(void **state)
{
    char store[256], path[128];
    snprintf(path, sizeof(path), "%s/pagefile-test-%d", folder, (int)getpid());
    snprintf(store, sizeof(store), "joined:ram+file:%s", path);
    struct mm_options options = growing(state, PAGES, PAGES, store);
    options.encrypt = MM_ENCRYPT_OFF;
    options.slot_reservation = 1;
    options.read_cluster = 1;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager), failed = 0, good = 0;
    for (uint64_t page = 0; page < PAGES; page++) {
        write_page(manager, base + page * PAGE, 1);
    }
    for (uint64_t page = 0; page < PAGES; page++) { /* the last are not the only ones on disk */
        check_page(manager, base + page * PAGE, 1);
    }
    assert_int_equal(truncate(path, 0), 0);
    for (uint64_t page = 0; page < PAGES; page++) {
        uint64_t address = base + page * PAGE;
        int error = try_read(manager, address);
        assert_true(error == MM_OK || error == MM_ERROR_IN_PAGE);
        if (error == MM_OK) {
            check_page(manager, address, 1);
        }
        good += error == MM_OK;
        failed += error != MM_OK;
    }
    assert_true(good >= PAGES / 4 && failed >= PAGES / 8);
    mm_destroy(manager);
    assert_int_equal(access(path, F_OK), -1);
}

/* ---- a disk that is full ---- */

static void test_full_disk(void **state)
{
    char store[256];
    snprintf(store, sizeof(store), "joined:file:%s/first+ram", folder);
    for (unsigned joined = 0; joined < 2; joined++) {
        struct mm_options options =
            growing(state, 16, 1 << 20, joined ? store : strchr(store, ':') + 1);
        char *plus = joined ? NULL : strchr(store, '+');
        if (plus != NULL) {
            *plus = '\0';
        }
        options.memory_bytes = (uint64_t)64 << 20;
        mm *manager = make(&options);
        uint64_t base = reserve(manager, options.memory_bytes / PAGE), pages = 0;
        while (pages < options.memory_bytes / PAGE &&
               mm_commit(manager, base + pages * PAGE, PAGE, MM_READ_WRITE) == MM_OK) {
            write_page(manager, base + pages * PAGE, 1);
            pages++;
        }
        struct mm_commit_info info = info_of(manager);
        print_message("%s: %llu pages, %llu slots, error %d\n", options.store,
                      (unsigned long long)pages, (unsigned long long)info.slots, info.growth_error);
        if (joined) { /* the other part grows instead */
            assert_int_equal(pages, options.memory_bytes / PAGE);
        } else {
            assert_int_equal(info.growth_error, ENOSPC);
            assert_int_equal(pages, info.limit);
            assert_true(counter_of(manager, "pagefile", "refused") >= 2);
            assert_int_equal(mm_commit(manager, base + pages * PAGE, PAGE, MM_READ_WRITE),
                             MM_ERROR_COMMIT_LIMIT);
        }
        check_each(manager, base, pages);
        end_any(manager);
        if (plus != NULL) {
            *plus = '+';
        }
        sync(); /* until then what was removed may count as used */
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest full[] = {{"test_full_disk", test_full_disk, NULL, NULL, &soft_kind}};
    const struct CMUnitTest tests[] = {
        ON_EACH_MACHINE(test_growth) ON_EACH_MACHINE(test_one_large_commit)
            ON_EACH_MACHINE(test_growth_under_load) ON_EACH_MACHINE(test_add_pagefile){
                "test_one_of_two_fails", test_one_of_two_fails, NULL, NULL, &soft_kind},
        {"test_every_store_grows", test_every_store_grows, NULL, NULL, &soft_kind},
        {"test_add_as_many_as_there_can_be", test_add_as_many_as_there_can_be, NULL, NULL,
         &soft_kind},
        {"test_add_below_another_store", test_add_below_another_store, NULL, NULL, &soft_kind},
        {"test_add_a_first_page_file", test_add_a_first_page_file, NULL, NULL, &soft_kind},
        {"test_add_while_others_look", test_add_while_others_look, NULL, NULL, &soft_kind},
        {"test_add_under_signals", test_add_under_signals, NULL, NULL, &signal_kind},
        {"test_add_to_what_is_not_joined", test_add_to_what_is_not_joined, NULL, NULL, &soft_kind},
        {"test_bad_sizes", test_bad_sizes, NULL, NULL, &soft_kind},
    };

    setenv("TMPDIR", ".", 1); /* the build directory is on a disk */
    if (argc > 1) {
        folder = argv[1];
        return cmocka_run_group_tests_name("full disk", full, NULL, NULL);
    }
    return cmocka_run_group_tests_name("pagefile", tests, NULL, NULL);
}
