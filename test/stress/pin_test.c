/*
 * pin_test.c - threads pin pages, and use them through the pointer, while others want them gone.
 *
 * A pinned page stays: its bytes are what was written last however the frames are fought for, and
 * a decommit or a protect of it is refused. Each thread owns one word of every page, which nobody
 * else writes; while it holds a pin it knows that word exactly, and mm_read and the pointer must
 * agree. Without a pin the page's life number says whether a decommit may have come between.
 *
 * Usage: pin_test [SECONDS [SEED [soft|signal|thread]]]. The seconds can also come from
 * MEMMAN_TEST_SECONDS. Each round draws its options from the seed.
 */
#include "memman.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE         ((uint64_t)MM_PAGE_BYTES)
#define WORDS        (MM_PAGE_BYTES / sizeof(uint64_t))
#define PAGES        512u
#define THREADS      4u
#define HELD_MAX     12u /* pins one thread holds at once */
#define LIFE_UNKNOWN UINT32_MAX
#define ROUND_NS     400000000u
#ifdef MM_SANITIZED
#define SECONDS 1.2 /* a round of each kind */
#else
#define SECONDS 3.0
#endif

struct own {
    uint32_t life;
    uint64_t value;
};

struct held {
    uint64_t page;
    bool writable;
    void *words;
    uint64_t value; /* of the own word */
};

struct stress;

struct worker {
    struct stress *stress;
    uint64_t random;
    uint32_t number, held_count;
    uint64_t pins, refused;
    struct held held[HELD_MAX];
    struct own own[PAGES];
};

struct stress {
    mm *manager;
    uint64_t base;
    int ends[2];                   /* of a pipe, for system calls on pinned pages */
    bool pointers;                 /* addresses are pointers */
    pthread_mutex_t locks[PAGES];  /* who changes the page's space */
    _Atomic uint32_t lives[PAGES]; /* odd while the content may go; even and new afterwards */
    struct worker workers[THREADS];
    atomic_bool stop;
};

static char about[256]; /* the round under way, for messages */
static _Atomic uint32_t next_version;

