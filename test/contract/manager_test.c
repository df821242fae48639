/*
 * manager_test.c - what memman.h promises of managers, case by case, on every machine: threads that
 * come and go, observation, options, sizes at the edge, several at once, nothing left behind.
 */
#include "memory_rig.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef MM_SANITIZED
#define CREATIONS     25u /* each takes five times as long; what leaks does so each time */
#define ENDED_THREADS 250u
#else
#define CREATIONS     200u
#define ENDED_THREADS 1000u
#endif

/* ---- threads ---- */

struct visitor {
    mm *manager;
    uint64_t address;
    int error;
    atomic_int stage; /* raised by both sides in turn */
};

static void wait_for(atomic_int *stage, int wanted)
{
    while (atomic_load(stage) < wanted) {
        usleep(100);
    }
}

static void *visit_and_stay(void *argument)
{
    struct visitor *visitor = argument;
    visitor->error = mm_attach(visitor->manager);
    atomic_store(&visitor->stage, 1);
    wait_for(&visitor->stage, 2);
    mm_detach(visitor->manager);
    atomic_store(&visitor->stage, 3);
    wait_for(&visitor->stage, 4);
    return NULL;
}

static void test_threads_max(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.threads_max = 1;
    mm *manager = make(&options);
    struct visitor visitor = {.manager = manager};
    pthread_t thread;
    uint64_t base = 0;
    void *page;
    mm_detach(manager); /* never attached: harmless */
    assert_int_equal(pthread_create(&thread, NULL, visit_and_stay, &visitor), 0);
    wait_for(&visitor.stage, 1);
    assert_int_equal(visitor.error, MM_OK);
    assert_int_equal(mm_attach(manager), MM_ERROR_THREADS);
    assert_int_equal(mm_reserve(manager, PAGE, &base), MM_ERROR_THREADS);
    uint64_t inside = 0;
    atomic_store(&visitor.stage, 2);
    wait_for(&visitor.stage, 3);
    assert_int_equal(mm_attach(manager), MM_OK);
    assert_int_equal(mm_attach(manager), MM_OK);
    inside = claim_all(manager);
    write_page(manager, inside, 1);
    check_page(manager, inside, 1);
    mm_detach(manager);
    mm_detach(manager);
    check_page(manager, inside, 1); /* attaches again by itself */
    assert_int_equal(mm_pin(manager, inside, false, &page), MM_OK);
    mm_unpin(manager, inside);
    atomic_store(&visitor.stage, 4);
    pthread_join(thread, NULL);
    end(manager);
}

static void *visit_once(void *argument)
{
    struct visitor *visitor = argument;
    uint64_t word = 0;
    visitor->error = mm_write(visitor->manager, visitor->address, &visitor->address, 8);
    if (visitor->error == MM_OK) {
        visitor->error = mm_read(visitor->manager, visitor->address, &word, 8);
    }
    if (visitor->error == MM_OK && word != visitor->address) {
        visitor->error = 1;
    }
    return NULL;
}

/* Two at a time, so that threads_max is reached for good if an end leaks a place. */
static void test_threads_that_end(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.threads_max = 3;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (unsigned i = 0; i < ENDED_THREADS / 2; i++) {
        struct visitor visitors[2];
        pthread_t threads[2];
        for (unsigned t = 0; t < 2; t++) {
            uint64_t page = base + (i * 2 + t) % PAGES * PAGE;
            visitors[t] = (struct visitor){.manager = manager, .address = page + i % WORDS * 8};
            assert_int_equal(pthread_create(&threads[t], NULL, visit_once, &visitors[t]), 0);
        }
        for (unsigned t = 0; t < 2; t++) {
            pthread_join(threads[t], NULL);
            assert_int_equal(visitors[t].error, MM_OK);
        }
    }
    end(manager);
}

static void *load_and_store(void *argument)
{
    struct visitor *visitor = argument;
    volatile uint64_t *words = (volatile uint64_t *)(uintptr_t)visitor->address;
    visitor->error = MM_OK;
    for (uint64_t i = 0; i < 4 * PAGES; i++) {
        uint64_t at = i % PAGES * WORDS + 7;
        if (i >= PAGES && words[at] != i - PAGES) {
            visitor->error = 1;
        }
        words[at] = i;
    }
    return NULL;
}

