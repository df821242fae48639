/*
 * soft_test.c - the soft machine under a tiny engine of its own, alone and under load.
 *
 * The load: threads write versioned words while others unmap in batches, save, and poison the old
 * frame; the page comes back in another one, or is rescued in between. An old translation reads
 * poison; a lost write or a lost dirty bit reads an old version.
 */
#include "base/copy.h"
#include "base/random.h"
#include "contract/world.h"
#include "machine/soft/soft.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const uint32_t tlb_sizes[] = {0, 1, 64};

/* ---- one thread ---------------------------------------------------------------------------- */

#define PAGES 8u

/* Counts faults, answers them by a plan. */
struct alone {
    struct soft *soft;
    struct machine machine;
    unsigned faults, write_faults;
    page_number last_page;
    bool resolve_writable;
    enum fault_result refuse;
};

static enum fault_result alone_fault(void *engine, uint32_t thread, page_number page, bool write)
{
    struct alone *alone = engine;
    struct machine_map map = {
        .page = page, .frame = PAGES - 1 - page, .writable = alone->resolve_writable};

    alone->faults++;
    alone->write_faults += write;
    alone->last_page = page;
    if (alone->refuse != FAULT_RESOLVED)
        return alone->refuse;
    if (write)
        alone->machine.ops->make_writable(alone->soft, thread, page);
    map.writable |= write;
    alone->machine.ops->map(alone->soft, thread, 1, &map);
    return FAULT_RESOLVED;
}

static void alone_begin(struct alone *alone, uint32_t tlb_entries)
{
    const struct soft_config config = {
        .pages = PAGES, .frames = PAGES, .threads_max = 2, .tlb_entries = tlb_entries};

    *alone = (struct alone){.refuse = FAULT_RESOLVED};
    assert_int_equal(soft_create(&config, &alone->soft, &alone->machine), 0);
    soft_bind(alone->soft, alone_fault, alone);
    soft_attach(alone->soft, 0);
}

static void alone_end(struct alone *alone)
{
    soft_detach(alone->soft, 0);
    soft_destroy(alone->soft);
}

static struct machine_unmapped alone_unmap(struct alone *alone, page_number page)
{
    struct machine_unmapped unmapped = {true, true};

    alone->machine.ops->unmap(alone->soft, 1, 1, &page, &unmapped);
    return unmapped;
}

static void alone_map(struct alone *alone, page_number page, bool writable, const void *source)
{
    struct machine_map map = {page, PAGES - 1 - page, writable, source};

    alone->machine.ops->map(alone->soft, 0, 1, &map);
}

static uint64_t alone_read(struct alone *alone, uint64_t offset)
{
    uint64_t word = 0;

    assert_int_equal(soft_read(alone->soft, 0, offset, &word, sizeof(word)), FAULT_RESOLVED);
    return word;
}

static void alone_write(struct alone *alone, uint64_t offset, uint64_t word)
{
    assert_int_equal(soft_write(alone->soft, 0, offset, &word, sizeof(word)), FAULT_RESOLVED);
}

static void accessed_and_dirty_are_reported(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tlb_sizes); i++) {
        struct machine_unmapped unmapped;
        struct alone alone;

        alone_begin(&alone, tlb_sizes[i]);
        unmapped = alone_unmap(&alone, 1); /* never mapped */
        assert_true(!unmapped.accessed && !unmapped.written);
        alone_map(&alone, 1, true, NULL);
        unmapped = alone_unmap(&alone, 1); /* never used */
        assert_true(!unmapped.accessed && !unmapped.written);
        assert_true(alone_read(&alone, MM_PAGE_SIZE) == 0);
        assert_int_equal(alone.faults, 1);
        unmapped = alone_unmap(&alone, 1);
        assert_true(unmapped.accessed && !unmapped.written);
        alone_map(&alone, 1, true, NULL);
        assert_true(alone_read(&alone, MM_PAGE_SIZE) == 0); /* in the TLB, but clean */
        alone_write(&alone, MM_PAGE_SIZE + 8, 5);
        alone_write(&alone, MM_PAGE_SIZE + 8, 6);
        unmapped = alone_unmap(&alone, 1);
        assert_true(unmapped.accessed && unmapped.written);
        alone_map(&alone, 1, true, NULL); /* the old dirty bit does not come back */
        assert_true(alone_read(&alone, MM_PAGE_SIZE + 8) == 6);
        unmapped = alone_unmap(&alone, 1);
        assert_true(unmapped.accessed && !unmapped.written);
        assert_int_equal(alone.faults, 1);
        alone_end(&alone);
    }
}

