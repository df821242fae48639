/*
 * linux_fault_test.c - how faults end: resolved, refused, in error, interrupted, or never.
 *
 * Signals that are ours must look like the kernel's own to the program, signals that are not must
 * go where they would have gone; and whatever a program does meanwhile (storms of signals, an
 * exit, a blocked SIGSEGV), nothing hangs and nothing is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "linux_rig.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static enum linux_faults faults_of(void **state)
{
    return *(enum linux_faults *)*state;
}

static void start_or_skip(struct rig *rig, void **state)
{
    char text[256] = "";

    if (rig_make(rig, faults_of(state), text, sizeof(text)) != 0) {
        print_message("skipped: %s\n", text);
        skip();
    }
    assert_int_equal(rig_start(rig), 0);
}

static struct outcome play_or_skip(const char *name, void **state)
{
    struct outcome outcome = scene_play(name, faults_of(state));

    if (refused(&outcome)) {
        print_message("skipped: %s\n", outcome.text);
        skip();
    }
    return outcome;
}

/* ---- refused -------------------------------------------------------------------------------- */

static void test_access_violation(void **state)
{
    struct rig rig;

    start_or_skip(&rig, state);
    catch_signal(SIGSEGV);
    atomic_store(&rig.fake.page[6].verdict, FAULT_ACCESS_VIOLATION);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(SIGNAL_OF(rig_read(&rig, 6)), SIGSEGV);
        assert_ptr_equal(caught_address, rig_word(&rig, 6));
        if (faults_of(state) == LINUX_FAULTS_SIGNAL)
            assert_int_equal(caught_code, SEGV_ACCERR);
        /* The neighbour is served as ever. */
        assert_int_equal(rig_read(&rig, 7), 0);
    }
    atomic_store(&rig.fake.page[6].verdict, FAULT_RESOLVED);
    assert_int_equal(SIGNAL_OF(rig_write(&rig, 6, 66)), 0);
    assert_int_equal(rig_read(&rig, 6), 66);
    /* What the kernel refuses itself. */
    rig.fake.machine.ops->protect(rig.machine, 6, 1, MACHINE_READ_ONLY);
    assert_int_equal(rig_read(&rig, 6), 66);
    assert_int_equal(SIGNAL_OF(rig_write(&rig, 6, 67)), SIGSEGV);
    rig.fake.machine.ops->protect(rig.machine, 6, 1, MACHINE_NO_ACCESS);
    assert_int_equal(SIGNAL_OF(rig_read(&rig, 6)), SIGSEGV);
    rig.fake.machine.ops->protect(rig.machine, 6, 1, MACHINE_READ_WRITE);
    assert_int_equal(rig_read(&rig, 6), 66);
    rig_end(&rig);
}

static void play_violation(enum linux_faults faults)
{
    struct rig rig;

    rig_must_start(&rig, faults, NULL);
    atomic_store(&rig.fake.page[6].verdict, FAULT_ACCESS_VIOLATION);
    rig_read(&rig, 6);
}

