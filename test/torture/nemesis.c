/*
 * nemesis.c - what goes on around the lockers: forks, signals, and advice to the kernel.
 *
 * Each nemesis does what docs/linux-machine.md says a program may do. A fork's child touches
 * managed memory and must get SIGSEGV. Advice is MADV_COLLAPSE (as it is and
 * after MADV_HUGEPAGE), MADV_MERGEABLE, MADV_DONTNEED, by thread mlock, and for root the
 * compaction of memory.
 */
#include "torture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/*
 * The kernel gives back what a dead child had only later, on a busy machine much later; without a
 * pause hundreds of dead children a second fill the cgroup.
 */
#define FORK_PAUSE_NS       20000000u
#define SIGNAL_PAUSE_NS     1000000u
#define COMPACTION_EVERY_NS 5000000000u

extern char **environ;

static pthread_t threads[NEMESIS_THREADS];
static unsigned started;

/* ---- fork ---- */

/* In the child: 0 for SIGSEGV, as promised; else what went wrong. */
static int touch_in_child(volatile uint64_t *word, bool write)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int signal = signal_of_touch(word, write, 0x666);
    return signal == SIGSEGV ? 0 : signal != 0 ? 2 : !write && *word == 0 ? 3 : 4;
}

static void fork_once(uint64_t *random)
{
    static const char *const wrongs[] = {
        NULL, "a child ended in a strange way", "a child got a signal other than SIGSEGV",
        "a child read a zero in managed memory", "a child could touch managed memory"};
    volatile uint64_t *word = (volatile uint64_t *)(void *)ordeal.base +
                              draw(random, MEMORY_PAGES * (uint64_t)PAGE_WORDS);
    bool write = draw(random, 4) == 0;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        _exit(touch_in_child(word, write));
    }
    if (child < 0) {
        torture_fail("fork failed", NULL, 0, (uint64_t)errno);
    }
    if (waitpid(child, &status, 0) != child) {
        torture_fail("waitpid failed", NULL, 0, (uint64_t)errno);
    }
    if (status != 0) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        torture_fail(wrongs[code >= 1 && code <= 4 ? code : 1], (const void *)(uintptr_t)word, 0,
                     (uint64_t)status);
    }
    count_one(&ordeal.counts.forks);
}

/* A program started from here: it must find nothing of ours in its way. */
static void spawn_once(void)
{
    char name[] = "torture", nothing[] = "--nothing";
    char *arguments[] = {name, nothing, NULL};
    int status = 0;
    pid_t child;
    int error = posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ);
    if (error != 0 || waitpid(child, &status, 0) != child || status != 0) {
        torture_fail("a program that was spawned failed", NULL, 0,
                     error != 0 ? (uint64_t)error : (uint64_t)status);
    }
    count_one(&ordeal.counts.spawns);
}

static void *fork_main(void *number)
{
    uint64_t random = ordeal.seed + 13 * (uint64_t)(uintptr_t)number;
    while (!atomic_load(&ordeal.stop)) {
        fork_once(&random);
        if (draw(&random, 16) == 0) {
            spawn_once();
        }
        pause_ns(FORK_PAUSE_NS);
    }
    return NULL;
}

/* ---- signals ---- */

/*
 * Two a millisecond, one that restarts system calls and one that does not. Only every second locker
 * gets them: a signal also frees a thread from a fault that nobody woke it from, and hides that.
 */
static void *signals_main(void *unused)
{
    uint64_t random = ordeal.seed + 5;
    (void)unused;
    while (!atomic_load(&ordeal.stop)) {
        if (pthread_kill(ordeal.lockers[2 * draw(&random, LOCKERS / 2)], SIGUSR1) != 0 ||
            pthread_kill(ordeal.lockers[2 * draw(&random, LOCKERS / 2)], SIGUSR2) != 0) {
            torture_fail("pthread_kill failed", NULL, 0, (uint64_t)errno);
        }
        atomic_fetch_add(&ordeal.counts.signals_sent, 2);
        pause_ns(SIGNAL_PAUSE_NS);
    }
    return NULL;
}

/* ---- advice ---- */

static char *draw_range(uint64_t *random, uint64_t pages)
{
    return ordeal.base + draw(random, MEMORY_PAGES - pages + 1) * PAGE;
}

/* The first whole huge page from `address` on. */
static char *huge_page_at(char *address)
{
    uintptr_t bytes = HUGE_PAGES * PAGE;
    return address + (bytes - (uintptr_t)address % bytes) % bytes;
}

