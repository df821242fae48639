/*
 * compressed_test.c - the compressed store: what goes where, what it costs, and that a page is what
 * was last written to its slot wherever it is.
 */
#include "base/random.h"
#include "store/arena.h"
#include "store/checked.h"
#include "store/compressed.h"
#include "store/faulty.h"
#include "store/ram.h"
#include "store_rig.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS       256u
#define QUEUES      4u
#define BUDGET      (16 * MM_PAGE_SIZE)
#define ROUNDS      4000u
#define USER_ROUNDS 1500u
#define PIECES_MAX  3072u

static unsigned char pages[SLOTS][MM_PAGE_SIZE];
static void *pointers[SLOTS];
static struct store ram, faulty, compressed, checked;

/* ---- pages ---- */

/* Kinds of content, by how they pack. */
enum content { CONTENT_DENSE, CONTENT_PACKS, CONTENT_REPEATS, CONTENT_KINDS };

/* A page that only `seed` makes; `noise` of its words are random and do not pack. */
static void page_make(void *ret_page, uint64_t seed, uint32_t noise)
{
    struct random_generator random;
    uint64_t *words = ret_page;

    random_seed(&random, seed, 1);
    for (uint32_t i = 0; i < MM_PAGE_SIZE / 8; i++)
        words[i] = i < noise ? random_next(&random) : seed;
}

static uint32_t noise_of(enum content content, uint64_t seed)
{
    return content == CONTENT_DENSE ? 512 : content == CONTENT_REPEATS ? 0 : 1 + seed % 360;
}

static void page_of_kind(void *ret_page, enum content content, uint64_t seed)
{
    page_make(ret_page, seed, noise_of(content, seed));
}

static bool page_is_of_kind(const void *page, enum content content, uint64_t seed)
{
    uint64_t expected[MM_PAGE_SIZE / 8];

    page_of_kind(expected, content, seed);
    return memcmp(page, expected, MM_PAGE_SIZE) == 0;
}

/* ---- the store ---- */

static void begin(uint64_t budget)
{
    assert_int_equal(ram_create(SLOTS, QUEUES, &ram), 0);
    assert_int_equal(faulty_create(&ram, 1, &faulty), 0);
    assert_int_equal(compressed_create(&faulty, budget, &compressed), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        pointers[i] = pages[i];
}

static void end(void)
{
    store_destroy(&compressed);
    store_destroy(&faulty);
    store_destroy(&ram);
}

static uint64_t counter(const char *name)
{
    struct store_counter counters[64];
    uint32_t count = store_counters(&compressed, counters, 64);

    assert_in_range(count, 1, 64);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0)
            return counters[i].value;
    }
    fail_msg("no counter '%s'", name);
    return 0;
}

static int write_page(slot_number slot, enum content content, uint64_t seed)
{
    page_of_kind(pages[0], content, seed);
    return store_perform(&compressed, STORE_WRITE, slot, 1, pointers, NULL);
}

static bool reads_as(slot_number slot, enum content content, uint64_t seed, bool from_memory)
{
    unsigned char page[MM_PAGE_SIZE];
    void *pointer = page;
    struct store_request request = {
        .operation = STORE_READ, .slot = slot, .count = 1, .pages = &pointer};

    memset(page, 0xa5, sizeof(page));
    return store_wait_for(&compressed, 0, &request) == 0 && request.from_memory == from_memory &&
           page_is_of_kind(page, content, seed);
}

/* ---- the arena ---- */