/* Blocked or ignored, the kernel kills; to wait for a signal that cannot come is a hang. */
static void play_violation_blocked(enum linux_faults faults)
{
    struct rig rig;
    sigset_t mask;

    rig_must_start(&rig, faults, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    atomic_store(&rig.fake.page[6].verdict, FAULT_ACCESS_VIOLATION);
    rig_read(&rig, 6);
}

static void play_violation_ignored(enum linux_faults faults)
{
    struct rig rig;

    rig_must_start(&rig, faults, NULL);
    signal(SIGSEGV, SIG_IGN);
    atomic_store(&rig.fake.page[6].verdict, FAULT_ACCESS_VIOLATION);
    rig_read(&rig, 6);
}

static void test_access_violation_kills(void **state)
{
    /* By thread nobody can unblock another's signal: there it is the poison that kills. */
    int expected = faults_of(state) == LINUX_FAULTS_SIGNAL ? SIGSEGV : SIGBUS;
    struct outcome outcome = play_or_skip("violation", state);

    assert_true(died_of(&outcome, SIGSEGV));
    outcome = play_or_skip("violation-blocked", state);
    assert_true(died_of(&outcome, expected));
    outcome = play_or_skip("violation-ignored", state);
    assert_true(died_of(&outcome, expected));
}

/* A system call that waits in a fault which will never be granted must come back. */
static void test_access_violation_in_system_call(void **state)
{
    struct rig rig;
    int ends[2];

    start_or_skip(&rig, state);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    catch_signal(SIGSEGV);
    atomic_store(&rig.fake.page[6].verdict, FAULT_ACCESS_VIOLATION);
    if (SIGNAL_OF(assert_int_equal(write(ends[1], rig_word(&rig, 6), 8), -1)) == 0)
        assert_int_equal(errno, EFAULT);
    close(ends[0]);
    close(ends[1]);
    rig_end(&rig);
}

/* ---- in error ------------------------------------------------------------------------------- */

static void test_in_page_error(void **state)
{
    struct rig rig;
    int ends[2];

    catch_signal(SIGBUS); /* before the machine: by signal it is chained to */
    start_or_skip(&rig, state);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    rig_write(&rig, 6, 66);
    rig_write(&rig, 7, 77);
    rig_evict(&rig, 6);
    rig_evict(&rig, 7);
    atomic_store(&rig.fake.page[6].verdict, FAULT_IN_PAGE_ERROR);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(SIGNAL_OF(rig_read(&rig, 6)), SIGBUS);
        assert_ptr_equal(caught_address, rig_word(&rig, 6));
        assert_int_equal(write(ends[1], rig_word(&rig, 6), 8), -1);
        assert_int_equal(errno, EFAULT);
    }
    assert_int_equal(SIGNAL_OF(rig_read(&rig, 7)), 0);
    assert_int_equal(rig_read(&rig, 7), 77);
    /* The store is well again: by thread the mark must be taken away, if nobody waits for that. */
    atomic_store(&rig.fake.page[6].verdict, FAULT_RESOLVED);
    linux_ask_again(rig.machine, 6, 1);
    assert_int_equal(SIGNAL_OF(rig_read(&rig, 6)), 0);
    assert_int_equal(rig_read(&rig, 6), 66);
    close(ends[0]);
    close(ends[1]);
    rig_end(&rig);
}

/* The signal of a read of each page, one after the other; the first that is not `wanted`. */
static int signal_of_reads(struct rig *rig, int wanted)
{
    volatile page_number page = 0;
    int found = wanted;

    for (; page < rig_pages && found == wanted; page++)
        found = SIGNAL_OF(rig_read(rig, page));
    return found;
}

/* Nobody takes a mark away but time; and no number of them is too many. */
static void test_in_page_errors_pass(void **state)
{
    struct rig rig;

    rig_pages = 2 * MARKS_MAX;
    catch_signal(SIGBUS);
    start_or_skip(&rig, state);
    for (page_number page = 0; page < rig_pages; page++) {
        rig_write(&rig, page, 100 + page);
        rig_evict(&rig, page);
        atomic_store(&rig.fake.page[page].verdict, FAULT_IN_PAGE_ERROR);
    }
    assert_int_equal(signal_of_reads(&rig, SIGBUS), SIGBUS);
    for (page_number page = 0; page < rig_pages; page++)
        atomic_store(&rig.fake.page[page].verdict, FAULT_RESOLVED);
    for (unsigned round = 0; atomic_load(&rig.machine->marks_set) != 0; round++) {
        assert_true(round < 1000);
        usleep(10000);
    }
    assert_int_equal(signal_of_reads(&rig, 0), 0);
    for (page_number page = 0; page < rig_pages; page++)
        assert_int_equal(rig_read(&rig, page), 100 + page);
    rig_end(&rig);
    rig_pages = RIG_PAGES;
}

static void play_in_page_error(enum linux_faults faults)
{
    struct rig rig;

    rig_must_start(&rig, faults, NULL);
    atomic_store(&rig.fake.page[6].verdict, FAULT_IN_PAGE_ERROR);
    rig_read(&rig, 6);
}

static void test_in_page_error_kills(void **state)
{
    struct outcome outcome = play_or_skip("in-page-error", state);

    assert_true(died_of(&outcome, SIGBUS));
}

/* ---- not ours ------------------------------------------------------------------------------- */

/* A page beyond the end of its file: SIGBUS of the kernel's own. */
static char *foreign_page(void)
{
    int file = memfd_create("foreign", MFD_CLOEXEC);
    char *page = mmap(NULL, MM_PAGE_SIZE, PROT_READ, MAP_SHARED, file, 0);

    close(file);
    return page == MAP_FAILED ? NULL : page;
}

