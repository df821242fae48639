/*
 * machine_test.c - what every machine must do, run on each of them through struct machine_ops.
 *
 * One list of tests; the machines differ only in how a user's access is made: a load or store, or
 * soft_read() and soft_write(). Not available here (no privilege) is a skip with its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_engine.h"
#include "machine/linux/linux.h"
#include "machine/soft/soft.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES          96u
#define WORDS_PER_PAGE (MM_PAGE_SIZE / sizeof(uint64_t))
/* Engine thread numbers: fault handlers take low ones by fake_thread_enter(). */
#define USER_FIRST 8u
#define EVICTOR    12u
#define TESTER     13u

enum rig_kind { RIG_SOFT, RIG_SIGNAL, RIG_SIGNAL_NO_TRACKING, RIG_THREAD };

struct rig {
    struct fake_engine fake;
    enum rig_kind kind;
    struct soft *soft;
    struct linux_machine *linux_machine;
    char *base;
};

static bool rig_make_soft(struct rig *rig)
{
    struct soft_config config = {
        .pages = PAGES, .frames = PAGES, .threads_max = FAKE_THREADS, .tlb_entries = 16};

    if (soft_create(&config, &rig->soft, &rig->fake.machine) != 0)
        return false;
    soft_bind(rig->soft, fake_fault, &rig->fake);
    return true;
}

static bool rig_make_linux(struct rig *rig)
{
    char text[256] = "";
    struct linux_config config = {
        .pages = PAGES,
        .threads_max = FAKE_THREADS,
        .windows = FAKE_WINDOWS,
        .faults = rig->kind == RIG_THREAD ? LINUX_FAULTS_THREAD : LINUX_FAULTS_SIGNAL,
        .handlers = 2,
        .dirty_tracking = rig->kind != RIG_SIGNAL_NO_TRACKING,
    };

    if (linux_create(&config, &rig->linux_machine, &rig->fake.machine, text, sizeof(text)) != 0) {
        print_message("skipped: %s\n", text);
        return false;
    }
    rig->base = linux_base(rig->linux_machine);
    return true;
}

/* In the test itself: cmocka puts its own signal handlers in place after the setup. */
static struct rig *rig_of(void **state)
{
    struct rig *rig = *state;
    struct linux_entry entry;

    if (rig == NULL)
        skip();
    if (rig->linux_machine == NULL)
        return rig;
    entry = (struct linux_entry){
        .fault = fake_fault,
        .engine = &rig->fake,
        .thread_enter = fake_thread_enter,
        .thread_leave = fake_thread_leave,
        .context = &rig->fake,
    };
    assert_int_equal(linux_start(rig->linux_machine, &entry), 0);
    assert_int_equal(
        rig->fake.machine.ops->protect(rig->fake.machine.self, 0, PAGES, MACHINE_READ_WRITE), 0);
    return rig;
}

static int rig_setup(void **state, enum rig_kind kind)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    *state = NULL;
    if (rig == NULL)
        return -1;
    fake_init(&rig->fake, PAGES);
    rig->kind = kind;
    /* Numbers that the tests use themselves. */
    for (uint32_t i = USER_FIRST; i < FAKE_THREADS; i++)
        atomic_store(&rig->fake.number_taken[i], true);
    if (kind == RIG_SOFT ? !rig_make_soft(rig) : !rig_make_linux(rig)) {
        fake_free(&rig->fake);
        free(rig);
        return 0;
    }
    if (rig->soft != NULL)
        soft_attach(rig->soft, TESTER);
    *state = rig;
    return 0;
}

static int setup_soft(void **state)
{
    return rig_setup(state, RIG_SOFT);
}

static int setup_signal(void **state)
{
    return rig_setup(state, RIG_SIGNAL);
}

static int setup_signal_no_tracking(void **state)
{
    return rig_setup(state, RIG_SIGNAL_NO_TRACKING);
}

static int setup_thread(void **state)
{
    return rig_setup(state, RIG_THREAD);
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    if (rig == NULL)
        return 0;
    if (rig->soft != NULL) {
        soft_detach(rig->soft, TESTER);
        soft_destroy(rig->soft);
    } else {
        linux_destroy(rig->linux_machine);
    }
    fake_free(&rig->fake);
    free(rig);
    return 0;
}

