/*
 * space_test.c - threads use memory while others decommit, protect and reserve it, short of frames.
 *
 * The shared region is cut into plots. Who holds a plot's lock changes its pages' rights and
 * contents and knows exactly what each access must give. Everybody else reads all pages, and
 * writes one word of its own in each, at any moment and without the lock: such an access is judged
 * by what the page's sequence numbers say could have happened meanwhile. Every word carries its
 * own place, so that a word of another page, or of an earlier life of the page, is seen.
 *
 * Usage: space_test [SECONDS [SEED [soft|signal|thread]]]. The seconds can also come from
 * MEMMAN_TEST_SECONDS. Each round draws its options from the seed.
 */
#include "memman.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE         ((uint64_t)MM_PAGE_BYTES)
#define WORDS        (MM_PAGE_BYTES / sizeof(uint64_t))
#define SPACE_PAGES  1024u
#define PLOT_PAGES   8u
#define PLOTS        64u
#define SHARED_PAGES (PLOTS * PLOT_PAGES)
#define SEGMENTS     8u  /* of a page; each has its own version */
#define SEGMENT      62u /* words */
#define THREADS      4u
#define OWN_WORD     (SEGMENTS * SEGMENT) /* one word for each thread follows the segments */
#define LIFE_UNKNOWN UINT32_MAX
#define ROUND_NS     400000000u
#ifdef MM_SANITIZED
#define SECONDS 1.2 /* a round of each kind */
#else
#define SECONDS 3.0
#endif

/* What a page must be. Rights, life and versions change under the plot's lock. */
struct truth {
    _Atomic uint32_t change; /* odd while rights or commitment change */
    _Atomic uint32_t life;   /* odd while decommitted or about to be */
    _Atomic int rights;      /* -1: not committed; else enum mm_protection */
    _Atomic uint32_t done[SEGMENTS], pending[SEGMENTS]; /* versions; 0: zeros */
};

struct plot {
    pthread_mutex_t lock;
    struct truth pages[PLOT_PAGES];
};

struct own {
    uint32_t life;
    uint64_t value;
};

struct stress;

struct worker {
    struct stress *stress;
    uint64_t random;
    uint32_t number;
    uint64_t accesses;
    struct own own[SHARED_PAGES];
};

struct stress {
    mm *manager;
    uint64_t base; /* of the shared region, which is the first of the space */
    bool pointers; /* addresses are pointers */
    struct plot plots[PLOTS];
    struct worker workers[THREADS];
    atomic_bool stop;
};

static char about[256]; /* the round under way, for messages */
static uint32_t next_version;
static _Thread_local sigjmp_buf violation;
static _Thread_local volatile sig_atomic_t violation_expected;

