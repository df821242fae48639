/*
 * encrypted_test.c - the encrypted store: nothing readable below it, nothing false above it.
 *
 * The store below is RAM, where the test reads and damages what is stored. Where the key must not
 * be is looked at in stress/secrets_test.c.
 */
#include "store/encrypted.h"
#include "store/faulty.h"
#include "store/ram.h"
#include "store_rig.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS  512u
#define QUEUES 4u

static unsigned char pages[SLOTS][MM_PAGE_SIZE], stored[SLOTS][MM_PAGE_SIZE];
static void *page_pointers[SLOTS], *stored_pointers[SLOTS];
static struct store ram, encrypted;
static char text[512];

static int stack_create(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SLOTS; i++) {
        page_pointers[i] = pages[i];
        stored_pointers[i] = stored[i];
    }
    assert_int_equal(ram_create(SLOTS, QUEUES, &ram), 0);
    assert_int_equal(encrypted_create(&ram, 64, &encrypted, text, sizeof(text)), 0);
    return 0;
}

static int stack_destroy(void **state)
{
    (void)state;
    store_destroy(&encrypted);
    store_destroy(&ram);
    return 0;
}

static int write_run(slot_number slot, uint32_t count)
{
    return store_perform(&encrypted, STORE_WRITE, slot, count, page_pointers, NULL);
}

static int read_run(slot_number slot, uint32_t count, uint32_t *ret_pages_done)
{
    return store_perform(&encrypted, STORE_READ, slot, count, page_pointers, ret_pages_done);
}

static void stored_get(slot_number slot, uint32_t count)
{
    assert_int_equal(store_perform(&ram, STORE_READ, slot, count, stored_pointers, NULL), 0);
}

static void stored_put(slot_number slot, uint32_t count)
{
    assert_int_equal(store_perform(&ram, STORE_WRITE, slot, count, stored_pointers, NULL), 0);
}

/* ---- nothing readable ---- */

/* How many of the page's 256 byte values occur: nearly all in noise, few in a plain page. */
static unsigned values_in(const unsigned char *page)
{
    bool seen[256] = {false};
    unsigned count = 0;

    for (size_t i = 0; i < MM_PAGE_SIZE; i++) {
        count += !seen[page[i]];
        seen[page[i]] = true;
    }
    return count;
}

static void equal_pages_look_like_noise_and_never_equal(void **state)
{
    static unsigned char before[MM_PAGE_SIZE];

    (void)state;
    memset(pages, 'A', sizeof(pages));
    assert_int_equal(write_run(1, SLOTS), 0);
    stored_get(1, SLOTS);
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_true(values_in(stored[i]) > 250);
        assert_null(memmem(stored[i], MM_PAGE_SIZE, "AAAA", 4));
        assert_memory_not_equal(stored[i], stored[(i + 1) % SLOTS], 16);
    }
    memcpy(before, stored[4], MM_PAGE_SIZE);
    assert_int_equal(write_run(5, 1), 0); /* the same bytes to the same slot */
    stored_get(5, 1);
    assert_memory_not_equal(before, stored[0], 16);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_int_equal(pages[i][i], 'A'); /* the source is as it was */
}

/* ---- nothing false ---- */

static void damage_is_an_error(void **state)
{
    static unsigned char old[MM_PAGE_SIZE];
    uint32_t pages_done;

    (void)state;
    pages_fill(pages, page_pointers, 8, 1);
    assert_int_equal(write_run(1, 8), 0);
    stored_get(3, 1);
    memcpy(old, stored[0], MM_PAGE_SIZE);
    /* Every byte of the page once, another bit each. */
    for (size_t i = 0; i < MM_PAGE_SIZE; i++) {
        memcpy(stored[0], old, MM_PAGE_SIZE);
        stored[0][i] ^= (unsigned char)(1u << i % 8);
        stored_put(3, 1);
        assert_int_equal(read_run(1, 8, &pages_done), -EBADMSG);
        assert_int_equal(pages_done, 2);
    }
    /* The neighbour's page. */
    stored_get(4, 1);
    stored_put(3, 1);
    assert_int_equal(read_run(3, 1, NULL), -EBADMSG);
    /* What was there before. */
    pages_fill(pages, page_pointers, 1, 50);
    assert_int_equal(write_run(3, 1), 0);
    memcpy(stored[0], old, MM_PAGE_SIZE);
    stored_put(3, 1);
    assert_int_equal(read_run(3, 1, NULL), -EBADMSG);
    assert_int_equal(read_run(4, 5, NULL), 0); /* the others are well */
    for (unsigned i = 0; i < 5; i++)
        assert_true(page_is(pages[i], 4 + i));
}

static void a_slot_without_content_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(read_run(9, 1, NULL), -EBADMSG);
    pages_fill(pages, page_pointers, 1, 1);
    assert_int_equal(write_run(9, 1), 0);
    assert_int_equal(read_run(9, 1, NULL), 0);
    encrypted.ops->discard(encrypted.self, 9, 1);
    assert_int_equal(read_run(9, 1, NULL), -EBADMSG);
}