/* Chunks of every length, kept beside each other, come back whole; then all room is free again. */
static void chunks_of_every_length(void **state)
{
    static unsigned char bytes[PIECES_MAX + 1], back[PIECES_MAX + 1];
    static uint32_t chunks[PIECES_MAX + 1];
    uint32_t cells = PIECES_MAX * (PIECES_MAX / ARENA_CELL_BYTES + 2) / 2;
    unsigned char *memory = calloc(cells, ARENA_CELL_BYTES);
    uint32_t *next = calloc(cells, sizeof(*next));
    struct arena arena;

    (void)state;
    assert_true(memory != NULL && next != NULL);
    arena_init(&arena, cells, memory, next);
    for (uint32_t length = 1; length <= PIECES_MAX; length++) {
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)(length * 31 + i * 7 + 1);
        chunks[length] = arena_keep(&arena, bytes, length);
        assert_int_not_equal(chunks[length], ARENA_NO_CELL);
    }
    for (uint32_t length = PIECES_MAX; length >= 1; length--) {
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)(length * 31 + i * 7 + 1);
        memset(back, 0, sizeof(back));
        arena_fetch(&arena, chunks[length], length, back);
        assert_memory_equal(back, bytes, length);
        assert_int_equal(back[length], 0);
        arena_free(&arena, chunks[length], length);
    }
    assert_int_equal(arena_used_bytes(&arena), 0);
    free(memory);
    free(next);
}

static void a_full_arena_refuses_and_takes_again(void **state)
{
    unsigned char memory[4 * ARENA_CELL_BYTES], bytes[3 * ARENA_CELL_BYTES] = {1};
    uint32_t next[4], first, second;
    struct arena arena;

    (void)state;
    arena_init(&arena, 4, memory, next);
    first = arena_keep(&arena, bytes, 3 * ARENA_CELL_BYTES);
    assert_int_not_equal(first, ARENA_NO_CELL);
    assert_int_equal(arena_keep(&arena, bytes, ARENA_CELL_BYTES + 1), ARENA_NO_CELL);
    second = arena_keep(&arena, bytes, ARENA_CELL_BYTES);
    assert_int_not_equal(second, ARENA_NO_CELL);
    assert_int_equal(arena_keep(&arena, bytes, 1), ARENA_NO_CELL);
    arena_free(&arena, first, 3 * ARENA_CELL_BYTES);
    assert_int_equal(arena_used_bytes(&arena), ARENA_CELL_COST);
    assert_int_not_equal(arena_keep(&arena, bytes, 2 * ARENA_CELL_BYTES + 1), ARENA_NO_CELL);
    assert_int_equal(arena_keep(&arena, bytes, 1), ARENA_NO_CELL);
}

/* ---- where pages go ---- */

static void each_page_goes_where_it_belongs(void **state)
{
    (void)state;
    begin(BUDGET);
    assert_int_equal(write_page(1, CONTENT_PACKS, 20), 0);
    assert_int_equal(write_page(2, CONTENT_DENSE, 21), 0);
    uint64_t used = counter("used_bytes");
    assert_in_range(used, 20 * 8, 3 * ARENA_CELL_COST);
    assert_int_equal(write_page(3, CONTENT_REPEATS, 22), 0);
    assert_int_equal(write_page(4, CONTENT_REPEATS, 0), 0);
    assert_int_equal(counter("used_bytes"), used);
    assert_true(reads_as(1, CONTENT_PACKS, 20, true));
    assert_true(reads_as(2, CONTENT_DENSE, 21, false));
    assert_true(reads_as(3, CONTENT_REPEATS, 22, true));
    assert_true(reads_as(4, CONTENT_REPEATS, 0, true));
    assert_int_equal(counter("pages_in"), 4);
    assert_int_equal(counter("pages_packed"), 1);
    assert_int_equal(counter("packed_percent"), counter("packed_bytes") * 100 / MM_PAGE_SIZE);
    assert_int_equal(counter("pages_incompressible"), 1);
    assert_int_equal(counter("pages_repeated"), 2);
    assert_int_equal(counter("hits"), 3);
    assert_int_equal(counter("reads_below"), 1);
    assert_int_equal(counter("budget_frames"), 16);
    /* Below there is that one page and nothing else. */
    assert_true(page_is_of_kind(ram_slot(&ram, 2), CONTENT_DENSE, 21));
    assert_int_equal(faulty_slot_state(&faulty, 1), FAULTY_SLOT_EMPTY);
    assert_int_equal(faulty_slot_state(&faulty, 3), FAULTY_SLOT_EMPTY);
    end();
}