static void fail(const char *what, uint64_t page, uint64_t expected, uint64_t found)
{
    fprintf(stderr, "pin_test: %s: page %llu: expected %#llx, found %#llx\n  %s\n", what,
            (unsigned long long)page, (unsigned long long)expected, (unsigned long long)found,
            about);
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

/* ---- words: a version, and the place it belongs to ---- */

static uint64_t word_place(const struct worker *self, uint64_t page)
{
    return page * WORDS + 37 * (self->number + 1);
}

static uint64_t new_value(uint64_t place)
{
    return (uint64_t)(atomic_fetch_add(&next_version, 1) + 1) << 32 | (place + 1);
}

static void check_place(uint64_t place, uint64_t word)
{
    if (word != 0 && (uint32_t)word != place + 1) {
        fail("a word of another place", place / WORDS, place + 1, word);
    }
}

static uint64_t address_of(const struct stress *stress, uint64_t place)
{
    return stress->base + place * sizeof(uint64_t);
}

/* The word as mm_read sees it. */
static uint64_t read_word(struct stress *stress, uint64_t place)
{
    uint64_t word = 0;
    int error = mm_read(stress->manager, address_of(stress, place), &word, sizeof(word));
    if (error != MM_OK) {
        fail("mm_read of a pinned page gave an error", place / WORDS, MM_OK, (uint64_t)error);
    }
    return word;
}

/* ---- pins ---- */

static _Atomic uint64_t *word_at(const struct held *held, uint64_t place)
{
    return (_Atomic uint64_t *)held->words + place % WORDS;
}

static struct held *find_held(struct worker *self, uint64_t page)
{
    for (uint32_t i = 0; i < self->held_count; i++) {
        if (self->held[i].page == page) {
            return &self->held[i];
        }
    }
    return NULL;
}

static bool holds_writable(const struct worker *self, uint64_t page)
{
    for (uint32_t i = 0; i < self->held_count; i++) {
        if (self->held[i].page == page && self->held[i].writable) {
            return true;
        }
    }
    return false;
}

/* The own word just after the pin, which holds it: as it was left, or a decommit came between. */
static uint64_t first_look(struct worker *self, const struct held *held, uint32_t life)
{
    struct own *own = &self->own[held->page];
    uint64_t place = word_place(self, held->page);
    uint64_t word = atomic_load(word_at(held, place));
    bool same = life % 2 == 0 && atomic_load(&self->stress->lives[held->page]) == life;
    check_place(place, word);
    if (same && own->life == life && word != own->value) {
        fail("own word lost", held->page, own->value, word);
    }
    return word;
}

static void pin_page(struct worker *self)
{
    struct stress *stress = self->stress;
    uint64_t page = draw(&self->random, PAGES);
    struct held *known = find_held(self, page), *held = &self->held[self->held_count];
    uint32_t life = atomic_load(&stress->lives[page]);
    bool writable = draw(&self->random, 2) == 0;
    void *words = NULL;
    if (self->held_count == HELD_MAX) {
        return;
    }
    int error = mm_pin(stress->manager, stress->base + page * PAGE + draw(&self->random, PAGE),
                       writable, &words);
    /* A pin keeps the rights that it needs itself, no more. */
    bool kept = known != NULL && (!writable || holds_writable(self, page));
    if ((error == MM_ERROR_ACCESS && !kept) || (error == MM_ERROR_PIN_LIMIT && known == NULL)) {
        self->refused++;
        return;
    }
    if (error != MM_OK || (known != NULL && words != known->words)) {
        fail("mm_pin", page, MM_OK, (uint64_t)error);
    }
    self->pins++;
    *held = (struct held){page, writable, words, 0};
    held->value = known != NULL ? known->value : first_look(self, held, life);
    self->held_count++;
}

/* The same value in every pin of ours on the page. */
static void set_value(struct worker *self, uint64_t page, uint64_t value)
{
    for (uint32_t i = 0; i < self->held_count; i++) {
        if (self->held[i].page == page) {
            self->held[i].value = value;
        }
    }
}

static void check_held(struct worker *self, const struct held *held)
{
    uint64_t place = word_place(self, held->page);
    uint64_t word = atomic_load(word_at(held, place));
    if (word != held->value) {
        fail("own word changed under a pin", held->page, held->value, word);
    }
    if (draw(&self->random, 4) == 0 && read_word(self->stress, place) != held->value) {
        fail("mm_read differs from the pinned page", held->page, held->value, word);
    }
}

static void use_pin(struct worker *self)
{
    if (self->held_count == 0) {
        return;
    }
    struct held *held = &self->held[draw(&self->random, self->held_count)];
    uint64_t place = word_place(self, held->page), value = new_value(place);
    check_held(self, held);
    if (held->writable && draw(&self->random, 2) == 0) {
        atomic_store(word_at(held, place), value);
        set_value(self, held->page, value);
    } else if (held->writable) {
        int error =
            mm_write(self->stress->manager, address_of(self->stress, place), &value, sizeof(value));
        if (error != MM_OK) {
            fail("mm_write of a pinned page gave an error", held->page, MM_OK, (uint64_t)error);
        }
        set_value(self, held->page, value);
    }
    check_held(self, held);
}

/* The kernel may use a pinned page, too: it is there. */
static void use_pin_in_kernel(struct worker *self)
{
    if (self->held_count == 0) {
        return;
    }
    const struct held *held = &self->held[draw(&self->random, self->held_count)];
    uint64_t place = word_place(self, held->page);
    const void *word = (const uint64_t *)held->words + place % WORDS;
    if (write(self->stress->ends[1], word, sizeof(uint64_t)) != sizeof(uint64_t)) {
        fail("a system call on a pinned page failed", held->page, 0, 0);
    }
    uint64_t drained;
    if (read(self->stress->ends[0], &drained, sizeof(drained)) != sizeof(drained)) {
        fail("the pipe", held->page, 0, 0);
    }
}

static void unpin_page(struct worker *self)
{
    if (self->held_count == 0) {
        return;
    }
    uint32_t index = (uint32_t)draw(&self->random, self->held_count);
    struct held held = self->held[index];
    uint32_t life = atomic_load(&self->stress->lives[held.page]);
    check_held(self, &held);
    self->held[index] = self->held[--self->held_count];
    /* A decommit that began under the pin may still end as it likes after it. */
    self->own[held.page] = (struct own){life % 2 == 0 ? life : LIFE_UNKNOWN, held.value};
    mm_unpin(self->stress->manager, held.page * PAGE + self->stress->base);
}

/* ---- what works against the pins ---- */

/* Pages that can be locked without waiting, from `first`. */
static uint64_t lock_pages(struct stress *stress, uint64_t first, uint64_t count)
{
    uint64_t locked = 0;
    while (locked < count && first + locked < PAGES &&
           pthread_mutex_trylock(&stress->locks[first + locked]) == 0) {
        atomic_fetch_add(&stress->lives[first + locked], 1);
        locked++;
    }
    return locked;
}

static void unlock_pages(struct stress *stress, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        atomic_fetch_add(&stress->lives[first + i], 1);
        pthread_mutex_unlock(&stress->locks[first + i]);
    }
}

