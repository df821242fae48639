/*
 * faulty_test.c - the faulty store does each wrong it promises, and its account of it is exact.
 *
 * Under a checked store an account can be proved: what it calls intact must come back, anything
 * else must be an error.
 */
#include "base/copy.h"
#include "base/random.h"
#include "contract/world.h"
#include "store/checked.h"
#include "store/faulty.h"
#include "store/ram.h"
#include "store_rig.h"

#include <pthread.h>

#define SLOTS   64u
#define QUEUES  4u
#define TEARS   2000u
#define RUN_MAX 8u
#define SLOW_NS 3000000ull
#define ALWAYS  FAULTY_MILLION

/* Corruptions that the long test has to meet. It is one thread: nothing for ThreadSanitizer. */
#ifdef MM_SANITIZED
#define DETECTED (UNDER_THREAD_SANITIZER ? 2000u : 20000u)
#else
#define DETECTED 100000u
#endif

static struct store ram, faulty, checked;
static unsigned char pages[SLOTS][MM_PAGE_SIZE];
static void *page_pointers[SLOTS];

static void stores_create(uint64_t seed)
{
    assert_int_equal(ram_create(SLOTS, QUEUES, &ram), 0);
    assert_int_equal(faulty_create(&ram, seed, &faulty), 0);
    assert_int_equal(checked_create(&faulty, &checked), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        page_pointers[i] = pages[i];
}

static void stores_destroy(void)
{
    store_destroy(&checked);
    store_destroy(&faulty);
    store_destroy(&ram);
}

static int stores_setup(void **state)
{
    (void)state;
    stores_create(1);
    return 0;
}

static int stores_teardown(void **state)
{
    (void)state;
    stores_destroy();
    return 0;
}

/* Straight to the faulty store: what would be believed without checksums. */
static int perform(enum store_operation operation, slot_number slot, uint32_t count)
{
    return store_perform(&faulty, operation, slot, count, page_pointers, NULL);
}

/* Slot s gets the content of seed + s - 1. */
static void fill_slots(unsigned seed)
{
    pages_fill(pages, page_pointers, SLOTS, seed);
    assert_int_equal(perform(STORE_WRITE, 1, SLOTS), 0);
}

static void assert_reads(slot_number slot, unsigned seed)
{
    memset(pages[0], 0, MM_PAGE_SIZE);
    assert_int_equal(perform(STORE_READ, slot, 1), 0);
    assert_true(page_is(pages[0], seed));
}

static unsigned count_state(enum faulty_slot_state wanted)
{
    unsigned count = 0;

    for (slot_number slot = 1; slot <= SLOTS; slot++)
        count += faulty_slot_state(&faulty, slot) == wanted;
    return count;
}

/* No class but this one ever took effect. */
static void assert_only(enum faulty_class class, uint64_t count)
{
    for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++)
        assert_int_equal(faulty_count(&faulty, (enum faulty_class)i), i == class ? count : 0);
}

/* ---- one class at a time ---- */

static void errors_are_told_and_leave_no_content(void **state)
{
    (void)state;
    assert_int_equal(faulty_slot_state(&faulty, 5), FAULTY_SLOT_EMPTY);
    fill_slots(1);
    assert_int_equal(count_state(FAULTY_SLOT_INTACT), SLOTS);
    faulty_set_rate(&faulty, FAULTY_READ_ERROR, ALWAYS);
    assert_int_equal(perform(STORE_READ, 5, 3), -EIO);
    assert_only(FAULTY_READ_ERROR, 1);
    assert_int_equal(faulty_slot_state(&faulty, 5), FAULTY_SLOT_INTACT);
    faulty_heal(&faulty);
    assert_reads(5, 5);
    faulty_set_rate(&faulty, FAULTY_WRITE_ERROR, ALWAYS);
    assert_int_equal(perform(STORE_WRITE, 5, 2), -EIO);
    faulty_heal(&faulty);
    faulty_set_rate(&faulty, FAULTY_FULL, ALWAYS);
    assert_int_equal(perform(STORE_READ, 4, 1), 0);
    assert_int_equal(perform(STORE_WRITE, 9, 1), -ENOSPC);
    assert_int_equal(faulty_count(&faulty, FAULTY_FULL), 1);
    assert_int_equal(count_state(FAULTY_SLOT_EMPTY), 3);
    faulty_heal(&faulty);
    assert_reads(9, 9); /* the old content: nothing was written */
    assert_int_equal(faulty_slot_state(&faulty, 4), FAULTY_SLOT_INTACT);
}

