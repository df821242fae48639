/*
 * page_model.c - what users of memory may see: one word per page and writer, and each page's rights.
 */
#include "page_model.h"

#include "world/fibers.h"

#include <string.h>

/* Sets of rights. */
#define RIGHTS_NONE      0x1u /* not committed */
#define RIGHTS_NO_ACCESS 0x2u
#define RIGHTS_READ      0x4u
#define RIGHTS_WRITE     0x8u
#define RIGHTS_READABLE  (RIGHTS_READ | RIGHTS_WRITE)

/* A value names page and writer, so that a stray page is seen to be one. */
#define VALUE_OF(page, writer, number)                                                             \
    ((uint64_t)((page) + 1) << 48 | (uint64_t)(writer) << 40 | (number))

struct word {
    uint64_t settled; /* the last write that ended; 0: never written, or zeroed since */
    uint64_t pending; /* the write under way; 0: none */
    uint64_t issued;  /* the last write that began */
    uint64_t clock;   /* when a write last began or ended */
    bool may_be_zero;
};

struct page {
    uint64_t clock;            /* when a change last began or ended */
    uint64_t delete_clock;     /* the same of those that delete */
    uint32_t changes, deletes; /* under way */
    uint8_t rights;
    struct word words[MODEL_USERS];
};

static struct {
    uint64_t clock;
    bool reads_may_fail;
    struct page pages[MODEL_PAGES];
} model;

void model_reset(void)
{
    memset(&model, 0, sizeof(model));
    for (page_number page = 0; page < MODEL_PAGES; page++)
        model.pages[page].rights = RIGHTS_NONE;
}

void model_reads_may_fail(void)
{
    model.reads_may_fail = true;
}

static uint8_t rights_of(enum protection protection)
{
    return protection == PROTECTION_READ_WRITE  ? RIGHTS_WRITE
           : protection == PROTECTION_READ_ONLY ? RIGHTS_READ
                                                : RIGHTS_NO_ACCESS;
}

/* ---- accesses ---- */

static void access_begin(struct model_access *access, page_number page, uint32_t writer)
{
    const struct word *word = &model.pages[page].words[writer];

    *access = (struct model_access){
        page,          writer,       ++model.clock,     word->settled,
        word->pending, word->issued, word->may_be_zero, model.pages[page].rights};
}

/* Did anything change the page's rights since? */
static bool page_changed(const struct model_access *access)
{
    const struct page *page = &model.pages[access->page];

    return page->changes > 0 || page->clock > access->clock;
}

static bool page_deleted(const struct model_access *access)
{
    const struct page *page = &model.pages[access->page];

    return page->deletes > 0 || page->delete_clock > access->clock;
}

/* The access ended as it did; do the rights allow that? */
static void check_rights(const struct model_access *access, enum fault_result result, bool write)
{
    uint8_t enough = write ? RIGHTS_WRITE : RIGHTS_READABLE;

    if (result == FAULT_IN_PAGE_ERROR) {
        if (!model.reads_may_fail)
            fibers_fail("page %u: an in-page error, and the store gave none", access->page);
        return;
    }
    if (page_changed(access))
        return;
    if (result == FAULT_RESOLVED && (access->rights & enough) == 0)
        fibers_fail("page %u: %s got through with rights %#x", access->page,
                    write ? "a write" : "a read", access->rights);
    if (result == FAULT_ACCESS_VIOLATION && (access->rights & ~enough) == 0)
        fibers_fail("page %u: %s was refused with rights %#x", access->page,
                    write ? "a write" : "a read", access->rights);
}

void model_read_begin(struct model_access *access, page_number page, uint32_t writer)
{
    access_begin(access, page, writer);
}

void model_read_end(const struct model_access *access, enum fault_result result, uint64_t value)
{
    const struct word *word = &model.pages[access->page].words[access->writer];
    uint64_t base = VALUE_OF(access->page, access->writer, 0), number = value - base;

    check_rights(access, result, false);
    if (result != FAULT_RESOLVED)
        return;
    if (value == 0 &&
        (access->settled == 0 || access->may_be_zero || word->may_be_zero || page_deleted(access)))
        return;
    if (value > base && (number == access->settled || number == access->pending ||
                         (number > access->issued && number <= word->issued)))
        return;
    fibers_fail("page %u, word of user %u: found %#llx, expected write %llu%s", access->page,
                access->writer, (unsigned long long)value, (unsigned long long)access->settled,
                access->may_be_zero ? " or zero" : "");
}

