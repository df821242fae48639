/*
 * kills_test.c - a process that pages is killed at any moment: its page file tells nothing.
 *
 * A child pages through a file with a path; every page is full of a canary of its own making. It is
 * killed with SIGKILL after a random time, and the file that it leaves is looked through, byte by
 * byte, for the canary. First without encryption, where the canary must be found: else nothing
 * would be shown. A file that was left is overwritten by the next child.
 *
 * Usage: test-kills [--kills N]
 */
#include "memman.h"

#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH         "kills-test-file"
#define PAGES        512u
#define FRAMES       64u
#define CANARY_WORDS 2u
#define KILLS        40u
#define CONTROLS     5u
#define DELAY_MAX_US 15000u

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "kills_test: " __VA_ARGS__);                                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct random_generator chance;

/* Page for ever; a byte to `ready` says that it has begun. */
static _Noreturn void be_child(enum mm_encrypt encrypt, const uint64_t *canary, int ready)
{
    static uint64_t page[MM_PAGE_BYTES / sizeof(uint64_t)];
    struct mm_options options;
    struct mm_detail detail;
    uint64_t base;
    mm *manager;

    mm_options_init(&options);
    options.machine = MM_MACHINE_SOFT;
    options.memory_bytes = PAGES * MM_PAGE_BYTES;
    options.frames_bytes = FRAMES * MM_PAGE_BYTES;
    options.threads_max = 2;
    options.store = "file:" PATH;
    options.overwrite = true;
    options.encrypt = encrypt;
    for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++)
        page[i] = canary[i % CANARY_WORDS];
    if (mm_create(&options, &manager, &detail) != MM_OK) {
        fprintf(stderr, "kills_test: %s\n", detail.text);
        _exit(1);
    }
    if (mm_reserve(manager, PAGES * MM_PAGE_BYTES, &base) != MM_OK ||
        mm_commit(manager, base, PAGES * MM_PAGE_BYTES, MM_READ_WRITE) != MM_OK)
        _exit(1);
    if (write(ready, "x", 1) != 1)
        _exit(1);
    for (uint32_t at = 0;; at = (at + 1) % PAGES)
        if (mm_write(manager, base + (uint64_t)at * MM_PAGE_BYTES, page, sizeof(page)) != MM_OK)
            _exit(1);
}

/* Is the canary anywhere in the file? *ret_used: some byte of it was written. */
static bool canary_in_file(const uint64_t *canary, bool *ret_used)
{
    int fd = open(PATH, O_RDONLY | O_CLOEXEC);
    struct stat status;
    bool found;

    CHECK(fd >= 0 && fstat(fd, &status) == 0, "the killed process left no file: %s\n",
          strerror(errno));
    *ret_used = false;
    if (status.st_size == 0) {
        close(fd);
        return false;
    }
    unsigned char *bytes =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    CHECK(bytes != MAP_FAILED, "the file cannot be mapped\n");
    for (off_t i = 0; i < status.st_size && !*ret_used; i++)
        *ret_used = bytes[i] != 0;
    /* Half of it is enough, wherever it begins. */
    found = memmem(bytes, (size_t)status.st_size, canary, sizeof(canary[0])) != NULL ||
            memmem(bytes, (size_t)status.st_size, canary + 1, sizeof(canary[0])) != NULL;
    munmap(bytes, (size_t)status.st_size);
    close(fd);
    return found;
}

static bool kill_one(enum mm_encrypt encrypt, bool *ret_used)
{
    uint64_t canary[CANARY_WORDS] = {random_next(&chance), random_next(&chance)};
    struct timespec delay = {0, (long)random_below(&chance, DELAY_MAX_US) * 1000};
    int ready[2], status;
    char byte;

    CHECK(pipe(ready) == 0, "no pipe\n");
    pid_t child = fork();
    CHECK(child >= 0, "no process\n");
    if (child == 0)
        be_child(encrypt, canary, ready[1]);
    close(ready[1]);
    CHECK(read(ready[0], &byte, 1) == 1, "a child could not page\n");
    close(ready[0]);
    nanosleep(&delay, NULL);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a child ended by itself\n");
    return canary_in_file(canary, ret_used);
}

int main(int count, char **arguments)
{
    unsigned long kills = KILLS, used_count = 0, seen = 0;
    bool used;

    if (count == 3 && strcmp(arguments[1], "--kills") == 0)
        kills = strtoul(arguments[2], NULL, 10);
    random_seed(&chance, (uint64_t)time(NULL), (uint64_t)getpid());
    for (unsigned i = 0; i < CONTROLS; i++)
        seen += kill_one(MM_ENCRYPT_OFF, &used);
    CHECK(seen > 0, "without encryption nothing is found either: the search is blind\n");
    for (unsigned long i = 0; i < kills; i++) {
        CHECK(!kill_one(MM_ENCRYPT_AUTO, &used), "the canary is in the file after kill %lu\n",
              i + 1);
        used_count += used;
    }
    unlink(PATH);
    CHECK(used_count > kills / 2, "only %lu of %lu files were written to\n", used_count, kills);
    printf("kills-test: %lu kills, %lu files written to, nothing readable; without encryption "
           "%lu of %u were\n",
           kills, used_count, seen, CONTROLS);
    return 0;
}
