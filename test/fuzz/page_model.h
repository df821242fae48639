/*
 * page_model.h - what users of memory may see: one word per page and writer, and each page's rights.
 *
 * Calls overlap, and nobody says in which order they took effect. So the model keeps sets: the
 * values a word may have, the rights a page may have. A call widens the sets when it begins and
 * narrows them when it ends, if nothing that concerns the same page overlapped it. What a call
 * returns must be in a set that held while it was under way.
 *
 * For fibers: nothing here makes a point. A contradiction ends the run by fibers_fail().
 */
#ifndef MM_TEST_FUZZ_PAGE_MODEL_H
#define MM_TEST_FUZZ_PAGE_MODEL_H

#include "engine/engine.h"

#define MODEL_PAGES 24u
#define MODEL_USERS 4u

void model_reset(void);

/* ---- one word of a page ---- */

struct model_access {
    page_number page;
    uint32_t writer;                   /* whose word */
    uint64_t clock;                    /* when it began */
    uint64_t settled, pending, issued; /* the word's, when it began */
    bool may_be_zero;
    uint8_t rights; /* the page's, when it began */
};

void model_read_begin(struct model_access *access, page_number page, uint32_t writer);
/* `value` counts where the result is FAULT_RESOLVED. */
void model_read_end(const struct model_access *access, enum fault_result result, uint64_t value);
/* Only the word's writer, one write at a time. Returns what to write. */
uint64_t model_write_begin(struct model_access *access, page_number page, uint32_t writer);
void model_write_end(const struct model_access *access, enum fault_result result);
/* The store gave an error since the run began: in-page errors are possible. */
void model_reads_may_fail(void);

/* ---- pages ---- */

enum model_act { MODEL_COMMIT, MODEL_PROTECT, MODEL_DELETE };

struct model_change {
    enum model_act act;
    page_number first, count;
    enum protection protection;
    uint64_t clock;
    uint8_t rights[MODEL_PAGES], zeros[MODEL_PAGES]; /* before it; zeros: a bit per writer */
};

/* `count` pages from `first`; the protection is that of commit and protect. */
void model_change_begin(struct model_change *change, enum model_act act, page_number first,
                        page_number count, enum protection protection);
void model_change_end(const struct model_change *change, enum space_result result);
/* The page certainly can, or certainly cannot, be read now; neither: nobody knows. */
bool model_readable(page_number page);
bool model_unreadable(page_number page);

#endif