/* Half of the page repeats one word, the other half another one. */
static void a_page_repeats_as_a_whole_or_not_at_all(void **state)
{
    uint64_t words[MM_PAGE_SIZE / 8] = {0}, back[MM_PAGE_SIZE / 8];
    void *from = words;

    (void)state;
    begin(BUDGET);
    for (uint32_t i = 1; i < MM_PAGE_SIZE / 8; i += 1 + i / 2) {
        words[i] = i;
        assert_int_equal(store_perform(&compressed, STORE_WRITE, 1, 1, &from, NULL), 0);
        assert_int_equal(store_read_page(&compressed, 0, 1, back), 0);
        assert_memory_equal(back, words, MM_PAGE_SIZE);
        words[i] = 0;
    }
    words[MM_PAGE_SIZE / 8 - 1] = 1;
    assert_int_equal(store_perform(&compressed, STORE_WRITE, 1, 1, &from, NULL), 0);
    assert_int_equal(store_read_page(&compressed, 0, 1, back), 0);
    assert_memory_equal(back, words, MM_PAGE_SIZE);
    end();
}

/* From every place to every place: the new page is read, and the old one costs nothing. */
static void a_page_moves_when_it_is_overwritten(void **state)
{
    (void)state;
    begin(BUDGET);
    for (unsigned from = 0; from < CONTENT_KINDS; from++) {
        for (unsigned to = 0; to < CONTENT_KINDS; to++) {
            assert_int_equal(write_page(5, (enum content)from, 340), 0);
            assert_int_equal(write_page(5, (enum content)to, 341), 0);
            assert_true(reads_as(5, (enum content)to, 341, to != CONTENT_DENSE));
            assert_int_equal(counter("used_bytes") != 0, to == CONTENT_PACKS);
            assert_int_equal(faulty_slot_state(&faulty, 5) == FAULTY_SLOT_EMPTY,
                             to != CONTENT_DENSE);
        }
    }
    compressed.ops->discard(compressed.self, 5, 1);
    assert_int_equal(counter("used_bytes"), 0);
    end();
}

static void a_full_store_sends_pages_below(void **state)
{
    unsigned packed = 0;

    (void)state;
    begin(BUDGET);
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        assert_int_equal(write_page(slot, CONTENT_PACKS, 200 + slot), 0);
        assert_in_range(counter("used_bytes"), 0, BUDGET);
    }
    assert_true(counter("pages_no_room") > 0);
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        bool here = faulty_slot_state(&faulty, slot) == FAULTY_SLOT_EMPTY;

        assert_true(reads_as(slot, CONTENT_PACKS, 200 + slot, here));
        packed += here;
    }
    assert_int_equal(packed, counter("pages_packed"));
    assert_true(counter("used_bytes") > BUDGET - 2 * MM_PAGE_SIZE);
    compressed.ops->discard(compressed.self, 1, SLOTS);
    assert_int_equal(counter("used_bytes"), 0);
    assert_int_equal(write_page(9, CONTENT_PACKS, 300), 0);
    assert_true(reads_as(9, CONTENT_PACKS, 300, true));
    end();
}

/* ---- requests ---- */

/* More stretches that go below than there are parts for, to and fro. */
static void a_run_is_split(void **state)
{
    uint32_t pages_done;

    (void)state;
    begin(BUDGET);
    for (uint32_t i = 0; i < SLOTS; i++)
        page_of_kind(pages[i], i % 3 == 0 ? CONTENT_REPEATS : CONTENT_DENSE, i);
    assert_int_equal(store_perform(&compressed, STORE_WRITE, 1, SLOTS, pointers, &pages_done), 0);
    memset(pages, 0, sizeof(pages));
    for (uint32_t i = 0; i < SLOTS; i += 5)
        pointers[i] = NULL;
    assert_int_equal(store_perform(&compressed, STORE_READ, 1, SLOTS, pointers, &pages_done), 0);
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (i % 5 != 0)
            assert_true(page_is_of_kind(pages[i], i % 3 == 0 ? CONTENT_REPEATS : CONTENT_DENSE, i));
        else
            assert_true(pages[i][0] == 0 && memcmp(pages[i], pages[i] + 1, MM_PAGE_SIZE - 1) == 0);
    }
    end();
}

