/*
 * oracle.c - what every word of the managed memory may hold now, kept outside of it.
 */
#include "sim/oracle.h"

#include "world/fibers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int oracle_create(struct oracle *oracle, page_number pages, uint32_t threads)
{
    *oracle = (struct oracle){.page_count = pages, .threads = threads};
    oracle->pages = calloc(pages, sizeof(*oracle->pages));
    if (oracle->pages == NULL)
        return -ENOMEM;
    for (page_number page = 0; page < pages; page++) {
        oracle->pages[page].rights = RIGHT_NONE;
        for (uint32_t i = 0; i <= ORACLE_FILL; i++)
            oracle->pages[page].registers[i] = (struct oracle_register){.least = 1, .zero = true};
    }
    return 0;
}

void oracle_destroy(struct oracle *oracle)
{
    free(oracle->pages);
    oracle->pages = NULL;
}

/* ---- values ---- */

uint64_t oracle_value(page_number page, uint32_t which, uint32_t at, uint32_t nth)
{
    return (uint64_t)(page + 1) << 44 | (uint64_t)(which << 9 | at) << 28 | nth;
}

#define NTH_MASK ((1u << 28) - 1)

static uint32_t register_of_word(const struct oracle *oracle, uint32_t word)
{
    return word >= FILL_FIRST ? ORACLE_FILL : word < oracle->threads ? word : UINT32_MAX;
}

uint8_t oracle_right_of(enum protection protection)
{
    return protection == PROTECTION_READ_WRITE  ? RIGHT_WRITE
           : protection == PROTECTION_READ_ONLY ? RIGHT_READ
                                                : RIGHT_GUARD;
}

/* ---- accesses ---- */

void oracle_begin(const struct oracle *oracle, page_number page, struct oracle_access *ret_access)
{
    const struct oracle_page *at = &oracle->pages[page];

    ret_access->page = page;
    ret_access->changes = at->changes;
    ret_access->zeroings = at->zeroings;
    ret_access->rights = at->rights;
    ret_access->faults = oracle->faults == NULL ? 0 : oracle->faults(oracle->context, page);
    for (uint32_t i = 0; i < oracle->threads; i++)
        ret_access->before[i] = at->registers[i];
    ret_access->before[ORACLE_FILL] = at->registers[ORACLE_FILL];
}

static bool rights_stable(const struct oracle *oracle, const struct oracle_access *access)
{
    return !(access->changes & 1) && oracle->pages[access->page].changes == access->changes;
}

static bool content_stable(const struct oracle *oracle, const struct oracle_access *access)
{
    return !(access->zeroings & 1) && oracle->pages[access->page].zeroings == access->zeroings;
}

/* Could it have ended so? */
static bool possible(const struct oracle *oracle, const struct oracle_access *access, bool write,
                     enum fault_result result)
{
    uint8_t refusing = RIGHT_NONE | RIGHT_GUARD | (write ? RIGHT_READ : 0);

    if (result == FAULT_IN_PAGE_ERROR &&
        (oracle->excused == NULL ||
         !oracle->excused(oracle->context, access->page, access->faults)))
        return false;
    if (!rights_stable(oracle, access))
        return true;
    return result == FAULT_ACCESS_VIOLATION ? (access->rights & refusing) != 0
                                            : (access->rights & ~refusing) != 0;
}

static const char *result_name(enum fault_result result)
{
    return result == FAULT_RESOLVED           ? "succeeded"
           : result == FAULT_ACCESS_VIOLATION ? "ended as an access violation"
                                              : "ended as an in-page error";
}

void oracle_judge(struct oracle *oracle, const struct oracle_access *access, bool write,
                  enum fault_result result)
{
    oracle->errors += result == FAULT_IN_PAGE_ERROR;
    if (!possible(oracle, access, write, result))
        fibers_fail("oracle: an access %s that must not: %s of page %u, rights %u",
                    result_name(result), write ? "write" : "read", access->page, access->rights);
}

void oracle_judge_either(struct oracle *oracle, const struct oracle_access *first,
                         const struct oracle_access *second, enum fault_result result)
{
    oracle->errors += result == FAULT_IN_PAGE_ERROR;
    if (!possible(oracle, first, false, result) && !possible(oracle, second, false, result))
        fibers_fail("oracle: an access %s that must not: read of pages %u and %u, rights %u and %u",
                    result_name(result), first->page, second->page, first->rights, second->rights);
}

/* ---- contents ---- */

static _Noreturn void wrong_word(const struct oracle *oracle, const struct oracle_access *access,
                                 uint32_t word, uint64_t value, const char *what)
{
    uint32_t which = register_of_word(oracle, word);
    const struct oracle_register *now =
        which == UINT32_MAX ? NULL : &oracle->pages[access->page].registers[which];

    fibers_fail("oracle: %s: word %u of page %u is 0x%016" PRIx64 " (page %d, register %u, write "
                "%u); expected write %u to %u%s",
                what, word, access->page, value, (int)(value >> 44) - 1,
                (unsigned)(value >> 37) & 127, (unsigned)value & NTH_MASK,
                now == NULL ? 0 : access->before[which].least, now == NULL ? 0 : now->started,
                now != NULL && access->before[which].zero ? " or zero" : "");
}

