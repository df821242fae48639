/*
 * scenario_model.c - what memory is to its user, and whether an order of steps explains a run.
 *
 * A page is committed or not, may be written or not, and holds a version. Every step is one act
 * on that. An order must keep the order within a fiber, and that of steps of which one ended
 * before the other began. Trims, writes to the store and the like are no acts: nobody sees them.
 */
#include "scenario.h"

struct model_page {
    bool committed, writable;
    uint32_t version, pins;
};

struct model {
    const struct scenario *scenario;
    const struct history *history;
    page_number pages;
};

/* What changes from step to step. */
struct situation {
    struct model_page pages[SCENARIO_PAGES];
    bool released;
    uint32_t next[SCENARIO_FIBERS];
};

/* Did a read of the page fail in a step that was under way together with this one, or in itself? */
static bool read_failed(const struct model *model, page_number page, const struct outcome *outcome)
{
    for (unsigned fiber = 0; fiber < SCENARIO_FIBERS; fiber++) {
        for (unsigned i = 0; i < SCENARIO_STEPS && model->scenario->fibers[fiber][i].act != NOTHING;
             i++) {
            const struct outcome *reader = &model->history->steps[fiber][i];

            if ((reader->reads_failed >> page & 1) && reader->begin <= outcome->end &&
                outcome->begin <= reader->end)
                return true;
        }
    }
    return false;
}

/* Could the access end so? If it got through, it has done its act. */
static bool access_explained(const struct model *model, struct situation *now, page_number number,
                             bool write, const struct outcome *outcome)
{
    struct model_page *page = &now->pages[number];
    bool permitted = page->committed && (!write || page->writable);

    switch (outcome->result) {
    case FAULT_RESOLVED:
        if (!permitted || (!write && page->version != outcome->version))
            return false;
        page->version = outcome->version;
        return true;
    case FAULT_ACCESS_VIOLATION:
        return !permitted;
    default:
        return permitted && read_failed(model, number, outcome);
    }
}

static bool pin_explained(const struct model *model, struct situation *now, page_number page,
                          bool write, const struct outcome *outcome)
{
    struct outcome access = *outcome;

    if (outcome->result == PIN_LIMIT)
        return model->scenario->pins_full;
    access.result = outcome->result == PIN_DONE               ? FAULT_RESOLVED
                    : outcome->result == PIN_ACCESS_VIOLATION ? FAULT_ACCESS_VIOLATION
                                                              : FAULT_IN_PAGE_ERROR;
    if (!access_explained(model, now, page, write, &access))
        return false;
    now->pages[page].pins += outcome->result == PIN_DONE;
    return true;
}

/* A page that the step would take away, or take a right from, is pinned. */
static bool pinned(const struct model *model, const struct situation *now, const struct step *step)
{
    uint32_t pins = 0;

    for (page_number page = 0; page < model->pages; page++)
        pins += step->act == RELEASE || page == step->page ? now->pages[page].pins : 0;
    return pins > 0 && step->act != COMMIT && step->act != PROTECT_WRITE;
}

static bool space_explained(const struct model *model, struct situation *now,
                            const struct step *step, const struct outcome *outcome)
{
    struct model_page *page = &now->pages[step->page];

    if (outcome->result == SPACE_BUSY || pinned(model, now, step))
        return outcome->result == SPACE_BUSY && pinned(model, now, step);
    if (outcome->result == SPACE_NO_REGION || now->released)
        return now->released && outcome->result == SPACE_NO_REGION;
    if (outcome->result == SPACE_LIMIT) /* nothing has changed */
        return step->act == COMMIT && !page->committed && model->scenario->growths_fail > 0;
    if (step->act == PROTECT_READ || step->act == PROTECT_WRITE) {
        page->writable = step->act == PROTECT_WRITE;
        return outcome->result == (page->committed ? SPACE_DONE : SPACE_NOT_COMMITTED);
    }
    if (step->act == COMMIT && !page->committed)
        *page = (struct model_page){.committed = true, .writable = true};
    if (step->act == DECOMMIT)
        *page = (struct model_page){.committed = false};
    for (page_number i = 0; step->act == RELEASE && i < model->pages; i++)
        now->pages[i] = (struct model_page){.committed = false};
    now->released |= step->act == RELEASE;
    return outcome->result == SPACE_DONE;
}

/* One act; false: it could not end so now. */
static bool take_step(const struct model *model, struct situation *now, const struct step *step,
                      const struct outcome *outcome)
{
    struct model_page *page = &now->pages[step->page];

    switch (step->act) {
    case READ:
    case WRITE:
        return access_explained(model, now, step->page, step->act == WRITE, outcome);
    case PIN_READ:
    case PIN_WRITE:
        return pin_explained(model, now, step->page, step->act == PIN_WRITE, outcome);
    case UNPIN:
        page->pins -= (outcome - 1)->result == PIN_DONE;
        return true;
    case COMMIT:
    case DECOMMIT:
    case RELEASE:
    case PROTECT_READ:
    case PROTECT_WRITE:
        return space_explained(model, now, step, outcome);
    default:
        return true;
    }
}

static bool all_taken(const struct model *model, const struct situation *now)
{
    for (unsigned fiber = 0; fiber < SCENARIO_FIBERS; fiber++) {
        if (now->next[fiber] < SCENARIO_STEPS &&
            model->scenario->fibers[fiber][now->next[fiber]].act != NOTHING)
            return false;
    }
    return true;
}

static bool end_explained(const struct model *model, const struct situation *now)
{
    for (page_number page = 0; page < model->pages; page++) {
        struct situation copy = *now;

        if (!access_explained(model, &copy, page, false, &model->history->last[page]))
            return false;
    }
    return true;
}

/* Did another fiber's next step end before this one began? Then that one comes first. */
static bool comes_later(const struct model *model, const struct situation *now, unsigned fiber)
{
    uint32_t begin = model->history->steps[fiber][now->next[fiber]].begin;

    for (unsigned other = 0; other < SCENARIO_FIBERS; other++) {
        uint32_t next = now->next[other];

        if (other != fiber && next < SCENARIO_STEPS &&
            model->scenario->fibers[other][next].act != NOTHING &&
            model->history->steps[other][next].end < begin)
            return true;
    }
    return false;
}

static bool explain(const struct model *model, const struct situation *now)
{
    if (all_taken(model, now))
        return end_explained(model, now);
    for (unsigned fiber = 0; fiber < SCENARIO_FIBERS; fiber++) {
        struct situation after = *now;
        uint32_t next = now->next[fiber];

        if (next == SCENARIO_STEPS || model->scenario->fibers[fiber][next].act == NOTHING ||
            comes_later(model, now, fiber))
            continue;
        after.next[fiber]++;
        if (take_step(model, &after, &model->scenario->fibers[fiber][next],
                      &model->history->steps[fiber][next]) &&
            explain(model, &after))
            return true;
    }
    return false;
}

bool model_explains(const struct scenario *scenario, const struct history *history)
{
    struct model model = {scenario, history, scenario->pages};
    struct situation begin = {.released = false};

    for (page_number page = 0; page < scenario->pages; page++) {
        enum start start = scenario->start[page];
        bool zeros = start == UNTOUCHED || start == ZEROS || start == STANDBY_ZEROS;

        if (start != RESERVED)
            begin.pages[page] = (struct model_page){true, start != READ_ONLY, zeros ? 0 : 1, 0};
    }
    return explain(&model, &begin);
}