/* More threads than may attach: whoever only loads and stores needs no place. */
static void test_threads_that_only_touch(void **state)
{
    struct mm_options options = options_for(state, 4 * PAGES, FRAMES, 4 * PAGES);
    struct visitor visitors[4];
    pthread_t threads[4];
    if (options.machine == MM_MACHINE_SOFT) {
        skip();
    }
    options.threads_max = 1;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (unsigned t = 0; t < 4; t++) {
        visitors[t] = (struct visitor){.manager = manager, .address = base + t * PAGES * PAGE};
        assert_int_equal(pthread_create(&threads[t], NULL, load_and_store, &visitors[t]), 0);
    }
    for (unsigned t = 0; t < 4; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(visitors[t].error, MM_OK);
    }
    end(manager);
}

/* ---- observation ---- */

static void test_peek(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    uint64_t base = reserve(manager, PAGES), expected[WORDS], words[WORDS];
    unsigned seen[MM_FORM_COUNT] = {0};
    enum mm_page_form form;
    commit(manager, base, PAGES - 4);
    for (uint64_t page = 0; page < PAGES - 8; page++) {
        write_page(manager, base + page * PAGE, 6);
    }
    for (unsigned holding = 0; holding < HELD_KINDS; holding++) {
        hold(manager, base, base + holding * PAGE, (enum holding)holding);
        mm_freeze(manager);
        mm_freeze(manager); /* harmless */
        for (uint64_t page = 0; page < PAGES; page++) {
            uint64_t address = base + page * PAGE;
            bool data =
                page < THRASH_FIRST || (page >= THRASH_FIRST + THRASH_PAGES && page < PAGES - 8);
            fill_page(expected, address, 6);
            memset(words, 0x77, sizeof(words));
            assert_int_equal(mm_peek(manager, address, words, &form), MM_OK);
            seen[form]++;
            assert_int_equal(form == MM_FORM_NOT_COMMITTED, page >= PAGES - 4);
            if (data) {
                assert_memory_equal(words, expected, sizeof(words));
            } else if (form == MM_FORM_DEMAND_ZERO) {
                assert_int_equal(words[0] | words[WORDS - 1], 0);
            }
        }
        struct mm_audit audit;
        mm_audit(manager, print_complaint, NULL, &audit);
        assert_int_equal(audit.violations, 0);
        assert_int_equal(mm_thaw(manager), MM_OK);
        assert_int_equal(mm_thaw(manager), MM_OK);
        check_page(manager, base + holding * PAGE, 6);
    }
    for (unsigned i = 0; i < MM_FORM_COUNT; i++) {
        assert_true(seen[i] > 0);
    }
    mm_freeze(manager);
    assert_int_equal(mm_peek(manager, base + PAGES * PAGE, words, &form), MM_ERROR_ADDRESS);
    mm_destroy(manager); /* frozen: fine as well */
}

/* Of one thread the last spans are told, in order, and fewer are the last of more. */
static bool check_spans(const mm *manager, uint32_t number)
{
    struct mm_span spans[16], last[2];
    struct mm_span_thread thread, again;
    size_t count = mm_spans(manager, number, spans, 16, &thread);
    assert_int_equal(thread.kept, thread.all < 16 ? thread.all : 16);
    assert_int_equal(count, thread.kept);
    for (size_t i = 0; i < count; i++) {
        assert_true(spans[i].begin_ns <= spans[i].end_ns);
        assert_true(i == 0 || spans[i - 1].end_ns <= spans[i].end_ns);
        assert_non_null(spans[i].name);
    }
    if (count < 2) {
        return false;
    }
    assert_int_equal(mm_spans(manager, number, last, 2, &again), 2);
    assert_memory_equal(last, &spans[count - 2], sizeof(last));
    return count == 16 && strcmp(thread.name, "user") == 0;
}

static void test_spans(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    options.spans = 16;
    mm *manager = make(&options);
    struct mm_span span;
    struct mm_span_thread thread;
    uint64_t base = claim_all(manager), value = 1;
    for (uint64_t page = 0; page < PAGES; page++) {
        assert_int_equal(mm_write(manager, base + page * PAGE, &value, sizeof(value)), MM_OK);
    }
    mm_freeze(manager);
    bool full = false;
    uint32_t threads = mm_span_threads(manager);
    for (uint32_t i = 0; i < threads; i++) {
        full |= check_spans(manager, i);
    }
    assert_true(full);
    assert_int_equal(mm_spans(manager, threads, &span, 1, &thread), 0);
    assert_int_equal(mm_thaw(manager), MM_OK);
    end(manager);
}