static void fail(const char *what, uint64_t place, uint64_t expected, uint64_t found)
{
    fprintf(stderr, "space_test: %s: page %llu word %llu: expected %#llx, found %#llx\n  %s\n",
            what, (unsigned long long)(place / WORDS), (unsigned long long)(place % WORDS),
            (unsigned long long)expected, (unsigned long long)found, about);
    abort();
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t draw(uint64_t *random, uint64_t limit)
{
    *random += 0x9e3779b97f4a7c15u;
    uint64_t mixed = (*random ^ *random >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (mixed ^ mixed >> 31) % limit;
}

/* ---- words ---- */

/* What word `place` of the space holds in a version; zero is version 0. */
static uint64_t stamp(uint64_t place, uint32_t version)
{
    return version == 0 ? 0 : (uint64_t)version << 32 | (place + 1);
}

static uint32_t version_of(uint64_t place, uint64_t word)
{
    if (word != 0 && (uint32_t)word != place + 1) {
        fail("a word of another place", place, stamp(place, 1), word);
    }
    return (uint32_t)(word >> 32);
}

static uint32_t new_version(void)
{
    return __atomic_add_fetch(&next_version, 1, __ATOMIC_RELAXED);
}

/* ---- plain access ---- */

static void on_violation(int number, siginfo_t *info, void *context)
{
    static const char text[] = "space_test: mm_read or mm_write raised SIGSEGV\n";
    (void)info;
    (void)context;
    if (violation_expected) {
        siglongjmp(violation, number);
    }
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
        write(STDERR_FILENO, about, strlen(about)) < 0 || write(STDERR_FILENO, "\n", 1) < 0) {
        _exit(2);
    }
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

/* One word by load or store; the signal becomes the error that mm_read would give. */
static int touch(uint64_t address, uint64_t *word, bool write)
{
    _Atomic uint64_t *at = (_Atomic uint64_t *)(uintptr_t)address;
    int error = MM_OK;
    if (sigsetjmp(violation, 1) != 0) {
        error = MM_ERROR_ACCESS;
    } else {
        violation_expected = 1;
        if (write) {
            atomic_store_explicit(at, *word, memory_order_relaxed);
        } else {
            *word = atomic_load_explicit(at, memory_order_relaxed);
        }
    }
    violation_expected = 0;
    return error;
}

static int access_word(struct worker *self, uint64_t place, uint64_t *word, bool write)
{
    struct stress *stress = self->stress;
    uint64_t address = stress->base + place * sizeof(uint64_t);
    self->accesses++;
    if (stress->pointers && draw(&self->random, 2) == 0) {
        return touch(address, word, write);
    }
    return write ? mm_write(stress->manager, address, word, sizeof(*word))
                 : mm_read(stress->manager, address, word, sizeof(*word));
}

/* ---- what the holder of a plot does ---- */

static void check_content(uint64_t place, const struct truth *truth, const uint64_t *words)
{
    for (unsigned i = 0; i < SEGMENTS * SEGMENT; i++) {
        uint64_t expected = stamp(place + i, truth->done[i / SEGMENT]);
        if (words[i] != expected) {
            fail("wrong data", place + i, expected, words[i]);
        }
    }
    for (unsigned i = OWN_WORD; i < WORDS; i++) {
        version_of(place + i, words[i]);
    }
}

static void read_page(struct worker *self, uint64_t page, struct truth *truth)
{
    uint64_t words[WORDS], place = page * WORDS;
    int error =
        mm_read(self->stress->manager, self->stress->base + page * PAGE, words, sizeof(words));
    int expected = truth->rights >= MM_READ_ONLY ? MM_OK : MM_ERROR_ACCESS;
    if (error != expected) {
        fail("mm_read of a page gave an error", place, (uint64_t)expected, (uint64_t)error);
    }
    if (error == MM_OK) {
        check_content(place, truth, words);
    }
}

static void write_segment(struct worker *self, uint64_t page, struct truth *truth)
{
    uint64_t words[SEGMENT];
    unsigned segment = (unsigned)draw(&self->random, SEGMENTS);
    uint64_t place = page * WORDS + segment * SEGMENT;
    uint32_t version = new_version();
    for (unsigned i = 0; i < SEGMENT; i++) {
        words[i] = stamp(place + i, version);
    }
    int expected = truth->rights == MM_READ_WRITE ? MM_OK : MM_ERROR_ACCESS;
    if (expected == MM_OK) {
        atomic_store(&truth->pending[segment], version);
    }
    int error = mm_write(self->stress->manager, self->stress->base + place * sizeof(uint64_t),
                         words, sizeof(words));
    if (error != expected) {
        fail("mm_write gave an error", place, (uint64_t)expected, (uint64_t)error);
    }
    if (error == MM_OK) {
        atomic_store(&truth->done[segment], version);
    }
}

static void begin_change(struct truth *pages, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        atomic_fetch_add(&pages[i].change, 1);
    }
}

static void end_change(struct truth *pages, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        atomic_fetch_add(&pages[i].change, 1);
    }
}