static void test_foreign_sigbus(void **state)
{
    struct rig rig;
    char *volatile page = foreign_page();

    assert_non_null(page);
    catch_signal(SIGBUS);
    start_or_skip(&rig, state);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(SIGNAL_OF(((volatile char *)page)[5]), SIGBUS);
        assert_ptr_equal(caught_address, page + 5);
        assert_int_equal(SIGNAL_OF(raise(SIGBUS)), SIGBUS);
    }
    rig_write(&rig, 1, 1);
    assert_int_equal(rig_read(&rig, 1), 1);
    rig_end(&rig);
}

static void play_foreign(enum linux_faults faults)
{
    struct rig rig;
    char *volatile page = foreign_page();

    rig_must_start(&rig, faults, NULL);
    (void)((volatile char *)page)[5];
}

static void play_foreign_ignored(enum linux_faults faults)
{
    struct rig rig;

    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_IGN);
    if (rig_make(&rig, faults, (char[64]){0}, 64) != 0 || rig_start(&rig) != 0)
        _exit(SCENE_REFUSED);
    raise(SIGBUS);
    rig_write(&rig, 1, 1);
    _exit(SCENE_SURVIVED);
}

static void test_foreign_sigbus_without_handler(void **state)
{
    struct outcome outcome = play_or_skip("foreign", state);

    assert_true(died_of(&outcome, SIGBUS));
    outcome = play_or_skip("foreign-ignored", state);
    assert_true(WIFEXITED(outcome.status));
    assert_int_equal(WEXITSTATUS(outcome.status), SCENE_SURVIVED);
}

static void spoil_errno(struct fake_engine *fake, page_number page)
{
    (void)fake;
    (void)page;
    errno = EDOM;
}

static void test_errno_survives_a_fault(void **state)
{
    struct rig rig;
    char text[256] = "";

    if (rig_make(&rig, faults_of(state), text, sizeof(text)) != 0) {
        print_message("skipped: %s\n", text);
        skip();
    }
    rig.fake.on_fault = spoil_errno;
    assert_int_equal(rig_start(&rig), 0);
    for (page_number page = 0; page < RIG_PAGES; page++) {
        errno = 4242;
        rig_write(&rig, page, page);
        assert_int_equal(errno, 4242);
    }
    rig_end(&rig);
}

/* ---- interrupted ---------------------------------------------------------------------------- */

/*
 * All accesses are relaxed: ThreadSanitizer makes stronger ones while it holds a lock of its own,
 * which a fault handler then waits for.
 */
#define STORM_THREADS 2u
#ifdef MM_SANITIZED
#define STORM_NS 700000000ull
#else
#define STORM_NS 1500000000ull
#endif

static struct rig *storm_rig;
static _Atomic uint64_t storm_signals;
static _Atomic uint64_t storm_mistakes;

/* Touches managed memory itself, at any moment of the program. Word 1: nobody else's. */
static void on_alarm(int signal)
{
    uint64_t number = atomic_fetch_add(&storm_signals, 1);
    page_number page = (page_number)(number * 7 % RIG_PAGES);
    int saved = errno;
    sigset_t faults;

    (void)signal;
    /* ThreadSanitizer runs handlers late, with every signal blocked; we need this one. */
    sigemptyset(&faults);
    sigaddset(&faults, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
    atomic_fetch_add_explicit(rig_word(storm_rig, page) + 1, 1, memory_order_relaxed);
    errno = saved;
}

static void *storm_main(void *argument)
{
    unsigned word = 2 + *(unsigned *)argument;
    uint64_t versions[RIG_PAGES] = {0};
    uint64_t end_ns = world_now_ns() + STORM_NS;
    uint32_t seed = word;

    while (world_now_ns() < end_ns) {
        page_number page = (seed = seed * 1664525 + 1013904223) >> 8 & (RIG_PAGES - 1);

        if (atomic_load_explicit(rig_word(storm_rig, page) + word, memory_order_relaxed) !=
            versions[page])
            atomic_fetch_add(&storm_mistakes, 1);
        atomic_store_explicit(rig_word(storm_rig, page) + word, ++versions[page],
                              memory_order_relaxed);
    }
    return NULL;
}

static void *storm_evictor(void *argument)
{
    _Atomic bool *stop = argument;
    sigset_t all;
    uint32_t seed = 1;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (!atomic_load(stop)) {
        page_number pages[RIG_PAGES / 2];
        uint32_t count = 0;

        for (page_number page = 0; page < RIG_PAGES; page += 2)
            pages[count++] = page + ((seed = seed * 1664525 + 1013904223) >> 16 & 1);
        fake_evict(&storm_rig->fake, TESTER, count, pages);
    }
    return NULL;
}

static void test_signal_storm(void **state)
{
    struct rig rig;
    pthread_t threads[STORM_THREADS], evictor;
    unsigned numbers[STORM_THREADS];
    struct itimerval kilohertz = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
    _Atomic bool stop = false;
    uint64_t sum = 0;

    start_or_skip(&rig, state);
    storm_rig = &rig;
    atomic_store(&storm_signals, 0);
    atomic_store(&storm_mistakes, 0);
    signal(SIGALRM, on_alarm);
    for (unsigned i = 0; i < STORM_THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, storm_main, &numbers[i]), 0);
    }
    assert_int_equal(pthread_create(&evictor, NULL, storm_evictor, &stop), 0);
    setitimer(ITIMER_REAL, &kilohertz, NULL);
    for (unsigned i = 0; i < STORM_THREADS; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &off, NULL);
    atomic_store(&stop, true);
    pthread_join(evictor, NULL);
    signal(SIGALRM, SIG_IGN);
    for (page_number page = 0; page < RIG_PAGES; page++)
        sum += atomic_load_explicit(rig_word(&rig, page) + 1, memory_order_relaxed);
    assert_int_equal(atomic_load(&storm_mistakes), 0);
    assert_int_equal(sum, atomic_load(&storm_signals));
    assert_true(sum > 100);
    rig_end(&rig);
}