static uint64_t word_offset(page_number page, unsigned word)
{
    return ((uint64_t)page << PAGE_SHIFT) + word * sizeof(uint64_t);
}

/* Accesses of user thread `user`. */
static uint64_t load(struct rig *rig, uint32_t user, page_number page, unsigned word)
{
    uint64_t value = 0;

    if (rig->soft != NULL) {
        if (soft_read(rig->soft, user, word_offset(page, word), &value, sizeof(value)) !=
            FAULT_RESOLVED)
            abort();
        return value;
    }
    return atomic_load_explicit((_Atomic uint64_t *)(rig->base + word_offset(page, word)),
                                memory_order_relaxed);
}

static void store(struct rig *rig, uint32_t user, page_number page, unsigned word, uint64_t value)
{
    if (rig->soft != NULL) {
        if (soft_write(rig->soft, user, word_offset(page, word), &value, sizeof(value)) !=
            FAULT_RESOLVED)
            abort();
        return;
    }
    atomic_store_explicit((_Atomic uint64_t *)(rig->base + word_offset(page, word)), value,
                          memory_order_relaxed);
}

static uint64_t stamp(page_number page, unsigned word, uint64_t version)
{
    return version << 32 | (uint64_t)page << 12 | word;
}

static void fill_pages(struct rig *rig, uint64_t version)
{
    for (page_number page = 0; page < PAGES; page++)
        for (unsigned word = 0; word < WORDS_PER_PAGE; word += 73)
            store(rig, TESTER, page, word, stamp(page, word, version));
}

static void check_pages(struct rig *rig, uint64_t version)
{
    for (page_number page = 0; page < PAGES; page++)
        for (unsigned word = 0; word < WORDS_PER_PAGE; word += 73)
            assert_int_equal(load(rig, TESTER, page, word), stamp(page, word, version));
}

static uint64_t faults(struct rig *rig)
{
    return atomic_load(&rig->fake.faults);
}

static void test_fresh_pages_are_zero(void **state)
{
    struct rig *rig = rig_of(state);

    for (page_number page = 0; page < PAGES; page++)
        for (unsigned word = 0; word < WORDS_PER_PAGE; word++)
            assert_int_equal(load(rig, TESTER, page, word), 0);
    assert_int_equal(faults(rig), PAGES);
}

static void test_read_fault_then_write_fault(void **state)
{
    struct rig *rig = rig_of(state);

    assert_int_equal(load(rig, TESTER, 3, 0), 0);
    assert_int_equal(atomic_load(&rig->fake.write_faults), 0);
    store(rig, TESTER, 3, 0, 7);
    /* With a dirty bit the first write is a fault of its own, and only the first. */
    assert_int_equal(atomic_load(&rig->fake.upgrades), rig->fake.machine.dirty_tracking ? 1 : 0);
    store(rig, TESTER, 3, 1, 8);
    assert_int_equal(faults(rig), rig->fake.machine.dirty_tracking ? 2 : 1);
    assert_int_equal(load(rig, TESTER, 3, 0), 7);
    /* A fault that is a write already maps writable at once. */
    store(rig, TESTER, 4, 0, 9);
    assert_int_equal(atomic_load(&rig->fake.upgrades), rig->fake.machine.dirty_tracking ? 1 : 0);
    assert_int_equal(faults(rig), rig->fake.machine.dirty_tracking ? 3 : 2);
}

static void test_unmap_keeps_content(void **state)
{
    struct rig *rig = rig_of(state);
    page_number odd[PAGES];
    uint32_t count = 0;
    uint64_t before;

    fill_pages(rig, 1);
    before = faults(rig);
    /* Scattered, with a run of neighbours among them. */
    for (page_number page = 0; page < PAGES; page++)
        if (page % 2 == 1 || (page > 40 && page < 60))
            odd[count++] = page;
    fake_unmap(&rig->fake, TESTER, count, odd);
    check_pages(rig, 1);
    assert_int_equal(faults(rig) - before, count);
}

static void test_map_around(void **state)
{
    struct rig *rig = rig_of(state);
    page_number all[PAGES];
    uint64_t before;

    for (page_number page = 0; page < PAGES; page++)
        all[page] = page;
    fill_pages(rig, 2);
    fake_unmap(&rig->fake, TESTER, PAGES, all);
    before = faults(rig);
    atomic_store(&rig->fake.around, 15);
    check_pages(rig, 2);
    assert_int_equal(faults(rig) - before, PAGES / 16);
}