static void read_only_pages_fault_on_the_first_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tlb_sizes); i++) {
        struct alone alone;

        alone_begin(&alone, tlb_sizes[i]);
        assert_true(alone_read(&alone, 0) == 0);
        assert_true(alone.faults == 1 && alone.write_faults == 0);
        alone_write(&alone, 0, 1);
        assert_true(alone.faults == 2 && alone.write_faults == 1);
        alone_write(&alone, 8, 2);
        assert_int_equal(alone.faults, 2);
        assert_true(alone_unmap(&alone, 0).written);
        /* make_writable of an absent page does nothing; of a mapped one it needs no flush. */
        alone.machine.ops->make_writable(alone.soft, 0, 0);
        alone_map(&alone, 0, false, NULL);
        assert_true(alone_read(&alone, 0) == 1);
        alone.machine.ops->make_writable(alone.soft, 0, 0);
        alone_write(&alone, 0, 3);
        assert_int_equal(alone.faults, 2);
        alone_end(&alone);
    }
}

static void mapping_again_keeps_the_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tlb_sizes); i++) {
        struct machine_unmapped unmapped;
        struct alone alone;

        alone_begin(&alone, tlb_sizes[i]);
        alone_map(&alone, 2, true, NULL);
        alone_write(&alone, 2 * MM_PAGE_SIZE, 9);
        alone_map(&alone, 2, false, NULL); /* a rescue between the trimmer's two steps */
        unmapped = alone_unmap(&alone, 2);
        assert_true(unmapped.accessed && unmapped.written);
        alone_end(&alone);
    }
}

static void sampling_reads_and_clears(void **state)
{
    static const page_number sampled[] = {0, 1, 2};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tlb_sizes); i++) {
        bool accessed[3] = {false, true, true};
        struct alone alone;

        alone_begin(&alone, tlb_sizes[i]);
        alone_map(&alone, 0, true, NULL);
        alone_map(&alone, 1, true, NULL);
        alone_write(&alone, 0, 1);
        for (unsigned look = 0; look < 3; look++) {
            alone.machine.ops->sample_accessed(alone.soft, 3, sampled, accessed);
            assert_true(accessed[0] && !accessed[1] && !accessed[2]);
            alone.machine.ops->sample_accessed(alone.soft, 3, sampled, accessed);
            assert_true(!accessed[0] && !accessed[1] && !accessed[2]);
            alone.machine.ops->sample_end(alone.soft);
            assert_true(alone_read(&alone, 0) == 1); /* the TLB must not hide it */
        }
        assert_true(alone_unmap(&alone, 0).written); /* sampling leaves dirty alone */
        assert_int_equal(alone.faults, 0);
        alone_end(&alone);
    }
}

static void any_bytes_anywhere(void **state)
{
    static unsigned char model[PAGES * MM_PAGE_SIZE], buffer[3 * MM_PAGE_SIZE];
    struct random_generator generator;

    (void)state;
    random_seed(&generator, 1, 0);
    for (size_t i = 0; i < ARRAY_COUNT(tlb_sizes); i++) {
        struct alone alone;

        alone_begin(&alone, tlb_sizes[i]);
        memset(model, 0, sizeof(model));
        for (unsigned round = 0; round < 3000; round++) {
            size_t most = random_below(&generator, 2) ? 17 : sizeof(buffer);
            size_t count = random_below(&generator, most + 1);
            size_t offset = random_below(&generator, sizeof(model) - count + 1);

            if (random_below(&generator, 2)) {
                memset(buffer, (int)round, count);
                assert_int_equal(soft_write(alone.soft, 0, offset, buffer, count), 0);
                memcpy(model + offset, buffer, count);
            } else {
                assert_int_equal(soft_read(alone.soft, 0, offset, buffer, count), 0);
                assert_memory_equal(buffer, model + offset, count);
            }
            if (round % 5 == 0)
                alone_unmap(&alone, (page_number)random_below(&generator, PAGES));
        }
        alone_end(&alone);
    }
}