/* Each fault is counted once, where it was and by what it was; of 48 pages a stretch is 8. */
static void test_heat(void **state)
{
    struct mm_options options = options_for(state, 48, 24, 48);
    options.heat = 7;
    mm *manager = make(&options);
    struct mm_heat heat;
    struct mm_latency latencies[16];
    uint64_t base = claim_all(manager), value = 1, counts[8], classes[MM_LATENCY_CLASSES];
    for (uint64_t page = 8; page < 48; page++) {
        assert_int_equal(mm_write(manager, base + page * PAGE, &value, sizeof(value)), MM_OK);
    }
    mm_freeze(manager);
    size_t kinds = mm_latencies(manager, latencies, 16), index = 0;
    for (; mm_heat(manager, index, &heat, counts, 8) && strcmp(heat.kind, "prefetched") != 0;
         index++) {
        uint64_t sum = 0, counted = 0;
        assert_true(index < kinds);
        assert_string_equal(heat.kind, latencies[index].name);
        assert_int_equal(heat.bytes, 8 * PAGE);
        assert_int_equal(heat.stretches, 6);
        for (size_t i = 0; i < heat.stretches; i++) {
            sum += counts[i];
            assert_true(strcmp(heat.kind, "demand_zero") != 0 || counts[i] == (i > 0 ? 8 : 0));
        }
        mm_latency_classes(manager, index, classes);
        for (size_t i = 0; i < MM_LATENCY_CLASSES; i++) {
            counted += classes[i];
        }
        assert_int_equal(sum, latencies[index].count);
        assert_int_equal(counted, latencies[index].count);
    }
    assert_true(index >= 5);
    assert_true(mm_heat(manager, index, &heat, counts, 8));
    assert_false(mm_heat(manager, index + 1, &heat, counts, 8));
    mm_latency_classes(manager, kinds, classes);
    assert_int_equal(classes[0], 0);
    assert_int_equal(mm_thaw(manager), MM_OK);
    end(manager);
}

/* What each kind of worker used adds up to what all did, also of those that have ended. */
static void must_add_up_workers(mm *manager)
{
    struct mm_worker workers[16];
    uint64_t sum = 0;
    size_t count = mm_workers(manager, NULL, 0);
    assert_true(count > 0 && count <= 16);
    for (unsigned ms = 0; ms < 20000 && mm_worker_cpu_ns(manager) == 0; ms++) {
        usleep(1000); /* on a busy machine none may have run yet */
    }
    mm_freeze(manager);
    assert_int_equal(mm_workers(manager, workers, 16), count);
    for (size_t i = 0; i < count; i++) {
        assert_true(workers[i].threads > 0 || workers[i].cpu_ns == 0);
        sum += workers[i].cpu_ns;
    }
    assert_string_equal(workers[0].name, "mm-trim");
    assert_int_equal(mm_worker_cpu_ns(manager), sum);
    assert_true(sum > 0);
    assert_int_equal(mm_thaw(manager), MM_OK);
    assert_true(mm_worker_cpu_ns(manager) >= sum);
}

static void test_observation(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    struct mm_counter counters[256];
    struct mm_latency latencies[16];
    struct mm_lock_statistics locks[32];
    size_t count = mm_counters(manager, NULL, 0);
    claim_all(manager);
    assert_true(count > 0 && count <= 256);
    assert_int_equal(mm_counters(manager, counters, 256), count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(counters[i].group);
        assert_non_null(counters[i].key);
    }
    assert_true(mm_latencies(manager, latencies, 16) <= 16);
    assert_true(mm_locks(manager, locks, 32) <= 32);
    assert_true(mm_list_locks(manager, locks, 32) <= 32);
    must_add_up_workers(manager);
    assert_int_equal(mm_span_threads(manager), 0);
    assert_false(mm_heat(manager, 0, &(struct mm_heat){0}, NULL, 0));
    assert_string_equal(mm_options_of(manager)->policy,
                        options.machine == MM_MACHINE_SOFT ? "aging" : "fifo");
    assert_int_equal(mm_options_of(manager)->machine, options.machine);
    assert_true(mm_options_of(manager)->trim_batch != MM_DEFAULT_COUNT);
    for (int error = MM_ERROR_SPACE; error <= MM_OK; error++) {
        assert_string_not_equal(mm_error_text(error), mm_error_text(1));
    }
    struct mm_state_info info;
    struct mm_move_info move;
    struct mm_rank_info rank;
    assert_true(mm_state_info(0, &info) && mm_move_info(0, &move) && mm_rank_info(0, &rank));
    assert_false(mm_state_info(1000, &info) || mm_move_info(1000, &move));
    assert_false(mm_rank_info(1000, &rank));
    end(manager);
}

