/*
 * plain.c - policies made a second time, straight from their papers, slow and plain.
 *
 * Rows of pages that are searched from end to end. Nothing here is of src/judge, and nothing there
 * is like this: what both count alike is hardly wrong in both.
 */
#include "plain.h"

#include <assert.h>
#include <string.h>

#define PAGES_AT_ONCE 4096u

/* Oldest first. */
struct row {
    size_t count;
    uint64_t page[PAGES_AT_ONCE];
};

static bool row_find(const struct row *row, uint64_t page, size_t *ret_at)
{
    for (size_t at = row->count; at-- > 0;) {
        if (row->page[at] == page) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

static uint64_t row_drop(struct row *row, size_t at)
{
    uint64_t page = row->page[at];

    assert(at < row->count);
    row->count--;
    memmove(&row->page[at], &row->page[at + 1], (row->count - at) * sizeof(row->page[0]));
    return page;
}

static void row_add(struct row *row, uint64_t page)
{
    assert(row->count < PAGES_AT_ONCE);
    row->page[row->count++] = page;
}

/* Out of the row if it is there. */
static bool row_forget(struct row *row, uint64_t page)
{
    size_t at;
    bool found = row_find(row, page, &at);

    if (found) {
        row_drop(row, at);
    }
    return found;
}

uint64_t plain_fifo(const struct plain *plain, size_t frames)
{
    struct row row = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        if (row_find(&row, plain->page[i], &at)) {
            continue;
        }
        misses++;
        if (row.count == frames) {
            row_drop(&row, 0);
        }
        row_add(&row, plain->page[i]);
    }
    return misses;
}

uint64_t plain_lru(const struct plain *plain, size_t frames)
{
    struct row row = {0};
    uint64_t misses = 0;

    for (size_t i = 0; i < plain->count; i++) {
        if (!row_forget(&row, plain->page[i])) {
            misses++;
            if (row.count == frames) {
                row_drop(&row, 0);
            }
        }
        row_add(&row, plain->page[i]);
    }
    return misses;
}

/* A real clock: places in a circle, and a hand. */
uint64_t plain_clock(const struct plain *plain, size_t frames)
{
    static bool used[PAGES_AT_ONCE];
    struct row row = {0};
    uint64_t misses = 0;
    size_t hand = 0, at;

    for (size_t i = 0; i < plain->count; i++) {
        if (row_find(&row, plain->page[i], &at)) {
            used[at] = true;
            continue;
        }
        misses++;
        if (row.count < frames) {
            used[row.count] = false;
            row_add(&row, plain->page[i]);
            continue;
        }
        for (; used[hand]; hand = (hand + 1) % frames) {
            used[hand] = false;
        }
        row.page[hand] = plain->page[i];
        hand = (hand + 1) % frames;
    }
    return misses;
}

uint64_t plain_segmented_fifo(const struct plain *plain, size_t frames)
{
    struct row first = {0}, second = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        if (row_find(&first, plain->page[i], &at)) {
            continue;
        }
        misses += !row_forget(&second, plain->page[i]);
        row_add(&first, plain->page[i]);
        if (first.count > frames - frames / 2) {
            row_add(&second, row_drop(&first, 0));
        }
        if (second.count > frames / 2) {
            row_drop(&second, 0);
        }
    }
    return misses;
}

/* Figure "2Q" of the paper, with Kin of 25 % and Kout of 50 %. */
uint64_t plain_two_queue(const struct plain *plain, size_t frames)
{
    const size_t kin = frames / 4 > 0 ? frames / 4 : 1, kout = frames / 2 > 0 ? frames / 2 : 1;
    struct row in = {0}, out = {0}, am = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        uint64_t page = plain->page[i];
        if (row_forget(&am, page)) {
            row_add(&am, page);
            continue;
        }
        if (row_find(&in, page, &at)) {
            continue;
        }
        bool remembered = row_find(&out, page, &at);
        misses++;
        if (in.count + am.count == frames && (in.count > kin || am.count == 0)) {
            row_add(&out, row_drop(&in, 0));
            if (out.count > kout) {
                row_drop(&out, 0);
            }
        } else if (in.count + am.count == frames) {
            row_drop(&am, 0);
        }
        row_forget(&out, page);
        row_add(remembered ? &am : &in, page);
    }
    return misses;
}

