/*
 * damage_test.c - a hundred thousand times the page file is damaged behind the store's back.
 *
 * Through a second descriptor of the file: bits flipped, sectors torn, an earlier page put back,
 * another slot's page put there, zeros. Each time the read must be -EBADMSG at that page, and the
 * pages beside it must be what they were. Both layers that guard a file, with and without the page
 * cache. What did not change a byte is no damage and not counted.
 *
 * Usage: test-damage [COUNT]
 */
#include "base/random.h"
#include "store/checked.h"
#include "store/encrypted.h"
#include "store/file.h"
#include "store_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS   64u
#define RUN     4u
#define SECTOR  512u
#define DEFAULT 100000u

enum damage { FLIPPED, TORN, STALE, MISDIRECTED, ZEROED, DAMAGES };
static const char *const damage_names[] = {"flipped", "torn", "stale", "misdirected", "zeroed"};

static unsigned char pages[RUN][MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
static unsigned char olds[SLOTS][MM_PAGE_SIZE] __attribute__((aligned(MM_PAGE_SIZE)));
static unsigned versions[SLOTS];
static unsigned long counts[DAMAGES];
static struct random_generator state;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "damage_test: " __VA_ARGS__);                                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static uint32_t below(uint32_t bound)
{
    return (uint32_t)(random_next(&state) % bound);
}

static void put(const struct store *store, uint32_t at)
{
    void *pointer = pages[0];
    struct store_request request = {
        .operation = STORE_WRITE, .slot = at + 1, .count = 1, .pages = &pointer};

    page_fill(pages[0], ++versions[at] * SLOTS + at);
    CHECK(store_wait_for(store, 0, &request) == 0, "slot %u cannot be written\n", at + 1);
}

static void stored(int fd, uint32_t at, unsigned char *ret_page)
{
    CHECK(pread(fd, ret_page, MM_PAGE_SIZE, (off_t)at << PAGE_SHIFT) == (ssize_t)MM_PAGE_SIZE,
          "the file cannot be read\n");
}

/* Change the stored page. False: it would be the same. */
static bool damage_page(int fd, uint32_t at, enum damage damage)
{
    static unsigned char page[MM_PAGE_SIZE], before[MM_PAGE_SIZE];

    stored(fd, at, before);
    memcpy(page, before, MM_PAGE_SIZE);
    if (damage == FLIPPED)
        page[below(MM_PAGE_SIZE)] ^= (unsigned char)(1u << below(8));
    else if (damage == TORN)
        memcpy(page + below(7) * SECTOR, olds[at] + below(7) * SECTOR, SECTOR);
    else if (damage == STALE)
        memcpy(page, olds[at], MM_PAGE_SIZE);
    else if (damage == MISDIRECTED)
        stored(fd, (at + 1 + below(SLOTS - 1)) % SLOTS, page);
    else
        memset(page, 0, MM_PAGE_SIZE);
    CHECK(pwrite(fd, page, MM_PAGE_SIZE, (off_t)at << PAGE_SHIFT) == (ssize_t)MM_PAGE_SIZE,
          "the file cannot be written\n");
    return memcmp(page, before, MM_PAGE_SIZE) != 0;
}

/* A run around the damaged page: the error is of that page; without it all is well. */
static void look(const struct store *store, uint32_t at, enum damage damage)
{
    uint32_t first = at - at % RUN;
    void *pointers[RUN];
    struct store_request request = {
        .operation = STORE_READ, .slot = first + 1, .count = RUN, .pages = pointers};

    for (uint32_t i = 0; i < RUN; i++)
        pointers[i] = pages[i];
    int result = store_wait_for(store, 0, &request);
    CHECK(result == -EBADMSG && request.pages_done == at - first,
          "%s page of slot %u: result %d at page %u\n", damage_names[damage], at + 1, result,
          request.pages_done);
    pointers[at - first] = NULL;
    CHECK(store_wait_for(store, 0, &request) == 0, "the neighbours of slot %u are lost\n", at + 1);
    for (uint32_t i = 0; i < RUN; i++)
        CHECK(first + i == at || page_is(pages[i], versions[first + i] * SLOTS + first + i),
              "slot %u holds something else\n", first + i + 1);
}

static void damage_many(bool encrypted, bool buffered, unsigned long wanted)
{
    struct file_config config = {
        .path = "damage-test-file", .slots = SLOTS, .slots_ready = SLOTS, .queues = 1};
    struct store file, guard;
    char text[512];
    int error;

    config.buffered = buffered;
    config.overwrite = true;
    CHECK(file_create(&config, &file, text, sizeof(text)) == 0, "%s\n", text);
    error = encrypted ? encrypted_create(&file, 1, &guard, text, sizeof(text))
                      : checked_create(&file, &guard);
    CHECK(error == 0, "no guard: %s\n", text);
    int fd = open(config.path, O_RDWR | O_CLOEXEC);
    for (uint32_t at = 0; at < SLOTS; at++) {
        put(&guard, at);
        stored(fd, at, olds[at]);
        put(&guard, at);
    }
    for (unsigned long done = 0; done < wanted;) {
        uint32_t at = below(SLOTS);
        enum damage damage = (enum damage)below(DAMAGES);

        if (!damage_page(fd, at, damage))
            continue;
        look(&guard, at, damage);
        counts[damage]++;
        done++;
        put(&guard, at);
        if (done % 16 == 0) {
            stored(fd, at, olds[at]);
            put(&guard, at);
        }
    }
    close(fd);
    store_destroy(&guard);
    store_destroy(&file);
    unlink("damage-test-file");
}

int main(int count, char **arguments)
{
    unsigned long wanted = count > 1 ? strtoul(arguments[1], NULL, 10) : DEFAULT;
    unsigned long direct = wanted / 50; /* those wait for the disk */

    random_seed(&state, 1, 0);
    for (unsigned i = 0; i < 2; i++) {
        damage_many(i != 0, true, wanted / 2 - direct);
        damage_many(i != 0, false, direct);
    }
    printf("damage-test: each was found:");
    for (unsigned i = 0; i < DAMAGES; i++)
        printf(" %lu %s%s", counts[i], damage_names[i], i + 1 < DAMAGES ? "," : "\n");
    return 0;
}