/* ---- never ---------------------------------------------------------------------------------- */

/* It hangs, or is over soon even where much else runs. */
#define EXIT_NS_MAX 20000000000ull

static _Atomic uint32_t waiting;

static void wait_for_ever(struct fake_engine *fake, page_number page)
{
    static _Atomic uint32_t never;

    (void)fake;
    (void)page;
    atomic_fetch_add(&waiting, 1);
    for (;;)
        world_wait(&never, 0, UINT64_MAX);
}

static void *toucher_main(void *argument)
{
    struct rig *rig = argument;

    rig_read(rig, 5);
    _exit(SCENE_SURVIVED + 1);
}

static void play_exit_while_blocked(enum linux_faults faults)
{
    struct rig rig;
    pthread_t threads[4];

    rig_must_start(&rig, faults, wait_for_ever);
    for (unsigned i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_create(&threads[i], NULL, toucher_main, &rig);
    while (atomic_load(&waiting) < 2)
        usleep(1000);
    exit(0);
}

static void test_exit_while_blocked(void **state)
{
    struct outcome outcome = play_or_skip("exit-while-blocked", state);

    assert_true(WIFEXITED(outcome.status));
    assert_int_equal(WEXITSTATUS(outcome.status), 0);
    assert_true(outcome.ns < EXIT_NS_MAX);
}

static const char *volatile own_touch;

static void touch_own(struct fake_engine *fake, page_number page)
{
    (void)fake;
    (void)page;
    (void)*(const volatile char *)(own_touch + 20 * MM_PAGE_SIZE);
}

static void play_pager_touches(enum linux_faults faults)
{
    struct rig rig;

    rig_must_make(&rig, faults);
    own_touch = rig.base;
    rig.fake.on_fault = touch_own;
    rig_start(&rig);
    rig_read(&rig, 5);
}

/* Nobody is left to read that message: the guard does. */
static void play_pager_touches_alone(enum linux_faults faults)
{
    rig_handlers = 1;
    play_pager_touches(faults);
}

static void expect_self_touch_ends(void **state, const char *scene)
{
    struct outcome outcome = play_or_skip(scene, state);

    if (faults_of(state) == LINUX_FAULTS_SIGNAL) {
        /* SIGBUS is blocked in its own handler: the kernel ends it. */
        assert_true(died_of(&outcome, SIGBUS));
    } else {
        assert_true(died_of(&outcome, SIGABRT));
        assert_non_null(strstr(outcome.text, "the pager touched managed memory"));
    }
}

static void test_pager_that_touches_its_memory(void **state)
{
    expect_self_touch_ends(state, "pager-touches");
    expect_self_touch_ends(state, "pager-touches-alone");
}

static void test_two_machines(void **state)
{
    struct rig one, two;

    start_or_skip(&one, state);
    start_or_skip(&two, state);
    for (page_number page = 0; page < RIG_PAGES; page++) {
        rig_write(&one, page, 1000 + page);
        rig_write(&two, page, 2000 + page);
        rig_evict(&one, page);
    }
    rig_evict(&two, 3);
    assert_int_equal(rig_read(&one, 3), 1003);
    rig_end(&one);
    assert_int_equal(rig_read(&two, 3), 2003);
    rig_end(&two);
}

/* ---- transfers ------------------------------------------------------------------------------ */

static unsigned ioctls;

static int count_ioctl(int fd, unsigned long request, void *argument)
{
    ioctls++;
    return ioctl(fd, request, argument);
}

/* Reads by this process so far. */
static uint64_t reads_made(void)
{
    uint64_t reads = 0;
    char line[64];
    FILE *file = fopen("/proc/self/io", "re");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL &&
           sscanf(line, "syscr: %" SCNu64, &reads) != 1) {
    }
    fclose(file);
    return reads;
}