/* The page that failed is named, whichever part it was in; what is in memory is not touched. */
static void an_error_below_is_the_requests(void **state)
{
    uint32_t pages_done;

    (void)state;
    begin(BUDGET);
    for (uint32_t i = 0; i < 12; i++)
        page_of_kind(pages[i], i % 4 == 0 ? CONTENT_PACKS : CONTENT_DENSE, 50 + i);
    for (uint32_t nth = 1; nth <= 3; nth++) {
        faulty_fail_nth(&faulty, STORE_WRITE, nth, false);
        assert_int_equal(store_perform(&compressed, STORE_WRITE, 1, 12, pointers, &pages_done),
                         -EIO);
        assert_int_equal(pages_done, 1 + 4 * (nth - 1));
        assert_true(reads_as(1, CONTENT_PACKS, 50, true));
    }
    assert_int_equal(store_perform(&compressed, STORE_WRITE, 1, 12, pointers, NULL), 0);
    for (uint32_t nth = 1; nth <= 3; nth++) {
        faulty_fail_nth(&faulty, STORE_READ, nth, false);
        assert_int_equal(store_perform(&compressed, STORE_READ, 1, 12, pointers, &pages_done),
                         -EIO);
        assert_int_equal(pages_done, 1 + 4 * (nth - 1));
    }
    assert_int_equal(store_perform(&compressed, STORE_READ, 1, 12, pointers, NULL), 0);
    end();
}

/* Many small requests at once, most of which wait for parts. */
static void requests_wait_for_parts(void **state)
{
    struct store_request requests[SLOTS], *ones[SLOTS], *reaped[SLOTS];
    bool seen[SLOTS] = {false};

    (void)state;
    begin(BUDGET);
    ram_set_latency(&ram, 100000);
    for (uint32_t i = 0; i < SLOTS; i++)
        page_of_kind(pages[i], CONTENT_DENSE, i);
    requests_writing(requests, ones, SLOTS, pointers);
    compressed.ops->submit(compressed.self, 0, ones, SLOTS);
    for (uint32_t done = 0; done < SLOTS;) {
        uint32_t got = compressed.ops->reap(compressed.self, 0, reaped, SLOTS, true);

        assert_in_range(got, 1, SLOTS - done);
        done += got;
        for (uint32_t i = 0; i < got; i++) {
            assert_int_equal(reaped[i]->result, 0);
            assert_false(seen[reaped[i] - requests]);
            seen[reaped[i] - requests] = true;
        }
    }
    assert_int_equal(compressed.ops->reap(compressed.self, 0, reaped, SLOTS, true), 0);
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_true(reads_as(i + 1, CONTENT_DENSE, i, false));
    end();
}

/* ---- against a model ---- */

struct user {
    uint32_t queue, rounds;
    bool good;
};

static void user_write(struct user *user, slot_number slot, enum content content, uint64_t seed)
{
    uint64_t page[MM_PAGE_SIZE / 8];
    void *pointer = page;
    struct store_request request = {
        .operation = STORE_WRITE, .slot = slot, .count = 1, .pages = &pointer};

    page_of_kind(page, content, seed);
    user->good &= store_wait_for(&compressed, user->queue, &request) == 0;
}