/* The same slots at every try, whatever else is in the run; well again when the store is. */
static void bad_slots_stay_bad(void **state)
{
    unsigned bad = 0;
    int results[SLOTS + 1];

    (void)state;
    faulty_set_rate(&faulty, FAULTY_BAD, FAULTY_MILLION / 4);
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        results[slot] = perform(STORE_WRITE, slot, 1);
        bad += results[slot] != 0;
        assert_true(results[slot] == 0 || results[slot] == -EIO);
    }
    assert_in_range(bad, SLOTS / 8, SLOTS / 2);
    assert_only(FAULTY_BAD, bad);
    assert_int_equal(count_state(FAULTY_SLOT_EMPTY), bad);
    for (slot_number slot = 1; slot < SLOTS; slot++) {
        assert_int_equal(perform(STORE_WRITE, slot, 1), results[slot]);
        assert_int_equal(perform(STORE_WRITE, slot, 2),
                         results[slot] != 0 || results[slot + 1] != 0 ? -EIO : 0);
    }
    faulty_heal(&faulty);
    for (slot_number slot = 1; slot <= SLOTS; slot++)
        assert_int_equal(perform(STORE_WRITE, slot, 1), 0);
}

static void a_short_request_ends_after_its_first_pages(void **state)
{
    uint32_t pages_done;
    bool seen[RUN_MAX] = {false};

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        faulty_heal(&faulty);
        fill_slots(1);
        faulty_set_rate(&faulty, FAULTY_SHORT, ALWAYS);
        pages_fill(pages, page_pointers, RUN_MAX, 100);
        assert_int_equal(
            store_perform(&faulty, STORE_WRITE, 1, RUN_MAX, page_pointers, &pages_done), -EIO);
        assert_int_equal(count_state(FAULTY_SLOT_EMPTY), RUN_MAX);
        seen[pages_done] = true;
        faulty_heal(&faulty);
        assert_int_equal(perform(STORE_READ, 1, RUN_MAX), 0);
        for (unsigned p = 0; p < RUN_MAX; p++)
            assert_true(page_is(pages[p], p < pages_done ? 100 + p : 1 + p));
        faulty_set_rate(&faulty, FAULTY_SHORT, ALWAYS);
        assert_int_equal(store_perform(&faulty, STORE_READ, 9, RUN_MAX, page_pointers, &pages_done),
                         -EIO);
        for (unsigned p = 0; p < RUN_MAX; p++)
            assert_int_equal(page_is(pages[p], 9 + p), p < pages_done);
    }
    for (unsigned p = 0; p < RUN_MAX; p++)
        assert_true(seen[p]);
    assert_only(FAULTY_SHORT, 400);
    assert_int_equal(faulty_count_short_reads(&faulty), 200);
    assert_int_equal(faulty_slot_state(&faulty, 9), FAULTY_SLOT_INTACT);
}

static void a_torn_page_is_old_in_some_sectors(void **state)
{
    unsigned char old_page[MM_PAGE_SIZE], new_page[MM_PAGE_SIZE];
    unsigned old_first = 0;

    (void)state;
    for (unsigned i = 0; i < TEARS; i++) {
        unsigned old_sectors = 0;

        page_fill(old_page, 2 * i + 1);
        page_fill(new_page, 2 * i + 2);
        memcpy(pages[0], old_page, MM_PAGE_SIZE);
        faulty_heal(&faulty);
        assert_int_equal(perform(STORE_WRITE, 7, 1), 0);
        faulty_set_rate(&faulty, FAULTY_TORN, ALWAYS);
        memcpy(pages[0], new_page, MM_PAGE_SIZE);
        assert_int_equal(perform(STORE_WRITE, 7, 1), 0);
        assert_true(faulty_slot_destroyed(&faulty, 7));
        assert_int_equal(perform(STORE_READ, 7, 1), 0);
        for (size_t at = 0; at < MM_PAGE_SIZE; at += FAULTY_SECTOR) {
            bool is_old = memcmp(pages[0] + at, old_page + at, FAULTY_SECTOR) == 0;

            assert_true(is_old || memcmp(pages[0] + at, new_page + at, FAULTY_SECTOR) == 0);
            old_sectors += is_old;
            old_first += at == 0 && is_old;
        }
        assert_in_range(old_sectors, 1, MM_PAGE_SIZE / FAULTY_SECTOR - 1);
    }
    assert_in_range(old_first, TEARS / 10, TEARS / 10 * 9);
    assert_only(FAULTY_TORN, TEARS);
}