static void decommit_pages(struct worker *self)
{
    struct stress *stress = self->stress;
    uint64_t first = draw(&self->random, PAGES);
    uint64_t count = lock_pages(stress, first, 1 + draw(&self->random, 8));
    uint64_t address = stress->base + first * PAGE;
    bool ours = false;
    if (count == 0) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        ours = ours || find_held(self, first + i) != NULL;
    }
    int error = mm_decommit(stress->manager, address, count * PAGE);
    if (error != MM_ERROR_BUSY && (error != MM_OK || ours)) {
        fail("mm_decommit", first, ours ? (uint64_t)MM_ERROR_BUSY : MM_OK, (uint64_t)error);
    }
    error = mm_commit(stress->manager, address, count * PAGE, MM_READ_WRITE);
    if (error != MM_OK) {
        fail("mm_commit", first, MM_OK, (uint64_t)error);
    }
    unlock_pages(stress, first, count);
}

/* Rights are taken and given back; nobody loses a byte by it. */
static void protect_pages(struct worker *self)
{
    struct stress *stress = self->stress;
    uint64_t first = draw(&self->random, PAGES);
    uint64_t count = lock_pages(stress, first, 1 + draw(&self->random, 4));
    uint64_t address = stress->base + first * PAGE;
    enum mm_protection rights = draw(&self->random, 2) ? MM_READ_ONLY : MM_NO_ACCESS;
    bool ours = false;
    if (count == 0) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        ours = ours || find_held(self, first + i) != NULL;
    }
    int error = mm_protect(stress->manager, address, count * PAGE, rights);
    if (error != MM_ERROR_BUSY && (error != MM_OK || ours)) {
        fail("mm_protect", first, ours ? (uint64_t)MM_ERROR_BUSY : MM_OK, (uint64_t)error);
    }
    error = mm_protect(stress->manager, address, count * PAGE, MM_READ_WRITE);
    if (error != MM_OK) {
        fail("mm_protect back", first, MM_OK, (uint64_t)error);
    }
    unlock_pages(stress, first, count);
}

/* An access without a pin, which needs a frame. */
static void touch_page(struct worker *self)
{
    struct stress *stress = self->stress;
    uint64_t page = draw(&self->random, PAGES), word = 0;
    uint64_t place = page * WORDS + draw(&self->random, WORDS);
    int error = mm_read(stress->manager, address_of(stress, place), &word, sizeof(word));
    if (error != MM_OK && error != MM_ERROR_ACCESS) {
        fail("mm_read gave an error", page, MM_OK, (uint64_t)error);
    }
    check_place(place, word);
}

static void *work(void *argument)
{
    struct worker *self = argument;
    while (!atomic_load_explicit(&self->stress->stop, memory_order_relaxed)) {
        uint64_t choice = draw(&self->random, 100);
        if (choice < 15) {
            pin_page(self);
        } else if (choice < 40) {
            use_pin(self);
        } else if (choice < 42 && self->stress->pointers) {
            use_pin_in_kernel(self);
        } else if (choice < 58) {
            unpin_page(self);
        } else if (choice < 92) {
            touch_page(self);
        } else if (choice < 96) {
            decommit_pages(self);
        } else {
            protect_pages(self);
        }
    }
    while (self->held_count > 0) {
        unpin_page(self);
    }
    return NULL;
}

/* ---- rounds ---- */

static void print_complaint(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "pin_test: audit: %s\n", text);
}