uint64_t model_write_begin(struct model_access *access, page_number page, uint32_t writer)
{
    struct word *word = &model.pages[page].words[writer];

    access_begin(access, page, writer);
    word->pending = ++word->issued;
    word->clock = access->clock;
    return VALUE_OF(page, writer, word->pending);
}

void model_write_end(const struct model_access *access, enum fault_result result)
{
    struct word *word = &model.pages[access->page].words[access->writer];

    check_rights(access, result, true);
    if (result == FAULT_RESOLVED) {
        word->settled = word->pending;
        word->may_be_zero = page_deleted(access); /* before the write, or after it */
    }
    word->pending = 0;
    word->clock = ++model.clock;
}

/* ---- changes ---- */

static uint8_t rights_after(enum model_act act, uint8_t before, enum protection protection)
{
    if (act == MODEL_DELETE)
        return RIGHTS_NONE;
    if (act == MODEL_PROTECT)
        return rights_of(protection);
    return (uint8_t)((before & ~RIGHTS_NONE) | (before & RIGHTS_NONE ? rights_of(protection) : 0));
}

void model_change_begin(struct model_change *change, enum model_act act, page_number first,
                        page_number count, enum protection protection)
{
    *change =
        (struct model_change){.act = act, .first = first, .count = count, .protection = protection};
    change->clock = ++model.clock;
    for (page_number i = 0; i < count; i++) {
        struct page *page = &model.pages[first + i];

        change->rights[i] = page->rights;
        page->rights |= rights_after(act, page->rights, protection);
        page->changes++;
        page->clock = change->clock;
        if (act != MODEL_DELETE)
            continue;
        page->deletes++;
        page->delete_clock = change->clock;
        for (uint32_t writer = 0; writer < MODEL_USERS; writer++) {
            change->zeros[i] |= (uint8_t)(page->words[writer].may_be_zero << writer);
            page->words[writer].may_be_zero = true;
        }
    }
}

/* A delete that nothing overlapped is over: the words nobody wrote meanwhile are known. */
static void settle_words(struct page *page, const struct model_change *change, uint8_t zeros,
                         bool done)
{
    for (uint32_t writer = 0; writer < MODEL_USERS; writer++) {
        struct word *word = &page->words[writer];

        if (word->pending != 0 || word->clock > change->clock)
            continue;
        if (done)
            word->settled = 0;
        word->may_be_zero = !done && (zeros >> writer & 1) != 0;
    }
}

static void check_change(const struct model_change *change, page_number i, enum space_result result)
{
    uint8_t before = change->rights[i];

    if (result == SPACE_REFUSED || result == SPACE_NO_ROOM ||
        (result == SPACE_LIMIT && change->act != MODEL_COMMIT) ||
        (result == SPACE_NOT_COMMITTED && change->act != MODEL_PROTECT))
        fibers_fail("page %u: a change that cannot end so: %d", change->first + i, result);
    if (change->act == MODEL_PROTECT && result == SPACE_DONE && before == RIGHTS_NONE)
        fibers_fail("page %u: protected, and is not committed", change->first + i);
}

void model_change_end(const struct model_change *change, enum space_result result)
{
    uint64_t now = ++model.clock;

    for (page_number i = 0; i < change->count; i++) {
        struct page *page = &model.pages[change->first + i];
        bool alone = page->changes == 1 && page->clock == change->clock,
             done = result == SPACE_DONE;

        if (alone)
            check_change(change, i, result);
        if (alone && result != SPACE_BUSY) { /* busy: the pages in front may have gone */
            page->rights = done ? rights_after(change->act, change->rights[i], change->protection)
                                : change->rights[i];
            if (change->act == MODEL_DELETE)
                settle_words(page, change, change->zeros[i], done);
        }
        page->changes--;
        page->clock = now;
        if (change->act == MODEL_DELETE) {
            page->deletes--;
            page->delete_clock = now;
        }
    }
}

bool model_readable(page_number page)
{
    return (model.pages[page].rights & ~RIGHTS_READABLE) == 0;
}

bool model_unreadable(page_number page)
{
    return (model.pages[page].rights & RIGHTS_READABLE) == 0;
}
