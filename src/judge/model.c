/*
 * model.c - what `memman run` would do with a policy: its trimmer, writer and lists, in short.
 *
 * The rules are those of engine/trim.c and engine/write.c, the policy is the very same code.
 * Workers take no time here: what a fault makes necessary has happened when it returns. There is
 * one thread, nothing is read ahead or mapped around, pages are numbered without the holes between
 * them, and a page that was never written to is read in again like any other.
 *
 * Active pages are in the working set; standby and modified are queues, oldest first. A frame comes
 * from the free ones, then from the oldest of standby.
 */
#include "contract/policy.h"
#include "judge/queues.h"

#include <stdlib.h>
#include <string.h>

enum { ACTIVE = 1, STANDBY, MODIFIED };

/* As the manager and the trimmer choose. */
#define REGION_PTES   256u
#define WRITE_BATCH   256u
#define BATCH_MAX     512u
#define LOOKS_FOR_ONE 16u
#define LOOK_MAX      4096u

struct model {
    struct queues queues; /* of active pages the order means nothing */
    const struct policy *policy;
    uint32_t free; /* frames */
    uint32_t regions, region_ptes, trim_batch, write_batch, look_max, standby_percent;
    bool unaccessed;
    uint8_t *registers; /* of each page */
    uint32_t *resident; /* active pages of each region */
    uint32_t hand;      /* the region that is looked at next */
    uint32_t waiters;   /* 1: the fault that is under way finds no frame */
};

static uint32_t target_frames(const struct model *model)
{
    return (uint32_t)((uint64_t)model->queues.frames * model->standby_percent / 100);
}

static uint32_t available(const struct model *model)
{
    return model->free + model->queues.count[STANDBY];
}

/* ---- trim ---- */

static uint32_t trim_goal(const struct model *model)
{
    uint32_t supply = available(model) + model->queues.count[MODIFIED];
    uint32_t target = MAX_OF(target_frames(model), model->waiters);
    return target > supply ? target - supply : 0;
}

static bool trim_needed(const struct model *model)
{
    uint32_t goal = trim_goal(model);
    return goal > 0 &&
           (goal >= model->trim_batch || goal > target_frames(model) / 2 || model->waiters > 0);
}

/* Pages that are looked at together. */
struct look {
    uint32_t count, pages[LOOK_MAX];
    uint8_t registers[LOOK_MAX];
    bool accessed[LOOK_MAX], modified[LOOK_MAX], victim[LOOK_MAX];
};

static void look_at_region(struct model *model, uint32_t region, unsigned pass, struct look *look)
{
    uint32_t first = region * model->region_ptes;
    uint32_t end = MIN_OF(first + model->region_ptes, model->queues.pages);
    for (uint32_t page = first; page < end; page++) {
        uint8_t flags = model->queues.flags[page];
        if (model->queues.of[page] == ACTIVE) {
            look->pages[look->count] = page;
            look->registers[look->count] = model->registers[page];
            look->accessed[look->count] = pass == 0 && (flags & PAGE_BIT) && !model->unaccessed;
            look->modified[look->count] = (flags & PAGE_DIRTY) != 0;
            look->count++;
            if (pass == 0) {
                model->queues.flags[page] = flags & (uint8_t)~PAGE_BIT;
            }
        }
    }
}

/* Regions in turn, until there are enough pages or the turns are over. */
static void look_at_regions(struct model *model, uint32_t enough, unsigned pass, uint32_t *turns,
                            struct look *ret)
{
    ret->count = 0;
    while (*turns > 0 && ret->count < enough && ret->count + model->region_ptes <= LOOK_MAX) {
        uint32_t region = model->hand;
        model->hand = (model->hand + 1) % model->regions;
        --*turns;
        if (model->resident[region] > 0) {
            look_at_region(model, region, pass, ret);
        }
    }
}

static uint32_t take_lowest(struct model *model, uint32_t wanted, unsigned pass, struct look *look)
{
    uint32_t taken = 0;
    model->policy->choose(&(struct policy_look){.count = look->count,
                                                .wanted = wanted,
                                                .pass = pass,
                                                .registers = look->registers,
                                                .accessed = look->accessed,
                                                .modified = look->modified,
                                                .ret_victim = look->victim});
    model->queues.verdict.looks += look->count;
    for (uint32_t i = 0; i < look->count; i++) {
        uint32_t page = look->pages[i];
        model->registers[page] = look->registers[i];
        if (look->victim[i] && taken < wanted) {
            queue_move(&model->queues, page, look->modified[i] ? MODIFIED : STANDBY);
            model->resident[page / model->region_ptes]--;
            taken++;
        }
    }
    return taken;
}

