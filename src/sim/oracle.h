/*
 * oracle.h - what every word of the managed memory may hold now, kept outside of it.
 *
 * Each page has registers: a word for each user, and the fill, which is the rest of the page past
 * FILL_FIRST and is written by the page's owner only. A register has one writer, who counts its
 * writes, so a reader needs no history: a value must lie between the last write that was complete
 * when the read began and the last one begun when it ended. Values carry page and register, so
 * bytes of another page never pass. A decommit turns a page into zeros; what races with it is
 * checked less strictly and never less than this.
 *
 * Nothing here is a point: between two points the account changes as a whole.
 */
#ifndef MM_SIM_ORACLE_H
#define MM_SIM_ORACLE_H

#include "contract/machine.h"
#include "engine/pte.h"
#include "sim/options.h"

#define PAGE_WORDS  (MM_PAGE_SIZE / sizeof(uint64_t))
#define FILL_FIRST  64u /* word of the page; below it are the users' */
#define FILL_WORDS  (PAGE_WORDS - FILL_FIRST)
#define ORACLE_FILL SIM_THREADS_MAX /* register number */

/* What a page may be; more than one where an operation ended half way. */
enum page_right {
    RIGHT_NONE = 1,  /* not committed */
    RIGHT_GUARD = 2, /* committed, no access */
    RIGHT_READ = 4,
    RIGHT_WRITE = 8
};

struct oracle_register {
    uint32_t started; /* writes begun */
    uint32_t least;   /* no older write may be seen any more */
    bool zero;        /* zeros may be seen */
    bool writing;
};

struct oracle_page {
    uint32_t changes;  /* begun and ended changes of rights: odd while one is under way */
    uint32_t zeroings; /* the same of decommits */
    uint8_t rights;
    struct oracle_register registers[SIM_THREADS_MAX + 1];
};

struct oracle {
    struct oracle_page *pages;
    page_number page_count;
    uint32_t threads;
    /* Who may fail: told by the store. NULL: no read ever fails. */
    bool (*excused)(void *context, page_number page, uint64_t before);
    uint64_t (*faults)(void *context, page_number page); /* failed reads of the page so far */
    void *context;
    uint64_t errors; /* accesses that ended as in-page errors */
};

/* One access under way, as it looked at its begin. */
struct oracle_access {
    page_number page;
    uint32_t changes, zeroings;
    uint8_t rights;
    uint64_t faults;
    struct oracle_register before[SIM_THREADS_MAX + 1];
};

/* 0 or -ENOMEM. No page is committed. */
int oracle_create(struct oracle *oracle, page_number pages, uint32_t threads);
void oracle_destroy(struct oracle *oracle);

/* The value of a register's nth write; word `at` of the fill differs from its neighbours. */
uint64_t oracle_value(page_number page, uint32_t which, uint32_t at, uint32_t nth);

void oracle_begin(const struct oracle *oracle, page_number page, struct oracle_access *ret_access);
/*
 * The access ended so. Where rights changed meanwhile, only an in-page error needs a reason; where
 * they did not, who may not read a page learns nothing of its slot.
 */
void oracle_judge(struct oracle *oracle, const struct oracle_access *access, bool write,
                  enum fault_result result);
/* One access over two pages failed: one of them must have had a reason. */
void oracle_judge_either(struct oracle *oracle, const struct oracle_access *first,
                         const struct oracle_access *second, enum fault_result result);
/* A word of the page was read. */
void oracle_saw(struct oracle *oracle, const struct oracle_access *access, uint32_t word,
                uint64_t value);
/* Every word of the page was read. */
void oracle_saw_page(struct oracle *oracle, const struct oracle_access *access,
                     const uint64_t *words);

/* The register's writer begins its next write and learns its number. */
uint32_t oracle_write_begin(struct oracle *oracle, struct oracle_access *ret_access,
                            page_number page, uint32_t which);
void oracle_write_end(struct oracle *oracle, const struct oracle_access *access, uint32_t which,
                      enum fault_result result);

/* A run of pages changes; one change at a time for each page. `zeroes`: it is decommitted. */
void oracle_change_begin(struct oracle *oracle, page_number first, page_number count, bool zeroes);
/* It is over: rights are `rights`; or, where it did not complete, those as well as the old ones. */
void oracle_change_end(struct oracle *oracle, page_number first, page_number count, bool zeroes,
                       bool complete, uint8_t rights);
/* A commit: what was committed keeps its rights. */
void oracle_commit_end(struct oracle *oracle, page_number first, page_number count, bool complete,
                       uint8_t rights);

uint8_t oracle_right_of(enum protection protection);

#endif