static void refused_faults_reach_the_caller(void **state)
{
    uint64_t word = 42;
    struct alone alone;

    (void)state;
    alone_begin(&alone, 64);
    alone_map(&alone, 0, true, NULL);
    alone.refuse = FAULT_IN_PAGE_ERROR;
    assert_int_equal(soft_read(alone.soft, 0, MM_PAGE_SIZE, &word, 8), FAULT_IN_PAGE_ERROR);
    assert_true(word == 42);
    alone.refuse = FAULT_ACCESS_VIOLATION;
    assert_int_equal(soft_write(alone.soft, 0, MM_PAGE_SIZE - 4, &word, 8), FAULT_ACCESS_VIOLATION);
    assert_int_equal(alone.last_page, 1);
    assert_int_equal(alone.faults, 2);
    /* Behind the end nobody is asked; also where the page number does not fit 32 bits. */
    assert_int_equal(soft_read(alone.soft, 0, PAGES * MM_PAGE_SIZE, &word, 8),
                     FAULT_ACCESS_VIOLATION);
    assert_int_equal(soft_write(alone.soft, 0, UINT64_MAX - 7, &word, 8), FAULT_ACCESS_VIOLATION);
    assert_int_equal(soft_read(alone.soft, 0, 1ull << 44, &word, 8), FAULT_ACCESS_VIOLATION);
    assert_int_equal(alone.faults, 2);
    alone_unmap(&alone, 0); /* a refused fault has left its access: this does not wait for it */
    alone_end(&alone);
}

static void contents_are_the_frames(void **state)
{
    static uint64_t source[MM_PAGE_SIZE / 8];
    page_number page = 3;
    frame_number frame = PAGES - 1 - page;
    struct alone alone;
    void *buffer, *content;

    (void)state;
    alone_begin(&alone, 64);
    assert_true(alone.machine.dirty_tracking && !alone.machine.content_by_page);
    source[7] = 77;
    alone_map(&alone, page, true, source);
    assert_true(alone_read(&alone, page * MM_PAGE_SIZE + 56) == 77);
    alone_write(&alone, page * MM_PAGE_SIZE + 56, 78);
    assert_true(source[7] == 77);
    alone.machine.ops->content(alone.soft, 0, 1, &page, &frame, &content);
    assert_ptr_equal(content, soft_frame(alone.soft, frame));
    assert_true(load_word((char *)content + 56) == 78);
    alone_unmap(&alone, page);
    buffer = alone.machine.ops->fill_buffer(alone.soft, 0, 5, frame);
    assert_ptr_equal(buffer, content);
    store_word((char *)buffer + 56, 79);
    alone_map(&alone, page, true, buffer);
    assert_true(alone_read(&alone, page * MM_PAGE_SIZE + 56) == 79);
    alone_unmap(&alone, page);
    alone_map(&alone, page, true, alone.machine.zeros);
    assert_true(alone_read(&alone, page * MM_PAGE_SIZE + 56) == 0);
    alone_write(&alone, page * MM_PAGE_SIZE + 56, 80);
    alone_unmap(&alone, page);
    alone.machine.ops->zero(alone.soft, frame);
    assert_memory_equal(content, alone.machine.zeros, MM_PAGE_SIZE);
    alone_end(&alone);
}

static void child_maps_wrongly(const struct machine_map *maps)
{
    struct alone alone;

    signal(SIGABRT, SIG_DFL);
    close(STDERR_FILENO);
    alone_begin(&alone, 64);
    alone.machine.ops->map(alone.soft, 0, 1, &maps[0]);
    alone.machine.ops->map(alone.soft, 0, 1, &maps[1]);
    _exit(0);
}