/* Without accessed bits one region after another. */
static uint32_t pages_to_look_at(const struct model *model, uint32_t wanted)
{
    return model->unaccessed ? 1 : MIN_OF(wanted * LOOKS_FOR_ONE, model->look_max);
}

/* All passes are one look. */
static void trim_round(struct model *model)
{
    struct look look;
    uint32_t wanted = trim_goal(model), taken = 0;
    for (unsigned pass = 0; pass <= POLICY_PASS_LAST; pass++) {
        uint32_t turns = model->regions;
        while (turns > 0 && taken < wanted) {
            uint32_t now = MIN_OF(wanted - taken, model->trim_batch - taken % model->trim_batch);
            look_at_regions(model, pages_to_look_at(model, now), pass, &turns, &look);
            taken += take_lowest(model, now, pass, &look);
        }
    }
}

/* ---- write ---- */

static bool write_needed(const struct model *model)
{
    uint32_t modified = model->queues.count[MODIFIED], target = target_frames(model);
    return modified > 0 && (model->waiters > 0 || available(model) < target / 2 ||
                            modified > model->queues.frames / 4 ||
                            (available(model) < target && modified >= model->write_batch));
}

static void write_round(struct model *model)
{
    for (uint32_t i = 0; i < model->write_batch && model->queues.count[MODIFIED] > 0; i++) {
        uint32_t page = queue_take(&model->queues, MODIFIED);
        model->queues.flags[page] &= (uint8_t)~PAGE_DIRTY;
        model->queues.verdict.written++;
        queue_move(&model->queues, page, STANDBY);
    }
}

/* ---- a reference ---- */

static void balance(struct model *model)
{
    if (trim_needed(model)) {
        trim_round(model);
    }
    while (write_needed(model)) {
        write_round(model);
    }
}

static void frame_take(struct model *model)
{
    if (available(model) == 0) {
        model->waiters = 1;
        balance(model);
        model->waiters = 0;
    }
    if (model->free > 0) {
        model->free--;
    } else {
        page_evict(&model->queues, queue_take(&model->queues, STANDBY)); /* clean */
    }
}

static void model_refer(struct queues *queues, uint32_t page, bool write)
{
    struct model *model = (struct model *)queues;
    unsigned queue = queues->of[page];
    enum policy_birth birth = POLICY_RESCUE;
    if (queue == ACTIVE) {
        page_touch(queues, page, write);
        queues->flags[page] |= PAGE_BIT;
        return;
    }
    if (queue == QUEUE_NONE) {
        birth = queues->flags[page] & PAGE_SEEN ? POLICY_HARD : POLICY_DEMAND_ZERO;
        frame_take(model);
        page_load(queues, page, write);
    } else {
        queues->verdict.soft++;
        page_touch(queues, page, write);
    }
    queue_move(queues, page, ACTIVE);
    model->resident[page / model->region_ptes]++;
    model->registers[page] = model->policy->birth(birth);
    queues->flags[page] |= PAGE_BIT;
    balance(model);
}

/* ---- put together ---- */

/* In a sample everything is smaller. */
static uint32_t scaled(uint32_t count, const struct judge_setup *setup)
{
    return setup->share > 0 ? (uint32_t)MAX_OF(count * setup->share, 1) : count;
}

/* As manager_options.c and memman.c choose. */
static void model_configure(struct model *model, const struct references *references,
                            const struct judge_setup *setup)
{
    uint32_t of_machine = setup->unaccessed ? 25 : 20, of_policy = model->policy->standby_percent;
    model->free = setup->frames;
    model->unaccessed = setup->unaccessed;
    model->region_ptes = scaled(REGION_PTES, setup);
    model->regions = references->pages / model->region_ptes + 1;
    model->trim_batch = MAX_OF(1, MIN_OF(scaled(BATCH_MAX, setup), setup->frames / 16));
    model->write_batch = scaled(WRITE_BATCH, setup);
    model->look_max = scaled(LOOK_MAX, setup);
    model->standby_percent = setup->standby_percent > 0 ? setup->standby_percent
                             : of_policy > 0            ? of_policy
                                                        : of_machine;
}

bool judge_engine(const char *name, const struct references *references,
                  const struct judge_setup *setup, struct verdict *ret_verdict)
{
    struct model model = {.policy = policy_find(name)};
    if (model.policy == NULL) {
        return false;
    }
    model_configure(&model, references, setup);
    model.registers = calloc(MAX_OF(references->pages, 1), sizeof(model.registers[0]));
    model.resident = calloc(model.regions, sizeof(model.resident[0]));
    bool whole = model.registers != NULL && model.resident != NULL &&
                 queues_run(&model.queues, references, setup, model_refer, ret_verdict);
    free(model.registers);
    free(model.resident);
    return whole;
}
