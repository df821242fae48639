/*
 * direct.c - O_DIRECT reads and writes of pinned pages, and a check that no byte of them is lost.
 *
 * The device takes from and stores into the frame itself. The rule is: pinned for the whole of the
 * transfer (for writing, if the device stores). What a page or a block of the file holds follows
 * from a seed, which the shadow keeps; what the device stored is looked at much later again, when
 * the page has been trimmed, written and read back.
 */
#include "torture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_PAGES  (DIRECT_PAGES / DIRECT_THREADS)
#define RUN_MAX    8u
#define FILE_PAGES 64u

struct direct {
    char *pages;
    int file;
    uint64_t random, next_seed;
    uint64_t page_seeds[OWN_PAGES]; /* 0: zeros */
    uint64_t file_seeds[FILE_PAGES];
};

static struct direct directs[DIRECT_THREADS];

static uint64_t word_of(uint64_t seed, uint64_t index)
{
    return seed == 0 ? 0 : (seed * 0x9e3779b97f4a7c15u) ^ (index << 48 | seed);
}

static void expect_page(const struct direct *self, uint64_t page, const char *what)
{
    const volatile uint64_t *words =
        (const volatile uint64_t *)(const void *)(self->pages + page * PAGE);
    for (uint64_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t expected = word_of(self->page_seeds[page], i), found = words[i];
        if (found != expected) {
            torture_fail(what, (const void *)(uintptr_t)&words[i], expected, found);
        }
    }
}

static void write_page(struct direct *self, uint64_t page)
{
    volatile uint64_t *words = (volatile uint64_t *)(void *)(self->pages + page * PAGE);
    uint64_t seed = self->next_seed++;
    for (uint64_t i = 0; i < PAGE_WORDS; i++) {
        words[i] = word_of(seed, i);
    }
    self->page_seeds[page] = seed;
}

static void unpin_run(const struct direct *self, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        mm_unpin(ordeal.manager, (uintptr_t)self->pages + (first + i) * PAGE);
    }
}

static bool pin_run(const struct direct *self, uint64_t first, uint64_t count, bool write)
{
    for (uint64_t i = 0; i < count; i++) {
        char *page = self->pages + (first + i) * PAGE;
        void *pinned = NULL;
        int error = mm_pin(ordeal.manager, (uintptr_t)page, write, &pinned);
        if (error == MM_ERROR_PIN_LIMIT) {
            unpin_run(self, first, i);
            count_one(&ordeal.counts.pins_refused);
            return false;
        }
        if (error != MM_OK || pinned != page) {
            torture_fail("mm_pin failed", page, 0, (uint64_t)error);
        }
    }
    return true;
}

static void transfer_run(struct direct *self, bool write)
{
    uint64_t count = 1 + draw(&self->random, RUN_MAX);
    uint64_t first = draw(&self->random, OWN_PAGES - count + 1);
    uint64_t block = draw(&self->random, FILE_PAGES - count + 1);
    char *pages = self->pages + first * PAGE;
    off_t offset = (off_t)(block * PAGE);
    if (!pin_run(self, first, count, !write)) {
        return;
    }
    ssize_t done = write ? pwrite(self->file, pages, count * PAGE, offset)
                         : pread(self->file, pages, count * PAGE, offset);
    if (done != (ssize_t)(count * PAGE)) {
        torture_fail("an O_DIRECT transfer of pinned pages failed", pages, count * PAGE,
                     done < 0 ? (uint64_t)errno : (uint64_t)done);
    }
    for (uint64_t i = 0; i < count; i++) {
        if (write) {
            self->file_seeds[block + i] = self->page_seeds[first + i];
        } else {
            self->page_seeds[first + i] = self->file_seeds[block + i];
        }
        expect_page(self, first + i, "a pinned page differs after an O_DIRECT transfer");
    }
    unpin_run(self, first, count);
    count_one(write ? &ordeal.counts.direct_writes : &ordeal.counts.direct_reads);
}

void *direct_main(void *number)
{
    struct direct *self = &directs[(uintptr_t)number];
    while (!atomic_load(&ordeal.stop)) {
        uint64_t choice = draw(&self->random, 10), page = draw(&self->random, OWN_PAGES);
        if (choice < 3) {
            transfer_run(self, true);
        } else if (choice < 7) {
            transfer_run(self, false);
        } else if (choice < 8) {
            write_page(self, page);
        } else {
            expect_page(self, page, "a page of the O_DIRECT area was lost or altered");
        }
    }
    return NULL;
}

/* A file without a name, in this folder; -1 where its file system has no O_DIRECT. */
static int open_direct(void)
{
    char name[] = "torture-XXXXXX";
    int file = open(".", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    if (file < 0 && (file = mkstemp(name)) >= 0) {
        unlink(name);
        if (fcntl(file, F_SETFL, O_DIRECT) != 0) {
            close(file);
            file = -1;
        }
    }
    return file;
}

static bool fill_file(int file)
{
    static _Alignas(4096) char zeros[MM_PAGE_BYTES];
    for (uint64_t i = 0; i < FILE_PAGES; i++) {
        if (pwrite(file, zeros, PAGE, (off_t)(i * PAGE)) != (ssize_t)PAGE) {
            return false;
        }
    }
    return true;
}

void direct_prepare(void)
{
    ordeal.direct_works = true;
    for (uint64_t i = 0; i < DIRECT_THREADS; i++) {
        struct direct *self = &directs[i];
        self->pages = ordeal.direct_pages + i * OWN_PAGES * PAGE;
        self->random = ordeal.seed + 31 * (i + 1);
        self->next_seed = 1 + i * 0x100000000u;
        self->file = open_direct();
        if (self->file < 0 || !fill_file(self->file)) {
            printf("torture (%s): no O_DIRECT: no such file in this folder: %s\n", ordeal.mode,
                   strerror(errno));
            ordeal.direct_works = false;
            return;
        }
    }
}

void direct_check_end(void)
{
    for (uint64_t i = 0; ordeal.direct_works && i < DIRECT_THREADS; i++) {
        for (uint64_t page = 0; page < OWN_PAGES; page++) {
            expect_page(&directs[i], page, "a page of the O_DIRECT area is wrong at the end");
        }
        close(directs[i].file);
    }
}