static void wrong_maps_end_the_process(void **state)
{
    static const unsigned char content[MM_PAGE_SIZE];
    const struct machine_map wrong[][2] = {
        {{1, 1, true, NULL}, {1, 2, true, NULL}},     /* another frame under a live page */
        {{1, 1, true, NULL}, {1, 1, true, content}},  /* fresh content over a live page */
        {{1, 1, true, NULL}, {PAGES, 1, true, NULL}}, /* no such page */
        {{1, 1, true, NULL}, {2, PAGES, true, NULL}}, /* no such frame */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
            child_maps_wrongly(wrong[i]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

/* ---- under load ---------------------------------------------------------------------------- */

#define LOAD_PAGES     32u
#define LOAD_FRAMES    16u
#define LOAD_THREADS   8u
#define LOAD_UNMAPPERS 2u
#define LOAD_BATCH     6u
#define WORDS          (MM_PAGE_SIZE / sizeof(uint64_t))
#define POISON         0xDEADDEADDEADDEADull

enum load_state { LOAD_ABSENT, LOAD_VALID, LOAD_LEAVING };

/* All guarded by the lock, except the counters. */
struct load_page {
    enum load_state state;
    frame_number frame;
    bool in_hand; /* an unmapper has not finished with it */
    bool dirty;   /* differs from its slot */
};

struct load {
    struct soft *soft;
    struct machine machine;
    pthread_mutex_t lock;
    struct load_page pages[LOAD_PAGES];
    frame_number free_frames[LOAD_FRAMES];
    uint32_t free_count;
    uint32_t accesses; /* per thread */
    unsigned char slots[LOAD_PAGES][MM_PAGE_SIZE] __attribute__((aligned(8)));
    _Atomic uint32_t running;
    _Atomic uint64_t poisoned, lost, torn, faults, rescues, repurposed;
};

struct load_thread {
    struct load *load;
    uint32_t number;
    uint64_t versions[LOAD_PAGES];
    pthread_t thread;
};

/* Called with the lock. False: no frame is free. */
static bool load_page_in(struct load *load, uint32_t thread, page_number number, bool write)
{
    struct load_page *page = &load->pages[number];
    struct machine_map map = {.page = number, .writable = write};
    unsigned char *buffer;

    if (load->free_count == 0)
        return false;
    map.frame = load->free_frames[--load->free_count];
    buffer = load->machine.ops->fill_buffer(load->soft, thread, 0, map.frame);
    copy_shared(buffer, load->slots[number], MM_PAGE_SIZE);
    map.source = buffer;
    page->frame = map.frame;
    page->state = LOAD_VALID;
    page->dirty = false;
    load->machine.ops->map(load->soft, thread, 1, &map);
    return true;
}

static void load_map_again(struct load *load, uint32_t thread, page_number number, bool write)
{
    struct machine_map map = {
        .page = number, .frame = load->pages[number].frame, .writable = write};

    if (write)
        load->machine.ops->make_writable(load->soft, thread, number);
    load->machine.ops->map(load->soft, thread, 1, &map);
}

static enum fault_result load_fault(void *engine, uint32_t thread, page_number number, bool write)
{
    struct load *load = engine;
    struct load_page *page = &load->pages[number];
    uint64_t faults = atomic_fetch_add(&load->faults, 1);
    bool resolved = true;

    pthread_mutex_lock(&load->lock);
    if (page->state == LOAD_ABSENT) {
        resolved = load_page_in(load, thread, number, write);
    } else if (page->state == LOAD_VALID) {
        load_map_again(load, thread, number, write);
    } else if (faults % 2 == 0) {
        page->state = LOAD_VALID;
        load_map_again(load, thread, number, write);
        atomic_fetch_add(&load->rescues, 1);
    } else {
        resolved = false;
    }
    pthread_mutex_unlock(&load->lock);
    if (!resolved)
        world_pause(20, true);
    return FAULT_RESOLVED;
}

static uint32_t load_pick(struct load *load, struct random_generator *generator,
                          page_number *ret_numbers)
{
    uint32_t wanted = 1 + (uint32_t)random_below(generator, LOAD_BATCH), count = 0;
    page_number number = (page_number)random_below(generator, LOAD_PAGES);

    pthread_mutex_lock(&load->lock);
    for (uint32_t i = 0; i < LOAD_PAGES && count < wanted; i++) {
        struct load_page *page = &load->pages[number];

        if (page->state == LOAD_VALID && !page->in_hand) {
            page->state = LOAD_LEAVING;
            page->in_hand = true;
            ret_numbers[count++] = number;
        }
        number = (number + 5) % LOAD_PAGES;
    }
    pthread_mutex_unlock(&load->lock);
    return count;
}

/* The page's old translations are gone: its slot gets what was written, the frame gets poison. */
static void load_let_go(struct load *load, page_number number, bool written)
{
    struct load_page *page = &load->pages[number];

    pthread_mutex_lock(&load->lock);
    page->dirty |= written;
    page->in_hand = false;
    if (page->state == LOAD_LEAVING) {
        uint64_t *content = soft_frame(load->soft, page->frame);

        if (page->dirty)
            copy_shared(load->slots[number], content, MM_PAGE_SIZE);
        for (size_t i = 0; i < WORDS; i++)
            content[i] = POISON; /* plain stores: ThreadSanitizer sees who still comes */
        page->state = LOAD_ABSENT;
        load->free_frames[load->free_count++] = page->frame;
        atomic_fetch_add(&load->repurposed, 1);
    }
    pthread_mutex_unlock(&load->lock);
}

static void *load_unmap(void *argument)
{
    struct load_thread *self = argument;
    struct load *load = self->load;
    struct machine_unmapped unmapped[LOAD_BATCH];
    page_number numbers[LOAD_BATCH];
    bool accessed[LOAD_BATCH];
    struct random_generator generator;

    random_seed(&generator, 5, self->number);
    while (atomic_load(&load->running) > 0) {
        uint32_t count = load_pick(load, &generator, numbers);

        if (random_below(&generator, 4) == 0)
            load->machine.ops->sample_accessed(load->soft, count, numbers, accessed);
        load->machine.ops->unmap(load->soft, self->number, count, numbers, unmapped);
        for (uint32_t i = 0; i < count; i++)
            load_let_go(load, numbers[i], unmapped[i].written);
        for (uint64_t i = random_below(&generator, 8); i > 0; i--)
            world_pause(20, true);
    }
    return NULL;
}

/* Both halves of a word are its version, so that a torn one shows. */
static uint64_t word_of(uint64_t version)
{
    return version << 32 | (version & UINT32_MAX);
}

/* A thread's own word of a page holds its last version; another's, any version in one piece. */
static void load_access(struct load_thread *self, struct random_generator *generator)
{
    struct load *load = self->load;
    page_number page = (page_number)random_below(generator, LOAD_PAGES);
    uint64_t at = (uint64_t)page * MM_PAGE_SIZE;
    uint64_t own = at + self->number * 8, other = at + random_below(generator, LOAD_THREADS) * 8;
    uint64_t word;

    switch (random_below(generator, 4)) {
    case 0:
        soft_read(load->soft, self->number, other, &word, 8);
        if (word != word_of(word >> 32))
            atomic_fetch_add(&load->torn, 1);
        break;
    case 1:
        soft_read(load->soft, self->number, own, &word, 8);
        if (word != word_of(self->versions[page]))
            atomic_fetch_add(&load->lost, 1);
        break;
    default:
        word = word_of(++self->versions[page]);
        soft_write(load->soft, self->number, own, &word, 8);
    }
    if (word == POISON)
        atomic_fetch_add(&load->poisoned, 1);
}

static void *load_run(void *argument)
{
    struct load_thread *self = argument;
    struct random_generator generator;

    random_seed(&generator, 6, self->number);
    soft_attach(self->load->soft, self->number);
    for (uint32_t i = 0; i < self->load->accesses; i++) {
        load_access(self, &generator);
        if (i % 1000 == 999) {
            soft_detach(self->load->soft, self->number);
            soft_attach(self->load->soft, self->number);
        }
    }
    soft_detach(self->load->soft, self->number);
    atomic_fetch_sub(&self->load->running, 1);
    return NULL;
}

static void load_begin(struct load *load, uint32_t tlb_entries, uint32_t threads)
{
    const struct soft_config config = {.pages = LOAD_PAGES,
                                       .frames = LOAD_FRAMES,
                                       .threads_max = LOAD_THREADS + LOAD_UNMAPPERS,
                                       .tlb_entries = tlb_entries};

    memset(load, 0, sizeof(*load));
    pthread_mutex_init(&load->lock, NULL);
    load->accesses = UNDER_THREAD_SANITIZER ? 5000 : 20000;
    atomic_store(&load->running, threads);
    assert_int_equal(soft_create(&config, &load->soft, &load->machine), 0);
    for (frame_number frame = 0; frame < LOAD_FRAMES; frame++)
        load->free_frames[load->free_count++] = frame;
    soft_bind(load->soft, load_fault, load);
}

/* At the end every page, wherever it is, holds every thread's last version. */
static void load_check(struct load *load, const struct load_thread *threads, uint32_t count)
{
    assert_int_equal(load->poisoned, 0);
    assert_int_equal(load->lost, 0);
    assert_int_equal(load->torn, 0);
    assert_true(load->repurposed > 100);
    for (page_number page = 0; page < LOAD_PAGES; page++) {
        const struct load_page *of = &load->pages[page];
        const unsigned char *content =
            of->state == LOAD_ABSENT ? load->slots[page] : soft_frame(load->soft, of->frame);

        for (uint32_t i = 0; i < count; i++)
            assert_true(load_word(content + i * 8) == word_of(threads[i].versions[page]));
    }
}

static void load_test(uint32_t tlb_entries, uint32_t count)
{
    static struct load load;
    static struct load_thread threads[LOAD_THREADS + LOAD_UNMAPPERS];

    load_begin(&load, tlb_entries, count);
    memset(threads, 0, sizeof(threads));
    for (uint32_t i = 0; i < count + LOAD_UNMAPPERS; i++) {
        threads[i].load = &load;
        threads[i].number = i;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, i < count ? load_run : load_unmap,
                                        &threads[i]),
                         0);
    }
    for (uint32_t i = 0; i < count + LOAD_UNMAPPERS; i++)
        pthread_join(threads[i].thread, NULL);
    load_check(&load, threads, count);
    soft_destroy(load.soft);
    pthread_mutex_destroy(&load.lock);
}

static void no_write_is_lost_under_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tlb_sizes); i++) {
        load_test(tlb_sizes[i], 2);
        load_test(tlb_sizes[i], LOAD_THREADS);
    }
}

