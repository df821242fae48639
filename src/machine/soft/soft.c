/*
 * soft.c - the soft machine: page table, TLBs and shootdown in software.
 *
 * A page's entry is one 64-bit word: frame, present, writable, accessed, dirty. A thread keeps
 * translations in its own TLB, tagged with the generation in which it read them. Who writes what:
 *
 *   entry        map, make_writable, unmap, sample_accessed (any thread) and walks (set accessed
 *                and dirty); only by compare-exchange, exchange or fetch-and
 *   generation   of each thread's translations, only grows; a TLB entry of another generation is no
 *                translation
 *   TLB          its thread alone
 *   sequence     its thread alone: odd while inside an access, even outside
 *   faults       its thread alone: odd while inside a fault; even, by a full fence, outside
 *
 * Access:     sequence odd | compiler barrier | load own generation (acquire) | TLB, else walk the
 *             entry (acquire) | copy | sequence even (release)
 * Shootdown:  entries to zero | full fence | for each thread: generation + 1 (seq_cst), and if it is
 *             in a fault, or begins one within a moment, it fences itself | if one did not,
 *             world_fence_all() and, where a sequence is odd, wait until it changes (acquire)
 *
 * Why no old translation outlives unmap(): the fence falls somewhere into each thread's program.
 * An access whose odd sequence was stored before that point is visible as odd, and waited for; it
 * may have used the old frame, and its stores and its dirty bit are visible when the wait ends. An
 * access that begins after that point loads the new generation, so its TLB does not match, and
 * having acquired the generation it sees the zeroed entry. The costly fence is the unmapper's, once
 * a batch; an access pays two plain stores, on x86 and on arm.
 *
 * A thread whose faults are odd or changed after it got its generation is outside every access that
 * could know the old one, and its own fence lets its next access see the new one. Threads that
 * fault all the time, the ones that need pages trimmed, so cost the unmapper a few loads; a fence
 * in all processors is an interrupt on each, 100 us and more in a virtual machine.
 *
 * Why no write goes unreported: a TLB entry lets writes through only if the entry had its dirty bit
 * when it was read, and a dirty bit leaves an entry only with the mapping, in unmap(), which
 * returns it. A page mapped again before the flush (a rescue) may be written through the old
 * translation until the flush ends: it is the same frame, and this unmap() reports the write.
 *
 * A thread leaves its access before it faults, so a shootdown never waits for a fault.
 */
#include "machine/soft/access.h"

#include "base/mutant.h"
#include "contract/world.h"
#include "machine/soft/memory.h"

#include <errno.h>
#include <stdlib.h>

#define ENTRY_PRESENT     1ull
#define ENTRY_WRITABLE    2ull
#define ENTRY_ACCESSED    4ull
#define ENTRY_DIRTY       8ull
#define ENTRY_FRAME_SHIFT 32

#define THREADS_PER_WORD 64u

/* Pauses of a shootdown, over all threads, before it fences them by force: some microseconds. */
#define FENCE_PATIENCE 100u

static const unsigned char zero_page[MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));