/* Write, discard and read slots of one's own at random; each is always what was written last. */
static void *user_main(void *argument)
{
    struct user *user = argument;
    uint32_t own = SLOTS / QUEUES;
    uint64_t seeds[SLOTS / QUEUES] = {0}, page[MM_PAGE_SIZE / 8];
    enum content contents[SLOTS / QUEUES];
    struct random_generator random;

    random_seed(&random, user->queue, 7);
    for (uint32_t i = 0; i < user->rounds && user->good; i++) {
        uint32_t at = random_below(&random, own), choice = random_below(&random, 8);
        slot_number slot = 1 + user->queue * own + at;

        if (choice < 3) {
            seeds[at] = 1 + i;
            contents[at] = (enum content)random_below(&random, CONTENT_KINDS);
            user_write(user, slot, contents[at], seeds[at]);
        } else if (choice == 3) {
            compressed.ops->discard(compressed.self, slot, 1);
            seeds[at] = 0;
        } else if (seeds[at] != 0) {
            user->good &= store_read_page(&compressed, user->queue, slot, page) == 0 &&
                          page_is_of_kind(page, contents[at], seeds[at]);
        }
    }
    compressed.ops->discard(compressed.self, 1 + user->queue * own, own);
    return NULL;
}

static void pages_are_what_was_written_last(void **state)
{
    struct user user = {.rounds = ROUNDS, .good = true};

    (void)state;
    begin(BUDGET / 4);
    user_main(&user);
    assert_true(user.good);
    assert_true(counter("pages_no_room") > 0);
    assert_int_equal(counter("used_bytes"), 0);
    end();
}

static void many_users_share_the_arena(void **state)
{
    struct user users[QUEUES];
    pthread_t threads[QUEUES];

    (void)state;
    begin(BUDGET);
    for (uint32_t i = 0; i < QUEUES; i++) {
        users[i] = (struct user){.queue = i, .rounds = USER_ROUNDS, .good = true};
        assert_int_equal(pthread_create(&threads[i], NULL, user_main, &users[i]), 0);
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        pthread_join(threads[i], NULL);
        assert_true(users[i].good);
    }
    assert_int_equal(counter("used_bytes"), 0);
    end();
}

/* ---- damage ---- */

/* A bit of the arena turns: never data, under the layer that knows what was written. */
static void a_flipped_bit_is_an_error(void **state)
{
    unsigned errors = 0;
    uint64_t back[MM_PAGE_SIZE / 8];

    (void)state;
    begin(BUDGET);
    assert_int_equal(checked_create(&compressed, &checked), 0);
    page_of_kind(pages[0], CONTENT_PACKS, 100);
    assert_int_equal(store_perform(&checked, STORE_WRITE, 1, 1, pointers, NULL), 0);
    uint64_t used = counter("used_bytes") / ARENA_CELL_COST * ARENA_CELL_BYTES;
    for (uint64_t bit = 0; bit < used * 8; bit += 3) {
        unsigned char *byte = &compressed_arena(&compressed)->cells[bit / 8];

        *byte ^= (unsigned char)(1u << bit % 8);
        if (store_read_page(&checked, 0, 1, back) != 0)
            errors++;
        else /* behind the end of the chunk */
            assert_memory_equal(back, pages[0], MM_PAGE_SIZE);
        *byte ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(errors > used * 8 / 3 / 2);
    assert_int_equal(store_read_page(&checked, 0, 1, back), 0);
    store_destroy(&checked);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_of_every_length),
        cmocka_unit_test(a_full_arena_refuses_and_takes_again),
        cmocka_unit_test(each_page_goes_where_it_belongs),
        cmocka_unit_test(a_page_repeats_as_a_whole_or_not_at_all),
        cmocka_unit_test(a_page_moves_when_it_is_overwritten),
        cmocka_unit_test(a_full_store_sends_pages_below),
        cmocka_unit_test(a_run_is_split),
        cmocka_unit_test(an_error_below_is_the_requests),
        cmocka_unit_test(requests_wait_for_parts),
        cmocka_unit_test(pages_are_what_was_written_last),
        cmocka_unit_test(many_users_share_the_arena),
        cmocka_unit_test(a_flipped_bit_is_an_error),
    };

    if (!compressed_exists()) {
        print_message("skipped: this build is without liblz4 (liblz4-dev)\n");
        return 77;
    }
    return cmocka_run_group_tests_name("compressed", tests, NULL, NULL);
}