/* What must add up when nothing moves. */
static void must_add_up(mm *manager, uint64_t slots)
{
    struct mm_fragmentation found;
    mm_freeze(manager);
    mm_fragmentation(manager, &found);
    uint64_t runs = 0, free_slots = 0;
    for (unsigned i = 0; i < MM_FREE_RUN_SIZES; i++) {
        runs += found.free_runs_by_size[i];
        free_slots += found.free_slots_by_size[i];
    }
    assert_int_equal(found.slots, slots);
    assert_int_equal(found.free_runs, runs);
    assert_int_equal(found.slots - found.slots_used, free_slots);
    assert_int_equal(found.slots_used, found.pages);
    assert_true(found.free_run_max <= free_slots && found.free_for_batch <= free_slots);
    assert_true(found.pairs_in_order <= found.pairs && found.pages_reserved <= found.pages);
    assert_true(found.batch_writes_p50 <= found.batch_writes_p99);
    assert_true(found.batch_writes_p99 <= found.batch_writes_max);
    assert_true(found.batches <= found.writes && found.writes <= found.pages_written);
    assert_true(found.reads <= found.pages_read);
    assert_int_equal(mm_thaw(manager), MM_OK);
}

static void test_fragmentation(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *manager = make(&options);
    struct mm_fragmentation found;
    must_add_up(manager, PAGES);
    mm_fragmentation(manager, &found);
    assert_int_equal(found.free_run_max, PAGES);
    assert_true(isnan(found.pages_per_write) && isnan(found.contiguity));
    uint64_t base = claim_all(manager);
    for (uint64_t page = 0; page < 2 * PAGES; page++) {
        uint64_t word = page;
        assert_int_equal(mm_write(manager, base + page * 7 % PAGES * PAGE, &word, sizeof(word)),
                         MM_OK);
    }
    must_add_up(manager, PAGES);
    mm_fragmentation(manager, &found);
    assert_true(found.slots_used >= PAGES - 2 * FRAMES && found.pages_written > 0);
    assert_true(found.pages_per_write >= 1 && found.pages_per_read >= 1);
    assert_true(found.contiguity > 0 && found.contiguity <= 1);
    assert_true(found.write_amplification >= 1);
    uint64_t owners[PAGES + 1], used = 0;
    mm_freeze(manager);
    mm_fragmentation(manager, &found);
    assert_int_equal(mm_slots(manager, 1, PAGES + 1, owners), PAGES);
    for (uint64_t slot = 0; slot < PAGES; slot++) {
        bool taken = owners[slot] != MM_SLOT_FREE;
        assert_true(!taken || (owners[slot] - base) / PAGE < PAGES);
        assert_true(!taken || owners[slot] % PAGE == base % PAGE);
        used += taken;
    }
    assert_int_equal(used, found.slots_used);
    assert_int_equal(mm_slots(manager, PAGES, 9, owners), 1);
    assert_int_equal(mm_slots(manager, PAGES + 1, 9, owners), 0);
    assert_int_equal(mm_slots(manager, 0, 9, owners), 0);
    assert_int_equal(mm_thaw(manager), MM_OK);
    end(manager);
    options = options_for(state, FRAMES, FRAMES, 0);
    manager = make(&options);
    must_add_up(manager, 0);
    mm_fragmentation(manager, &found);
    assert_true(isnan(found.unusable) && isnan(found.pages_per_read));
    end(manager);
}

/* ---- options ---- */

static void must_refuse(const struct mm_options *options, const char *word)
{
    mm *manager = (mm *)&soft_kind;
    struct mm_detail detail = {""};
    int error = mm_create(options, &manager, &detail);
    if (error == MM_OK) {
        mm_destroy(manager);
    }
    if (error != MM_ERROR_OPTION || strstr(detail.text, word) == NULL) {
        fail_msg("%s: error %d, text '%s'", word, error, detail.text);
    }
    assert_ptr_equal(manager, &soft_kind);
    assert_int_equal(mm_create(options, &manager, NULL), MM_ERROR_OPTION);
}

