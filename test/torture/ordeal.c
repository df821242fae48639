/*
 * ordeal.c - one child's life: a manager under torture in one fault mode, watched, then checked.
 *
 * The main thread samples the budget a thousand times a second: blocks of the memory file, which
 * are the resident pages, never exceed the frames, not by one page; the cgroup never refuses and
 * never kills. Whoever makes no progress for ten seconds is a hang. At the end everything is
 * compared with its shadow, then frozen and audited, and the file, mincore and the page lists
 * must agree on how many pages are resident.
 */
#include "torture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HANG_NS   10000000000u
#define WARMUP_NS 1000000000u
/* For what comes before and after the torture itself; a watch of its own. */
#define PHASE_SECONDS 60

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* Linux 6.4 */
#endif

struct ordeal ordeal;

static struct {
    const struct budget *budget;
    int file;               /* of the memory, found among our descriptors */
    uint64_t blocks_max;    /* resident pages, most of all samples */
    uint64_t merged_max;    /* pages of ours that the kernel had merged, likewise */
    uint64_t refusals_warm; /* of the cgroup, at the end of the warm-up */
    uint64_t begin_ns;
} watched = {.file = -1};

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void pause_ns(uint64_t ns)
{
    struct timespec pause = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&pause, NULL);
}

/* ---- failing ---- */

static void name_place(const void *where, char *ret_text, size_t size)
{
    uint64_t offset = (uintptr_t)where - (uintptr_t)ordeal.base;
    uint64_t page = offset / PAGE;
    ret_text[0] = '\0';
    if (where == NULL) {
        return;
    }
    if ((uintptr_t)where < (uintptr_t)ordeal.base || page >= MEMORY_PAGES) {
        snprintf(ret_text, size, ": at %p", where);
        return;
    }
    const char *area = page < LOCKER_PAGES                                  ? "lockers"
                       : page < LOCKER_PAGES + DIRECT_PAGES                 ? "O_DIRECT"
                       : page < LOCKER_PAGES + DIRECT_PAGES + PROTECT_PAGES ? "rights"
                                                                            : "huge page";
    snprintf(ret_text, size, ": at page %llu (%s), byte %llu", (unsigned long long)page, area,
             (unsigned long long)(offset % PAGE));
}

void torture_describe(void)
{
    static const char *const names[NEMESIS_COUNT] = {"fork", "signals", "O_DIRECT", "advice",
                                                     "rights"};
    char nemeses[96] = "";
    for (unsigned i = 0; i < NEMESIS_COUNT; i++) {
        if (atomic_load(&ordeal.at_work[i])) {
            strcat(strcat(nemeses, " "), names[i]);
        }
    }
    fprintf(stderr, "  after %.2f s, %llu visits, %llu forks, %llu collapses; at work:%s\n",
            (double)(now_ns() - watched.begin_ns) / 1e9,
            (unsigned long long)atomic_load(&ordeal.counts.visits),
            (unsigned long long)atomic_load(&ordeal.counts.forks),
            (unsigned long long)atomic_load(&ordeal.counts.collapses),
            nemeses[0] == '\0' ? " nobody" : nemeses);
}

void torture_fail(const char *what, const void *where, uint64_t expected, uint64_t found)
{
    static atomic_flag failed = ATOMIC_FLAG_INIT;
    char place[96];
    if (atomic_flag_test_and_set(&failed)) {
        for (;;) {
            pause(); /* the first failure is the one to report */
        }
    }
    name_place(where, place, sizeof(place));
    fprintf(stderr, "torture (%s, seed %llu): %s%s: expected %#llx, found %#llx\n", ordeal.mode,
            (unsigned long long)ordeal.seed, what, place, (unsigned long long)expected,
            (unsigned long long)found);
    torture_describe();
    _exit(1);
}

/* ---- the budget ---- */

/*
 * In bytes, beside frames and page file (whole huge pages, so nothing is lost at its ends):
 *   tables     32 a frame, 8.03 a virtual page, and 90 KiB an engine thread (its record and the
 *              storage of one round); 2 MiB because the kernel may make them a huge page
 *   windows    --write-batch pages and 16 KiB of vectors for each engine thread
 *   threads    16 KiB of kernel stack, 32 KiB of stack, thread-local storage and heap that was
 *              touched, 12 KiB of page tables
 *   kernel     9 a page of the memory file for its index, 8 for its page table, and 256 KiB each
 *              CPU that are charged before they are used
 *   children   2 MiB for each thread that forks: their own tables, the copies that writing parents
 *              make, and what the kernel has not yet given back of those that are dead
 *   program    2 MiB: image, libraries, the shadows
 */
