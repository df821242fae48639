/*
 * manager_threads.c - which engine thread the calling thread is.
 *
 * A thread that calls the library gets a number for as long as it lives. A thread that only loads
 * and stores on the Linux machine faults in a signal handler, where nothing can be registered: it
 * borrows a number for each fault. Some numbers can only be borrowed, so that a fault finds one
 * even when every other is taken.
 */
#include "manager.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Thread_local _Atomic uint64_t manager_recent;

/*
 * Its id and our number in it, in one word: a signal handler that touches another manager's memory
 * may come between any two instructions.
 */
static void remember(const mm *manager, uint32_t thread)
{
    atomic_store_explicit(&manager_recent, manager->id << MANAGER_THREAD_BITS | thread,
                          memory_order_relaxed);
}

static void forget(const mm *manager)
{
    if (atomic_load_explicit(&manager_recent, memory_order_relaxed) >> MANAGER_THREAD_BITS ==
        manager->id) {
        atomic_store_explicit(&manager_recent, 0, memory_order_relaxed);
    }
}

/* Claim a number from `first` up to, not including, `end`. */
static bool claim_number(mm *manager, uint32_t first, uint32_t end, uint32_t *ret_thread)
{
    for (uint32_t word = first / 64; word * 64 < end; word++) {
        uint64_t below = word == first / 64 ? (1ull << first % 64) - 1 : 0;
        uint64_t seen = atomic_load_explicit(&manager->claims[word], memory_order_relaxed);
        while (~(seen | below) != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~(seen | below));
            if (word * 64 + bit >= end) {
                break;
            }
            if (atomic_compare_exchange_weak_explicit(&manager->claims[word], &seen,
                                                      seen | 1ull << bit, memory_order_acquire,
                                                      memory_order_relaxed)) {
                *ret_thread = word * 64 + bit;
                return true;
            }
        }
    }
    return false;
}

static void return_number(mm *manager, uint32_t thread)
{
    atomic_fetch_and_explicit(&manager->claims[thread / 64], ~(1ull << thread % 64),
                              memory_order_release);
}

/* The number this thread has already; false if it has none. */
static bool find_number(mm *manager, uint32_t *ret_thread)
{
    if (LIKELY(manager_thread_recent(manager, ret_thread))) {
        return true;
    }
    const struct attachment *attachment = pthread_getspecific(manager->key);
    if (attachment == NULL) {
        return false;
    }
    *ret_thread = attachment->thread;
    remember(manager, *ret_thread);
    return true;
}

static void detach_thread(mm *manager, uint32_t thread)
{
    struct manager_guard guard;
    manager_guard_begin(manager, &guard);
    forget(manager);
    pthread_setspecific(manager->key, NULL);
    engine_leave(manager->engine, thread);
    if (manager->soft != NULL) {
        soft_detach(manager->soft, thread);
    }
    return_number(manager, thread);
    manager_guard_end(&guard);
}

/* The end of a thread that did not detach. A child of fork has nothing to detach from. */
static void forget_thread(void *value)
{
    struct attachment *attachment = value;
    if (getpid() != attachment->manager->owner) {
        return;
    }
    detach_thread(attachment->manager, attachment->thread);
}

int mm_attach(mm *manager)
{
    uint32_t thread;
    return manager_thread(manager, &thread) ? MM_OK : MM_ERROR_THREADS;
}

bool manager_thread(mm *manager, uint32_t *ret_thread)
{
    if (LIKELY(find_number(manager, ret_thread))) {
        return true;
    }
    if (!claim_number(manager, 0, manager->options.threads_max, ret_thread)) {
        return false;
    }
    if (pthread_setspecific(manager->key, &manager->attachments[*ret_thread]) != 0) {
        return_number(manager, *ret_thread);
        return false;
    }
    if (manager->soft != NULL) {
        soft_attach(manager->soft, *ret_thread);
    }
    return find_number(manager, ret_thread);
}

void mm_detach(mm *manager)
{
    uint32_t thread;
    if (find_number(manager, &thread)) {
        detach_thread(manager, thread);
    }
}

void manager_gate_shut(mm *manager)
{
    atomic_store(&manager->gate_shut, 1);
    for (unsigned round = 0; atomic_load(&manager->faults_inside) != 0; round++) {
        world_pause(round, true);
    }
}

void manager_gate_open(mm *manager)
{
    atomic_store(&manager->gate_shut, 0);
    world_wake(&manager->gate_shut, UINT32_MAX);
}

/* Counted first, then looked: a freeze sees the fault, or the fault sees the freeze. */
static void gate_pass(mm *manager)
{
    atomic_fetch_add(&manager->faults_inside, 1);
    while (atomic_load(&manager->gate_shut) != 0) {
        atomic_fetch_sub(&manager->faults_inside, 1);
        world_wait(&manager->gate_shut, 1, UINT64_MAX);
        atomic_fetch_add(&manager->faults_inside, 1);
    }
}

uint32_t manager_thread_enter(void *context)
{
    mm *manager = context;
    uint32_t thread;
    gate_pass(manager);
    if (find_number(manager, &thread)) {
        return thread;
    }
    for (unsigned round = 0;
         !claim_number(manager, manager->options.threads_max, manager->users, &thread); round++) {
        world_pause(round, true);
    }
    return thread;
}

void manager_thread_leave(void *context, uint32_t thread)
{
    mm *manager = context;
    uint32_t own;
    if (!find_number(manager, &own) || own != thread) {
        return_number(manager, thread); /* its frame cache stays; others may take from it */
    }
    atomic_fetch_sub(&manager->faults_inside, 1);
}

int manager_threads_create(mm *manager)
{
    uint32_t users = manager->users;
    manager->claims = calloc((users + 63) / 64, sizeof(manager->claims[0]));
    manager->attachments = calloc(users, sizeof(manager->attachments[0]));
    if (manager->claims == NULL || manager->attachments == NULL ||
        pthread_key_create(&manager->key, forget_thread) != 0) {
        return MM_ERROR_NO_MEMORY;
    }
    manager->key_made = true;
    for (uint32_t i = 0; i < users; i++) {
        manager->attachments[i] = (struct attachment){manager, i};
    }
    return MM_OK;
}

void manager_threads_destroy(mm *manager)
{
    if (manager->key_made) {
        pthread_key_delete(manager->key);
    }
    forget(manager);
    free(manager->claims);
    free(manager->attachments);
}

void manager_guard_begin(const mm *manager, struct manager_guard *guard)
{
    sigset_t all;
    guard->blocked = manager->linux_machine != NULL;
    if (guard->blocked) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &guard->before);
    }
}

void manager_guard_end(const struct manager_guard *guard)
{
    if (guard->blocked) {
        pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
    }
}
