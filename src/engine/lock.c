/*
 * lock.c - the slow paths of the locks, their statistics, and the check of their order.
 */
#include "engine/lock.h"

#include "base/mutant.h"
#include "base/text.h"

_Noreturn void must_fail(const char *condition, const char *file, int line)
{
    struct text text = {0};
    text_add(&text, "memman: broken promise: ");
    text_add(&text, condition);
    text_add(&text, " at ");
    text_add(&text, file);
    text_add(&text, ":");
    text_add_number(&text, (uint64_t)line);
    world_abort(text.bytes);
}

#ifdef MM_COVERAGE
void must_hold(bool holds, const char *condition, const char *file, int line)
{
    if (!holds) {
        must_fail(condition, file, line);
    }
}
#endif

#ifdef MM_CHECKED
static const char *const rank_names[RANK_COUNT] = {
#define X(id, name, guards) name,
    LOCK_RANKS(X)
#undef X
};

static _Noreturn void order_fail(const struct thread *self, enum lock_rank rank, const char *what)
{
    struct text text = {0};
    text_add(&text, "memman: broken promise: lock order: ");
    text_add(&text, what);
    text_add(&text, " ");
    text_add(&text, rank_names[rank]);
    text_add(&text, " lock; held:");
    for (unsigned i = 0; i < RANK_COUNT; i++) {
        text_add_field(&text, rank_names[i], self->held[i]);
    }
    world_abort(text.bytes);
}

void lock_check_acquire(struct thread *self, enum lock_rank rank, bool tried)
{
    for (unsigned i = rank; !tried && i < RANK_COUNT; i++) {
        if (self->held[i] != 0) {
            order_fail(self, rank, "waits for a");
        }
    }
    self->held[rank]++;
}

void lock_check_release(struct thread *self, enum lock_rank rank)
{
    if (self->held[rank] == 0) {
        order_fail(self, rank, "releases a");
    }
    self->held[rank]--;
}

void lock_check_none_held(const struct thread *self)
{
    for (unsigned i = RANK_REGION; i < RANK_COUNT; i++) {
        if (self->held[i] != 0) {
            order_fail(self, (enum lock_rank)i, "waits, or enters the machine, with a");
        }
    }
}
#endif

void lock_sample_begin(struct thread *self, uint32_t class)
{
    self->locks[class].sample_begin_ns = world_now_ns();
}

void lock_sample_end(struct thread *self, uint32_t class)
{
    struct lock_counts *counts = &self->locks[class];
    add_relaxed(&counts->hold_ns, (world_now_ns() - counts->sample_begin_ns) * LOCK_SAMPLE);
    counts->sample_begin_ns = 0;
}

static void count_contended(struct thread *self, uint32_t class, uint64_t begin_ns)
{
    struct lock_counts *counts = &self->locks[class];
    add_relaxed(&counts->contended, 1);
    add_relaxed(&counts->wait_ns, world_now_ns() - begin_ns);
}

void lock_wait_spin(struct thread *self, lock_word *word, enum lock_rank rank)
{
    uint64_t begin_ns = world_now_ns();
    unsigned round = 0;
    do {
        world_pause(round++, self->backoff);
    } while (!lock_try_word(word) && !(MUTANT(LOCK_WAIT_GIVES_UP) && round > 2));
    count_contended(self, rank, begin_ns);
}