static void test_unmap_of_unmapped(void **state)
{
    struct rig *rig = rig_of(state);
    page_number pages[] = {0, 1, 5, 6, 7, 90};
    struct machine_unmapped unmapped[ARRAY_COUNT(pages)];

    store(rig, TESTER, 5, 0, 55);
    for (unsigned i = 0; i < 3; i++) {
        memset(unmapped, 0xff, sizeof(unmapped));
        rig->fake.machine.ops->unmap(rig->fake.machine.self, TESTER, ARRAY_COUNT(pages), pages,
                                     unmapped);
        assert_false(unmapped[0].written);
        assert_false(unmapped[0].accessed);
    }
    assert_int_equal(load(rig, TESTER, 5, 0), 55);
    assert_int_equal(load(rig, TESTER, 90, 0), 0);
}

static void test_map_over_live_mapping(void **state)
{
    struct rig *rig = rig_of(state);
    struct machine_map map = {.page = 10, .frame = 10, .writable = false, .source = NULL};
    const struct machine_ops *ops = rig->fake.machine.ops;
    uint64_t before;

    store(rig, TESTER, 10, 0, 1);
    ops->map(rig->fake.machine.self, TESTER, 1, &map);
    assert_int_equal(load(rig, TESTER, 10, 0), 1);
    /* Readable first, then writable over it: no fault may be left to be taken. */
    ops->unmap(rig->fake.machine.self, TESTER, 1, &map.page, NULL);
    ops->map(rig->fake.machine.self, TESTER, 1, &map);
    map.writable = true;
    ops->map(rig->fake.machine.self, TESTER, 1, &map);
    before = faults(rig);
    store(rig, TESTER, 10, 0, 2);
    assert_int_equal(load(rig, TESTER, 10, 0), 2);
    assert_int_equal(faults(rig), before);
}

/* Some pages of the run are mapped already, at its begin, inside and at its end. */
static void test_map_run_over_live_pages(void **state)
{
    struct rig *rig = rig_of(state);
    struct machine_map maps[12];
    page_number pages[12];
    uint64_t before;

    fill_pages(rig, 3);
    for (page_number i = 0; i < 12; i++) {
        maps[i] = (struct machine_map){
            .page = 20 + i, .frame = 20 + i, .writable = i < 8, .source = NULL};
        pages[i] = 20 + i;
    }
    for (unsigned hole = 0; hole < 12; hole++) {
        rig->fake.machine.ops->unmap(rig->fake.machine.self, TESTER, 1, &pages[hole], NULL);
        if (hole % 5 == 1)
            rig->fake.machine.ops->unmap(rig->fake.machine.self, TESTER, 4, &pages[4], NULL);
        rig->fake.machine.ops->map(rig->fake.machine.self, TESTER, 12, maps);
        before = faults(rig);
        check_pages(rig, 3);
        for (page_number page = 20; page < 28; page++)
            store(rig, TESTER, page, 0, stamp(page, 0, 3));
        assert_int_equal(faults(rig), before);
    }
}

static void test_make_writable_of_unmapped(void **state)
{
    struct rig *rig = rig_of(state);
    page_number page = 33;

    rig->fake.machine.ops->make_writable(rig->fake.machine.self, TESTER, page);
    assert_int_equal(load(rig, TESTER, page, 0), 0);
    store(rig, TESTER, page, 0, 4);
    fake_unmap(&rig->fake, TESTER, 1, &page);
    rig->fake.machine.ops->make_writable(rig->fake.machine.self, TESTER, page);
    assert_int_equal(load(rig, TESTER, page, 0), 4);
}