/* Returns the number of the write that was seen; 0: zeros. */
static uint32_t check_word(struct oracle *oracle, const struct oracle_access *access, uint32_t word,
                           uint32_t which, uint64_t value, bool stable)
{
    const struct oracle_register *before = &access->before[which];
    uint32_t nth = (uint32_t)value & NTH_MASK;
    uint32_t at = which == ORACLE_FILL ? word - FILL_FIRST : 0;

    if (value == 0) {
        if (stable && !before->zero)
            wrong_word(oracle, access, word, value, "a page lost its content");
        return 0;
    }
    if (value != oracle_value(access->page, which, at, nth))
        wrong_word(oracle, access, word, value, "bytes that nobody wrote there");
    if (nth > oracle->pages[access->page].registers[which].started)
        wrong_word(oracle, access, word, value, "a write that was not yet made");
    if (stable && nth < before->least)
        wrong_word(oracle, access, word, value, "a write was lost");
    return nth;
}

/* Once seen, never older again. */
static void remember_seen(struct oracle *oracle, page_number page, uint32_t which, uint32_t nth)
{
    struct oracle_register *now = &oracle->pages[page].registers[which];

    if (nth != 0 && nth >= now->least) {
        now->least = nth;
        now->zero = false;
    }
}

void oracle_saw(struct oracle *oracle, const struct oracle_access *access, uint32_t word,
                uint64_t value)
{
    uint32_t which = register_of_word(oracle, word);
    bool stable = content_stable(oracle, access);
    uint32_t nth;

    if (which == UINT32_MAX) {
        if (value != 0)
            wrong_word(oracle, access, word, value, "bytes where nobody writes");
        return;
    }
    nth = check_word(oracle, access, word, which, value, stable);
    if (stable && which != ORACLE_FILL)
        remember_seen(oracle, access->page, which, nth);
}

void oracle_saw_page(struct oracle *oracle, const struct oracle_access *access,
                     const uint64_t *words)
{
    bool stable = content_stable(oracle, access);

    for (uint32_t word = 0; word < FILL_FIRST; word++)
        oracle_saw(oracle, access, word, words[word]);
    for (uint32_t word = FILL_FIRST; word < PAGE_WORDS; word++)
        check_word(oracle, access, word, ORACLE_FILL, words[word], stable);
}

/* ---- writes ---- */

uint32_t oracle_write_begin(struct oracle *oracle, struct oracle_access *ret_access,
                            page_number page, uint32_t which)
{
    struct oracle_register *now = &oracle->pages[page].registers[which];

    oracle_begin(oracle, page, ret_access);
    now->writing = true;
    return ++now->started;
}

void oracle_write_end(struct oracle *oracle, const struct oracle_access *access, uint32_t which,
                      enum fault_result result)
{
    struct oracle_register *now = &oracle->pages[access->page].registers[which];

    oracle_judge(oracle, access, true, result);
    now->writing = false;
    if (result != FAULT_RESOLVED) {
        now->started--; /* nothing was stored */
        return;
    }
    now->least = MAX_OF(now->least, now->started);
    now->zero = !content_stable(oracle, access);
}

/* ---- changes ---- */

void oracle_change_begin(struct oracle *oracle, page_number first, page_number count, bool zeroes)
{
    for (page_number page = first; page < first + count; page++) {
        oracle->pages[page].changes++;
        oracle->pages[page].zeroings += zeroes;
    }
}

/* Zeros now; a write under way may land before or after. */
static void content_gone(struct oracle_page *page, uint32_t threads, bool complete)
{
    for (uint32_t i = 0; i <= ORACLE_FILL; i++) {
        struct oracle_register *now = &page->registers[i];

        if (i >= threads && i != ORACLE_FILL)
            continue;
        now->zero = true;
        if (complete)
            now->least = now->writing ? now->started : now->started + 1;
    }
}

void oracle_change_end(struct oracle *oracle, page_number first, page_number count, bool zeroes,
                       bool complete, uint8_t rights)
{
    for (page_number page = first; page < first + count; page++) {
        struct oracle_page *at = &oracle->pages[page];

        at->changes++;
        at->rights = complete ? rights : at->rights | rights;
        if (zeroes) {
            at->zeroings++;
            content_gone(at, oracle->threads, complete);
        }
    }
}

void oracle_commit_end(struct oracle *oracle, page_number first, page_number count, bool complete,
                       uint8_t rights)
{
    for (page_number page = first; page < first + count; page++) {
        struct oracle_page *at = &oracle->pages[page];

        at->changes++;
        if (complete && (at->rights & RIGHT_NONE))
            at->rights = (at->rights & ~RIGHT_NONE) | rights;
    }
}
