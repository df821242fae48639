/*
 * checked_test.c - the checked store gives back what it was given, or an error that says which page.
 *
 * Below it lies clay: an array that the tests knead, whose requests copy when they are reaped and
 * fail when told to.
 */
#include "store/checked.h"
#include "store_rig.h"

#define SLOTS 8u

static struct clay {
    unsigned char memory[SLOTS][MM_PAGE_SIZE];
    struct store_request *flying[SLOTS];
    uint32_t count;
    int result; /* of the requests to come */
    uint32_t pages_done;
    slot_number discarded_first;
    uint32_t discarded;
} clay;

static unsigned char pages[SLOTS][MM_PAGE_SIZE];
static void *page_pointers[SLOTS];

static void clay_submit(void *self, uint32_t queue, struct store_request *const *requests,
                        uint32_t count)
{
    (void)self, (void)queue;
    for (uint32_t i = 0; i < count; i++)
        clay.flying[clay.count++] = requests[i];
}

static void clay_perform(struct store_request *request)
{
    request->result = -EINVAL;
    request->pages_done = 0;
    if (!store_has_run(SLOTS, request))
        return;
    request->result = clay.result;
    request->pages_done = clay.result == 0 ? request->count : clay.pages_done;
    for (uint32_t i = 0; i < request->pages_done; i++) {
        unsigned char *slot = clay.memory[request->slot - 1 + i];

        if (request->operation == STORE_READ)
            memcpy(request->pages[i], slot, MM_PAGE_SIZE);
        else
            memcpy(slot, request->pages[i], MM_PAGE_SIZE);
    }
}

/* The oldest request. */
static uint32_t clay_reap(void *self, uint32_t queue, struct store_request **ret_requests,
                          uint32_t count, bool wait)
{
    (void)self, (void)queue, (void)wait;
    if (clay.count == 0 || count == 0)
        return 0;
    ret_requests[0] = clay.flying[0];
    memmove(clay.flying, clay.flying + 1, --clay.count * sizeof(clay.flying[0]));
    clay_perform(ret_requests[0]);
    return 1;
}

static void clay_discard(void *self, slot_number first, uint32_t count)
{
    (void)self;
    clay.discarded_first = first;
    clay.discarded = count;
}

static const struct store_ops clay_ops = {
    .name = "clay", .submit = clay_submit, .reap = clay_reap, .discard = clay_discard};

static struct store store;

static int store_setup(void **state)
{
    const struct store below = {.ops = &clay_ops, .self = &clay, .slots = SLOTS, .queues = 1};

    (void)state;
    clay = (struct clay){.count = 0};
    return checked_create(&below, &store);
}

static int store_teardown(void **state)
{
    (void)state;
    store_destroy(&store);
    return 0;
}

