/*
 * lock.h - the engine's locks: one place, one order, checked.
 *
 * Four kinds: a spin lock (one 32-bit word, bounded exponential back-off), a shared/exclusive spin
 * lock for page lists, a sleeping lock for the address space, and try-locks of pages. The order is
 * the enum: a lock may be taken only above every lock the thread holds. Two exceptions, both by
 * try-lock alone: a page under a list lock, and a second page (list neighbours, batches).
 * Checked builds stop on a violation; every build counts per rank and thread.
 */
#ifndef MM_ENGINE_LOCK_H
#define MM_ENGINE_LOCK_H

#include "contract/world.h"
#include "engine/thread.h"

typedef _Atomic uint32_t lock_word;

/*
 * A broken promise: prints what and where, and ends the process. Always on, cheap. Where branches
 * are counted the branch is in one place for all: most promises cannot be broken by a test.
 */
#ifdef MM_COVERAGE
void must_hold(bool holds, const char *condition, const char *file, int line);
#define MUST(condition) must_hold(condition, #condition, __FILE__, __LINE__)
#else
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (UNLIKELY(!(condition))) {                                                              \
            must_fail(#condition, __FILE__, __LINE__);                                             \
        }                                                                                          \
    } while (0)
#endif

/* The same in checked builds only; may cost. */
#ifdef MM_CHECKED
#define AUDIT(condition) MUST(condition)
#else
#define AUDIT(condition)                                                                           \
    do {                                                                                           \
        (void)sizeof(condition);                                                                   \
    } while (0)
#endif

_Noreturn void must_fail(const char *condition, const char *file, int line);

/* Statistics: hold time is measured on one acquisition in LOCK_SAMPLE and multiplied. */
#define LOCK_SAMPLE 64

void lock_wait_spin(struct thread *self, lock_word *word, enum lock_rank rank);
void lock_sample_begin(struct thread *self, uint32_t class);
void lock_sample_end(struct thread *self, uint32_t class);

static inline enum lock_rank lock_rank_of(uint32_t class)
{
    return class < RANK_COUNT ? (enum lock_rank) class : RANK_LIST;
}

/* Order check: `tried` locks are exempt from the order but are remembered as held. */
#ifdef MM_CHECKED
void lock_check_acquire(struct thread *self, enum lock_rank rank, bool tried);
void lock_check_release(struct thread *self, enum lock_rank rank);
void lock_check_none_held(const struct thread *self);
#else
static inline void lock_check_acquire(struct thread *self, enum lock_rank rank, bool tried)
{
    (void)self, (void)rank, (void)tried;
}
static inline void lock_check_release(struct thread *self, enum lock_rank rank)
{
    (void)self, (void)rank;
}
static inline void lock_check_none_held(const struct thread *self)
{
    (void)self;
}
#endif

static inline void lock_count_acquired(struct thread *self, uint32_t class)
{
    struct lock_counts *counts = &self->locks[class];
    uint64_t acquired = atomic_load_explicit(&counts->acquired, memory_order_relaxed) + 1;
    atomic_store_explicit(&counts->acquired, acquired, memory_order_relaxed);
    if (UNLIKELY(acquired % LOCK_SAMPLE == 0)) {
        lock_sample_begin(self, class);
    }
}

static inline bool lock_try_word(lock_word *word)
{
    uint32_t unlocked = 0;
    return atomic_load_explicit(word, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(word, &unlocked, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void lock_acquire(struct thread *self, lock_word *word, enum lock_rank rank)
{
    lock_check_acquire(self, rank, false);
    if (UNLIKELY(!lock_try_word(word))) {
        lock_wait_spin(self, word, rank);
    }
    lock_count_acquired(self, rank);
}

/* Take it if it is free. Exempt from the order. */
static inline bool lock_try(struct thread *self, lock_word *word, enum lock_rank rank)
{
    if (!lock_try_word(word)) {
        return false;
    }
    lock_check_acquire(self, rank, true);
    lock_count_acquired(self, rank);
    return true;
}

static inline void lock_release(struct thread *self, lock_word *word, enum lock_rank rank)
{
    AUDIT(atomic_load_explicit(word, memory_order_relaxed) == 1);
    lock_check_release(self, rank);
    if (UNLIKELY(self->locks[rank].sample_begin_ns != 0)) {
        lock_sample_end(self, rank);
    }
    atomic_store_explicit(word, 0, memory_order_release);
}

/* Shared/exclusive spin lock: bit 31 owned exclusively, bit 30 a writer waits, else readers. It is
 * taken as a class (thread.h). */
#define LOCK_EXCLUSIVE    (1u << 31)
#define LOCK_WRITER_WAITS (1u << 30)

void lock_acquire_shared(struct thread *self, lock_word *word, uint32_t class);
void lock_release_shared(struct thread *self, lock_word *word, uint32_t class);
void lock_acquire_exclusive(struct thread *self, lock_word *word, uint32_t class);
/* Take it if nobody has it in any way. In its place in the order all the same. */
bool lock_try_exclusive(struct thread *self, lock_word *word, uint32_t class);
void lock_release_exclusive(struct thread *self, lock_word *word, uint32_t class);

/* Sleeping lock (0 free, 1 held, 2 held and waited for); machine calls are allowed under it. */
void lock_acquire_sleeping(struct thread *self, lock_word *word, enum lock_rank rank);
void lock_release_sleeping(struct thread *self, lock_word *word, enum lock_rank rank);

#endif