struct plain_arc {
    struct row t1, t2, b1, b2;
    double p;
};

static void plain_replace(struct plain_arc *arc, bool in_b2)
{
    double t1 = (double)arc->t1.count;

    if (arc->t1.count >= 1 && ((in_b2 && !(t1 < arc->p) && !(t1 > arc->p)) || t1 > arc->p)) {
        row_add(&arc->b1, row_drop(&arc->t1, 0));
    } else {
        row_add(&arc->b2, row_drop(&arc->t2, 0));
    }
}

/* Case IV. */
static void plain_arc_new(struct plain_arc *arc, size_t c)
{
    size_t l1 = arc->t1.count + arc->b1.count, l2 = arc->t2.count + arc->b2.count;

    if (l1 == c && arc->t1.count < c) {
        row_drop(&arc->b1, 0);
        plain_replace(arc, false);
    } else if (l1 == c) {
        row_drop(&arc->t1, 0);
    } else if (l1 + l2 >= c) {
        if (l1 + l2 == 2 * c) {
            row_drop(&arc->b2, 0);
        }
        plain_replace(arc, false);
    }
}

/* Figure 4 of the paper. */
uint64_t plain_arc(const struct plain *plain, size_t c)
{
    static struct plain_arc arc;
    uint64_t misses = 0;
    size_t at;

    arc = (struct plain_arc){0};
    for (size_t i = 0; i < plain->count; i++) {
        uint64_t x = plain->page[i];
        double b1 = (double)arc.b1.count, b2 = (double)arc.b2.count;
        if (row_forget(&arc.t1, x) || row_forget(&arc.t2, x)) {
            row_add(&arc.t2, x);
            continue;
        }
        misses++;
        if (row_find(&arc.b1, x, &at)) {
            arc.p += b1 >= b2 ? 1 : b2 / b1;
            arc.p = arc.p < (double)c ? arc.p : (double)c;
            plain_replace(&arc, false);
            row_forget(&arc.b1, x);
            row_add(&arc.t2, x);
        } else if (row_find(&arc.b2, x, &at)) {
            arc.p -= b2 >= b1 ? 1 : b1 / b2;
            arc.p = arc.p > 0 ? arc.p : 0;
            plain_replace(&arc, true);
            row_forget(&arc.b2, x);
            row_add(&arc.t2, x);
        } else {
            plain_arc_new(&arc, c);
            row_add(&arc.t1, x);
        }
    }
    return misses;
}

/* Looks at every page that could go. */
uint64_t plain_opt(const struct plain *plain, size_t frames)
{
    static size_t next[PAGES_AT_ONCE];
    struct row row = {0};
    uint64_t misses = 0;
    size_t at;

    for (size_t i = 0; i < plain->count; i++) {
        if (!row_find(&row, plain->page[i], &at)) {
            misses++;
            at = row.count;
            if (row.count < frames) {
                row_add(&row, plain->page[i]);
            } else {
                at = 0;
                for (size_t other = 1; other < frames; other++) {
                    at = next[other] > next[at] ? other : at;
                }
                row.page[at] = plain->page[i];
            }
        }
        next[at] = plain->next[i];
    }
    return misses;
}

/* Every page has a number for good, for what is known of it. */
static size_t number_of(struct row *known, uint64_t page)
{
    size_t at = known->count;

    if (!row_find(known, page, &at)) {
        row_add(known, page);
    }
    return at;
}

struct plain_clock2q {
    struct row known, small, main, ghost;
    bool used[PAGES_AT_ONCE];
    size_t came[PAGES_AT_ONCE]; /* how many had come to the small queue before */
    size_t comers;
};