static void decommit_pages(struct worker *self, uint64_t page, struct truth *pages, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        atomic_fetch_add(&pages[i].life, pages[i].life % 2 == 0);
    }
    begin_change(pages, count);
    int error = mm_decommit(self->stress->manager, self->stress->base + page * PAGE, count * PAGE);
    if (error != MM_OK) {
        fail("mm_decommit gave an error", page * WORDS, MM_OK, (uint64_t)error);
    }
    for (uint64_t i = 0; i < count; i++) {
        atomic_store(&pages[i].rights, -1);
        for (unsigned segment = 0; segment < SEGMENTS; segment++) {
            atomic_store(&pages[i].done[segment], 0);
            atomic_store(&pages[i].pending[segment], 0);
        }
    }
    end_change(pages, count);
}

static void commit_pages(struct worker *self, uint64_t page, struct truth *pages, uint64_t count)
{
    enum mm_protection rights = draw(&self->random, 8) == 0 ? MM_READ_ONLY : MM_READ_WRITE;
    begin_change(pages, count);
    int error =
        mm_commit(self->stress->manager, self->stress->base + page * PAGE, count * PAGE, rights);
    if (error != MM_OK && error != MM_ERROR_COMMIT_LIMIT) {
        fail("mm_commit gave an error", page * WORDS, MM_OK, (uint64_t)error);
    }
    for (uint64_t i = 0; i < count && error == MM_OK; i++) {
        if (pages[i].rights < 0) {
            atomic_store(&pages[i].rights, (int)rights);
            atomic_fetch_add(&pages[i].life, 1);
        }
    }
    end_change(pages, count);
}

static void protect_pages(struct worker *self, uint64_t page, struct truth *pages, uint64_t count)
{
    static const enum mm_protection all[] = {MM_READ_WRITE, MM_READ_WRITE, MM_READ_ONLY,
                                             MM_NO_ACCESS};
    enum mm_protection rights = all[draw(&self->random, 4)];
    int expected = MM_OK;
    for (uint64_t i = 0; i < count; i++) {
        expected = pages[i].rights < 0 ? MM_ERROR_NOT_COMMITTED : expected;
    }
    begin_change(pages, count);
    int error =
        mm_protect(self->stress->manager, self->stress->base + page * PAGE, count * PAGE, rights);
    if (error != expected) {
        fail("mm_protect gave an error", page * WORDS, (uint64_t)expected, (uint64_t)error);
    }
    for (uint64_t i = 0; i < count && error == MM_OK; i++) {
        atomic_store(&pages[i].rights, (int)rights);
    }
    end_change(pages, count);
}

static void work_plot(struct worker *self)
{
    uint64_t number = draw(&self->random, PLOTS);
    struct plot *plot = &self->stress->plots[number];
    if (pthread_mutex_trylock(&plot->lock) != 0) {
        return;
    }
    for (uint64_t steps = 1 + draw(&self->random, 12); steps > 0; steps--) {
        uint64_t first = draw(&self->random, PLOT_PAGES);
        uint64_t count = 1 + draw(&self->random, PLOT_PAGES - first);
        uint64_t page = number * PLOT_PAGES + first, choice = draw(&self->random, 100);
        struct truth *pages = &plot->pages[first];
        self->accesses++;
        if (choice < 42) {
            write_segment(self, page, pages);
        } else if (choice < 80) {
            read_page(self, page, pages);
        } else if (choice < 86) {
            decommit_pages(self, page, pages, count);
        } else if (choice < 94) {
            commit_pages(self, page, pages, count);
        } else {
            protect_pages(self, page, pages, count);
        }
    }
    pthread_mutex_unlock(&plot->lock);
}

/* ---- what everybody does at any moment ---- */

static struct truth *truth_of(struct stress *stress, uint64_t page)
{
    return &stress->plots[page / PLOT_PAGES].pages[page % PLOT_PAGES];
}

/* The error is as the rights say, if these have not changed meanwhile. */
static void judge_error(struct worker *self, uint64_t page, uint32_t change, int rights,
                        enum mm_protection needed, int error)
{
    struct truth *truth = truth_of(self->stress, page);
    int expected = rights >= (int)needed ? MM_OK : MM_ERROR_ACCESS;
    if (error != MM_OK && error != MM_ERROR_ACCESS) {
        fail("an access gave an error", page * WORDS, MM_ERROR_ACCESS, (uint64_t)error);
    }
    if (change % 2 == 0 && atomic_load(&truth->change) == change && error != expected) {
        fail("an access gave the wrong error", page * WORDS, (uint64_t)expected, (uint64_t)error);
    }
}