#define REFUSE(field, bad)                                                                         \
    do {                                                                                           \
        struct mm_options changed = options_for(state, PAGES, FRAMES, PAGES);                      \
        changed.field = bad;                                                                       \
        must_refuse(&changed, REFUSED_WORD(#field));                                               \
    } while (0)
/* "memory_bytes" is named as memory, "frames_bytes" as frames and so on. */
#define REFUSED_WORD(field) refused_word((char[32]){0}, field)

static const char *refused_word(char *ret_word, const char *field)
{
    snprintf(ret_word, 32, "%.*s", (int)strcspn(field, "_"), field);
    return ret_word;
}

static void test_bad_options(void **state)
{
    REFUSE(memory_bytes, 0);
    REFUSE(memory_bytes, (uint64_t)1 << 60);
    REFUSE(frames_bytes, 0);
    REFUSE(frames_bytes, (uint64_t)1 << 60);
    REFUSE(pagefile_bytes, (uint64_t)1 << 60);
    REFUSE(threads_max, 0);
    REFUSE(threads_max, 1u << 20);
    REFUSE(policy, "best");
    REFUSE(policy, "");
    REFUSE(store, NULL);
    REFUSE(store, "tape");
    REFUSE(store, "ram:latency=");
    REFUSE(store, "ram:latency=12x");
    REFUSE(store, "ram:latency=99999999999");
    REFUSE(trimmers, 0);
    REFUSE(trimmers, 1000);
    REFUSE(writers, 0);
    REFUSE(writers, 1000);
    REFUSE(zeroers, 1000);
    REFUSE(defragmenters, 65);
    REFUSE(fault_handlers, 0);
    REFUSE(fault_handlers, 1000);
    REFUSE(trim_batch, 0);
    REFUSE(trim_batch, 1u << 20);
    REFUSE(write_batch, 0);
    REFUSE(write_batch, 1u << 20);
    REFUSE(region_ptes, 0);
    REFUSE(region_ptes, 24);
    REFUSE(region_ptes, 1u << 20);
    REFUSE(frame_cache, 1u << 20);
    REFUSE(fault_around, 0);
    REFUSE(fault_around, 3);
    REFUSE(fault_around, 1u << 20);
    REFUSE(slot_reservation, 0);
    REFUSE(slot_reservation, 3);
    REFUSE(slot_reservation, 128);
    REFUSE(tlb_entries, 100);
    REFUSE(tlb_entries, 1u << 30);
    REFUSE(list_colours, 0);
    REFUSE(list_colours, 3);
    REFUSE(list_colours, 512);
    REFUSE(balance, (enum mm_balance)77);
    REFUSE(spans, (1u << 20) + 1);
    REFUSE(heat, 4097);
    REFUSE(machine, (enum mm_machine)77);
    REFUSE(faults, (enum mm_faults)77);
    REFUSE(slot_search, (enum mm_slot_search)77);
}

/* ---- sizes at the edge ---- */

static void run_small(void **state, uint64_t frames)
{
    struct mm_options options = options_for(state, 48, frames, 48);
    struct visitor visitor;
    pthread_t thread;
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t page = 0; page < 47; page++) {
            write_page(manager, base + page * PAGE, page + round);
        }
        visitor = (struct visitor){.manager = manager, .address = base + 47 * PAGE};
        assert_int_equal(pthread_create(&thread, NULL, visit_once, &visitor), 0);
        for (uint64_t page = 0; page < 47; page++) {
            check_page(manager, base + page * PAGE, page + round);
        }
        pthread_join(thread, NULL);
        assert_int_equal(visitor.error, MM_OK);
    }
    end(manager);
}

static void test_one_frame(void **state)
{
    run_small(state, 1);
}

static void test_two_frames(void **state)
{
    run_small(state, 2);
}

static void test_no_pagefile(void **state)
{
    struct mm_options options = options_for(state, PAGES, PAGES, 0);
    mm *manager = make(&options);
    uint64_t base = claim_all(manager);
    struct mm_commit_info info;
    mm_commit_info(manager, &info);
    assert_int_equal(info.slots, 0);
    assert_int_equal(info.limit, PAGES);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t page = 0; page < PAGES; page++) {
            write_page(manager, base + page * PAGE, round);
        }
        for (uint64_t page = 0; page < PAGES; page++) {
            check_page(manager, base + page * PAGE, round);
        }
        assert_int_equal(mm_decommit(manager, base, PAGES / 2 * PAGE), MM_OK);
        commit(manager, base, PAGES / 2);
        check_zeros(manager, base, PAGES / 2);
    }
    end(manager);
    options.frames_bytes /= 2;
    manager = make(&options);
    base = reserve(manager, PAGES);
    assert_int_equal(mm_commit(manager, base, (PAGES / 2 + 1) * PAGE, MM_READ_WRITE),
                     MM_ERROR_COMMIT_LIMIT);
    commit(manager, base, PAGES / 2);
    for (uint64_t page = 0; page < PAGES / 2; page++) {
        write_page(manager, base + page * PAGE, 1);
    }
    check_page(manager, base, 1);
    end(manager);
}

