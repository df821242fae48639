/*
 * atomics.h - C11's atomic operations with a point before each, for code that runs on fibers.
 *
 * Put in front of every source file of a fibers build by the compiler (-include). The code itself
 * does not know: what it writes is plain C11. So no place where threads can meet is forgotten,
 * and none has to be marked by hand. The operations behind the points are the real ones.
 *
 * A point tells the world which word is touched and how; orders weaker than acquire and release
 * are told apart, because most of them only count or are guarded by a lock.
 *
 * With fibers_config.late_stores a store that is not sequentially consistent stays with its fiber
 * for a while, as in a processor's store buffer: in order, seen by its own loads, and out before
 * its next read-modify-write, full fence or wait. That finds a missing fence.
 */
#ifndef MM_WORLD_ATOMICS_H
#define MM_WORLD_ATOMICS_H

#define MM_WORLD_FIBERS 1

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum world_touch { WORLD_LOAD, WORLD_STORE, WORLD_UPDATE };

/* In world/fibers.c. */
void world_point_at(const volatile void *word, enum world_touch touch, bool relaxed);

/* Stores that others do not see yet. `bytes` is 1, 2, 4 or 8. */
extern bool world_late_stores;
void world_store_late(volatile void *word, uint64_t value, unsigned bytes);
/* Has the fiber a late store to the word? Then its value. */
bool world_load_late(const volatile void *word, uint64_t *ret_value);
void world_fence(void);

#ifdef MM_COVERAGE
#define WORLD_LATE_STORES false /* a branch here is none of the code behind it */
#else
#define WORLD_LATE_STORES world_late_stores
#endif
#define WORLD_LATE(order) (WORLD_LATE_STORES && (order) != memory_order_seq_cst)
/* A sequentially consistent store is an exchange on most processors. */
#define WORLD_STORES(order)  ((order) == memory_order_seq_cst ? WORLD_UPDATE : WORLD_STORE)
#define WORLD_RELAXED(order) ((order) == memory_order_relaxed)
#define WORLD_POINT(at, touch, order)                                                              \
    world_point_at((const volatile void *)(uintptr_t)(at), (touch), WORLD_RELAXED(order))

#ifdef __clang__
#define WORLD_DO_LOAD(at, order)            __c11_atomic_load(at, order)
#define WORLD_DO_STORE(at, value, order)    __c11_atomic_store(at, value, order)
#define WORLD_DO_EXCHANGE(at, value, order) __c11_atomic_exchange(at, value, order)
#define WORLD_DO_CAS(at, expected, value, success, failure)                                        \
    __c11_atomic_compare_exchange_strong(at, expected, value, success, failure)
#define WORLD_DO_FETCH(name, at, value, order) __c11_atomic_fetch_##name(at, value, order)
#else
#define WORLD_DO_LOAD(at, order)            __atomic_load_n(at, order)
#define WORLD_DO_STORE(at, value, order)    __atomic_store_n(at, value, order)
#define WORLD_DO_EXCHANGE(at, value, order) __atomic_exchange_n(at, value, order)
#define WORLD_DO_CAS(at, expected, value, success, failure)                                        \
    __atomic_compare_exchange_n(at, expected, value, false, success, failure)
#define WORLD_DO_FETCH(name, at, value, order) __atomic_fetch_##name(at, value, order)
#endif

#undef atomic_thread_fence
#undef atomic_load_explicit
#undef atomic_load
#undef atomic_store_explicit
#undef atomic_store
#undef atomic_exchange_explicit
#undef atomic_exchange
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#undef atomic_fetch_add_explicit
#undef atomic_fetch_add
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_or_explicit
#undef atomic_fetch_or
#undef atomic_fetch_and_explicit
#undef atomic_fetch_and

#define atomic_load_explicit(at, order)                                                            \
    __extension__({                                                                                \
        uint64_t world_late;                                                                       \
        WORLD_POINT(at, WORLD_LOAD, order);                                                        \
        WORLD_LATE_STORES &&world_load_late((const volatile void *)(uintptr_t)(at), &world_late)   \
            ? (__typeof__(WORLD_DO_LOAD(at, order)))world_late                                     \
            : WORLD_DO_LOAD(at, order);                                                            \
    })
#define atomic_store_explicit(at, value, order)                                                    \
    (WORLD_POINT(at, WORLD_STORES(order), order),                                                  \
     WORLD_LATE(order)                                                                             \
         ? world_store_late((volatile void *)(uintptr_t)(at), (uint64_t)(value), sizeof(*(at)))    \
         : WORLD_DO_STORE(at, value, order))
#define atomic_exchange_explicit(at, value, order)                                                 \
    (WORLD_POINT(at, WORLD_UPDATE, memory_order_seq_cst), WORLD_DO_EXCHANGE(at, value, order))
#define atomic_compare_exchange_strong_explicit(at, expected, value, success, failure)             \
    (WORLD_POINT(at, WORLD_UPDATE, memory_order_seq_cst),                                          \
     WORLD_DO_CAS(at, expected, value, success, failure))
#define atomic_fetch_add_explicit(at, value, order)                                                \
    (WORLD_POINT(at, WORLD_UPDATE, memory_order_seq_cst), WORLD_DO_FETCH(add, at, value, order))
#define atomic_fetch_sub_explicit(at, value, order)                                                \
    (WORLD_POINT(at, WORLD_UPDATE, memory_order_seq_cst), WORLD_DO_FETCH(sub, at, value, order))
#define atomic_fetch_or_explicit(at, value, order)                                                 \
    (WORLD_POINT(at, WORLD_UPDATE, memory_order_seq_cst), WORLD_DO_FETCH(or, at, value, order))
#define atomic_fetch_and_explicit(at, value, order)                                                \
    (WORLD_POINT(at, WORLD_UPDATE, memory_order_seq_cst), WORLD_DO_FETCH(and, at, value, order))

/* A weak one may fail for no reason; here it never does, so that every run ends. */
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#define atomic_thread_fence(order)                                                                 \
    ((order) == memory_order_seq_cst ? world_fence() : __atomic_thread_fence(order))

#define atomic_load(at)            atomic_load_explicit(at, memory_order_seq_cst)
#define atomic_store(at, value)    atomic_store_explicit(at, value, memory_order_seq_cst)
#define atomic_exchange(at, value) atomic_exchange_explicit(at, value, memory_order_seq_cst)
#define atomic_compare_exchange_strong(at, expected, value)                                        \
    atomic_compare_exchange_strong_explicit(at, expected, value, memory_order_seq_cst,             \
                                            memory_order_seq_cst)
#define atomic_compare_exchange_weak atomic_compare_exchange_strong
#define atomic_fetch_add(at, value)  atomic_fetch_add_explicit(at, value, memory_order_seq_cst)
#define atomic_fetch_sub(at, value)  atomic_fetch_sub_explicit(at, value, memory_order_seq_cst)
#define atomic_fetch_or(at, value)   atomic_fetch_or_explicit(at, value, memory_order_seq_cst)
#define atomic_fetch_and(at, value)  atomic_fetch_and_explicit(at, value, memory_order_seq_cst)

#endif