static void read_anything(struct worker *self)
{
    uint64_t page = draw(&self->random, SHARED_PAGES), word = 0;
    unsigned at = (unsigned)draw(&self->random, SEGMENTS * SEGMENT);
    struct truth *truth = truth_of(self->stress, page);
    uint32_t life = atomic_load(&truth->life), change = atomic_load(&truth->change);
    uint32_t before = atomic_load(&truth->done[at / SEGMENT]);
    int rights = atomic_load(&truth->rights);
    int error = access_word(self, page * WORDS + at, &word, false);
    uint32_t after = atomic_load(&truth->pending[at / SEGMENT]);
    judge_error(self, page, change, rights, MM_READ_ONLY, error);
    if (error == MM_OK) {
        uint32_t version = version_of(page * WORDS + at, word);
        bool same = life % 2 == 0 && atomic_load(&truth->life) == life;
        if (same && (version < before || version > after)) {
            fail("an old or lost value", page * WORDS + at, stamp(page * WORDS + at, before), word);
        }
    }
}

/* Nobody else writes this word: it is what was written last, or zero after a decommit. */
static void use_own(struct worker *self)
{
    uint64_t page = draw(&self->random, SHARED_PAGES);
    uint64_t place = page * WORDS + OWN_WORD + self->number, word = 0;
    struct truth *truth = truth_of(self->stress, page);
    struct own *own = &self->own[page];
    bool write = draw(&self->random, 2) == 0;
    uint32_t life = atomic_load(&truth->life), change = atomic_load(&truth->change);
    int rights = atomic_load(&truth->rights);
    uint64_t value = stamp(place, new_version());
    word = write ? value : 0;
    int error = access_word(self, place, &word, write);
    judge_error(self, page, change, rights, write ? MM_READ_WRITE : MM_READ_ONLY, error);
    bool same = life % 2 == 0 && atomic_load(&truth->life) == life;
    if (error == MM_OK && write) {
        *own = (struct own){same ? life : LIFE_UNKNOWN, value};
    } else if (error == MM_OK) {
        version_of(place, word);
        uint64_t expected = own->life == life ? own->value : 0;
        if (same && own->life != LIFE_UNKNOWN && word != expected) {
            fail("own word lost", place, expected, word);
        }
    }
}

/* A region of our own, reserved, used and released. */
static void churn(struct worker *self)
{
    mm *manager = self->stress->manager;
    uint64_t pages = 1 + draw(&self->random, 48), address = 0;
    int error = mm_reserve(manager, pages * PAGE, &address);
    if (error != MM_OK) {
        if (error != MM_ERROR_SPACE) {
            fail("mm_reserve gave an error", 0, MM_OK, (uint64_t)error);
        }
        return;
    }
    uint64_t place = (address - self->stress->base) / sizeof(uint64_t);
    uint64_t first = draw(&self->random, 2) * draw(&self->random, pages);
    error = mm_commit(manager, address + first * PAGE, (pages - first) * PAGE, MM_READ_WRITE);
    for (unsigned i = 0; i < 3 * pages && error == MM_OK; i++) {
        uint64_t at = (first + draw(&self->random, pages - first)) * WORDS + i % 8;
        uint64_t word = 1, value = stamp(place + at, new_version());
        error = access_word(self, place + at, &word, false);
        if (error == MM_OK && i < pages && i < 8 && word != 0) {
            fail("not zero at first", place + at, 0, word);
        }
        error = error == MM_OK ? access_word(self, place + at, &value, true) : error;
        error = error == MM_OK ? access_word(self, place + at, &word, false) : error;
        if (error == MM_OK && word != value) {
            fail("lost at once", place + at, value, word);
        }
        self->accesses += 3;
    }
    if (error != MM_OK && error != MM_ERROR_COMMIT_LIMIT) {
        fail("a region of one's own gave an error", place, MM_OK, (uint64_t)error);
    }
    error = mm_release(manager, address);
    if (error != MM_OK) {
        fail("mm_release gave an error", place, MM_OK, (uint64_t)error);
    }
}