/* Huge pages of shared memory, of the whole system. */
static uint64_t huge_pages_kib(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "ShmemHugePages: %llu kB", &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

/*
 * Counted by what became of the memory: where the kernel does make a huge page it says EINVAL all the
 * same, because it does not map one where userfaultfd watches.
 */
static void collapse(char *huge)
{
    uint64_t before = huge_pages_kib();
    int result = madvise(huge, HUGE_PAGES * PAGE, MADV_COLLAPSE);
    count_one(&ordeal.counts.collapse_tries);
    if (result == 0 || huge_pages_kib() > before) {
        count_one(&ordeal.counts.collapses);
    }
}

/* As far as the pins reach: how many pages of the range are pinned. */
static uint64_t pin_all(char *first)
{
    uint64_t pinned = 0;
    void *page;
    while (pinned < HUGE_PAGES && !atomic_load(&ordeal.stop)) {
        int error = mm_pin(ordeal.manager, (uintptr_t)first + pinned * PAGE, true, &page);
        if (error == MM_ERROR_PIN_LIMIT) {
            count_one(&ordeal.counts.pins_refused);
            break;
        }
        if (error != MM_OK) {
            torture_fail("mm_pin failed", first + pinned * PAGE, 0, (uint64_t)error);
        }
        pinned++;
    }
    return pinned;
}

/*
 * A huge page by force, in an area of our own: every page resident and writable, as the kernel wants
 * it. Whether there is one then or not, the bytes stay, and no page outlives its frame in the file.
 */
static void collapse_by_force(uint64_t version)
{
    char *huge = huge_page_at(ordeal.collapse_pages);
    volatile uint64_t *words = (volatile uint64_t *)(void *)huge;
    uint64_t pinned = pin_all(huge);
    for (uint64_t i = 0; i < pinned; i++) {
        words[i * PAGE_WORDS + i] = version << 16 | i;
    }
    if (pinned == HUGE_PAGES) {
        madvise(huge, HUGE_PAGES * PAGE, MADV_HUGEPAGE);
        collapse(huge);
        madvise(huge, HUGE_PAGES * PAGE, MADV_NOHUGEPAGE);
    }
    for (uint64_t i = 0; i < pinned; i++) {
        mm_unpin(ordeal.manager, (uintptr_t)huge + i * PAGE);
    }
    for (uint64_t i = 0; i < pinned; i++) {
        uint64_t found = words[i * PAGE_WORDS + i];
        if (found != (version << 16 | i)) {
            torture_fail("a page that was part of a huge page was lost or altered",
                         (const void *)(uintptr_t)&words[i * PAGE_WORDS + i], version << 16 | i,
                         found);
        }
    }
}

/*
 * Takes the mapping away behind the manager's back. By signal a system call on a pinned page would
 * see that as EFAULT, so there only pages that nobody gives to one.
 */
static void drop_mappings(uint64_t *random, uint64_t pages)
{
    char *range = ordeal.faults == MM_FAULTS_THREAD
                      ? draw_range(random, pages)
                      : ordeal.collapse_pages + draw(random, COLLAPSE_PAGES - pages + 1) * PAGE;
    if (madvise(range, pages * PAGE, MADV_DONTNEED) != 0 && errno != EINVAL) { /* EINVAL: locked */
        torture_fail("MADV_DONTNEED failed", range, 0, (uint64_t)errno);
    }
}

/* A range anywhere, also under the locks of others; whatever the kernel answers is right. */
static void advise_anywhere(uint64_t *random)
{
    uint64_t pages = 1 + draw(random, 64), choice = draw(random, 6);
    char *range = draw_range(random, pages);
    if (choice < 2) {
        madvise(range, pages * PAGE, choice == 0 ? MADV_MERGEABLE : MADV_UNMERGEABLE);
    } else if (choice < 4) {
        drop_mappings(random, pages);
    } else if (choice == 4 && ordeal.faults == MM_FAULTS_THREAD) {
        mlock(range, pages * PAGE);
        munlock(range, pages * PAGE);
    } else {
        collapse(huge_page_at(draw_range(random, 2 * HUGE_PAGES)));
    }
    count_one(&ordeal.counts.advices);
}

static void compact(uint64_t *last_ns)
{
    int file;
    if (now_ns() - *last_ns < COMPACTION_EVERY_NS) {
        return;
    }
    *last_ns = now_ns();
    file = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        if (write(file, "1", 1) == 1) {
            count_one(&ordeal.counts.compactions);
        }
        close(file);
    }
}

static void *advice_main(void *unused)
{
    uint64_t random = ordeal.seed + 3, round = 0, compacted_ns = now_ns();
    (void)unused;
    while (!atomic_load(&ordeal.stop)) {
        advise_anywhere(&random);
        if (++round % 128 == 0) {
            collapse_by_force(round);
        }
        compact(&compacted_ns);
        pause_ns(2000000);
    }
    return NULL;
}

/* ---- all ---- */

static void start_thread(enum nemesis nemesis, void *(*main)(void *), uint64_t number)
{
    int error = pthread_create(&threads[started], NULL, main, (void *)(uintptr_t)number);
    if (error != 0) {
        torture_fail("a thread cannot be started", NULL, 0, (uint64_t)error);
    }
    atomic_store(&ordeal.at_work[nemesis], true);
    started++;
}

void nemesis_start(void)
{
    for (unsigned i = 0; i < FORK_THREADS; i++) {
        start_thread(NEMESIS_FORK, fork_main, i);
    }
    for (unsigned i = 0; ordeal.direct_works && i < DIRECT_THREADS; i++) {
        start_thread(NEMESIS_DIRECT, direct_main, i);
    }
    start_thread(NEMESIS_SIGNALS, signals_main, 0);
    start_thread(NEMESIS_RIGHTS, rights_main, 0);
    start_thread(NEMESIS_ADVICE, advice_main, 0);
}

void nemesis_join(void)
{
    atomic_store(&ordeal.stop, true);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
}