static void test_content_is_what_was_written(void **state)
{
    struct rig *rig = rig_of(state);
    /* Neighbours, near ones and single ones, not in order at the end: all are found, not assumed. */
    page_number pages[] = {2, 3, 4, 9, 11, 12, 21, 31, 70, 40};
    void *buffers[ARRAY_COUNT(pages)];
    page_number ascending[] = {2, 3, 4, 9, 11, 12, 21, 31, 40, 70};

    fill_pages(rig, 5);
    fake_unmap(&rig->fake, TESTER, ARRAY_COUNT(ascending), ascending);
    rig->fake.machine.ops->content(rig->fake.machine.self, TESTER, ARRAY_COUNT(pages), pages, pages,
                                   buffers);
    for (unsigned i = 0; i < ARRAY_COUNT(pages); i++) {
        for (unsigned word = 0; word < WORDS_PER_PAGE; word++) {
            uint64_t expected = word % 73 == 0 ? stamp(pages[i], word, 5) : 0;

            assert_int_equal(((uint64_t *)buffers[i])[word], expected);
        }
    }
}

/* How many system calls this thread has read with, the one that asks not yet counted; 0: not told. */
static uint64_t calls_that_read(void)
{
    char text[512];
    int fd = open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    const char *at;

    if (fd >= 0)
        close(fd);
    text[MAX_OF(got, 0)] = '\0';
    at = strstr(text, "syscr: ");
    return at == NULL ? 0 : strtoull(at + strlen("syscr: "), NULL, 10);
}

static void test_near_content_is_read_with_one_call(void **state)
{
    struct rig *rig = rig_of(state);
    page_number pages[] = {2, 3, 11, 20, 30, 31}; /* 7 and 8 pages in between, then 9 */
    void *buffers[ARRAY_COUNT(pages)];
    uint64_t before;

    fill_pages(rig, 6);
    before = calls_that_read();
    if (before == 0) {
        print_message("skipped: this kernel does not count system calls\n");
        skip();
    }
    rig->fake.machine.ops->content(rig->fake.machine.self, TESTER, ARRAY_COUNT(pages), pages, pages,
                                   buffers);
    assert_int_equal(calls_that_read() - before - 1, 2);
}

static void evict_all(struct rig *rig)
{
    for (page_number page = 0; page < PAGES; page += FAKE_WINDOWS) {
        page_number pages[FAKE_WINDOWS];
        uint32_t count = 0;

        while (count < FAKE_WINDOWS && page + count < PAGES) {
            pages[count] = page + count;
            count++;
        }
        fake_evict(&rig->fake, TESTER, count, pages);
    }
}

static void test_content_goes_and_comes_back(void **state)
{
    struct rig *rig = rig_of(state);

    for (uint64_t round = 1; round < 5; round++) {
        fill_pages(rig, round);
        evict_all(rig);
        check_pages(rig, round);
        /* Read only since: dropped clean, and still there. */
        evict_all(rig);
        check_pages(rig, round);
    }
    if (rig->fake.machine.dirty_tracking)
        assert_int_equal(atomic_load(&rig->fake.copies), 4 * PAGES);
}

static void test_release_gives_zeros_again(void **state)
{
    struct rig *rig = rig_of(state);
    page_number pages[] = {1, 2, 3, 17, 50, 51};

    fill_pages(rig, 6);
    fake_forget(&rig->fake, TESTER, ARRAY_COUNT(pages), pages);
    for (unsigned i = 0; i < ARRAY_COUNT(pages); i++)
        for (unsigned word = 0; word < WORDS_PER_PAGE; word++)
            assert_int_equal(load(rig, TESTER, pages[i], word), 0);
    assert_int_equal(load(rig, TESTER, 4, 0), stamp(4, 0, 6));
    assert_int_equal(load(rig, TESTER, 49, 0), stamp(49, 0, 6));
}