static void test_default_sizes(void **state)
{
    struct mm_options options = options_for(state, 256, 1, 1);
    options.frames_bytes = options.pagefile_bytes = MM_DEFAULT_SIZE;
    options.memory_bytes -= 100; /* whole pages, upwards */
    mm *manager = make(&options);
    assert_int_equal(mm_options_of(manager)->memory_bytes, 256 * PAGE);
    assert_int_equal(mm_options_of(manager)->frames_bytes, 64 * PAGE);
    assert_int_equal(mm_options_of(manager)->pagefile_bytes, 256 * PAGE);
    end(manager);
}

/* ---- several managers ---- */

static void test_two_managers(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    mm *managers[2] = {make(&options), NULL};
    managers[1] = make(&options);
    uint64_t bases[2] = {claim_all(managers[0]), claim_all(managers[1])};
    for (uint64_t page = 0; page < PAGES; page++) {
        for (unsigned m = 0; m < 2; m++) {
            write_page(managers[m], bases[m] + page * PAGE, m + 10);
        }
    }
    for (uint64_t page = 0; page < PAGES; page++) {
        for (unsigned m = 0; m < 2; m++) {
            check_page(managers[m], bases[m] + page * PAGE, m + 10);
        }
    }
    if (bases[0] != bases[1]) {
        assert_int_equal(try_read(managers[0], bases[1]), MM_ERROR_ADDRESS);
    }
    end(managers[0]);
    for (uint64_t page = 0; page < PAGES; page++) {
        check_page(managers[1], bases[1] + page * PAGE, 11);
    }
    end(managers[1]);
}

static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

/* A thread that was joined can still be listed for a moment. */
static unsigned count_threads(unsigned expected)
{
    unsigned count = 0;
    for (unsigned i = 0; i < 1000; i++) {
        count = count_entries("/proc/self/task");
        if (count <= expected) {
            break;
        }
        usleep(1000);
    }
    return count;
}

static unsigned count_maps(void)
{
    unsigned lines = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        lines += c == '\n';
    }
    fclose(file);
    return lines;
}

static void create_and_destroy(const struct mm_options *options, unsigned round)
{
    mm *manager = make(options);
    if (round % 3 != 0) {
        uint64_t base = claim_all(manager);
        for (uint64_t page = 0; page < PAGES; page += 1 + round % 5) {
            write_page(manager, base + page * PAGE, round);
        }
        check_page(manager, base, round);
    }
    mm_destroy(manager);
}

static void test_nothing_leaks(void **state)
{
    struct mm_options options = options_for(state, PAGES, FRAMES, PAGES);
    struct sigaction before, after;
    assert_int_equal(sigaction(SIGBUS, NULL, &before), 0);
    for (unsigned round = 0; round < 20; round++) { /* let the C library's own arenas settle */
        create_and_destroy(&options, round);
    }
    unsigned files = count_entries("/proc/self/fd"), threads = count_threads(0);
    unsigned maps = count_maps();
    for (unsigned round = 0; round < CREATIONS; round++) {
        create_and_destroy(&options, round);
    }
    assert_int_equal(count_entries("/proc/self/fd"), files);
    assert_int_equal(count_threads(threads), threads);
    assert_in_range(count_maps(), 1, maps + 8); /* the sanitizers map a little themselves */
    assert_int_equal(sigaction(SIGBUS, NULL, &after), 0);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ON_EACH_MACHINE(test_threads_max) ON_EACH_MACHINE(test_threads_that_end) ON_EACH_MACHINE(
            test_threads_that_only_touch) ON_EACH_MACHINE(test_peek)
            ON_EACH_MACHINE(test_observation) ON_EACH_MACHINE(test_heat) ON_EACH_MACHINE(test_spans)
                ON_EACH_MACHINE(test_fragmentation) ON_EACH_MACHINE(test_bad_options)
                    ON_EACH_MACHINE(test_one_frame) ON_EACH_MACHINE(test_two_frames)
                        ON_EACH_MACHINE(test_no_pagefile) ON_EACH_MACHINE(test_default_sizes)
                            ON_EACH_MACHINE(test_two_managers) ON_EACH_MACHINE(test_nothing_leaks)};
    if (argc > 1) { /* only tests whose name matches, as "test_pin*" */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("manager", tests, NULL, NULL);
}