uint64_t ordeal_declared_bytes(void)
{
    uint64_t numbers = THREADS_MAX + 16 + MANAGER_WORKERS;
    uint64_t threads = OWN_THREADS + MANAGER_WORKERS + FAULT_HANDLERS;
    uint64_t tables = 32 * FRAMES + 9 * MEMORY_PAGES + (numbers * 90 << 10) + (2 << 20);
    uint64_t windows = numbers * (WRITE_BATCH * PAGE + (16 << 10));
    uint64_t kernel = 17 * MEMORY_PAGES + ((uint64_t)sysconf(_SC_NPROCESSORS_ONLN) << 18);
    return (FRAMES + MEMORY_PAGES) * PAGE + tables + windows + (threads * 60 << 10) + kernel +
           (FORK_THREADS << 21) + (2 << 20);
}

static void find_memory_file(void)
{
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char path[300], target[64] = "";
        snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, target, sizeof(target) - 1) > 0 &&
            strncmp(target, "/memfd:memman", strlen("/memfd:memman")) == 0) {
            watched.file = atoi(entry->d_name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    if (watched.file < 0) {
        torture_fail("the memory file is not among our descriptors", NULL, 1, 0);
    }
}

static uint64_t resident_blocks(void)
{
    struct stat status;
    if (fstat(watched.file, &status) != 0) {
        torture_fail("fstat of the memory file failed", NULL, 0, (uint64_t)errno);
    }
    return (uint64_t)status.st_blocks * 512 / PAGE;
}

/* Pages of this process that share their memory with equal ones. */
static uint64_t merged_pages(void)
{
    unsigned long long merged = 0;
    FILE *file = fopen("/proc/self/ksm_merging_pages", "re");
    if (file != NULL) {
        if (fscanf(file, "%llu", &merged) != 1) {
            merged = 0;
        }
        fclose(file);
    }
    return merged;
}

static void sample_budget(void)
{
    uint64_t blocks = resident_blocks();
    watched.blocks_max = blocks > watched.blocks_max ? blocks : watched.blocks_max;
    count_one(&ordeal.counts.samples);
    if (blocks > FRAMES) {
        torture_fail("more pages are resident than there are frames", NULL, FRAMES, blocks);
    }
    if (atomic_load(&ordeal.counts.samples) % 64 == 0) {
        uint64_t merged = merged_pages();
        watched.merged_max = merged > watched.merged_max ? merged : watched.merged_max;
    }
    if (watched.budget != NULL && atomic_load(&ordeal.counts.samples) % 64 == 0 &&
        budget_refusals(watched.budget) != watched.refusals_warm) {
        torture_fail("the cgroup's limit was reached: budget and declared overhead exceeded", NULL,
                     watched.refusals_warm, budget_refusals(watched.budget));
    }
}

static uint64_t count_resident(void)
{
    static unsigned char present[MEMORY_PAGES];
    uint64_t count = 0;
    if (mincore(ordeal.base, MEMORY_PAGES * PAGE, present) != 0) {
        torture_fail("mincore failed", NULL, 0, (uint64_t)errno);
    }
    for (uint64_t i = 0; i < MEMORY_PAGES; i++) {
        count += present[i] & 1;
    }
    return count;
}

/* ---- the course ---- */

static void make_manager(void)
{
    struct mm_options options;
    struct mm_detail detail;
    uint64_t base = 0;
    mm_options_init(&options);
    options.machine = MM_MACHINE_LINUX;
    options.faults = ordeal.faults;
    options.memory_bytes = options.pagefile_bytes = MEMORY_PAGES * PAGE;
    options.frames_bytes = FRAMES * PAGE;
    options.threads_max = THREADS_MAX;
    options.write_batch = WRITE_BATCH;
    /* Pages that take time to come and go meet more of what else happens to them. */
    options.store = ordeal.faults == MM_FAULTS_THREAD ? "ram:latency=20000" : "ram";
    int error = mm_create(&options, &ordeal.manager, &detail);
    if (error == MM_ERROR_UNSUPPORTED) {
        printf("torture (%s) skipped: %s\n", ordeal.mode, detail.text);
        fflush(stdout);
        _exit(STATUS_SKIP);
    }
    if (error != MM_OK || mm_reserve(ordeal.manager, MEMORY_PAGES * PAGE, &base) != MM_OK ||
        mm_commit(ordeal.manager, base, MEMORY_PAGES * PAGE, MM_READ_WRITE) != MM_OK) {
        torture_fail(detail.text[0] != '\0' ? detail.text : "mm_reserve or mm_commit failed", NULL,
                     0, (uint64_t)error);
    }
    ordeal.base = (char *)(uintptr_t)base;
    ordeal.locker_pages = (struct locker_page *)(void *)ordeal.base;
    ordeal.direct_pages = ordeal.base + LOCKER_PAGES * PAGE;
    ordeal.protect_pages = ordeal.direct_pages + DIRECT_PAGES * PAGE;
    ordeal.collapse_pages = ordeal.protect_pages + PROTECT_PAGES * PAGE;
    ordeal.counters = calloc(LOCKER_PAGES, sizeof(uint64_t));
}

/* Each locker moves. */
static void watch_lockers(void)
{
    static struct {
        uint64_t steps, since_ns;
    } seen[LOCKERS];
    uint64_t now = now_ns();
    for (unsigned i = 0; i < LOCKERS; i++) {
        uint64_t steps = atomic_load(&ordeal.steps[i]);
        if (steps != seen[i].steps || seen[i].since_ns == 0) {
            seen[i].steps = steps;
            seen[i].since_ns = now;
        } else if (now - seen[i].since_ns > HANG_NS) {
            torture_fail("a locker has not moved for ten seconds", NULL, steps + 1, steps);
        }
    }
}

static void watch(uint64_t ns)
{
    uint64_t end_ns = now_ns() + ns;
    while (now_ns() < end_ns) {
        sample_budget();
        watch_lockers();
        pause_ns(1000000);
    }
}

static void print_complaint(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "torture (%s): audit: %s\n", ordeal.mode, text);
}