static void test_runs_from_buffers_and_zeros(void **state)
{
    struct rig *rig = rig_of(state);
    const struct machine_ops *ops = rig->fake.machine.ops;
    struct machine_map maps[20];
    uint64_t before;

    /* 0..7 buffers, read-only; 8..11 zeros, read-only; 12..15 zeros, writable; 16..19 buffers. */
    for (page_number i = 0; i < 20; i++) {
        bool zeros = i >= 8 && i < 16;

        maps[i] = (struct machine_map){.page = 30 + i,
                                       .frame = 30 + i,
                                       .writable = i >= 12,
                                       .source = rig->fake.machine.zeros};
        if (!zeros) {
            uint64_t *buffer = ops->fill_buffer(rig->fake.machine.self, TESTER, i, 30 + i);

            memset(buffer, 0, MM_PAGE_SIZE);
            buffer[0] = 1000 + i;
            maps[i].source = buffer;
        }
        fake_lock(&rig->fake.page[30 + i]);
        rig->fake.page[30 + i].state = FAKE_RESIDENT;
        rig->fake.page[30 + i].mapped = true;
        rig->fake.page[30 + i].writable = i >= 12;
        fake_unlock(&rig->fake.page[30 + i]);
    }
    ops->map(rig->fake.machine.self, TESTER, 20, maps);
    before = faults(rig);
    for (page_number i = 0; i < 20; i++)
        assert_int_equal(load(rig, TESTER, 30 + i, 0), i >= 8 && i < 16 ? 0 : 1000 + i);
    for (page_number i = 12; i < 20; i++)
        store(rig, TESTER, 30 + i, 1, 5);
    assert_int_equal(faults(rig), before);
    store(rig, TESTER, 30, 1, 5);
    store(rig, TESTER, 39, 1, 5);
    assert_int_equal(faults(rig) - before, rig->fake.machine.dirty_tracking ? 2 : 0);
}

/* Two runs and a page alone; what is placed is there, and only a fault maps it. */
static void test_placed_content_is_mapped_by_a_fault(void **state)
{
    const page_number pages[] = {30, 31, 32, 33, 36, 37, 50};
    struct rig *rig = rig_of(state);
    const struct machine_ops *ops = rig->fake.machine.ops;
    struct machine_map maps[ARRAY_COUNT(pages)];
    uint64_t before;

    for (uint32_t i = 0; i < ARRAY_COUNT(pages); i++) {
        uint64_t *buffer = ops->fill_buffer(rig->fake.machine.self, TESTER, i, pages[i]);

        memset(buffer, 0, MM_PAGE_SIZE);
        buffer[0] = buffer[WORDS_PER_PAGE - 1] = 1000 + i;
        maps[i] = (struct machine_map){pages[i], pages[i], false, buffer};
        fake_lock(&rig->fake.page[pages[i]]);
        rig->fake.page[pages[i]].state = FAKE_RESIDENT;
        fake_unlock(&rig->fake.page[pages[i]]);
    }
    if (ops->place != NULL)
        ops->place(rig->fake.machine.self, TESTER, ARRAY_COUNT(maps), maps);
    before = faults(rig);
    for (uint32_t i = 0; i < ARRAY_COUNT(pages); i++) {
        assert_int_equal(load(rig, TESTER, pages[i], 0), 1000 + i);
        assert_int_equal(load(rig, TESTER, pages[i], WORDS_PER_PAGE - 1), 1000 + i);
    }
    assert_in_range(faults(rig) - before, 1, ARRAY_COUNT(pages));
    store(rig, TESTER, 31, 1, 5);
    assert_int_equal(load(rig, TESTER, 31, 1), 5);
    assert_int_equal(load(rig, TESTER, 32, 1), 0);
}

/* ---- many threads -------------------------------------------------------------------------- */

struct hammer {
    struct rig *rig;
    uint32_t user;
    uint32_t seed;
    _Atomic bool *stop;
    _Atomic uint64_t rounds;
    uint64_t mistakes;
};

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Every user owns one word of each page and knows what it wrote last. */
static void *hammer_main(void *argument)
{
    struct hammer *hammer = argument;
    uint64_t versions[PAGES] = {0};
    unsigned word = hammer->user * 40;

    if (hammer->rig->soft != NULL)
        soft_attach(hammer->rig->soft, hammer->user);
    for (uint64_t i = 0; !atomic_load(hammer->stop); i++) {
        page_number page = next_random(&hammer->seed) % PAGES;

        if (load(hammer->rig, hammer->user, page, word) != versions[page])
            hammer->mistakes++;
        if (next_random(&hammer->seed) % 3 == 0) {
            versions[page] = stamp(page, word, i + 1);
            store(hammer->rig, hammer->user, page, word, versions[page]);
        }
        atomic_store_explicit(&hammer->rounds, i + 1, memory_order_relaxed);
    }
    for (page_number page = 0; page < PAGES; page++)
        if (load(hammer->rig, hammer->user, page, word) != versions[page])
            hammer->mistakes++;
    if (hammer->rig->soft != NULL)
        soft_detach(hammer->rig->soft, hammer->user);
    return NULL;
}