/* A step of whoever has to give: S3-FIFO's eviction, with a ghost queue of half of the frames. */
static void plain_clock2q_step(struct plain_clock2q *c, size_t frames, size_t tenth)
{
    bool small = c->small.count >= tenth || c->main.count == 0;
    uint64_t page = row_drop(small ? &c->small : &c->main, 0);
    size_t number = number_of(&c->known, page);

    if (c->used[number]) {
        c->used[number] = false;
        row_add(&c->main, page);
    } else if (small) {
        row_add(&c->ghost, page);
        if (c->ghost.count > (frames / 2 > 0 ? frames / 2 : 1)) {
            row_drop(&c->ghost, 0);
        }
    }
}

uint64_t plain_clock2q(const struct plain *plain, size_t frames)
{
    static struct plain_clock2q c;
    const size_t tenth = frames / 10 > 0 ? frames / 10 : 1;
    uint64_t misses = 0;
    size_t at;

    c = (struct plain_clock2q){0};
    for (size_t i = 0; i < plain->count; i++) {
        uint64_t page = plain->page[i];
        size_t number = number_of(&c.known, page);
        if (row_find(&c.main, page, &at)) {
            c.used[number] = true;
            continue;
        }
        if (row_find(&c.small, page, &at)) {
            c.used[number] |= c.comers - c.came[number] > tenth / 2;
            continue;
        }
        bool remembered = row_forget(&c.ghost, page);
        misses++;
        while (c.small.count + c.main.count == frames) {
            plain_clock2q_step(&c, frames, tenth);
        }
        row_add(remembered ? &c.main : &c.small, page);
        c.used[number] = false;
        if (!remembered) {
            c.came[number] = c.comers++;
        }
    }
    return misses;
}

struct plain_page {
    bool resident, used;
    uint64_t generation, place; /* place: of all pages in the order they came into a generation */
};

struct plain_generations {
    struct row known;
    struct plain_page page[PAGES_AT_ONCE];
    uint64_t oldest, youngest, places;
};

static size_t generation_count(const struct plain_generations *g, uint64_t generation)
{
    size_t count = 0;

    for (size_t i = 0; i < g->known.count; i++) {
        count += g->page[i].resident && g->page[i].generation == generation;
    }
    return count;
}

/* The first of the oldest generation, or the first that was used; NULL: there is none. */
static struct plain_page *plain_first(struct plain_generations *g, bool used_only)
{
    struct plain_page *first = NULL;

    for (size_t i = 0; i < g->known.count; i++) {
        struct plain_page *page = &g->page[i];
        bool counts = used_only ? page->used && page->generation < g->youngest : true;
        if (page->resident && counts &&
            (first == NULL || page->generation < first->generation ||
             (page->generation == first->generation && page->place < first->place))) {
            first = page;
        }
    }
    return first;
}

static void plain_join(struct plain_generations *g, struct plain_page *page)
{
    page->used = false;
    page->generation = g->youngest;
    page->place = g->places++;
}

static void plain_generations_evict(struct plain_generations *g, size_t frames)
{
    for (;;) {
        struct plain_page *page = plain_first(g, false);
        g->oldest = page->generation > g->oldest ? page->generation : g->oldest;
        size_t generations = g->youngest - g->oldest + 1;
        bool unbalanced = generation_count(g, g->youngest) * 2 > frames ||
                          generation_count(g, g->oldest) * 4 < frames;
        if (generations <= 2 || (generations == 3 && unbalanced)) {
            g->youngest++;
            while ((page = plain_first(g, true)) != NULL) {
                plain_join(g, page);
            }
        } else if (page->used) {
            plain_join(g, page);
        } else {
            page->resident = false;
            return;
        }
    }
}

uint64_t plain_generations(const struct plain *plain, size_t frames)
{
    static struct plain_generations g;
    uint64_t misses = 0, resident = 0;

    g = (struct plain_generations){.youngest = 2};
    for (size_t i = 0; i < plain->count; i++) {
        struct plain_page *page = &g.page[number_of(&g.known, plain->page[i])];
        page->used = page->resident;
        if (page->resident) {
            continue;
        }
        misses++;
        if (resident == frames) {
            plain_generations_evict(&g, frames);
        } else {
            resident++;
        }
        page->resident = true;
        plain_join(&g, page);
    }
    return misses;
}