/* ---- an access that takes long -------------------------------------------------------------- */

/*
 * A reader whose buffer is not accessible stops in the middle of its copy, in a signal handler,
 * until it is told to go on. Whoever unmaps the page it reads must wait for it.
 */
static struct {
    struct alone alone;
    unsigned char *buffer;
    _Atomic uint32_t inside, go_on, returned;
} slow;

static void slow_handler(int signal_number)
{
    (void)signal_number;
    atomic_store(&slow.inside, 1);
    while (atomic_load(&slow.go_on) == 0)
        world_wait(&slow.go_on, 0, UINT64_MAX);
    mprotect(slow.buffer, MM_PAGE_SIZE, PROT_READ | PROT_WRITE);
}

static void *slow_read(void *argument)
{
    (void)argument;
    assert_int_equal(soft_read(slow.alone.soft, 0, 3 * MM_PAGE_SIZE, slow.buffer, 64), 0);
    return NULL;
}

static void *slow_unmap(void *argument)
{
    const page_number page = 3;
    const uint32_t *thread = argument;

    slow.alone.machine.ops->unmap(slow.alone.soft, *thread, 1, &page, NULL);
    atomic_fetch_add(&slow.returned, 1);
    return NULL;
}

static void unmap_waits_for_the_access_in_the_middle(void **state)
{
    static const uint32_t numbers[] = {1, 1};
    struct sigaction action = {.sa_handler = slow_handler}, before;
    pthread_t reader, unmappers[2];
    uint64_t word = 5;

    (void)state;
    alone_begin(&slow.alone, 64);
    slow.buffer = mmap(NULL, MM_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(slow.buffer != MAP_FAILED);
    assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
    alone_write(&slow.alone, 3 * MM_PAGE_SIZE, word);
    assert_int_equal(pthread_create(&reader, NULL, slow_read, NULL), 0);
    while (atomic_load(&slow.inside) == 0)
        world_pause(20, true);
    /* The second finds the page absent, but its old translation is still in use. */
    for (size_t i = 0; i < ARRAY_COUNT(unmappers); i++) {
        assert_int_equal(
            pthread_create(&unmappers[i], NULL, slow_unmap, (void *)(uintptr_t)&numbers[i]), 0);
        usleep(30000);
        assert_int_equal(atomic_load(&slow.returned), 0);
    }
    atomic_store(&slow.go_on, 1);
    world_wake(&slow.go_on, 1);
    pthread_join(reader, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(unmappers); i++)
        pthread_join(unmappers[i], NULL);
    assert_memory_equal(slow.buffer, &word, sizeof(word));
    sigaction(SIGSEGV, &before, NULL);
    munmap(slow.buffer, MM_PAGE_SIZE);
    alone_end(&slow.alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accessed_and_dirty_are_reported),
        cmocka_unit_test(read_only_pages_fault_on_the_first_write),
        cmocka_unit_test(mapping_again_keeps_the_bits),
        cmocka_unit_test(sampling_reads_and_clears),
        cmocka_unit_test(any_bytes_anywhere),
        cmocka_unit_test(refused_faults_reach_the_caller),
        cmocka_unit_test(contents_are_the_frames),
        cmocka_unit_test(wrong_maps_end_the_process),
        cmocka_unit_test(no_write_is_lost_under_load),
        cmocka_unit_test(unmap_waits_for_the_access_in_the_middle),
    };

    return cmocka_run_group_tests_name("soft", tests, NULL, NULL);
}