static void a_lost_write_leaves_the_old_page(void **state)
{
    (void)state;
    fill_slots(1);
    faulty_set_rate(&faulty, FAULTY_LOST, ALWAYS);
    page_fill(pages[0], 100);
    assert_int_equal(perform(STORE_WRITE, 7, 1), 0);
    assert_true(faulty_slot_destroyed(&faulty, 7));
    assert_only(FAULTY_LOST, 1);
    /* Written again with what it holds, it lacks nothing. */
    page_fill(pages[0], 7);
    assert_int_equal(perform(STORE_WRITE, 7, 1), 0);
    assert_int_equal(faulty_slot_state(&faulty, 7), FAULTY_SLOT_INTACT);
    assert_only(FAULTY_LOST, 1);
    faulty_heal(&faulty);
    assert_reads(7, 7);
}

static void a_misdirected_write_destroys_two_slots(void **state)
{
    slot_number victim = SLOT_NONE;

    (void)state;
    fill_slots(1);
    faulty_set_rate(&faulty, FAULTY_MISDIRECTED, ALWAYS);
    page_fill(pages[0], 100);
    assert_int_equal(perform(STORE_WRITE, 7, 1), 0);
    assert_only(FAULTY_MISDIRECTED, 1);
    assert_true(faulty_slot_destroyed(&faulty, 7));
    assert_int_equal(count_state(FAULTY_SLOT_DESTROYED), 2);
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        if (slot != 7 && faulty_slot_destroyed(&faulty, slot))
            victim = slot;
        else
            assert_reads(slot, slot);
    }
    assert_reads(victim, 100);
    faulty_heal(&faulty);
    fill_slots(200);
    assert_int_equal(count_state(FAULTY_SLOT_INTACT), SLOTS);
    assert_reads(victim, 199 + victim);
}

/* Only a slot that holds what it should can lose it. */
static void a_page_is_misdirected_to_an_intact_slot(void **state)
{
    (void)state;
    pages_fill(pages, page_pointers, 2, 1);
    assert_int_equal(perform(STORE_WRITE, 7, 2), 0);
    faulty_set_rate(&faulty, FAULTY_MISDIRECTED, ALWAYS);
    for (unsigned i = 0; i < 200; i++) {
        page_fill(pages[0], 100 + i);
        assert_int_equal(perform(STORE_WRITE, 7, 1), 0);
    }
    assert_only(FAULTY_MISDIRECTED, 1);
    assert_int_equal(faulty_slot_state(&faulty, 7), FAULTY_SLOT_INTACT);
    assert_true(faulty_slot_destroyed(&faulty, 8));
    assert_int_equal(count_state(FAULTY_SLOT_EMPTY), SLOTS - 2);
}

static unsigned bytes_changed(const unsigned char *page, unsigned seed)
{
    unsigned char expected[MM_PAGE_SIZE];
    unsigned changed = 0;

    page_fill(expected, seed);
    for (size_t i = 0; i < MM_PAGE_SIZE; i++)
        changed += page[i] != expected[i];
    return changed;
}