static void *work(void *argument)
{
    struct worker *self = argument;
    while (!atomic_load_explicit(&self->stress->stop, memory_order_relaxed)) {
        uint64_t choice = draw(&self->random, 100);
        if (choice < 45) {
            work_plot(self);
        } else if (choice < 70) {
            read_anything(self);
        } else if (choice < 98) {
            use_own(self);
        } else {
            churn(self);
        }
    }
    return NULL;
}

/* ---- rounds ---- */

static void print_complaint(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "space_test: audit: %s\n", text);
}

/* Nothing moves: every page is what it must be, wherever it is. */
static void check_end(struct stress *stress)
{
    struct mm_audit audit;
    mm_freeze(stress->manager);
    mm_audit(stress->manager, print_complaint, NULL, &audit);
    if (audit.violations != 0) {
        fail("audit", 0, 0, audit.violations);
    }
    for (uint64_t page = 0; page < SHARED_PAGES; page++) {
        uint64_t words[WORDS];
        enum mm_page_form form;
        struct truth *truth = truth_of(stress, page);
        int error = mm_peek(stress->manager, stress->base + page * PAGE, words, &form);
        if (error != MM_OK || (form == MM_FORM_NOT_COMMITTED) != (truth->rights < 0)) {
            fail("mm_peek", page * WORDS, (uint64_t)error, (uint64_t)form);
        }
        if (form == MM_FORM_NOT_COMMITTED) {
            continue;
        }
        check_content(page * WORDS, truth, words);
        for (unsigned t = 0; t < THREADS; t++) {
            struct own *own = &stress->workers[t].own[page];
            uint64_t expected = own->life == truth->life ? own->value : 0;
            if (own->life != LIFE_UNKNOWN && words[OWN_WORD + t] != expected) {
                fail("own word at the end", page * WORDS + OWN_WORD + t, expected,
                     words[OWN_WORD + t]);
            }
        }
    }
    mm_thaw(stress->manager);
}

/* Options that make every path likely; returns false where the system does not allow the kind. */
static bool make(struct stress *stress, struct mm_options *options, uint64_t *random)
{
    struct mm_detail detail;
    uint64_t frames = 64u << draw(random, 3);
    options->memory_bytes = SPACE_PAGES * PAGE;
    options->frames_bytes = frames * PAGE;
    options->pagefile_bytes = (SPACE_PAGES * 3 / 4 - draw(random, 3) * 128) * PAGE;
    options->threads_max = THREADS + 1;
    options->trimmers = 1 + (uint32_t)draw(random, 3);
    options->writers = 1 + (uint32_t)draw(random, 3);
    options->region_ptes = 1u << draw(random, 8);
    options->frame_cache = draw(random, 2) ? MM_DEFAULT_COUNT : 0;
    options->fault_around = draw(random, 2) ? 1 : 8;
    options->tlb_entries = draw(random, 3) ? 64 : 0;
    options->list_lock_shared = draw(random, 2);
    options->dirty_bit = draw(random, 4) != 0;
    options->map_writable = (enum mm_map_writable)draw(random, MM_MAP_WRITABLE_OFF + 1);
    options->policy = draw(random, 2) ? "aging" : "fifo";
    options->slot_search = draw(random, 2) ? MM_SLOTS_NEXT_FIT : MM_SLOTS_FIRST_FIT;
    options->slot_reservation = 1u << draw(random, 7);
    options->store = draw(random, 3) ? "ram:latency=20000" : "ram";
    snprintf(about, sizeof(about),
             "machine %d faults %d frames %llu slots %llu trimmers %u writers %u region_ptes %u "
             "cache %d around %u tlb %u shared %d dirty_bit %d writable %d %s %s",
             options->machine, options->faults, (unsigned long long)frames,
             (unsigned long long)(options->pagefile_bytes / PAGE), options->trimmers,
             options->writers, options->region_ptes, options->frame_cache != 0,
             options->fault_around, options->tlb_entries, options->list_lock_shared,
             options->dirty_bit, options->map_writable, options->policy, options->store);
    int error = mm_create(options, &stress->manager, &detail);
    if (error == MM_ERROR_UNSUPPORTED) {
        printf("skipped: %s\n", detail.text);
        return false;
    }
    if (error != MM_OK || mm_reserve(stress->manager, SHARED_PAGES * PAGE, &stress->base) != 0) {
        fprintf(stderr, "space_test: %s\n", detail.text);
        abort();
    }
    stress->pointers = mm_options_of(stress->manager)->machine == MM_MACHINE_LINUX;
    return true;
}

