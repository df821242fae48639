/*
 * users.c - starts, runs and ends the user threads.
 */
#include "users.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "stop.h"

/* A fault may be handled on the stack of the thread that took it. Only touched pages cost. */
#define STACK_BYTES (256u << 10)

/* The shorter it is the less a sleep would keep to it. */
#define SLEEP_NS 200000u

static void user_think(uint64_t nanoseconds)
{
    if (nanoseconds >= SLEEP_NS) {
        const struct timespec rest = {.tv_sec = (time_t)(nanoseconds / 1000000000),
                                      .tv_nsec = (long)(nanoseconds % 1000000000)};
        nanosleep(&rest, NULL);
    } else if (nanoseconds > 0) {
        const uint64_t end = clock_ns(CLOCK_MONOTONIC) + nanoseconds;
        while (clock_ns(CLOCK_MONOTONIC) < end) {
        }
    }
}

static void user_access_all(struct user *user)
{
    const struct users *users = user->users;
    struct histogram *latency = users->latency ? &user->latency : NULL;

    for (uint64_t done = 0; done < users->accesses_max && !stop_wanted();) {
        struct workload_access access;

        workload_stream_next(&user->stream, &access);
        oracle_access(users->oracle, &access, user->index, latency);
        user_think(access.think);
        __atomic_store_n(&user->accesses, ++done, __ATOMIC_RELAXED);
    }
}

static enum users_gate gate_pass(struct users *users)
{
    pthread_mutex_lock(&users->lock);
    users->ready++;
    pthread_cond_signal(&users->ready_changed);
    while (users->gate == USERS_WAIT) {
        pthread_cond_wait(&users->gate_changed, &users->lock);
    }
    const enum users_gate gate = users->gate;
    pthread_mutex_unlock(&users->lock);
    return gate;
}

static void *user_main(void *context)
{
    struct user *user = context;
    struct users *users = user->users;
    mm *manager = users->oracle->memory->manager;

    user->attach_error = mm_attach(manager);
    if (gate_pass(users) == USERS_GO) {
        const uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        user_access_all(user);
        user->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
    }
    if (!user->attach_error) {
        mm_detach(manager);
    }
    pthread_mutex_lock(&users->lock);
    const bool last = ++users->done == users->count;
    pthread_mutex_unlock(&users->lock);
    if (last) {
        stop_notify();
    }
    return NULL;
}

static void users_wait_ready(struct users *users)
{
    pthread_mutex_lock(&users->lock);
    while (users->ready < users->count) {
        pthread_cond_wait(&users->ready_changed, &users->lock);
    }
    pthread_mutex_unlock(&users->lock);
}

static void gate_open(struct users *users, enum users_gate gate)
{
    pthread_mutex_lock(&users->lock);
    users->gate = gate;
    pthread_cond_broadcast(&users->gate_changed);
    pthread_mutex_unlock(&users->lock);
}

static void users_abort(struct users *users)
{
    gate_open(users, USERS_ABORT);
    users_join(users);
    users_free(users);
}

/* Starts as many as it can; users->count becomes their number. Returns an errno. */
static int users_create(struct users *users, const struct users_load *load)
{
    pthread_attr_t attributes;
    int error = 0;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (uint32_t i = 0; i < load->threads; i++) {
        struct user *user = &users->user[i];
        user->users = users;
        user->index = i;
        workload_stream_init(&user->stream, load->workload, load->seed, i, load->write_ratio);
        error = pthread_create(&user->thread, &attributes, user_main, user);
        if (error) {
            break;
        }
        /* A thread reads the count only behind the gate, and that is still closed. */
        users->count++;
    }
    pthread_attr_destroy(&attributes);
    return error;
}

bool users_start(struct users *users, struct oracle *oracle, const struct users_load *load)
{
    *users = (struct users){.oracle = oracle,
                            .accesses_max = load->accesses_max,
                            .latency = load->latency,
                            .gate = USERS_WAIT};
    pthread_mutex_init(&users->lock, NULL);
    pthread_cond_init(&users->ready_changed, NULL);
    pthread_cond_init(&users->gate_changed, NULL);
    users->user = calloc(load->threads, sizeof(*users->user));
    if (!users->user) {
        fprintf(stderr,
                "memman: --threads %" PRIu32 ": the system has no memory for that many threads; "
                "give less\n",
                load->threads);
        return false;
    }

    const int error = users_create(users, load);
    if (error) {
        fprintf(stderr,
                "memman: --threads %" PRIu32 ": the system started only %" PRIu32
                " of them (%s); give less, or raise its limits (ulimit -u, vm.max_map_count)\n",
                load->threads, users->count, strerror(error));
        users_abort(users);
        return false;
    }
    users_wait_ready(users);
    for (uint32_t i = 0; i < users->count; i++) {
        if (users->user[i].attach_error) {
            fprintf(stderr,
                    "memman: --threads %" PRIu32 ": thread %" PRIu32
                    " cannot use the memory: %s; give less\n",
                    load->threads, i, mm_error_text(users->user[i].attach_error));
            users_abort(users);
            return false;
        }
    }
    return true;
}

void users_go(struct users *users)
{
    gate_open(users, USERS_GO);
}

uint64_t users_accesses(const struct users *users)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < users->count; i++) {
        sum += __atomic_load_n(&users->user[i].accesses, __ATOMIC_RELAXED);
    }
    return sum;
}

bool users_done(struct users *users)
{
    pthread_mutex_lock(&users->lock);
    const bool done = users->done == users->count;
    pthread_mutex_unlock(&users->lock);
    return done;
}

void users_join(struct users *users)
{
    for (uint32_t i = 0; i < users->count; i++) {
        pthread_join(users->user[i].thread, NULL);
    }
}

void users_free(struct users *users)
{
    free(users->user);
    users->user = NULL;
    pthread_cond_destroy(&users->ready_changed);
    pthread_cond_destroy(&users->gate_changed);
    pthread_mutex_destroy(&users->lock);
}