static void flipped_bits_stay_or_go(void **state)
{
    unsigned char first[MM_PAGE_SIZE];

    (void)state;
    fill_slots(1);
    faulty_set_rate(&faulty, FAULTY_FLIP_READ, ALWAYS);
    assert_int_equal(perform(STORE_READ, 7, 1), 0);
    assert_int_equal(bytes_changed(pages[0], 7), 1);
    assert_only(FAULTY_FLIP_READ, 1);
    assert_int_equal(faulty_slot_state(&faulty, 7), FAULTY_SLOT_INTACT);
    faulty_heal(&faulty);
    assert_reads(7, 7);
    faulty_set_rate(&faulty, FAULTY_FLIP_STORED, ALWAYS);
    assert_int_equal(perform(STORE_WRITE, 7, 1), 0);
    faulty_heal(&faulty);
    assert_true(faulty_slot_destroyed(&faulty, 7));
    assert_int_equal(faulty_count(&faulty, FAULTY_FLIP_STORED), 1);
    assert_int_equal(perform(STORE_READ, 7, 1), 0);
    assert_int_equal(bytes_changed(pages[0], 7), 1);
    memcpy(first, pages[0], MM_PAGE_SIZE);
    assert_int_equal(perform(STORE_READ, 7, 1), 0);
    assert_memory_equal(first, pages[0], MM_PAGE_SIZE);
}

static void a_stale_read_gives_the_page_before(void **state)
{
    (void)state;
    fill_slots(1);
    fill_slots(100);
    faulty_set_rate(&faulty, FAULTY_STALE, ALWAYS);
    assert_reads(7, 7);
    assert_only(FAULTY_STALE, 1);
    assert_int_equal(faulty_slot_state(&faulty, 7), FAULTY_SLOT_INTACT);
    faulty_heal(&faulty);
    assert_reads(7, 106);
    fill_slots(100);
    faulty_set_rate(&faulty, FAULTY_STALE, ALWAYS);
    assert_reads(7, 106); /* the page before was the same */
    assert_only(FAULTY_STALE, 1);
}

static void a_discarded_slot_is_owed_nothing(void **state)
{
    (void)state;
    fill_slots(1);
    faulty_set_rate(&faulty, FAULTY_FLIP_STORED, ALWAYS);
    assert_int_equal(perform(STORE_WRITE, 6, 1), 0);
    assert_true(faulty_slot_destroyed(&faulty, 6));
    faulty.ops->discard(faulty.self, 6, 2);
    assert_int_equal(faulty_slot_state(&faulty, 6), FAULTY_SLOT_EMPTY);
    assert_int_equal(faulty_slot_state(&faulty, 7), FAULTY_SLOT_EMPTY);
    assert_int_equal(count_state(FAULTY_SLOT_INTACT), SLOTS - 2);
}

static void only_one_page_of_a_run_suffers(void **state)
{
    bool seen[RUN_MAX] = {false};

    (void)state;
    faulty_set_rate(&faulty, FAULTY_FLIP_STORED, ALWAYS);
    for (unsigned i = 0; i < 200; i++) {
        pages_fill(pages, page_pointers, RUN_MAX, 1);
        assert_int_equal(perform(STORE_WRITE, 1, RUN_MAX), 0);
        assert_int_equal(count_state(FAULTY_SLOT_DESTROYED), 1);
        for (unsigned p = 0; p < RUN_MAX; p++)
            seen[p] |= faulty_slot_destroyed(&faulty, p + 1);
    }
    for (unsigned p = 0; p < RUN_MAX; p++)
        assert_true(seen[p]);
}

/* ---- when, and in which order ---- */

static void a_slow_request_is_late(void **state)
{
    struct store_request requests[3], *pointers[3], *reaped[3];
    uint64_t begun_ns = world_now_ns();

    (void)state;
    faulty_set_slow(&faulty, SLOW_NS);
    faulty_set_rate(&faulty, FAULTY_SLOW, ALWAYS);
    requests_writing(requests, pointers, 3, page_pointers);
    faulty.ops->submit(faulty.self, 0, pointers, 3);
    if (faulty.ops->reap(faulty.self, 0, reaped, 3, false) != 0)
        assert_true(world_now_ns() - begun_ns >= SLOW_NS);
    else
        assert_int_equal(faulty.ops->reap(faulty.self, 0, reaped, 3, true), 3);
    assert_true(world_now_ns() - begun_ns >= SLOW_NS);
    assert_ptr_equal(reaped[0], &requests[0]);
    assert_only(FAULTY_SLOW, 3);
    /* One is late, the next is not and overtakes it. */
    faulty.ops->submit(faulty.self, 0, pointers, 1);
    assert_int_equal(faulty.ops->reap(faulty.self, 0, reaped, 0, false), 0);
    faulty_heal(&faulty);
    faulty_set_slow(&faulty, 0);
    faulty.ops->submit(faulty.self, 0, pointers + 1, 1);
    assert_int_equal(faulty.ops->reap(faulty.self, 0, reaped, 1, true), 1);
    if (reaped[0] == &requests[0])
        assert_true(world_now_ns() - begun_ns >= 2 * SLOW_NS);
    else
        assert_ptr_equal(reaped[0], &requests[1]);
    assert_int_equal(faulty.ops->reap(faulty.self, 0, reaped, 1, true), 1);
    assert_true(world_now_ns() - begun_ns >= 2 * SLOW_NS);
    assert_int_equal(faulty.ops->reap(faulty.self, 0, reaped, 1, true), 0);
}