/* Under ThreadSanitizer, gcc refuses fences; the read-modify-writes beside it are enough on x86. */
static inline void fence_full(void)
{
#if !UNDER_THREAD_SANITIZER
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* After a sequentially consistent read-modify-write, which is a full fence on x86 already. */
static inline void fence_after_update(void)
{
#if defined(__x86_64__)
    atomic_signal_fence(memory_order_seq_cst);
#else
    fence_full();
#endif
}

void *soft_frame(const struct soft *soft, frame_number frame)
{
    return soft->frames_memory + ((size_t)frame << PAGE_SHIFT);
}

/* ---- access -------------------------------------------------------------------------------- */

/*
 * What the hardware's page walker does: check, set accessed and dirty, fill the TLB. NULL: a
 * fault. `tag` was read before the entry, else a translation could carry too new a generation.
 */
static unsigned char *walk(struct soft *soft, struct soft_thread *self, page_number page,
                           uint64_t tag, bool write)
{
    _Atomic uint64_t *at = &soft->entries[page];
    uint64_t needed = ENTRY_PRESENT | (write ? ENTRY_WRITABLE : 0);
    uint64_t marks = ENTRY_ACCESSED | (write && !MUTANT(SOFT_DIRTY_IS_NOT_SET) ? ENTRY_DIRTY : 0);
    uint64_t entry = atomic_load_explicit(at, memory_order_acquire);
    unsigned char *memory;

    do {
        if ((entry & needed) != needed)
            return NULL;
        if ((entry & marks) == marks)
            break;
        if (MUTANT(SOFT_WALK_STORES_BLINDLY)) {
            atomic_store_explicit(at, entry | marks, memory_order_release);
            break;
        }
    } while (!atomic_compare_exchange_weak_explicit(at, &entry, entry | marks, memory_order_acq_rel,
                                                    memory_order_acquire));
    entry |= marks;
    memory = soft_frame(soft, (frame_number)(entry >> ENTRY_FRAME_SHIFT));
    if (soft->has_tlb) {
        struct tlb_entry *slot = &self->tlb[page & self->tlb_mask];
        uint64_t dirty = ENTRY_WRITABLE | ENTRY_DIRTY;

        slot->tag = tag;
        slot->place =
            (uintptr_t)memory |
            ((entry & dirty) == dirty || MUTANT(SOFT_TLB_ALWAYS_WRITES) ? PLACE_DIRTY : 0);
    }
    return memory;
}

/*
 * The page's memory, only until access_end(); NULL: a fault. A TLB entry that lacks the right to
 * write may be older than make_writable(), so the walk decides.
 */
static unsigned char *translate(struct soft *soft, struct soft_thread *self, page_number page,
                                bool write)
{
    uint64_t tag = tag_now(self, page);
    unsigned char *memory = tlb_find(self, page, tag, write);

    return memory != NULL ? memory : walk(soft, self, page, tag, write);
}

static bool access_try(struct soft *soft, struct soft_thread *self, uint64_t offset,
                       unsigned char *buffer, size_t count, bool write)
{
    uint64_t sequence = access_begin(self);
    unsigned char *memory = translate(soft, self, (page_number)(offset >> PAGE_SHIFT), write);

    if (memory == NULL) {
        access_end(self, sequence);
        return false;
    }
    if (MUTANT(SOFT_ACCESS_ENDS_EARLY)) {
        access_end(self, sequence--);
        world_pause(0, true);
    }
    memory += offset & (MM_PAGE_SIZE - 1);
    world_work(WORLD_ACCESS, 1);
    if (write)
        copy_shared(memory, buffer, count);
    else
        copy_shared(buffer, memory, count);
    access_end(self, sequence);
    return true;
}

/* Outside any access. A shootdown need not wait for a thread that is in here. */
static enum fault_result take_fault(struct soft *soft, uint32_t thread, uint64_t offset, bool write)
{
    struct soft_thread *self = &soft->threads[thread];
    uint64_t faults = atomic_load_explicit(&self->faults, memory_order_relaxed);
    enum fault_result result;

    /* The engine will map the page: the line is here by then. */
    if (LIKELY(offset >> PAGE_SHIFT < soft->pages))
        __builtin_prefetch(&soft->entries[offset >> PAGE_SHIFT], 1);
    /* Whoever sees it odd sees our accesses done; the fence is needed before the next one only. */
    atomic_store_explicit(&self->faults, faults + 1, memory_order_release);
    result = soft->fault(soft->engine, thread, (page_number)(offset >> PAGE_SHIFT), write);
    atomic_exchange_explicit(&self->faults, faults + 2, memory_order_seq_cst);
    fence_after_update();
    return result;
}

static enum fault_result access_any(struct soft *soft, uint32_t thread, uint64_t offset,
                                    unsigned char *buffer, size_t count, bool write)
{
    struct soft_thread *self = &soft->threads[thread];

    while (count > 0) {
        size_t step = MIN_OF(count, MM_PAGE_SIZE - (size_t)(offset & (MM_PAGE_SIZE - 1)));

        if (offset >> PAGE_SHIFT >= soft->pages)
            return FAULT_ACCESS_VIOLATION;
        while (!access_try(soft, self, offset, buffer, step, write)) {
            enum fault_result result = take_fault(soft, thread, offset, write);

            if (result != FAULT_RESOLVED)
                return result;
        }
        offset += step;
        buffer += step;
        count -= step;
    }
    return FAULT_RESOLVED;
}

enum fault_result soft_read(struct soft *soft, uint32_t thread, uint64_t offset, void *ret_bytes,
                            size_t count)
{
    return access_any(soft, thread, offset, ret_bytes, count, false);
}

enum fault_result soft_write(struct soft *soft, uint32_t thread, uint64_t offset, const void *bytes,
                             size_t count)
{
    /* The cast: one function copies both ways, and a write only reads the buffer. */
    return access_any(soft, thread, offset, (unsigned char *)(uintptr_t)bytes, count, true);
}

/* ---- shootdown ----------------------------------------------------------------------------- */

static void generation_begin(struct soft *soft, struct soft_thread *thread)
{
    if (!MUTANT(SOFT_GENERATION_STANDS))
        atomic_fetch_add_explicit(&thread->generation, soft->generation_step, memory_order_seq_cst);
}

static void thread_wait(struct soft_thread *other)
{
    uint64_t sequence = atomic_load_explicit(&other->sequence, memory_order_acquire);

    if ((sequence & 1) == 0 || MUTANT(SOFT_WAITS_FOR_NOBODY))
        return;
    for (unsigned round = 0;
         atomic_load_explicit(&other->sequence, memory_order_acquire) == sequence; round++)
        world_pause(round, true);
}

/*
 * The thread is in a fault, or comes to one while there is patience: it has fenced itself since it
 * got its new generation, or will before its next access.
 */
static bool fences_itself(struct soft_thread *other, unsigned *patience)
{
    uint64_t seen = atomic_load_explicit(&other->faults, memory_order_seq_cst);

    if ((seen & 1) || MUTANT(SOFT_BELIEVES_ALL_FENCED))
        return true;
    while (*patience > 0) {
        *patience -= 1;
        world_pause(0, true);
        if (atomic_load_explicit(&other->faults, memory_order_seq_cst) != seen)
            return true;
    }
    return false;
}

typedef void thread_function(struct soft *soft, struct soft_thread *thread, void *context);

static void for_attached(struct soft *soft, thread_function *function, void *context)
{
    for (uint32_t word = 0; word < soft->attached_words; word++) {
        uint64_t all = atomic_load_explicit(&soft->attached[word], memory_order_acquire);

        for (; all != 0; all &= all - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(all);

            function(soft, &soft->threads[word * THREADS_PER_WORD + bit], context);
        }
    }
}

static void generation_of(struct soft *soft, struct soft_thread *thread, void *context)
{
    (void)context;
    generation_begin(soft, thread);
}

static void generations_begin(struct soft *soft)
{
    atomic_store_explicit(&soft->sampled, 0, memory_order_relaxed);
    for_attached(soft, generation_of, NULL);
}

/* A shootdown under way. */
struct hunt {
    const struct soft_thread *self; /* it is in no access */
    unsigned patience;
    bool stubborn; /* somebody has not fenced itself */
};

/* Both with one visit of the thread's line. */
static void outdate(struct soft *soft, struct soft_thread *thread, void *context)
{
    struct hunt *hunt = context;

    if (thread == hunt->self || !MUTANT(SOFT_SPARES_OTHER_THREADS))
        generation_begin(soft, thread);
    if (thread != hunt->self && !fences_itself(thread, &hunt->patience))
        hunt->stubborn = true;
}

static void wait_for(struct soft *soft, struct soft_thread *thread, void *context)
{
    const struct hunt *hunt = context;

    (void)soft;
    if (thread != hunt->self)
        thread_wait(thread);
}

/*
 * The entries are zero. The full fence here and the one in soft_attach() make sure that either we
 * see a thread that attaches, or that thread, whose TLB is empty, sees the zeroed entries: nobody
 * else attached needs no fence in all processors.
 */
static void shootdown(struct soft *soft, uint32_t thread)
{
    struct hunt hunt = {.self = &soft->threads[thread],
                        .patience = soft->impatient ? 0 : FENCE_PATIENCE};

    atomic_store_explicit(&soft->sampled, 0, memory_order_relaxed);
    fence_full();
    for_attached(soft, outdate, &hunt);
    if (hunt.stubborn) {
        if (!MUTANT(SOFT_SKIPS_FENCE))
            world_fence_all();
        for_attached(soft, wait_for, &hunt);
    }
}

static void tlb_empty(struct soft_thread *self)
{
    memset(self->tlb, 0, (size_t)(self->tlb_mask + 1) * sizeof(*self->tlb));
}

void soft_attach(struct soft *soft, uint32_t thread)
{
    if (thread >= soft->threads_max)
        world_abort("memman: soft machine: no such thread");
    tlb_empty(&soft->threads[thread]);
    atomic_fetch_or_explicit(&soft->attached[thread / THREADS_PER_WORD],
                             1ull << (thread % THREADS_PER_WORD), memory_order_seq_cst);
    fence_full();
}

/* Release: who misses the bit from now on has seen all our accesses. */
void soft_detach(struct soft *soft, uint32_t thread)
{
    atomic_fetch_and_explicit(&soft->attached[thread / THREADS_PER_WORD],
                              ~(1ull << (thread % THREADS_PER_WORD)), memory_order_seq_cst);
}

/* ---- contract/machine.h -------------------------------------------------------------------- */

static void *soft_fill_buffer(void *machine, uint32_t thread, uint32_t window, frame_number frame)
{
    (void)thread;
    (void)window;
    return soft_frame(machine, frame);
}

static void soft_content(void *machine, uint32_t thread, uint32_t count, const page_number *pages,
                         const frame_number *frames, void **ret_buffers)
{
    (void)thread;
    (void)pages;
    for (uint32_t i = 0; i < count; i++)
        ret_buffers[i] = soft_frame(machine, frames[i]);
}

static void soft_zero(void *machine, frame_number frame)
{
    world_work(WORLD_CLEAR_PAGE, 1);
    memset(soft_frame(machine, frame), 0, MM_PAGE_SIZE);
}

static _Atomic uint64_t *entry_of(struct soft *soft, page_number page)
{
    if (UNLIKELY(page >= soft->pages))
        world_abort("memman: soft machine: no such page");
    return &soft->entries[page];
}

static void frame_fill(struct soft *soft, frame_number frame, const void *source)
{
    void *memory = soft_frame(soft, frame);

    if (source == zero_page) {
        world_work(WORLD_CLEAR_PAGE, 1);
        memset(memory, 0, MM_PAGE_SIZE);
    } else if (source != memory) {
        world_work(WORLD_COPY_PAGE, 1);
        copy_shared(memory, source, MM_PAGE_SIZE);
    }
}

/*
 * Over a live mapping, accessed and dirty stay: only unmap() may take them. If that mapping could
 * be written and the new one cannot, old translations may write until the next flush; they can
 * only do so because dirty is set, so the write is not missed.
 */
static void map_one(struct soft *soft, const struct machine_map *map)
{
    uint64_t fresh = (uint64_t)map->frame << ENTRY_FRAME_SHIFT | ENTRY_PRESENT |
                     (map->writable ? ENTRY_WRITABLE : 0);
    _Atomic uint64_t *at = entry_of(soft, map->page);
    uint64_t before = atomic_load_explicit(at, memory_order_acquire);
    uint64_t kept;

    if (map->frame >= soft->frames)
        world_abort("memman: soft machine: map of a frame that does not exist");
    if (map->source != NULL) {
        if (before & ENTRY_PRESENT)
            world_abort("memman: soft machine: map would overwrite a page in use");
        frame_fill(soft, map->frame, map->source);
    }
    do {
        if ((before & ENTRY_PRESENT) && before >> ENTRY_FRAME_SHIFT != map->frame &&
            !MUTANT(SOFT_MAPS_OVER_ANOTHER))
            world_abort("memman: soft machine: map of a page that has another frame");
        kept = before & (ENTRY_ACCESSED | (MUTANT(SOFT_MAP_CLEANS) ? 0 : ENTRY_DIRTY));
    } while (!atomic_compare_exchange_weak_explicit(at, &before, fresh | kept, memory_order_acq_rel,
                                                    memory_order_acquire));
}

static void soft_map(void *machine, uint32_t thread, uint32_t count, const struct machine_map *maps)
{
    (void)thread;
    for (uint32_t i = 0; i < count; i++)
        map_one(machine, &maps[i]);
}

static void soft_make_writable(void *machine, uint32_t thread, page_number page)
{
    struct soft *soft = machine;
    _Atomic uint64_t *at = entry_of(soft, page);
    uint64_t entry = atomic_load_explicit(at, memory_order_acquire);

    (void)thread;
    do {
        if (!(entry & ENTRY_PRESENT) || (entry & ENTRY_WRITABLE))
            return;
    } while (!atomic_compare_exchange_weak_explicit(at, &entry, entry | ENTRY_WRITABLE,
                                                    memory_order_acq_rel, memory_order_acquire));
}

/*
 * A page that was not present needs no flush, unless another unmap took it and has not flushed yet:
 * its old translations are not gone before that flush, and we promise that they are.
 */
static void soft_unmap(void *machine, uint32_t thread, uint32_t count, const page_number *pages,
                       struct machine_unmapped *ret_unmapped)
{
    struct soft *soft = machine;
    uint64_t all = 0;

    atomic_fetch_add_explicit(&soft->unmaps, 1, memory_order_acq_rel);
    for (uint32_t i = 0; i < count; i++) {
        _Atomic uint64_t *at = entry_of(soft, pages[i]);
        uint64_t before;

        before = atomic_exchange_explicit(at, 0, memory_order_acq_rel);
        all |= before;
        if (ret_unmapped != NULL) {
            ret_unmapped[i].accessed = (before & ENTRY_ACCESSED) != 0;
            ret_unmapped[i].written = (before & ENTRY_DIRTY) != 0;
        }
    }
    if ((all & ENTRY_PRESENT) || (atomic_load_explicit(&soft->unmaps, memory_order_acquire) != 1 &&
                                  !MUTANT(SOFT_IGNORES_OTHER_UNMAPS)))
        shootdown(soft, thread);
    atomic_fetch_sub_explicit(&soft->unmaps, 1, memory_order_acq_rel);
}

/*
 * A new generation makes the TLBs walk again and set the bits anew: that of the next unmap(), which
 * mostly follows at once, or of sample_end(). Nobody waits: an access that still hits an old
 * translation is only counted a moment later.
 */
static void soft_sample_accessed(void *machine, uint32_t count, const page_number *pages,
                                 bool *ret_accessed)
{
    struct soft *soft = machine;
    uint64_t all = 0;

    for (uint32_t i = 0; i < count; i++) {
        _Atomic uint64_t *at = entry_of(soft, pages[i]);
        uint64_t before = atomic_load_explicit(at, memory_order_relaxed);

        if (before & ENTRY_ACCESSED) {
            before = atomic_fetch_and_explicit(at, ~ENTRY_ACCESSED, memory_order_acq_rel);
        }
        ret_accessed[i] = (before & ENTRY_ACCESSED) != 0 && !MUTANT(SOFT_ACCESSED_IS_LOST);
        all |= before;
    }
    if ((all & ENTRY_ACCESSED) && !MUTANT(SOFT_SAMPLE_KEEPS_GENERATION))
        atomic_store_explicit(&soft->sampled, 1, memory_order_release);
}

/* Cleared first, so that a sample of somebody else meanwhile is not forgotten. */
static void soft_sample_end(void *machine)
{
    struct soft *soft = machine;

    if (atomic_load_explicit(&soft->sampled, memory_order_acquire) != 0)
        generations_begin(soft);
}

static const struct machine_ops soft_ops = {
    .name = "soft",
    .fill_buffer = soft_fill_buffer,
    .content = soft_content,
    .zero = soft_zero,
    .map = soft_map,
    .make_writable = soft_make_writable,
    .unmap = soft_unmap,
    .sample_accessed = soft_sample_accessed,
    .sample_end = soft_sample_end,
};

/* ---- life ---------------------------------------------------------------------------------- */

/* Without a TLB each thread has one entry that is never filled: an access need not ask. */
static int tlbs_create(struct soft *soft, uint32_t tlb_entries)
{
    uint32_t entries = MAX_OF(tlb_entries, 1u);
    size_t bytes = MAX_OF(entries * sizeof(struct tlb_entry), (size_t)CACHE_LINE);
    int error = soft_memory_reserve(bytes * soft->threads_max, &soft->memory_of_tlbs);

    if (error != 0)
        return error;
    soft->has_tlb = tlb_entries != 0;
    for (uint32_t i = 0; i < soft->threads_max; i++) {
        soft->threads[i].tlb = (struct tlb_entry *)((char *)soft->memory_of_tlbs.start + i * bytes);
        soft->threads[i].tlb_mask = entries - 1;
    }
    return 0;
}

static int parts_create(struct soft *soft, const struct soft_config *config)
{
    int error;

    soft->attached_words = (config->threads_max + THREADS_PER_WORD - 1) / THREADS_PER_WORD;
    soft->attached = calloc(soft->attached_words, sizeof(*soft->attached));
    soft->threads = aligned_alloc(CACHE_LINE, (size_t)config->threads_max * sizeof(*soft->threads));
    if (soft->attached == NULL || soft->threads == NULL)
        return -ENOMEM;
    memset(soft->threads, 0, (size_t)config->threads_max * sizeof(*soft->threads));
    for (uint32_t i = 0; i < soft->threads_max; i++)
        atomic_init(&soft->threads[i].generation, soft->generation_step);
    error = soft_memory_reserve((size_t)config->pages * sizeof(*soft->entries),
                                &soft->memory_of_entries);
    if (error == 0)
        error = soft_memory_own((size_t)config->frames << PAGE_SHIFT, &soft->memory_of_frames);
    if (error == 0)
        error = tlbs_create(soft, config->tlb_entries);
    soft->entries = soft->memory_of_entries.start;
    soft->frames_memory = soft->memory_of_frames.start;
    return error;
}

int soft_create(const struct soft_config *config, struct soft **ret_soft,
                struct machine *ret_machine)
{
    struct soft *soft = aligned_alloc(CACHE_LINE, sizeof(*soft));
    int error;

    if (soft == NULL)
        return -ENOMEM;
    memset(soft, 0, sizeof(*soft));
    soft->pages = config->pages;
    soft->frames = config->frames;
    soft->threads_max = config->threads_max;
    soft->impatient = config->impatient;
    soft->generation_step = 1;
    while (soft->generation_step < config->pages)
        soft->generation_step <<= 1;
    error = parts_create(soft, config);
    if (error != 0) {
        soft_destroy(soft);
        return error;
    }
    *ret_soft = soft;
    *ret_machine = (struct machine){
        .ops = &soft_ops, .self = soft, .zeros = zero_page, .dirty_tracking = true};
    return 0;
}

void soft_destroy(struct soft *soft)
{
    soft_memory_release(&soft->memory_of_tlbs);
    soft_memory_release(&soft->memory_of_frames);
    soft_memory_release(&soft->memory_of_entries);
    free(soft->threads);
    free(soft->attached);
    free(soft);
}

void soft_reset(struct soft *soft)
{
    memset(soft->attached, 0, soft->attached_words * sizeof(*soft->attached));
    memset(soft->memory_of_entries.start, 0, soft->memory_of_entries.bytes);
    memset(soft->memory_of_frames.start, 0, (size_t)soft->frames << PAGE_SHIFT);
    for (uint32_t i = 0; i < soft->threads_max; i++) {
        atomic_init(&soft->threads[i].sequence, 0);
        atomic_init(&soft->threads[i].faults, 0);
        atomic_init(&soft->threads[i].generation, soft->generation_step);
        tlb_empty(&soft->threads[i]);
    }
    atomic_init(&soft->sampled, 0);
    atomic_init(&soft->unmaps, 0);
}

void soft_bind(struct soft *soft, machine_fault *fault, void *engine)
{
    soft->fault = fault;
    soft->engine = engine;
}