static int perform(enum store_operation operation, slot_number slot, uint32_t count)
{
    return store_perform(&store, operation, slot, count, page_pointers, NULL);
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

static void a_slot_without_content_is_an_error(void **state)
{
    (void)state;
    pages_fill(pages, page_pointers, SLOTS, 1);
    for (slot_number slot = 1; slot <= SLOTS; slot++)
        assert_int_equal(perform(STORE_READ, slot, 1), -EBADMSG);
    fill_slots(1);
    store.ops->discard(store.self, 3, 2);
    assert_int_equal(clay.discarded_first, 3);
    assert_int_equal(clay.discarded, 2);
    assert_reads(2, 2);
    assert_int_equal(perform(STORE_READ, 3, 1), -EBADMSG);
    assert_int_equal(perform(STORE_READ, 4, 1), -EBADMSG);
    assert_reads(5, 5);
}

static void the_page_that_failed_is_named(void **state)
{
    uint32_t pages_done;

    (void)state;
    fill_slots(1);
    clay.memory[6][9]++;
    clay.memory[4][0]++;
    assert_int_equal(store_perform(&store, STORE_READ, 1, SLOTS, page_pointers, &pages_done),
                     -EBADMSG);
    assert_int_equal(pages_done, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_true(page_is(pages[i], 1 + i));
    assert_int_equal(store_perform(&store, STORE_READ, 6, 3, page_pointers, &pages_done), -EBADMSG);
    assert_int_equal(pages_done, 1);
    assert_reads(6, 6);
    assert_reads(8, 8);
}

static void every_single_bit_is_seen(void **state)
{
    (void)state;
    fill_slots(1);
    for (size_t bit = 0; bit < MM_PAGE_SIZE * CHAR_BIT; bit++) {
        unsigned char *byte = &clay.memory[2][bit / CHAR_BIT];

        *byte ^= (unsigned char)(1u << bit % CHAR_BIT);
        assert_int_equal(perform(STORE_READ, 3, 1), -EBADMSG);
        *byte ^= (unsigned char)(1u << bit % CHAR_BIT);
    }
    assert_reads(3, 3);
}

static void other_content_is_never_taken(void **state)
{
    unsigned char earlier[MM_PAGE_SIZE];

    (void)state;
    fill_slots(1);
    memcpy(earlier, clay.memory[1], MM_PAGE_SIZE);
    fill_slots(100);
    /* Stale: what the slot held before. */
    memcpy(clay.memory[1], earlier, MM_PAGE_SIZE);
    assert_int_equal(perform(STORE_READ, 2, 1), -EBADMSG);
    /* Misdirected: what another slot holds. */
    memcpy(clay.memory[1], clay.memory[2], MM_PAGE_SIZE);
    assert_int_equal(perform(STORE_READ, 2, 1), -EBADMSG);
    /* Torn: the last sector is old. */
    page_fill(clay.memory[1], 101);
    memcpy(clay.memory[1] + MM_PAGE_SIZE - 512, earlier + MM_PAGE_SIZE - 512, 512);
    assert_int_equal(perform(STORE_READ, 2, 1), -EBADMSG);
    /* Lost: never written at all. */
    memset(clay.memory[1], 0, MM_PAGE_SIZE);
    assert_int_equal(perform(STORE_READ, 2, 1), -EBADMSG);
    page_fill(clay.memory[1], 101);
    assert_reads(2, 101);
}

static void errors_from_below_are_passed_on(void **state)
{
    uint32_t pages_done;

    (void)state;
    fill_slots(1);
    clay.memory[0][0]++; /* not what the error is about */
    clay.result = -ETIMEDOUT;
    clay.pages_done = 3;
    assert_int_equal(store_perform(&store, STORE_READ, 1, 5, page_pointers, &pages_done),
                     -ETIMEDOUT);
    assert_int_equal(pages_done, 3);
    clay.result = 0;
    assert_int_equal(perform(STORE_READ, 0, 1), -EINVAL);
    assert_int_equal(perform(STORE_WRITE, SLOTS, 2), -EINVAL);
    assert_reads(SLOTS, SLOTS);
}

/* Neither the old content nor the new, nor the pages that got through. */
static void a_failed_write_leaves_nothing_to_read(void **state)
{
    (void)state;
    fill_slots(1);
    pages_fill(pages, page_pointers, SLOTS, 100);
    clay.result = -ENOSPC;
    clay.pages_done = 1;
    assert_int_equal(perform(STORE_WRITE, 2, 3), -ENOSPC);
    clay.result = 0;
    assert_true(page_is(clay.memory[1], 100));
    assert_true(page_is(clay.memory[2], 3));
    for (slot_number slot = 2; slot <= 4; slot++)
        assert_int_equal(perform(STORE_READ, slot, 1), -EBADMSG);
    assert_reads(1, 1);
    assert_reads(5, 5);
    fill_slots(200);
    assert_reads(3, 202);
}

static struct store_request *reap_one(void)
{
    struct store_request *reaped = NULL;

    assert_int_equal(store.ops->reap(store.self, 0, &reaped, 1, true), 1);
    return reaped;
}

static void a_source_that_changes_makes_the_slot_unreadable(void **state)
{
    struct store_request write, *one = &write;

    (void)state;
    fill_slots(1);
    write = (struct store_request){
        .operation = STORE_WRITE, .slot = 4, .count = 2, .pages = page_pointers};
    store.ops->submit(store.self, 0, &one, 1);
    pages[1][77]++;
    assert_ptr_equal(reap_one(), &write);
    assert_int_equal(write.result, 0);
    assert_int_equal(perform(STORE_READ, 5, 1), -EBADMSG);
    assert_reads(4, 1);
    fill_slots(100);
    assert_reads(5, 104);
}

/* Even the right bytes are not taken before it is known that they are there to stay. */
static void a_slot_is_unreadable_while_it_is_written(void **state)
{
    struct store_request read, write, *both[2] = {&read, &write};

    (void)state;
    fill_slots(1);
    read = (struct store_request){
        .operation = STORE_READ, .slot = 1, .count = 1, .pages = page_pointers};
    write = (struct store_request){
        .operation = STORE_WRITE, .slot = 1, .count = 1, .pages = page_pointers};
    store.ops->submit(store.self, 0, both, 2);
    assert_ptr_equal(reap_one(), &read);
    assert_int_equal(read.result, -EBADMSG);
    assert_ptr_equal(reap_one(), &write);
    assert_int_equal(write.result, 0);
    assert_reads(1, 1);
}

/* The slot of a write that is forgotten on the way is not remembered by its end. */
static void what_is_forgotten_on_the_way_stays_so(void **state)
{
    struct store_request write, *one = &write;

    (void)state;
    fill_slots(1);
    write = (struct store_request){
        .operation = STORE_WRITE, .slot = 1, .count = 1, .pages = page_pointers};
    store.ops->submit(store.self, 0, &one, 1);
    store.ops->discard(store.self, 1, 1);
    assert_int_equal(reap_one()->result, 0);
    assert_int_equal(perform(STORE_READ, 1, 1), -EBADMSG);
}

static void the_generation_grows_with_each_write(void **state)
{
    (void)state;
    assert_int_equal(checked_generation(&store, 1), 0);
    fill_slots(1);
    assert_int_equal(checked_generation(&store, 1), 1);
    assert_reads(1, 1);
    assert_int_equal(perform(STORE_WRITE, 2, 1), 0);
    clay.result = -EIO;
    assert_int_equal(perform(STORE_WRITE, 2, 1), -EIO);
    store.ops->discard(store.self, 2, 1);
    assert_int_equal(checked_generation(&store, 1), 1);
    assert_int_equal(checked_generation(&store, 2), 3);
    assert_int_equal(checked_generation(&store, SLOTS), 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_slot_without_content_is_an_error),
        CASE(the_page_that_failed_is_named),
        CASE(every_single_bit_is_seen),
        CASE(other_content_is_never_taken),
        CASE(errors_from_below_are_passed_on),
        CASE(a_failed_write_leaves_nothing_to_read),
        CASE(a_source_that_changes_makes_the_slot_unreadable),
        CASE(a_slot_is_unreadable_while_it_is_written),
        CASE(what_is_forgotten_on_the_way_stays_so),
        CASE(the_generation_grows_with_each_write),
    };

    return cmocka_run_group_tests_name("store-checked", tests, NULL, NULL);
}