static void completions_overtake_each_other(void **state)
{
    struct store_request requests[RUN_MAX], *pointers[RUN_MAX], *reaped[RUN_MAX];

    (void)state;
    faulty_set_rate(&faulty, FAULTY_REORDERED, ALWAYS);
    requests_writing(requests, pointers, RUN_MAX, page_pointers);
    faulty.ops->submit(faulty.self, 0, pointers, RUN_MAX);
    assert_int_equal(faulty.ops->reap(faulty.self, 0, reaped, RUN_MAX, true), RUN_MAX);
    for (unsigned i = 0; i < RUN_MAX; i++)
        assert_ptr_equal(reaped[i], &requests[RUN_MAX - 1 - i]);
    assert_only(FAULTY_REORDERED, RUN_MAX - 1);
}

static void the_nth_request_fails(void **state)
{
    (void)state;
    fill_slots(1);
    faulty_fail_nth(&faulty, STORE_READ, 3, false);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(perform(STORE_WRITE, 1, 1), 0);
        assert_int_equal(perform(STORE_READ, 2, 1), i == 3 ? -EIO : 0);
    }
    faulty_fail_nth(&faulty, STORE_WRITE, 2, true);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(perform(STORE_WRITE, 1, 1), i >= 2 ? -EIO : 0);
        assert_int_equal(perform(STORE_READ, 2, 1), 0);
    }
    assert_int_equal(faulty_count(&faulty, FAULTY_READ_ERROR), 1);
    assert_int_equal(faulty_count(&faulty, FAULTY_WRITE_ERROR), 4);
    faulty_fail_nth(&faulty, STORE_WRITE, 0, false);
    assert_int_equal(perform(STORE_WRITE, 1, 1), 0);
    faulty_fail_nth(&faulty, STORE_WRITE, 1, true);
    faulty_heal(&faulty);
    assert_int_equal(perform(STORE_WRITE, 1, 1), 0);
}

/* ---- the account against what can be read through checksums ---- */

static const enum faulty_class write_classes[] = {
    FAULTY_WRITE_ERROR, FAULTY_FULL,        FAULTY_SHORT,      FAULTY_TORN,
    FAULTY_LOST,        FAULTY_MISDIRECTED, FAULTY_FLIP_STORED};
static const enum faulty_class read_classes[] = {FAULTY_READ_ERROR, FAULTY_SHORT, FAULTY_STALE,
                                                 FAULTY_FLIP_READ};

struct proof {
    struct random_generator random;
    unsigned seed_of[SLOTS + 1]; /* content last written with success */
    unsigned next_seed;
    unsigned detected; /* corruptions that came out as errors */
};

static void set_rates(const enum faulty_class *classes, size_t count, uint32_t per_million)
{
    faulty_heal(&faulty);
    for (size_t i = 0; i < count; i++)
        faulty_set_rate(&faulty, classes[i], per_million);
}

/* Faults of this kind that a reader is told nothing of. */
static uint64_t silent_read_faults(void)
{
    return faulty_count(&faulty, FAULTY_STALE) + faulty_count(&faulty, FAULTY_FLIP_READ);
}

static uint64_t told_read_faults(void)
{
    return faulty_count(&faulty, FAULTY_READ_ERROR) + faulty_count(&faulty, FAULTY_SHORT);
}