static void check_end(struct stress *stress)
{
    struct mm_audit audit;
    mm_freeze(stress->manager);
    mm_audit(stress->manager, print_complaint, NULL, &audit);
    if (audit.violations != 0) {
        fail("audit", 0, 0, audit.violations);
    }
    for (uint64_t page = 0; page < PAGES; page++) {
        uint64_t words[WORDS];
        enum mm_page_form form;
        int error = mm_peek(stress->manager, stress->base + page * PAGE, words, &form);
        if (error != MM_OK || form == MM_FORM_NOT_COMMITTED) {
            fail("mm_peek", page, (uint64_t)error, (uint64_t)form);
        }
        for (unsigned t = 0; t < THREADS; t++) {
            struct worker *worker = &stress->workers[t];
            uint64_t word = words[word_place(worker, page) % WORDS];
            check_place(word_place(worker, page), word);
            if (worker->own[page].life == stress->lives[page] && worker->own[page].value != word) {
                fail("own word at the end", page, worker->own[page].value, word);
            }
        }
    }
    mm_thaw(stress->manager);
    if (mm_decommit(stress->manager, stress->base, PAGES * PAGE) != MM_OK) {
        fail("a pin is left over", 0, MM_OK, 1);
    }
}

/* Options that make every path likely; returns false where the system does not allow the kind. */
static bool make(struct stress *stress, struct mm_options *options, uint64_t *random)
{
    struct mm_detail detail;
    options->memory_bytes = PAGES * PAGE;
    options->frames_bytes = (64u << draw(random, 2)) * PAGE;
    options->pagefile_bytes = PAGES * PAGE;
    options->threads_max = THREADS + 1;
    options->trimmers = 1 + (uint32_t)draw(random, 3);
    options->writers = 1 + (uint32_t)draw(random, 3);
    options->region_ptes = 1u << draw(random, 8);
    options->fault_around = draw(random, 2) ? 1 : 8;
    options->tlb_entries = draw(random, 3) ? 64 : 0;
    options->list_lock_shared = draw(random, 2);
    options->dirty_bit = draw(random, 4) != 0;
    options->map_writable = (enum mm_map_writable)draw(random, MM_MAP_WRITABLE_OFF + 1);
    options->policy = draw(random, 2) ? "aging" : "fifo";
    options->store = draw(random, 3) ? "ram:latency=20000" : "ram";
    snprintf(about, sizeof(about),
             "machine %d faults %d frames %llu trimmers %u writers %u region_ptes %u around %u "
             "tlb %u shared %d dirty_bit %d writable %d %s %s",
             options->machine, options->faults, (unsigned long long)(options->frames_bytes / PAGE),
             options->trimmers, options->writers, options->region_ptes, options->fault_around,
             options->tlb_entries, options->list_lock_shared, options->dirty_bit,
             options->map_writable, options->policy, options->store);
    int error = mm_create(options, &stress->manager, &detail);
    if (error == MM_ERROR_UNSUPPORTED) {
        printf("skipped: %s\n", detail.text);
        return false;
    }
    if (error != MM_OK || mm_reserve(stress->manager, PAGES * PAGE, &stress->base) != MM_OK ||
        mm_commit(stress->manager, stress->base, PAGES * PAGE, MM_READ_WRITE) != MM_OK ||
        pipe(stress->ends) != 0) {
        fprintf(stderr, "pin_test: %s\n", detail.text);
        abort();
    }
    stress->pointers = mm_options_of(stress->manager)->machine == MM_MACHINE_LINUX;
    return true;
}

static bool run_round(const struct mm_options *kind, uint64_t seed, uint64_t ns, uint64_t *pins)
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
    for (unsigned p = 0; p < PAGES; p++) {
        pthread_mutex_init(&stress->locks[p], NULL);
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
        *pins += stress->workers[t].pins;
    }
    check_end(stress);
    mm_destroy(stress->manager);
    close(stress->ends[0]);
    close(stress->ends[1]);
    free(stress);
    return true;
}

static void run_kind(const char *name, enum mm_machine machine, enum mm_faults faults, uint64_t ns,
                     uint64_t seed)
{
    struct mm_options options;
    uint64_t end = now_ns() + ns, pins = 0;
    unsigned rounds = 0;
    mm_options_init(&options);
    options.machine = machine;
    options.faults = faults;
    while (now_ns() < end) {
        uint64_t left = end - now_ns();
        if (!run_round(&options, seed + rounds, left < ROUND_NS ? left : ROUND_NS, &pins)) {
            return;
        }
        rounds++;
    }
    printf("%s: %u rounds, %llu pins, all right\n", name, rounds, (unsigned long long)pins);
}

int main(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : getenv("MEMMAN_TEST_SECONDS");
    double seconds = text != NULL && atof(text) > 0 ? atof(text) : SECONDS;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const char *only = argc > 3 ? argv[3] : NULL;
    uint64_t ns = (uint64_t)(seconds * 1e9 / (only == NULL ? 3 : 1));
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