static void *evictor_main(void *argument)
{
    struct hammer *hammer = argument;

    while (!atomic_load(hammer->stop)) {
        page_number pages[FAKE_WINDOWS];
        uint32_t count = 0;
        page_number step = 1 + next_random(&hammer->seed) % 4;

        for (page_number page = next_random(&hammer->seed) % 8;
             page < PAGES && count < FAKE_WINDOWS; page += 1 + next_random(&hammer->seed) % step)
            pages[count++] = page;
        if (next_random(&hammer->seed) % 2 == 0)
            fake_unmap(&hammer->rig->fake, hammer->user, count, pages);
        else
            hammer->mistakes += fake_evict(&hammer->rig->fake, hammer->user, count, pages) > count;
        atomic_fetch_add(&hammer->rounds, 1);
    }
    return NULL;
}

#define HAMMERS       3u
#define EVICTIONS     500u
#define HAMMER_ROUNDS 3000u
#define COPIES        2000u
#define PATIENCE_NS   60000000000ull

static bool hammered_enough(struct rig *rig, struct hammer *hammers, struct hammer *evictor)
{
    for (uint32_t i = 0; i < HAMMERS; i++)
        if (atomic_load(&hammers[i].rounds) < HAMMER_ROUNDS)
            return false;
    return atomic_load(&evictor->rounds) >= EVICTIONS && atomic_load(&rig->fake.copies) >= COPIES;
}

static void test_no_write_is_lost(void **state)
{
    struct rig *rig = rig_of(state);
    _Atomic bool stop = false;
    struct hammer hammers[HAMMERS];
    pthread_t threads[HAMMERS];
    struct hammer evictor = {.rig = rig, .user = EVICTOR, .seed = 77, .stop = &stop};
    pthread_t evictor_thread;
    uint64_t deadline_ns = world_now_ns() + PATIENCE_NS;

    atomic_store(&rig->fake.around, 3);
    for (uint32_t i = 0; i < HAMMERS; i++) {
        hammers[i] =
            (struct hammer){.rig = rig, .user = USER_FIRST + i, .seed = 1000 + i, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammers[i]), 0);
    }
    assert_int_equal(pthread_create(&evictor_thread, NULL, evictor_main, &evictor), 0);
    while (!hammered_enough(rig, hammers, &evictor) && world_now_ns() < deadline_ns)
        usleep(1000);
    assert_true(hammered_enough(rig, hammers, &evictor));
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < HAMMERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(hammers[i].mistakes, 0);
    }
    pthread_join(evictor_thread, NULL);
    assert_int_equal(evictor.mistakes, 0);
}

#define MACHINE_TEST(test, setup)                                                                  \
    {                                                                                              \
#test " (" #setup ")", test, setup, teardown, NULL                                         \
    }

#define MACHINE_TESTS(setup)                                                                       \
    MACHINE_TEST(test_fresh_pages_are_zero, setup),                                                \
        MACHINE_TEST(test_read_fault_then_write_fault, setup),                                     \
        MACHINE_TEST(test_unmap_keeps_content, setup), MACHINE_TEST(test_map_around, setup),       \
        MACHINE_TEST(test_unmap_of_unmapped, setup),                                               \
        MACHINE_TEST(test_map_over_live_mapping, setup),                                           \
        MACHINE_TEST(test_map_run_over_live_pages, setup),                                         \
        MACHINE_TEST(test_make_writable_of_unmapped, setup),                                       \
        MACHINE_TEST(test_content_is_what_was_written, setup),                                     \
        MACHINE_TEST(test_content_goes_and_comes_back, setup),                                     \
        MACHINE_TEST(test_release_gives_zeros_again, setup),                                       \
        MACHINE_TEST(test_runs_from_buffers_and_zeros, setup),                                     \
        MACHINE_TEST(test_placed_content_is_mapped_by_a_fault, setup),                             \
        MACHINE_TEST(test_no_write_is_lost, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TESTS(setup_soft),
        MACHINE_TESTS(setup_signal),
        MACHINE_TESTS(setup_signal_no_tracking),
        MACHINE_TESTS(setup_thread),
        MACHINE_TEST(test_near_content_is_read_with_one_call, setup_signal),
    };

    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