static void write_all(struct proof *proof)
{
    uint32_t count;

    for (slot_number slot = 1; slot <= SLOTS; slot += count) {
        count = 1 + (uint32_t)random_below(&proof->random, RUN_MAX);
        count = MIN_OF(count, SLOTS - slot + 1);
        pages_fill(pages, page_pointers, count, proof->next_seed);
        if (store_perform(&checked, STORE_WRITE, slot, count, page_pointers, NULL) == 0) {
            for (uint32_t i = 0; i < count; i++)
                proof->seed_of[slot + i] = proof->next_seed + i;
        }
        proof->next_seed += count;
    }
}

/* One slot is what the account says of it, with no fault on the way. */
static void prove_slot(struct proof *proof, slot_number slot)
{
    enum faulty_slot_state account = faulty_slot_state(&faulty, slot);
    int result = store_read_page(&checked, 0, slot, pages[0]);

    if (account == FAULTY_SLOT_INTACT) {
        assert_int_equal(result, 0);
        assert_true(page_is(pages[0], proof->seed_of[slot]));
        return;
    }
    assert_true(account == FAULTY_SLOT_EMPTY || account == FAULTY_SLOT_DESTROYED);
    assert_int_equal(result, -EBADMSG);
    proof->detected += account == FAULTY_SLOT_DESTROYED;
}

/* A run of slots, with faults on the way: each error has its reason, each success is right. */
static void prove_run(struct proof *proof, slot_number slot, uint32_t count)
{
    uint64_t silent = silent_read_faults(), told = told_read_faults();
    uint32_t pages_done, intact = 0;
    int result = store_perform(&checked, STORE_READ, slot, count, page_pointers, &pages_done);

    silent = silent_read_faults() - silent;
    told = told_read_faults() - told;
    while (intact < count && faulty_slot_state(&faulty, slot + intact) == FAULTY_SLOT_INTACT)
        intact++;
    assert_int_equal(result, told != 0 ? -EIO : silent != 0 || intact < count ? -EBADMSG : 0);
    if (told == 0 && silent == 0)
        assert_int_equal(pages_done, intact);
    if (told == 0)
        assert_true(pages_done <= intact);
    for (uint32_t i = 0; i < MIN_OF(pages_done, intact); i++)
        assert_true(page_is(pages[i], proof->seed_of[slot + i]));
    proof->detected += silent != 0;
}

static void prove_round(struct proof *proof)
{
    set_rates(write_classes, ARRAY_COUNT(write_classes), 150000);
    write_all(proof);
    faulty_heal(&faulty);
    for (slot_number slot = 1; slot <= SLOTS; slot++)
        prove_slot(proof, slot);
    set_rates(read_classes, ARRAY_COUNT(read_classes), 150000);
    for (slot_number slot = 1; slot + RUN_MAX <= SLOTS; slot++)
        prove_run(proof, slot, 1 + (uint32_t)random_below(&proof->random, RUN_MAX));
    faulty_heal(&faulty);
    for (slot_number slot = 1; slot <= SLOTS; slot += 7)
        prove_slot(proof, slot);
}

static void every_corruption_is_seen_and_nothing_else(void **state)
{
    static struct proof proof;
    uint64_t count;

    (void)state;
    random_seed(&proof.random, 1, 0);
    while (proof.detected < DETECTED)
        prove_round(&proof);
    for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++) {
        count = faulty_count(&faulty, (enum faulty_class)i);
        print_message("%s: %llu\n", faulty_class_name((enum faulty_class)i),
                      (unsigned long long)count);
        assert_true(i == FAULTY_SLOW || i == FAULTY_REORDERED || i == FAULTY_BAD
                        ? count == 0
                        : count >= DETECTED / 100);
    }
}

static uint64_t counts_of_a_run(uint64_t seed)
{
    static struct proof proof;
    uint64_t hash = 0;

    proof = (struct proof){.next_seed = 1};
    stores_destroy();
    stores_create(seed);
    random_seed(&proof.random, 1, 0);
    for (unsigned i = 0; i < 8; i++)
        prove_round(&proof);
    for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++) {
        hash ^= faulty_count(&faulty, (enum faulty_class)i);
        hash = random_mix(&hash);
    }
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        hash ^= (uint64_t)faulty_slot_state(&faulty, slot);
        hash = random_mix(&hash);
    }
    return hash;
}