void lock_acquire_shared(struct thread *self, lock_word *word, uint32_t class)
{
    lock_check_acquire(self, lock_rank_of(class), false);
    uint64_t begin_ns = 0;
    for (unsigned round = 0;; round++) {
        uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
        uint32_t closed = (MUTANT(LOCK_READS_DURING_WRITE) ? 0 : LOCK_EXCLUSIVE) |
                          (MUTANT(LOCK_WRITER_STARVES) ? 0 : LOCK_WRITER_WAITS);
        if ((seen & closed) == 0 &&
            atomic_compare_exchange_weak_explicit(word, &seen, seen + 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
            break;
        }
        begin_ns = begin_ns == 0 ? world_now_ns() : begin_ns;
        world_pause(round, self->backoff);
    }
    if (begin_ns != 0) {
        count_contended(self, class, begin_ns);
    }
    lock_count_acquired(self, class);
}

void lock_release_shared(struct thread *self, lock_word *word, uint32_t class)
{
    lock_check_release(self, lock_rank_of(class));
    if (UNLIKELY(self->locks[class].sample_begin_ns != 0)) {
        lock_sample_end(self, class);
    }
    uint32_t before = atomic_fetch_sub_explicit(word, 1, memory_order_release);
    MUST((before & LOCK_EXCLUSIVE) == 0);
    MUST((before & ~LOCK_WRITER_WAITS) != 0);
}

void lock_acquire_exclusive(struct thread *self, lock_word *word, uint32_t class)
{
    lock_check_acquire(self, lock_rank_of(class), false);
    uint64_t begin_ns = 0;
    for (unsigned round = 0;; round++) {
        uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
        if ((seen & ~LOCK_WRITER_WAITS) == 0 ||
            (MUTANT(LOCK_WRITES_DURING_READ) && (seen & ~LOCK_WRITER_WAITS) == 1)) {
            if (atomic_compare_exchange_weak_explicit(word, &seen, LOCK_EXCLUSIVE,
                                                      memory_order_acquire, memory_order_relaxed)) {
                break;
            }
        } else if ((seen & LOCK_WRITER_WAITS) == 0) {
            atomic_compare_exchange_weak_explicit(word, &seen, seen | LOCK_WRITER_WAITS,
                                                  memory_order_relaxed, memory_order_relaxed);
        }
        begin_ns = begin_ns == 0 ? world_now_ns() : begin_ns;
        world_pause(round, self->backoff);
    }
    if (begin_ns != 0) {
        count_contended(self, class, begin_ns);
    }
    lock_count_acquired(self, class);
}

bool lock_try_exclusive(struct thread *self, lock_word *word, uint32_t class)
{
    uint32_t unlocked = MUTANT(LOCK_TRY_DURING_READ) ? 1 : 0;
    if (!atomic_compare_exchange_strong_explicit(word, &unlocked, LOCK_EXCLUSIVE,
                                                 memory_order_acquire, memory_order_relaxed)) {
        return false;
    }
    lock_check_acquire(self, lock_rank_of(class), false);
    lock_count_acquired(self, class);
    return true;
}

void lock_release_exclusive(struct thread *self, lock_word *word, uint32_t class)
{
    lock_check_release(self, lock_rank_of(class));
    if (UNLIKELY(self->locks[class].sample_begin_ns != 0)) {
        lock_sample_end(self, class);
    }
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);
    MUST((seen & ~LOCK_WRITER_WAITS) == LOCK_EXCLUSIVE);
    if (seen == LOCK_EXCLUSIVE) {
        atomic_store_explicit(word, 0,
                              memory_order_release); /* a writer that came now says so again */
    } else {
        atomic_fetch_and_explicit(word, ~LOCK_EXCLUSIVE, memory_order_release);
    }
}

void lock_acquire_sleeping(struct thread *self, lock_word *word, enum lock_rank rank)
{
    lock_check_acquire(self, rank, false);
    uint32_t unlocked = 0;
    if (!atomic_compare_exchange_strong_explicit(word, &unlocked, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        uint64_t begin_ns = world_now_ns();
        uint32_t waited = MUTANT(LOCK_FORGETS_OTHER_SLEEPERS) ? 1 : 2;
        while (atomic_exchange_explicit(word, waited, memory_order_acquire) != 0) {
            world_wait(word, 2, UINT64_MAX);
        }
        count_contended(self, rank, begin_ns);
    }
    lock_count_acquired(self, rank);
}

void lock_release_sleeping(struct thread *self, lock_word *word, enum lock_rank rank)
{
    lock_check_release(self, rank);
    if (UNLIKELY(self->locks[rank].sample_begin_ns != 0)) {
        lock_sample_end(self, rank);
    }
    if (atomic_exchange_explicit(word, 0, memory_order_release) == 2 &&
        !MUTANT(LOCK_WAKES_NO_SLEEPER)) {
        world_wake(word, 1);
    }
}