static bool run_round(const struct mm_options *kind, uint64_t seed, uint64_t ns, uint64_t *accesses)
{
    struct stress *stress = calloc(1, sizeof(*stress));
    struct mm_options options = *kind;
    struct timespec pause = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    pthread_t threads[THREADS];
    uint64_t random = seed;
    if (stress == NULL || !make(stress, &options, &random)) {
        free(stress);
        return false;
    }
    for (unsigned p = 0; p < PLOTS; p++) {
        pthread_mutex_init(&stress->plots[p].lock, NULL);
        for (unsigned i = 0; i < PLOT_PAGES; i++) {
            stress->plots[p].pages[i].rights = -1;
            stress->plots[p].pages[i].life = 1;
        }
    }
    for (unsigned t = 0; t < THREADS; t++) {
        stress->workers[t].stress = stress;
        stress->workers[t].number = t;
        stress->workers[t].random = seed * 1000 + t;
        pthread_create(&threads[t], NULL, work, &stress->workers[t]);
    }
    nanosleep(&pause, NULL);
    atomic_store(&stress->stop, true);
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        *accesses += stress->workers[t].accesses;
    }
    check_end(stress);
    if (mm_release(stress->manager, stress->base) != MM_OK) {
        fail("mm_release at the end", 0, 0, 1);
    }
    struct mm_commit_info info;
    mm_commit_info(stress->manager, &info);
    if (info.charge != 0) {
        fail("commit charge at the end", 0, 0, info.charge);
    }
    mm_destroy(stress->manager);
    free(stress);
    return true;
}

static void run_kind(const char *name, enum mm_machine machine, enum mm_faults faults, uint64_t ns,
                     uint64_t seed)
{
    struct mm_options options;
    uint64_t end = now_ns() + ns, accesses = 0;
    unsigned rounds = 0;
    mm_options_init(&options);
    options.machine = machine;
    options.faults = faults;
    while (now_ns() < end) {
        uint64_t left = end - now_ns();
        if (!run_round(&options, seed + rounds, left < ROUND_NS ? left : ROUND_NS, &accesses)) {
            return;
        }
        rounds++;
    }
    printf("%s: %u rounds, %llu accesses, all right\n", name, rounds, (unsigned long long)accesses);
}

int main(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : getenv("MEMMAN_TEST_SECONDS");
    double seconds = text != NULL && atof(text) > 0 ? atof(text) : SECONDS;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const char *only = argc > 3 ? argv[3] : NULL;
    uint64_t ns = (uint64_t)(seconds * 1e9 / (only == NULL ? 3 : 1));
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
    action.sa_sigaction = on_violation;
    sigaction(SIGSEGV, &action, NULL);
    if (only == NULL || strcmp(only, "soft") == 0) {
        run_kind("soft", MM_MACHINE_SOFT, MM_FAULTS_SIGNAL, ns, seed);
    }
    if (only == NULL || strcmp(only, "signal") == 0) {
        run_kind("signal", MM_MACHINE_LINUX, MM_FAULTS_SIGNAL, ns, seed);
    }
    if (only == NULL || strcmp(only, "thread") == 0) {
        run_kind("thread", MM_MACHINE_LINUX, MM_FAULTS_THREAD, ns, seed);
    }
    return 0;
}