/* Frozen: three ways of counting resident pages agree, and the engine agrees with itself. */
static void audit_end(void)
{
    struct mm_audit audit = {0, 0};
    struct mm_pages pages;
    mm_freeze(ordeal.manager);
    mm_audit(ordeal.manager, print_complaint, NULL, &audit);
    mm_pages(ordeal.manager, &pages);
    uint64_t held = pages.standby + pages.modified + pages.active + pages.transition;
    if (audit.violations != 0) {
        torture_fail("the audit found violations", NULL, 0, audit.violations);
    }
    if (resident_blocks() != held || count_resident() != held) {
        torture_fail("the memory file holds other pages than the frames", NULL, held,
                     resident_blocks());
    }
    mm_thaw(ordeal.manager);
}

static uint64_t counter_of(const char *key)
{
    struct mm_counter counters[128];
    size_t count = mm_counters(ordeal.manager, counters, 128);
    for (size_t i = 0; i < count && i < 128; i++) {
        if (strcmp(counters[i].key, key) == 0) {
            return counters[i].value;
        }
    }
    torture_fail("a counter is missing", NULL, 1, 0);
}

#define COUNT(name) ((unsigned long long)atomic_load(&ordeal.counts.name))

static void print_totals(double seconds)
{
    printf("torture (%s), %.1f s, seed %llu: all right\n", ordeal.mode, seconds,
           (unsigned long long)ordeal.seed);
    printf("  evictions %llu (%llu hard faults), visits %llu (%llu pinned), transfers %llu, "
           "sums %llu\n",
           (unsigned long long)counter_of("repurposed"), (unsigned long long)counter_of("hard"),
           COUNT(visits), COUNT(pinned_visits), COUNT(transfers), COUNT(audits));
    printf("  forks %llu (and %llu programs spawned), signals %llu sent, %llu handled\n",
           COUNT(forks), COUNT(spawns), COUNT(signals_sent), COUNT(signals_handled));
    printf("  O_DIRECT %llu reads, %llu writes; pins refused %llu; rights changed %llu times, "
           "%llu violations\n",
           COUNT(direct_reads), COUNT(direct_writes), COUNT(pins_refused), COUNT(rights_changes),
           COUNT(violations));
    printf("  advices %llu, collapses %llu of %llu tries, compactions %llu, pages merged %llu\n",
           COUNT(advices), COUNT(collapses), COUNT(collapse_tries), COUNT(compactions),
           (unsigned long long)watched.merged_max);
    printf("  resident pages at most %llu of %u frames in %llu samples\n",
           (unsigned long long)watched.blocks_max, FRAMES, COUNT(samples));
    fflush(stdout);
}

/* A nemesis that did nothing proves nothing. */
static void check_work(void)
{
    if (counter_of("repurposed") == 0 || COUNT(forks) == 0 || COUNT(signals_handled) == 0 ||
        COUNT(rights_changes) == 0 || COUNT(pinned_visits) == 0 || COUNT(collapse_tries) == 0 ||
        (ordeal.direct_works && (COUNT(direct_reads) == 0 || COUNT(direct_writes) == 0))) {
        torture_fail("somebody did not get to work", NULL, 1, 0);
    }
}

void ordeal_run(enum mm_faults faults, double seconds, uint64_t seed, const struct budget *budget)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ordeal.faults = faults;
    ordeal.mode = faults == MM_FAULTS_THREAD ? "thread" : "signal";
    ordeal.seed = seed;
    watched.budget = budget;
    watched.begin_ns = now_ns();
    if (budget != NULL) {
        budget_join(budget);
    }
    /* The manager's own memory, its page file above all, is for the kernel to merge. */
    prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0);
    rights_prepare();
    alarm(PHASE_SECONDS);
    make_manager();
    find_memory_file();
    lockers_prepare();
    direct_prepare();
    lockers_start();
    nemesis_start();
    alarm(0);
    pause_ns(WARMUP_NS);
    watched.refusals_warm = budget == NULL ? 0 : budget_refusals(budget);
    watch((uint64_t)(seconds * 1e9));
    alarm(PHASE_SECONDS);
    nemesis_join();
    lockers_join();
    lockers_check_end();
    direct_check_end();
    audit_end();
    check_work();
    print_totals(seconds);
    mm_destroy(ordeal.manager);
    _exit(0);
}
