/*
 * access.h - an access that needs no fault, inline: a word through the TLB in a few instructions.
 *
 * soft.c's head says what each step is for. Who includes this looks into the soft machine for
 * speed alone: soft.c, and the calls of memman.h, whose most frequent one is a word of a page that
 * is in the TLB. Everything else goes through soft.h.
 */
#ifndef MM_MACHINE_SOFT_ACCESS_H
#define MM_MACHINE_SOFT_ACCESS_H

#include "base/copy.h"
#include "machine/soft/memory.h"
#include "machine/soft/soft.h"

#include <stdatomic.h>

/* In tlb_entry.place, beside the address: writes need no walk, the dirty bit is set. */
#define PLACE_DIRTY 1ull

/* A tag of zero is no translation: generations begin at one. */
struct tlb_entry {
    uint64_t tag;    /* generation | page */
    uintptr_t place; /* the frame's memory | PLACE_DIRTY */
};

struct soft_thread {
    _Atomic uint64_t sequence CACHE_ALIGNED; /* odd: inside an access */
    /* What others look at, and change, in a shootdown: apart from what each access writes. */
    _Atomic uint64_t faults CACHE_ALIGNED; /* odd: inside a fault */
    /* Of its translations. One for each thread: all would queue for a common one. */
    _Atomic uint64_t generation;
    struct tlb_entry *tlb;
    uint64_t tlb_mask; /* entries - 1 */
};

struct soft {
    /* Constant after soft_bind(). */
    _Atomic uint64_t *entries;
    unsigned char *frames_memory;
    struct soft_thread *threads;
    _Atomic uint64_t *attached; /* a bit per thread */
    machine_fault *fault;
    void *engine;
    uint64_t generation_step; /* a power of two >= pages, so that generation | page is unique */
    page_number pages;
    frame_number frames;
    uint32_t threads_max;
    uint32_t attached_words;
    bool has_tlb, impatient;
    struct soft_memory memory_of_frames, memory_of_entries, memory_of_tlbs;

    _Atomic uint32_t
        sampled; /* accessed bits were cleared that old translations do not set again */
    _Atomic uint32_t unmaps CACHE_ALIGNED; /* calls of unmap() whose flush is not finished */
};

/*
 * Returns the sequence for access_end(): reading it back would cost as much as the whole lookup,
 * since a load that follows its own store waits for it.
 */
static inline uint64_t access_begin(struct soft_thread *self)
{
    uint64_t sequence = atomic_load_explicit(&self->sequence, memory_order_relaxed) + 1;

    atomic_store_explicit(&self->sequence, sequence, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the other half is world_fence_all() */
    return sequence;
}

static inline void access_end(struct soft_thread *self, uint64_t sequence)
{
    atomic_store_explicit(&self->sequence, sequence + 1, memory_order_release);
}

/* What a translation of the page must be tagged with now. Inside an access. */
static inline uint64_t tag_now(const struct soft_thread *self, uint64_t page)
{
    return atomic_load_explicit(&self->generation, memory_order_acquire) | page;
}

/* The page's memory if the TLB has it with the right wanted, else NULL. Until access_end(). */
static inline unsigned char *tlb_find(const struct soft_thread *self, page_number page,
                                      uint64_t tag, bool write)
{
    const struct tlb_entry *slot = &self->tlb[page & self->tlb_mask];

    if (LIKELY(slot->tag == tag && (!write || (slot->place & PLACE_DIRTY))))
        return (unsigned char *)(slot->place & ~(uintptr_t)PLACE_DIRTY);
    return NULL;
}

/* An aligned word: the common access, never torn, and never across a page. */
static inline bool word_in_range(const struct soft *soft, uint64_t offset)
{
    return (offset & (sizeof(uint64_t) - 1)) == 0 && offset >> PAGE_SHIFT < soft->pages;
}

/* False: nothing happened; soft_read() knows what to do. */
static inline bool soft_read_word(struct soft *soft, uint32_t thread, uint64_t offset,
                                  void *ret_word)
{
    struct soft_thread *self = &soft->threads[thread];
    const unsigned char *memory;
    page_number page;
    uint64_t sequence, word;

    if (UNLIKELY(!word_in_range(soft, offset)))
        return false;
    page = (page_number)(offset >> PAGE_SHIFT);
    sequence = access_begin(self);
    memory = tlb_find(self, page, tag_now(self, page), false);
    if (UNLIKELY(memory == NULL)) {
        access_end(self, sequence);
        return false;
    }
    memory += offset & (MM_PAGE_SIZE - 1);
    word = load_word(memory);
    access_end(self, sequence);
    memcpy(ret_word, &word, sizeof(word));
    return true;
}

/* The same for soft_write(). */
static inline bool soft_write_word(struct soft *soft, uint32_t thread, uint64_t offset,
                                   const void *at)
{
    struct soft_thread *self = &soft->threads[thread];
    unsigned char *memory;
    page_number page;
    uint64_t sequence, word;

    if (UNLIKELY(!word_in_range(soft, offset)))
        return false;
    memcpy(&word, at, sizeof(word));
    page = (page_number)(offset >> PAGE_SHIFT);
    sequence = access_begin(self);
    memory = tlb_find(self, page, tag_now(self, page), true);
    if (UNLIKELY(memory == NULL)) {
        access_end(self, sequence);
        return false;
    }
    memory += offset & (MM_PAGE_SIZE - 1);
    store_word(memory, word);
    access_end(self, sequence);
    return true;
}

#endif