static void the_same_seed_is_the_same_harm(void **state)
{
    uint64_t hash = counts_of_a_run(7);

    (void)state;
    assert_true(counts_of_a_run(7) == hash);
    assert_true(counts_of_a_run(8) != hash);
}

/* ---- threads ---- */

struct user {
    uint32_t queue;
    unsigned seed_of[SLOTS / QUEUES];
    unsigned wrong;
};

/* Slots and a queue of its own; another's misdirected pages may come in between. */
static void *user_main(void *argument)
{
    struct user *user = argument;
    slot_number own = SLOTS / QUEUES;
    unsigned char page[MM_PAGE_SIZE];
    void *pointer = page;

    for (unsigned i = 0; i < 500; i++) {
        slot_number at = i * 5 % own;
        struct store_request request = {.operation = STORE_WRITE,
                                        .slot = 1 + user->queue * own + at,
                                        .count = 1,
                                        .pages = &pointer},
                             *one = &request;

        page_fill(page, user->queue * 10000 + i);
        checked.ops->submit(checked.self, user->queue, &one, 1);
        user->wrong += checked.ops->reap(checked.self, user->queue, &one, 1, true) != 1;
        if (request.result == 0)
            user->seed_of[at] = user->queue * 10000 + i;
        at = i * 3 % own;
        user->wrong +=
            store_read_page(&checked, user->queue, 1 + user->queue * own + at, page) == 0 &&
            !page_is(page, user->seed_of[at]);
    }
    return NULL;
}

static void threads_share_one_account(void **state)
{
    static struct user users[QUEUES];
    pthread_t threads[QUEUES];
    slot_number own = SLOTS / QUEUES;

    (void)state;
    for (unsigned i = 0; i < FAULTY_CLASS_COUNT; i++)
        faulty_set_rate(&faulty, (enum faulty_class)i, i == FAULTY_SLOW ? 5000 : 50000);
    faulty_set_slow(&faulty, 100000);
    for (uint32_t i = 0; i < QUEUES; i++) {
        users[i] = (struct user){.queue = i};
        assert_int_equal(pthread_create(&threads[i], NULL, user_main, &users[i]), 0);
    }
    for (uint32_t i = 0; i < QUEUES; i++)
        pthread_join(threads[i], NULL);
    faulty_heal(&faulty);
    for (uint32_t i = 0; i < QUEUES; i++)
        assert_int_equal(users[i].wrong, 0);
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        int result = store_read_page(&checked, 0, slot, pages[0]);

        assert_int_equal(result,
                         faulty_slot_state(&faulty, slot) == FAULTY_SLOT_INTACT ? 0 : -EBADMSG);
        if (result == 0)
            assert_true(page_is(pages[0], users[(slot - 1) / own].seed_of[(slot - 1) % own]));
    }
    assert_in_range(count_state(FAULTY_SLOT_INTACT), 1, SLOTS - 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, stores_setup, stores_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(errors_are_told_and_leave_no_content),
        CASE(bad_slots_stay_bad),
        CASE(a_short_request_ends_after_its_first_pages),
        CASE(a_torn_page_is_old_in_some_sectors),
        CASE(a_lost_write_leaves_the_old_page),
        CASE(a_misdirected_write_destroys_two_slots),
        CASE(a_page_is_misdirected_to_an_intact_slot),
        CASE(flipped_bits_stay_or_go),
        CASE(a_stale_read_gives_the_page_before),
        CASE(a_discarded_slot_is_owed_nothing),
        CASE(only_one_page_of_a_run_suffers),
        CASE(a_slow_request_is_late),
        CASE(completions_overtake_each_other),
        CASE(the_nth_request_fails),
        CASE(every_corruption_is_seen_and_nothing_else),
        CASE(the_same_seed_is_the_same_harm),
        CASE(threads_share_one_account),
    };

    return cmocka_run_group_tests_name("store-faulty", tests, NULL, NULL);
}