/* As many pages as one system call may move, and no more, into the range and out of it. */
static void test_transfer_batch(void **state)
{
    enum { FIRST = 10, COUNT = 8 };
    static const struct {
        uint32_t transfer, calls;
    } batches[] = {{1, 8}, {3, 3}, {8, 1}, {64, 1}};
    struct machine_map maps[COUNT];
    page_number pages[COUNT];
    frame_number frames[COUNT];
    void *buffers[COUNT];
    struct rig rig;

    start_or_skip(&rig, state);
    rig.machine->ioctl = count_ioctl;
    const struct machine_ops *ops = rig.fake.machine.ops;
    for (unsigned i = 0; i < ARRAY_COUNT(batches); i++) {
        rig.machine->transfer = batches[i].transfer;
        for (uint32_t p = 0; p < COUNT; p++) {
            uint64_t *window = ops->fill_buffer(rig.machine, TESTER, p, FIRST + p);

            window[0] = 100 * i + p;
            pages[p] = FIRST + p;
            frames[p] = FIRST + p;
            maps[p] = (struct machine_map){FIRST + p, FIRST + p, true, window};
        }
        ioctls = 0;
        ops->map(rig.machine, TESTER, COUNT, maps);
        assert_int_equal(ioctls, batches[i].calls);
        uint64_t none = reads_made(), before = reads_made();
        ops->content(rig.machine, TESTER, COUNT, pages, frames, buffers);
        assert_int_equal(reads_made() - before - (before - none), batches[i].calls);
        for (uint32_t p = 0; p < COUNT; p++)
            assert_int_equal(*(uint64_t *)buffers[p], 100 * i + p);
        ops->unmap(rig.machine, TESTER, COUNT, pages, NULL);
        ops->release(rig.machine, TESTER, COUNT, pages);
    }
    rig_end(&rig);
}

static const struct scene scenes[] = {
    {"violation", play_violation},
    {"violation-blocked", play_violation_blocked},
    {"violation-ignored", play_violation_ignored},
    {"in-page-error", play_in_page_error},
    {"foreign", play_foreign},
    {"foreign-ignored", play_foreign_ignored},
    {"exit-while-blocked", play_exit_while_blocked},
    {"pager-touches", play_pager_touches},
    {"pager-touches-alone", play_pager_touches_alone},
};

#define BOTH(test)                                                                                 \
    {#test " (signal)", test, NULL, NULL, &by_signal},                                             \
    {                                                                                              \
#test " (thread)", test, NULL, NULL, &by_thread                                            \
    }

int main(int argc, char **argv)
{
    static enum linux_faults by_signal = LINUX_FAULTS_SIGNAL;
    static enum linux_faults by_thread = LINUX_FAULTS_THREAD;
    const struct CMUnitTest tests[] = {
        BOTH(test_access_violation),
        BOTH(test_access_violation_kills),
        BOTH(test_access_violation_in_system_call),
        BOTH(test_in_page_error),
        BOTH(test_in_page_errors_pass),
        BOTH(test_in_page_error_kills),
        BOTH(test_foreign_sigbus),
        BOTH(test_foreign_sigbus_without_handler),
        BOTH(test_errno_survives_a_fault),
        BOTH(test_signal_storm),
        BOTH(test_exit_while_blocked),
        BOTH(test_pager_that_touches_its_memory),
        BOTH(test_two_machines),
        BOTH(test_transfer_batch),
    };

    scene_main(argc, argv, scenes, ARRAY_COUNT(scenes));
    return cmocka_run_group_tests_name("linux faults", tests, NULL, NULL);
}