static void a_failed_write_leaves_nothing(void **state)
{
    struct store faulty, top;
    uint32_t pages_done;

    (void)state;
    assert_int_equal(faulty_create(&ram, 3, &faulty), 0);
    assert_int_equal(encrypted_create(&faulty, 64, &top, text, sizeof(text)), 0);
    pages_fill(pages, page_pointers, SLOTS, 1);
    /* 200 pages are four pieces of 64: the second fails. */
    faulty_fail_nth(&faulty, STORE_WRITE, 2, false);
    assert_int_equal(store_perform(&top, STORE_WRITE, 1, 200, page_pointers, &pages_done), -EIO);
    assert_in_range(pages_done, 64, 127);
    for (slot_number slot = 1; slot <= 200; slot += 33)
        assert_int_equal(store_read_page(&top, 0, slot, pages[0]), -EBADMSG);
    pages_fill(pages, page_pointers, SLOTS, 1);
    assert_int_equal(store_perform(&top, STORE_WRITE, 1, 200, page_pointers, NULL), 0);
    assert_int_equal(store_read_page(&top, 0, 200, pages[0]), 0);
    assert_true(page_is(pages[0], 200));
    store_destroy(&top);
    store_destroy(&faulty);
}

/* ---- staging memory ---- */

static void a_run_longer_than_the_staging_memory_is_written(void **state)
{
    (void)state;
    pages_fill(pages, page_pointers, SLOTS, 9);
    assert_int_equal(write_run(1, SLOTS), 0);
    memset(pages, 0, sizeof(pages));
    assert_int_equal(read_run(1, SLOTS, NULL), 0);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_true(page_is(pages[i], 9 + i));
}

/* Reap all that is under way on the queue; all must be good. */
static void reap_all(uint32_t queue, uint32_t count)
{
    struct store_request *reaped[SLOTS];

    while (count > 0) {
        uint32_t got = encrypted.ops->reap(encrypted.self, queue, reaped, count, true);

        assert_in_range(got, 1, count);
        for (uint32_t i = 0; i < got; i++)
            assert_int_equal(reaped[i]->result, 0);
        count -= got;
    }
}

/* Four queues want 128 pages each and there are 64: whoever gets none uses its own page. */
static void queues_share_the_staging_memory(void **state)
{
    static struct store_request requests[SLOTS], *pointers[SLOTS];
    static unsigned char back[MM_PAGE_SIZE];

    (void)state;
    ram_set_latency(&ram, 100000);
    pages_fill(pages, page_pointers, SLOTS, 3);
    requests_writing(requests, pointers, SLOTS, page_pointers);
    for (uint32_t queue = 0; queue < QUEUES; queue++)
        encrypted.ops->submit(encrypted.self, queue, pointers + queue * 128, 128);
    for (uint32_t queue = QUEUES; queue-- > 0;) /* the first holds most of it, and comes last */
        reap_all(queue, 128);
    ram_set_latency(&ram, 0);
    for (slot_number slot = 1; slot <= SLOTS; slot++) {
        assert_int_equal(store_read_page(&encrypted, 0, slot, back), 0);
        assert_true(page_is(back, slot + 2));
    }
}

struct writer {
    pthread_t thread;
    uint32_t queue;
    bool good;
};

static void *write_and_read(void *argument)
{
    struct writer *writer = argument;
    unsigned char own[40][MM_PAGE_SIZE], *copy = malloc(sizeof(own));
    void *pointers[40], *copies[40];

    writer->good = true;
    for (unsigned i = 0; i < 40; i++)
        copies[i] = copy + i * MM_PAGE_SIZE;
    for (unsigned round = 0; round < 200 && writer->good; round++) {
        slot_number slot = writer->queue * 100 + 1 + round % 50;
        struct store_request request = {.operation = STORE_WRITE, .slot = slot, .count = 40};

        pages_fill(own, pointers, 40, writer->queue * 100000 + round * 100);
        request.pages = pointers;
        writer->good = store_wait_for(&encrypted, writer->queue, &request) == 0;
        request = (struct store_request){
            .operation = STORE_READ, .slot = slot, .count = 40, .pages = copies};
        writer->good = writer->good && store_wait_for(&encrypted, writer->queue, &request) == 0 &&
                       memcmp(copy, own, sizeof(own)) == 0;
    }
    free(copy);
    return NULL;
}

static void threads_share_the_staging_memory(void **state)
{
    struct writer writers[QUEUES];

    (void)state;
    for (uint32_t i = 0; i < QUEUES; i++) {
        writers[i].queue = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_and_read, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_true(writers[i].good);
    }
}

/* ---- refusals ---- */

/* The sanitizers' runtime replaces it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MLOCK_DOES_NOTHING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MLOCK_DOES_NOTHING 1
#endif
#endif
#ifndef MLOCK_DOES_NOTHING
#define MLOCK_DOES_NOTHING 0
#endif

/* No memory may be locked, and nobody is privileged: the key is refused rather than swapped out. */
static void a_key_that_cannot_be_locked_is_refused(void **state)
{
    static const struct rlimit none = {0, 0};
    int status;

    (void)state;
    if (MLOCK_DOES_NOTHING) {
        print_message("skipped: the sanitizers turn mlock() into nothing\n");
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        struct store top, below;

        if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0) ||
            ram_create(8, 1, &below) != 0)
            _exit(2);
        int error = encrypted_create(&below, 1, &top, text, sizeof(text));
        _exit(error != 0 && strstr(text, "ulimit -l") != NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stack_create, stack_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_pages_look_like_noise_and_never_equal),
        TEST(damage_is_an_error),
        TEST(a_slot_without_content_is_an_error),
        TEST(a_failed_write_leaves_nothing),
        TEST(a_run_longer_than_the_staging_memory_is_written),
        TEST(queues_share_the_staging_memory),
        TEST(threads_share_the_staging_memory),
        TEST(a_key_that_cannot_be_locked_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
